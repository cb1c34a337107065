//! One installation of the product: topics, ports and a directory of its own, a gateway simulator
//! and an application as processes that can be killed and started again.
//!
//! Dropped, it kills what it started. When its test panics, it shows the end of what its processes
//! have logged.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use connectors::gateway::simulator::ground_truth::{Charge, ChargeStatus};
use nix::sys::signal::Signal;
use processors::audit::AuditReport;
use reqwest::Method;
use schemas::TopicPrefix;
use tokio::time::timeout;
use topology::cli::audit::{AuditOptions, Progress, audit_journal};
use topology::embedded::child::{ChildSpec, RunningChild};
use topology::embedded::port;
use uuid::Uuid;

use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::gateway_admin::GatewayAdmin;
use crate::wait::eventually;
use crate::{executable, scratch};

/// How many shards: the fewest with which a record can be on the wrong one.
pub const PARTITIONS: i32 = 2;

/// From the start of the process to its readiness: topics, registry, restore.
pub const READY_BOUND: Duration = Duration::from_secs(90);
/// Until a process has ended that is to end by itself.
const END_BOUND: Duration = Duration::from_mins(1);
/// From SIGTERM to the end.
pub const STOP_BOUND: Duration = Duration::from_secs(20);

/// What a failed test shows of each log, in bytes.
const LOG_TAIL_BYTES: u64 = 12 << 10;

const APPLICATION: &str = "run";
const GATEWAY: &str = "gateway-sim";
const RIVAL: &str = "rival";

/// Times with which a gateway that fails is given up on, asked and asked again within seconds; and
/// one that fails many calls, as those of the tests do, is called nevertheless.
pub const QUICK_GATEWAY: [(&str, &str); 4] = [
    ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "500"),
    ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "1000"),
    ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
    ("HOLDFAST_GATEWAY_BREAKER_PERCENT", "100"),
];

/// The same for a load under which things are killed again and again: as in production, an
/// operation waits longer than what it needs is away. Those that wait for 1 s may expire unsent as
/// often as a payment is tried, and then it rightly fails.
pub const LENIENT_GATEWAY: [(&str, &str); 4] = [
    ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "500"),
    ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "5000"),
    ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
    ("HOLDFAST_GATEWAY_BREAKER_PERCENT", "100"),
];

/// An installation.
pub struct Installation {
    prefix: TopicPrefix,
    cluster: Cluster,
    directory: PathBuf,
    /// Which state directory the application uses, counted from 1.
    state: u32,
    environment: Vec<(String, String)>,
    api_port: u16,
    gateway_port: u16,
    gateway: Option<RunningChild>,
    application: Option<RunningChild>,
}

/// A second application on the log of an installation, as if its shards were its own.
pub struct Rival {
    child: RunningChild,
    /// Somebody who calls its API.
    pub caller: Caller,
}

/// Ports that were handed out: free now, and somebody's in a moment.
static PORTS: Mutex<Vec<u16>> = Mutex::new(Vec::new());

/// A TCP port that nobody uses, nor will in this test binary.
pub fn new_port() -> u16 {
    let mut taken = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let port = port::choose(&[], &taken).expect("a free port");
    taken.push(port);
    port
}

