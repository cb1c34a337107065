//! The supervisor itself: starts everything in order, waits for a signal, stops in reverse.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Client;
use tokio::net::TcpStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::ready::{Build, Ready};
use super::terminal::{LogFollower, Style, say, styled};
use super::{DevArguments, banner, demo};
use crate::embedded::child::ChildSpec;
use crate::embedded::lock::LockedDirectory;
use crate::embedded::process::ProcessRecord;
use crate::embedded::supervision::Supervised;
use crate::embedded::{Embedded, EmbeddedOptions, port};

/// Stems of the children's files, in the order in which they stop.
pub const CHILDREN: [&str; 2] = [APPLICATION, SIMULATOR];
const APPLICATION: &str = "run";
const SIMULATOR: &str = "gateway-sim";

/// The application drains requests and closes its stores.
const GRACE: Duration = Duration::from_secs(20);
const SIMULATOR_BOUND: Duration = Duration::from_secs(20);
/// The application restores its stores from the log before it is ready.
const APPLICATION_BOUND: Duration = Duration::from_mins(3);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Where the output of a child or of the supervisor goes.
pub fn log_file(state_directory: &Path, name: &str) -> PathBuf {
    state_directory.join("logs").join(format!("{name}.log"))
}

/// Runs until SIGINT, SIGTERM or SIGHUP.
pub async fn run(arguments: DevArguments) -> anyhow::Result<()> {
    if arguments.background {
        // Already a session leader means that there is no terminal to leave.
        let _ = nix::unistd::setsid();
    }
    let mut signals = Signals::listen()?;
    let directory = LockedDirectory::acquire(&arguments.state_dir)?;
    let state = directory.path().to_owned();
    Ready::withdraw(&state);
    std::fs::create_dir_all(state.join("logs")).context("cannot create the log directory")?;
    let started = tokio::select! {
        started = System::start(&arguments, &state) => Some(started?),
        () = signals.received() => None,
    };
    let Some(system) = started else {
        say("Interrupted before everything was ready; stopped.");
        return Ok(());
    };
    system.ready.publish().context("cannot write ready.json")?;
    if arguments.background {
        signals.received().await;
    } else {
        say(&banner::render(&system.ready));
        say(&styled(Style::Faint, "Ctrl-C stops everything. The application's log:"));
        tokio::select! {
            () = follow(&state) => {}
            () = signals.received() => {}
        }
    }
    Ready::withdraw(&state);
    system.stop().await;
    drop(directory);
    Ok(())
}

/// The signals that ask for a clean stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Everything that runs. Dropped half-way, each part kills its own children.
struct System {
    application: Supervised,
    simulator: Supervised,
    embedded: Option<Embedded>,
    ready: Ready,
}

impl System {
    async fn start(arguments: &DevArguments, state: &Path) -> anyhow::Result<Self> {
        let build = Build::of_this_process().context("cannot find the running executable")?;
        for name in CHILDREN {
            if let Some(pid) = ProcessRecord::new(state, name).stop_orphan(GRACE).await {
                say(&format!("Stopped the {name} of an earlier run (pid {pid})."));
            }
        }
        let log = Log::obtain(arguments, state).await?;
        let port = choose_port("HTTP API", arguments.port)?;
        let secret = arguments.notifications.then(|| notification_secret(state)).transpose()?;
        let told = secret.as_deref().map(|secret| (port, secret));
        let (gateway_url, simulator) = start_simulator(arguments, state, &build, told).await?;
        let metrics_port = choose_port("server of the metrics", arguments.metrics_port)?;
        let ready = Ready {
            pid: process::id(),
            build,
            api_url: format!("http://127.0.0.1:{port}"),
            metrics_url: format!("http://127.0.0.1:{metrics_port}/metrics"),
            gateway_url,
            bootstrap_servers: log.bootstrap_servers,
            registry_url: log.registry_url,
            state_directory: state.to_owned(),
        };
        let ports = [port, metrics_port];
        let application = start_application(&ready, ports, secret.as_deref()).await?;
        demo::open(&ready.api_url).await.context("cannot open the demo wallets")?;
        Ok(Self { application, simulator, embedded: log.embedded, ready })
    }

    async fn stop(self) {
        say("Stopping the application ...");
        self.application.stop().await;
        say("Stopping the gateway simulator ...");
        self.simulator.stop().await;
        if let Some(embedded) = self.embedded {
            say("Stopping the schema registry and the broker ...");
            embedded.stop().await;
        }
        say("Stopped; wallets and payments are kept.");
    }
}

/// The Kafka cluster and registry in use.
struct Log {
    bootstrap_servers: String,
    registry_url: String,
    embedded: Option<Embedded>,
}

impl Log {
    async fn obtain(arguments: &DevArguments, state: &Path) -> anyhow::Result<Self> {
        // A line like `KAFKA_BOOTSTRAP_SERVERS=` of an .env file means: none.
        let set = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
        let kafka = set(&arguments.kafka_bootstrap_servers);
        match (kafka, set(&arguments.schema_registry_url)) {
            (Some(bootstrap_servers), Some(registry_url)) => {
                say(&format!("Using the Kafka cluster at {bootstrap_servers}."));
                Ok(Self { bootstrap_servers, registry_url, embedded: None })
            }
            (None, None) => Self::embed(state).await,
            _ => bail!(
                "set both KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL to use a cluster, \
                 or neither to use the embedded broker"
            ),
        }
    }

