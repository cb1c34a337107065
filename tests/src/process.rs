//! One of several processes of an installation: `holdfast run` with roles, a port and a state
//! directory of its own.
//!
//! Dropped, it is killed. When its test panics, it shows the end of what it has logged.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use tokio::time::timeout;
use topology::embedded::child::{ChildSpec, RunningChild};

use crate::caller::Caller;
use crate::executable;
use crate::installation::{Installation, READY_BOUND, STOP_BOUND, new_port};
use crate::wait::eventually;

/// A ledger whose shard was taken over has noticed within this: an idle one looks every 5 s.
pub const FENCE_NOTICED: Duration = Duration::from_secs(8);
/// Until a process has ended that is to end by itself.
const END_BOUND: Duration = Duration::from_secs(90);
/// What a failed test shows of a log, in lines.
const LOG_TAIL_LINES: usize = 60;

/// A process that can be killed and started again.
pub struct Process {
    spec: ChildSpec,
    listen: String,
    child: Option<RunningChild>,
}

impl Process {
    /// A process of this installation with these settings on top; nothing runs yet.
    pub fn of(installation: &Installation, name: &'static str, settings: &[(&str, &str)]) -> Self {
        let listen = format!("127.0.0.1:{}", new_port());
        let directory = installation.directory();
        let state = directory.join(name).display().to_string();
        let own = [("HOLDFAST_LISTEN", listen.as_str()), ("HOLDFAST_STATE_DIR", &state)];
        let mut environment = installation.settings();
        let on_top = own.iter().chain(settings);
        environment.extend(on_top.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let environment = environment.into_iter();
        let spec = ChildSpec {
            name,
            program: executable::holdfast(),
            arguments: vec!["run".into()],
            environment: environment.map(|(key, value)| (key.into(), value.into())).collect(),
            record_directory: directory.to_owned(),
            log_file: directory.join(format!("{name}.log")),
            grace: STOP_BOUND,
        };
        Self { spec, listen, child: None }
    }

    /// Where it listens.
    pub fn listen(&self) -> &str {
        &self.listen
    }

    /// Where it keeps its state.
    pub fn state_directory(&self) -> PathBuf {
        self.spec.record_directory.join(self.spec.name)
    }

    /// Somebody who calls it.
    pub fn caller(&self) -> Caller {
        Caller::new(format!("http://{}", self.listen))
    }

    /// Starts it.
    pub fn launch(&mut self) {
        // First, for it takes its records with it.
        self.child = None;
        let name = self.spec.name;
        let child = RunningChild::spawn(&self.spec);
        self.child = Some(child.unwrap_or_else(|error| panic!("{name} does not start: {error}")));
    }

    /// Starts it and waits until it is ready.
    pub async fn run(&mut self) {
        self.launch();
        self.ready().await;
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        let (caller, name) = (self.caller(), self.spec.name);
        eventually(READY_BOUND, &format!("{name} is ready"), async || {
            assert!(self.is_running(), "{name} ended before it was ready");
            match caller.send(Method::GET, "/ready", &[], Vec::new()).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.body.to_string()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.identity().is_alive())
    }

    /// Signals it and does not wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        self.child.as_ref().expect("it was started").identity().signal(signal);
    }

    /// kill -9; returns when it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended_within(STOP_BOUND).await;
    }

    /// SIGTERM, after which it must end by itself and in time; gives how it ended.
    pub async fn stop(&mut self) -> String {
        self.signal(Signal::SIGTERM);
        self.ended_within(STOP_BOUND).await
    }

    /// Waits until it ends by itself; gives how it ended.
    pub async fn ended(&mut self) -> String {
        self.ended_within(END_BOUND).await
    }

    async fn ended_within(&mut self, bound: Duration) -> String {
        let child = self.child.as_mut().expect("it was started");
        let end = timeout(bound, child.wait()).await;
        let end = end.unwrap_or_else(|_| panic!("{} runs after {bound:?}", self.spec.name));
        self.child = None;
        end
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.spec.log_file).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            eprintln!("--- the end of {}:\n{}", self.spec.log_file.display(), tail.join("\n"));
        }
    }
}
