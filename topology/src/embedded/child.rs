//! One child process: its files, its end, and the promise that it does not outlive us for long.
//!
//! A child leads a process group of its own, so a Ctrl-C on the terminal reaches only us and we
//! stop children in the stated order. It writes to a log file, not to a pipe: it never blocks on
//! us, nor dies of a broken pipe. Beside it runs a *guard*, a shell that waits for the end of its
//! standard input: when we die, however we die, the kernel closes that pipe and the guard stops
//! the child. What even that misses is found by its record at the next start.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::log_file;
use super::process::{ProcessIdentity, ProcessRecord};

/// `$1` is the process group: ask it to stop, give it ten seconds, kill it.
const GUARD: &str = "read -r _; kill -s TERM -- \"-$1\" || exit 0; i=0; \
    while [ $i -lt 100 ] && kill -s 0 -- \"-$1\"; do sleep 0.1; i=$((i+1)); done; \
    kill -s KILL -- \"-$1\"";

/// How to start a child, as often as needed.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// What it is called in messages; also the stem of its record's files.
    pub name: &'static str,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Set in addition to our own environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where `<name>.pid` and `<name>.process` are kept.
    pub record_directory: PathBuf,
    /// Where its output goes.
    pub log_file: PathBuf,
    /// How long it may take to stop before it is killed.
    pub grace: Duration,
}

impl ChildSpec {
    /// Where its process id is recorded.
    pub fn record(&self) -> ProcessRecord {
        ProcessRecord::new(&self.record_directory, self.name)
    }
}

/// A started child. Dropping it kills the child's process group.
#[derive(Debug)]
pub struct RunningChild {
    child: Child,
    guard: Child,
    identity: ProcessIdentity,
    record: ProcessRecord,
    grace: Duration,
    log_file: PathBuf,
    log_start: u64,
    ended: bool,
}

impl RunningChild {
    /// Starts the child, its record and its guard. Needs a Tokio runtime.
    ///
    /// # Errors
    /// What the operating system says; nothing is left running then.
    pub fn spawn(spec: &ChildSpec) -> io::Result<Self> {
        let log = log_file::open(&spec.log_file)?;
        let log_start = log.metadata()?.len();
        let mut child = Command::new(&spec.program)
            .args(&spec.arguments)
            .envs(spec.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            // Only until the value below exists, which kills the whole group.
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the child has no process id"))?;
        let Some(identity) = ProcessIdentity::of(pid) else {
            return Err(io::Error::other(match child.try_wait()? {
                Some(status) => format!("{} ended at once: {}", spec.name, describe(status)),
                None => format!("{} cannot be seen in /proc", spec.name),
            }));
        };
        let record = spec.record();
        record.write(identity)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(pid.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let log_file = spec.log_file.clone();
        let grace = spec.grace;
        Ok(Self { child, guard, identity, record, grace, log_file, log_start, ended: false })
    }

    /// Who it is.
    pub fn identity(&self) -> ProcessIdentity {
        self.identity
    }

    /// Waits until it ends by itself; cancel safe.
    pub async fn wait(&mut self) -> String {
        let outcome = self.child.wait().await;
        self.clear();
        outcome.map_or_else(|error| error.to_string(), describe)
    }

    /// SIGTERM, then SIGKILL after its grace; returns when it is gone.
    pub async fn stop(mut self) {
        self.identity.signal_group(Signal::SIGTERM);
        if timeout(self.grace, self.child.wait()).await.is_err() {
            tracing::warn!(pid = self.identity.pid(), "A child ignores SIGTERM; killing it.");
            self.identity.signal_group(Signal::SIGKILL);
            // The kernel ends it whatever it does; the wait only reaps.
            let _ = self.child.wait().await;
        }
        self.clear();
    }

    /// The last lines that this start of it wrote.
    pub fn log_tail(&self) -> String {
        log_file::tail(&self.log_file, self.log_start)
    }

    /// Where it writes.
    pub fn log_file(&self) -> &PathBuf {
        &self.log_file
    }

    fn clear(&mut self) {
        self.ended = true;
        // Before its input is closed: the group it watches is no more.
        let _ = self.guard.start_kill();
        self.record.remove();
    }
}

impl Drop for RunningChild {
    fn drop(&mut self) {
        if !self.ended {
            self.identity.signal_group(Signal::SIGKILL);
            self.clear();
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => Signal::try_from(signal)
            .map_or_else(|_| format!("signal {signal}"), |known| known.to_string()),
        (None, None) => status.to_string(),
    }
}