    async fn embed(state: &Path) -> anyhow::Result<Self> {
        say("Starting Apache Kafka and the schema registry ...");
        let directory = state.join("embedded");
        let options = EmbeddedOptions { narrate: say, ..EmbeddedOptions::new(directory) };
        let embedded = Embedded::start(options).await?;
        let registry_url = embedded.registry_url().context("the registry was left out")?;
        Ok(Self {
            bootstrap_servers: embedded.bootstrap_servers().to_owned(),
            registry_url: registry_url.to_owned(),
            embedded: Some(embedded),
        })
    }
}

async fn start_simulator(
    arguments: &DevArguments,
    state: &Path,
    build: &Build,
    told: Option<(u16, &Path)>,
) -> anyhow::Result<(String, Supervised)> {
    let address =
        format!("127.0.0.1:{}", choose_port("gateway simulator", arguments.gateway_port)?);
    let mut arguments: Vec<OsString> = vec![
        "gateway-sim".into(),
        "--listen".into(),
        address.clone().into(),
        "--state-dir".into(),
        state.join(SIMULATOR).into(),
    ];
    if let Some((port, secret)) = told {
        let url = format!("http://127.0.0.1:{port}/api/v1/gateways/simulator/notifications");
        let secret = format!("file:{}", secret.display());
        arguments.extend(["--notify-url", &url, "--notify-secret", &secret].map(Into::into));
    }
    let spec = ChildSpec {
        name: SIMULATOR,
        program: build.executable.clone(),
        arguments,
        environment: Vec::new(),
        record_directory: state.to_owned(),
        log_file: log_file(state, SIMULATOR),
        grace: GRACE,
    };
    say("Starting the gateway simulator ...");
    let listens = async || TcpStream::connect(&address).await.is_ok();
    let simulator = Supervised::start(spec, SIMULATOR_BOUND, listens).await?;
    Ok((format!("http://{address}"), simulator))
}

async fn start_application(
    ready: &Ready,
    [port, metrics_port]: [u16; 2],
    secret: Option<&Path>,
) -> anyhow::Result<Supervised> {
    let state = &ready.state_directory;
    let secret = secret.map(|path| format!("file:{}", path.display()));
    let secret = secret.map(|place| ("HOLDFAST_GATEWAY_WEBHOOK_SECRET".into(), place.into()));
    let spec = ChildSpec {
        name: APPLICATION,
        program: ready.build.executable.clone(),
        arguments: vec!["run".into()],
        environment: vec![
            ("KAFKA_BOOTSTRAP_SERVERS".into(), ready.bootstrap_servers.clone().into()),
            ("SCHEMA_REGISTRY_URL".into(), ready.registry_url.clone().into()),
            ("HOLDFAST_STATE_DIR".into(), state.join(APPLICATION).into()),
            ("HOLDFAST_LISTEN".into(), format!("127.0.0.1:{port}").into()),
            ("HOLDFAST_METRICS_LISTEN".into(), format!("127.0.0.1:{metrics_port}").into()),
            ("HOLDFAST_GATEWAY_URL".into(), ready.gateway_url.clone().into()),
            ("HOLDFAST_PROFILE".into(), "dev".into()),
            // All in one, whatever an .env file says of the processes of an installation.
            ("HOLDFAST_ROLES".into(), "api,ledger,gateway".into()),
            ("HOLDFAST_SHARDS".into(), "all".into()),
        ]
        .into_iter()
        .chain(secret)
        .collect(),
        record_directory: state.clone(),
        log_file: log_file(state, APPLICATION),
        grace: GRACE,
    };
    say("Starting the application ...");
    let client = Client::builder().no_proxy().timeout(PROBE_TIMEOUT).build()?;
    let url = format!("{}/ready", ready.api_url);
    let is_ready =
        async || client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
    Ok(Supervised::start(spec, APPLICATION_BOUND, is_ready).await?)
}

/// What the simulator signs its notifications with: random, and kept for the next start.
fn notification_secret(state: &Path) -> anyhow::Result<PathBuf> {
    let path = state.join("notification-secret");
    if !path.exists() {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .context("cannot write the secret of the notifications")?;
        let secret = uuid::Uuid::new_v4().simple().to_string();
        file.write_all(secret.as_bytes()).context("cannot write the secret")?;
    }
    Ok(path)
}

fn choose_port(what: &str, preferred: u16) -> anyhow::Result<u16> {
    let port = port::choose(&[preferred], &[]).context("there is no free TCP port on 127.0.0.1")?;
    if preferred != 0 && port != preferred {
        say(&format!("Port {preferred} is taken: the {what} uses {port}."));
    }
    Ok(port)
}

/// Prints what the children say from now on; never returns.
async fn follow(state: &Path) {
    let mut followers = CHILDREN.map(|name| (name, LogFollower::from_end(log_file(state, name))));
    loop {
        for (name, follower) in &mut followers {
            for line in follower.new_lines() {
                say(&format!("{} {line}", styled(Style::Faint, &format!("{name:<11} |"))));
            }
        }
        sleep(FOLLOW_INTERVAL).await;
    }
}