impl Installation {
    /// On the shared cluster, with default times: running and ready.
    pub async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    /// On the shared cluster, with these settings on top: running and ready.
    pub async fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_on(Cluster::shared(), name, environment).await
    }

    /// On this cluster, with these settings on top: running and ready.
    pub async fn start_on(cluster: Cluster, name: &str, environment: &[(&str, &str)]) -> Self {
        let mut installation = Self::prepare_on(cluster, name, environment).await;
        installation.run().await;
        installation
    }

    /// On this cluster, with these settings on top: the gateway runs, the application does not.
    pub async fn prepare_on(cluster: Cluster, name: &str, environment: &[(&str, &str)]) -> Self {
        let unique = Uuid::new_v4().simple().to_string();
        let prefix = format!("e2e-{name}-{}", &unique[..8]).parse().expect("a topic prefix");
        let mut installation = Self {
            prefix,
            cluster,
            directory: scratch::directory(name),
            state: 1,
            environment: environment.iter().map(owned).collect(),
            api_port: new_port(),
            gateway_port: new_port(),
            gateway: None,
            application: None,
        };
        installation.run_gateway().await;
        installation
    }

    /// What the names of its topics begin with.
    pub fn prefix(&self) -> &TopicPrefix {
        &self.prefix
    }

    /// Where its log is.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Where it keeps all that is its own; gone when the installation is dropped.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the application keeps its stores and views.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join(format!("state-{}", self.state))
    }

    /// From its next start on, the application has a new, empty state directory: it knows what the
    /// log says and nothing else.
    pub fn forget_state(&mut self) {
        self.state += 1;
    }

    /// From its next start on, the application has this setting, over any that it had.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push(owned(&(name, value)));
    }

    /// The base of the simulator's API.
    pub fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    /// The base of its API.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// What the application has logged since its first start.
    pub fn application_log(&self) -> String {
        fs::read_to_string(self.log_file(APPLICATION)).unwrap_or_default()
    }

    /// Somebody who tells the simulator what to do.
    pub fn gateway_admin(&self) -> GatewayAdmin {
        GatewayAdmin::new(self.gateway_url())
    }

    /// Somebody who calls its API.
    pub fn caller(&self) -> Caller {
        Caller::new(self.api_url())
    }

    /// Starts the application and waits until it is ready.
    pub async fn run(&mut self) {
        self.launch();
        self.ready().await;
    }

    /// Starts the application.
    pub fn launch(&mut self) {
        let spec = self.application(&executable::holdfast(), &[]);
        self.restart(&spec);
    }

    /// Starts the application so that it dies, or stops, where this says: docs/crash-windows.md.
    pub fn launch_armed(&mut self, failpoints: &str) {
        let spec = self.application(&executable::failpoints(), &[("FAILPOINTS", failpoints)]);
        self.restart(&spec);
    }

    fn restart(&mut self, spec: &ChildSpec) {
        // First, for it takes its records with it.
        self.application = None;
        self.application = Some(start(spec));
    }

    /// Starts a second application on the same log, with a directory and a port of its own.
    pub fn launch_rival(&self) -> Rival {
        let listen = format!("127.0.0.1:{}", new_port());
        let state = self.directory.join(RIVAL).display().to_string();
        let over = [("HOLDFAST_LISTEN", listen.as_str()), ("HOLDFAST_STATE_DIR", &state)];
        let mut spec = self.application(&executable::holdfast(), &over);
        (spec.name, spec.log_file) = (RIVAL, self.log_file(RIVAL));
        Rival { child: start(&spec), caller: Caller::new(format!("http://{listen}")) }
    }

    /// How the application is started, with these settings over all others.
    fn application(&self, program: &Path, over: &[(&str, &str)]) -> ChildSpec {
        let mut environment = self.settings();
        environment.extend(over.iter().map(owned));
        self.child(APPLICATION, program, vec!["run".to_owned()], &environment)
    }

    /// What the application is told, as variables.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut environment = vec![
            ("KAFKA_BOOTSTRAP_SERVERS".to_owned(), self.cluster.bootstrap_servers.clone()),
            ("SCHEMA_REGISTRY_URL".to_owned(), self.cluster.registry_url.clone()),
            ("HOLDFAST_TOPIC_PREFIX".to_owned(), self.prefix.to_string()),
            ("HOLDFAST_PARTITIONS".to_owned(), PARTITIONS.to_string()),
            ("HOLDFAST_STATE_DIR".to_owned(), self.state_directory().display().to_string()),
            ("HOLDFAST_LISTEN".to_owned(), format!("127.0.0.1:{}", self.api_port)),
            ("HOLDFAST_METRICS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("HOLDFAST_GATEWAY_URL".to_owned(), self.gateway_url()),
            ("HOLDFAST_GATEWAY_NAME".to_owned(), "simulator".to_owned()),
            ("HOLDFAST_PROFILE".to_owned(), "dev".to_owned()),
        ];
        environment.extend(self.environment.clone());
        environment
    }

    /// Waits until the application says that it is ready.
    pub async fn ready(&self) {
        ready(&self.caller(), || self.is_running()).await;
    }

    /// The process id of the application.
    pub fn pid(&self) -> u32 {
        self.application.as_ref().expect("it was started").identity().pid()
    }

    /// Whether the application has not ended.
    pub fn is_running(&self) -> bool {
        self.application.as_ref().is_some_and(|child| child.identity().is_alive())
    }

    /// Signals the application and does not wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        self.application.as_ref().expect("it was started").identity().signal(signal);
    }

    /// Waits until the application ends by itself; gives how it ended.
    pub async fn ended(&mut self) -> String {
        let mut child = self.application.take().expect("it was started");
        if let Ok(end) = timeout(END_BOUND, child.wait()).await {
            return end;
        }
        self.application = Some(child);
        panic!("the application still runs after {END_BOUND:?}");
    }

    /// What the application has logged since the first start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file(APPLICATION)).expect("a log of UTF-8")
    }

    /// kill -9 of the application; returns when it is gone.
    pub async fn kill(&mut self) {
        self.end(Signal::SIGKILL).await;
    }

    /// SIGTERM to the application, which must end by itself and in time; gives how it ended.
    pub async fn stop(&mut self) -> String {
        self.end(Signal::SIGTERM).await
    }

    async fn end(&mut self, signal: Signal) -> String {
        let mut child = self.application.take().expect("it was started");
        child.identity().signal(signal);
        if let Ok(end) = timeout(STOP_BOUND, child.wait()).await {
            return end;
        }
        self.application = Some(child);
        panic!("the application still runs {STOP_BOUND:?} after {signal}");
    }

    /// kill -9 of the gateway simulator; returns when it is gone.
    pub async fn kill_gateway(&mut self) {
        let mut child = self.gateway.take().expect("it was started");
        child.identity().signal(Signal::SIGKILL);
        timeout(STOP_BOUND, child.wait()).await.expect("it is gone at once");
    }

    /// Starts the gateway simulator and waits until it answers.
    pub async fn run_gateway(&mut self) {
        let arguments = [
            "gateway-sim".to_owned(),
            format!("--listen=127.0.0.1:{}", self.gateway_port),
            format!("--state-dir={}", self.directory.join(GATEWAY).display()),
        ];
        let spec = self.child(GATEWAY, &executable::holdfast(), arguments.into(), &[]);
        self.gateway = Some(start(&spec));
        self.gateway_answers().await;
    }

    /// Waits until the gateway simulator serves charges: no outage is in force.
    pub async fn gateway_answers(&self) {
        let gateway = Caller::new(self.gateway_url());
        eventually(READY_BOUND, "the gateway simulator answers", async || {
            match gateway.send(Method::GET, "/admin/outage", &[], Vec::new()).await {
                Ok(answer) if answer.body["kind"].is_null() => Ok(()),
                Ok(answer) => Err(answer.body.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    fn child(
        &self,
        name: &'static str,
        program: &Path,
        arguments: Vec<String>,
        environment: &[(String, String)],
    ) -> ChildSpec {
        ChildSpec {
            name,
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: environment
                .iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
            record_directory: self.directory.clone(),
            log_file: self.log_file(name),
            grace: STOP_BOUND,
        }
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    /// Every charge that the gateway ever decided, oldest first: what really happened.
    pub async fn charges(&self) -> Vec<Charge> {
        let answer = Caller::new(self.gateway_url()).get("/v1/ground-truth").await.expect(200);
        // One line alone is a JSON object of its own.
        let text = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
        let charge = |line: &str| serde_json::from_str(line).expect("a charge");
        text.lines().filter(|line| !line.is_empty()).map(charge).collect()
    }

    /// The charges that took money for this payment.
    pub async fn charges_of(&self, payment_id: &str) -> Vec<Charge> {
        let mut charges = self.charges().await;
        let took = |charge: &Charge| charge.status == ChargeStatus::Succeeded;
        charges.retain(|charge| charge.reference == payment_id && took(charge));
        charges
    }

    /// The independent audit of the journal against what really happened at the gateway.
    ///
    /// # Panics
    /// When it finds a violation, or cannot be made.
    pub async fn assert_clean_audit(&self) -> AuditReport {
        self.assert_clean_audit_with(&[]).await
    }

    /// The same, with more gateways than its own.
    pub async fn assert_clean_audit_with(&self, more_gateways: &[String]) -> AuditReport {
        let report = self.audit(more_gateways).await;
        let violated: Vec<_> = report.checks.iter().filter(|check| check.violations > 0).collect();
        assert!(report.is_clean(), "{violated:#?}\n{:#?}", report.totals);
        report
    }

    /// The same, whatever it finds.
    pub async fn audit(&self, more_gateways: &[String]) -> AuditReport {
        let mut gateway_urls = vec![self.gateway_url()];
        gateway_urls.extend_from_slice(more_gateways);
        let options = AuditOptions {
            bootstrap_servers: self.cluster.bootstrap_servers.clone(),
            kafka_properties: Vec::new(),
            topic_prefix: self.prefix.clone(),
            gateway_urls,
            ground_truth_files: Vec::new(),
            progress: Progress::Hidden,
        };
        let report = audit_journal(options).await.expect("the journal can be audited");
        assert!(report.totals.entries > 0 && report.totals.ground_truth.is_some(), "it looked");
        report
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.application = None;
        self.gateway = None;
        if std::thread::panicking() {
            let logs = [APPLICATION, RIVAL, GATEWAY].map(|name| self.log_file(name));
            for log in logs.iter().filter(|log| log.exists()) {
                eprintln!("--- the end of {}:\n{}", log.display(), tail(log));
            }
        } else if !scratch::is_kept() {
            // What cannot be removed now goes with the whole directory of this run.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Rival {
    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        ready(&self.caller, || self.is_running()).await;
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.child.identity().is_alive()
    }

    /// Waits until it ends by itself; gives how it ended.
    pub async fn ended(&mut self) -> String {
        let end = timeout(END_BOUND, self.child.wait()).await;
        end.unwrap_or_else(|_| panic!("the rival still runs after {END_BOUND:?}"))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.child.log_file()).expect("a log of UTF-8")
    }
}

async fn ready(caller: &Caller, is_running: impl Fn() -> bool) {
    eventually(READY_BOUND, "the application is ready", async || {
        assert!(is_running(), "the application ended before it was ready");
        match caller.send(Method::GET, "/ready", &[], Vec::new()).await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(answer.body.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}

fn owned((key, value): &(&str, &str)) -> (String, String) {
    ((*key).to_owned(), (*value).to_owned())
}

fn start(spec: &ChildSpec) -> RunningChild {
    let started = RunningChild::spawn(spec);
    started.unwrap_or_else(|error| panic!("{} does not start: {error}", spec.name))
}

fn tail(path: &Path) -> String {
    let read = || {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}
