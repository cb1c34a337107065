//! Keeps a child running: one that ends unasked is started again with the same arguments.
//!
//! The first restart comes at once (a `kill -9` is healed within a second), later ones back off,
//! and a child that stayed up for a while has its record wiped clean. Knows nothing of what the
//! child does; whether it is *ready* is for the caller to ask.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::child::{ChildSpec, RunningChild};
use super::process::ProcessIdentity;

const FIRST_RESTART_AFTER: Duration = Duration::from_millis(200);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);
/// A child that ran for so long has recovered: its next end is a new story.
const STABLE_AFTER: Duration = Duration::from_secs(10);

const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Why a child could not be brought to the point where it is ready.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program cannot be run.
    #[error("{name} cannot be started: {source}")]
    Spawn {
        /// Which child.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{name} ended before it was ready ({end}); the end of {}:\n{tail}", log_file.display())]
    Ended {
        /// Which child.
        name: &'static str,
        /// Its exit code or signal.
        end: String,
        /// Its log file.
        log_file: PathBuf,
        /// The last lines of that, indented.
        tail: String,
    },
    /// It runs and does not become ready.
    #[error("{name} is not ready after {seconds} s; the end of {}:\n{tail}", log_file.display())]
    NotReady {
        /// Which child.
        name: &'static str,
        /// How long was waited.
        seconds: u64,
        /// Its log file.
        log_file: PathBuf,
        /// The last lines of that, indented.
        tail: String,
    },
}

/// A child that is started again whenever it ends, until it is stopped. Dropping it kills the
/// child at once.
#[derive(Debug)]
pub struct Supervised {
    current: watch::Receiver<Option<ProcessIdentity>>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Supervised {
    /// Starts a child, and supervises it once `is_ready` says so. One that ends before is not
    /// started again: that would only hide why.
    ///
    /// # Errors
    /// [`StartError`]; the child is gone then.
    pub async fn start(
        spec: ChildSpec,
        bound: Duration,
        is_ready: impl AsyncFn() -> bool,
    ) -> Result<Self, StartError> {
        let name = spec.name;
        let spawned = RunningChild::spawn(&spec);
        let mut child = spawned.map_err(|source| StartError::Spawn { name, source })?;
        let ready = async {
            while !is_ready().await {
                sleep(PROBE_INTERVAL).await;
            }
        };
        let ended = tokio::select! {
            end = child.wait() => Some(end),
            outcome = timeout(bound, ready) => match outcome {
                Ok(()) => return Ok(Self::adopt(child, spec)),
                Err(_) => None,
            },
        };
        let (log_file, tail) = (spec.log_file, child.log_tail());
        Err(match ended {
            Some(end) => StartError::Ended { name, end, log_file, tail },
            None => StartError::NotReady { name, seconds: bound.as_secs(), log_file, tail },
        })
    }

    /// Supervises a child that runs already.
    pub fn adopt(child: RunningChild, spec: ChildSpec) -> Self {
        let (announce, current) = watch::channel(Some(child.identity()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(supervise(child, spec, announce, stopped));
        Self { current, stop: Some(stop), task: Some(task) }
    }

    /// The process id; `None` between an end and the restart.
    pub fn pid(&self) -> Option<u32> {
        self.current.borrow().map(ProcessIdentity::pid)
    }

    /// Waits until the child has another process id than this one, and gives that.
    /// `None` when supervision has ended.
    pub async fn replaced(&self, pid: u32) -> Option<u32> {
        let mut current = self.current.clone();
        let is_another =
            |now: &Option<ProcessIdentity>| now.is_some_and(|identity| identity.pid() != pid);
        let found = current.wait_for(is_another).await.ok()?;
        found.map(ProcessIdentity::pid)
    }

    /// Stops the child and its supervision; returns when both are gone.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A task that has already ended has nothing left to stop.
            let _ = stop.send(());
        }
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // The task's own drop may come late when the runtime is going down.
            if let Some(identity) = *self.current.borrow() {
                identity.signal_group(Signal::SIGKILL);
            }
        }
    }
}

async fn supervise(
    mut child: RunningChild,
    spec: ChildSpec,
    announce: watch::Sender<Option<ProcessIdentity>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut back_off = FIRST_RESTART_AFTER;
    loop {
        let started = Instant::now();
        let end = tokio::select! {
            _ = &mut stopped => return child.stop().await,
            end = child.wait() => end,
        };
        announce.send_replace(None);
        if started.elapsed() >= STABLE_AFTER {
            back_off = FIRST_RESTART_AFTER;
        }
        tracing::warn!(child = spec.name, end, "A child ended unasked; starting it again.");
        child = loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(back_off) => {}
            }
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
            match RunningChild::spawn(&spec) {
                Ok(child) => break child,
                Err(error) => tracing::error!(child = spec.name, %error, "It does not start."),
            }
        };
        tracing::info!(child = spec.name, pid = child.identity().pid(), "The child runs again.");
        announce.send_replace(Some(child.identity()));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn sleeper(directory: &Path) -> ChildSpec {
        ChildSpec {
            name: "sleeper",
            program: "sleep".into(),
            arguments: vec!["600".into()],
            environment: Vec::new(),
            record_directory: directory.to_owned(),
            log_file: directory.join("sleeper.log"),
            grace: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn a_killed_child_comes_back_and_a_stopped_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let spec = sleeper(directory.path());
        let child = RunningChild::spawn(&spec).unwrap();
        let first = child.identity();
        let supervised = Supervised::adopt(child, spec.clone());
        first.signal_group(Signal::SIGKILL);
        let bound = Duration::from_secs(5);
        let second = timeout(bound, supervised.replaced(first.pid())).await;
        let second = second.expect("it comes back").expect("supervision goes on");
        let second = ProcessIdentity::of(second).unwrap();
        assert_eq!(spec.record().running(), Some(second));
        supervised.stop().await;
        assert!(!second.is_alive());
        assert_eq!(spec.record().running(), None);
    }

    #[tokio::test]
    async fn a_dropped_supervision_leaves_no_child() {
        let directory = tempfile::tempdir().unwrap();
        let spec = sleeper(directory.path());
        let child = RunningChild::spawn(&spec).unwrap();
        let identity = child.identity();
        drop(Supervised::adopt(child, spec));
        assert!(identity.is_gone_within(Duration::from_secs(5)).await);
    }
}
