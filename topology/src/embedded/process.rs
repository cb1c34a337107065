//! Processes that may outlive the one that started them, and how they are found again.
//!
//! A process id alone is no proof: ids are reused. A [`ProcessIdentity`] is the id together with
//! the start time the kernel gives it, and nothing is signalled before both agree. A
//! [`ProcessRecord`] keeps an identity on disk: `<name>.process` for us (id and start time) and
//! `<name>.pid` for a person (`kill -9 $(cat run.pid)`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A process that was sent SIGKILL is gone as soon as the kernel gets to it.
const KILL_BOUND: Duration = Duration::from_secs(5);

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessIdentity {
    pid: u32,
    /// Clock ticks after boot, as in `/proc/<pid>/stat`.
    start_ticks: u64,
}

impl ProcessIdentity {
    /// The process that has this id now; `None` when there is none, or it has already ended.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the command name in parentheses, and may itself hold any character.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?;
        // The start time is field 22 of the line; the iterator has gone past the third.
        let start_ticks = fields.nth(22 - 4)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, start_ticks })
    }

    /// The process that this file names, if it still runs.
    fn recorded_in(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, start_ticks) = text.trim().split_once(' ')?;
        let recorded = Self { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? };
        recorded.is_alive().then_some(recorded)
    }

    /// The process id.
    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Whether the very same process still runs (a zombie does not).
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Signals the process alone, if it still is what it was.
    pub fn signal(self, signal: Signal) {
        if let (true, Ok(pid)) = (self.is_alive(), i32::try_from(self.pid)) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Signals the process and its group, if it still is what it was. Our children lead a group.
    pub fn signal_group(self, signal: Signal) {
        if let (true, Ok(pid)) = (self.is_alive(), i32::try_from(self.pid)) {
            // It may end between the look and the signal: nothing is lost then.
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }

    /// SIGTERM, then SIGKILL once `grace` has passed; returns when the process is gone.
    pub async fn stop(self, grace: Duration) {
        self.signal_group(Signal::SIGTERM);
        if self.is_gone_within(grace).await {
            return;
        }
        self.signal_group(Signal::SIGKILL);
        self.is_gone_within(KILL_BOUND).await;
    }

    /// Waits until the process is gone, at most this long; says whether it is.
    pub async fn is_gone_within(self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(POLL_INTERVAL).await;
        }
        true
    }
}

/// Where the identity of a child is kept.
#[derive(Clone, Debug)]
pub struct ProcessRecord {
    directory: PathBuf,
    name: &'static str,
}

impl ProcessRecord {
    /// The record of the child of this name in this directory; touches nothing.
    pub fn new(directory: &Path, name: &'static str) -> Self {
        Self { directory: directory.to_owned(), name }
    }

    /// The file that holds the process id and nothing else.
    pub fn pid_file(&self) -> PathBuf {
        self.directory.join(format!("{}.pid", self.name))
    }

    fn identity_file(&self) -> PathBuf {
        self.directory.join(format!("{}.process", self.name))
    }

    /// Writes both files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, identity: ProcessIdentity) -> io::Result<()> {
        let line = format!("{} {}\n", identity.pid, identity.start_ticks);
        fs::write(self.identity_file(), line)?;
        fs::write(self.pid_file(), format!("{}\n", identity.pid))
    }

    /// The recorded process, if it still runs.
    pub fn running(&self) -> Option<ProcessIdentity> {
        ProcessIdentity::recorded_in(&self.identity_file())
    }

    /// Every recorded process of this directory that still runs, by the name of its record.
    pub fn all_running(directory: &Path) -> Vec<(String, ProcessIdentity)> {
        let files = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut running: Vec<_> = files
            .filter_map(|file| {
                let path = file.path();
                let name = path.file_name()?.to_str()?.strip_suffix(".process")?.to_owned();
                Some((name, ProcessIdentity::recorded_in(&path)?))
            })
            .collect();
        running.sort_by(|(left, _), (right, _)| left.cmp(right));
        running
    }

    /// Removes both files; a missing one is fine.
    pub fn remove(&self) {
        let _ = fs::remove_file(self.identity_file());
        let _ = fs::remove_file(self.pid_file());
    }

    /// Stops what an earlier run left behind, and says which process that was.
    pub async fn stop_orphan(&self, grace: Duration) -> Option<u32> {
        let orphan = self.running();
        if let Some(orphan) = orphan {
            orphan.stop(grace).await;
        }
        self.remove();
        orphan.map(ProcessIdentity::pid)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap()
    }

    #[tokio::test]
    async fn an_orphan_is_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let record = ProcessRecord::new(directory.path(), "orphan");
        record.write(ProcessIdentity::of(child.id()).unwrap()).unwrap();
        let stopped = record.stop_orphan(Duration::from_secs(5)).await;
        assert_eq!(stopped, Some(child.id()));
        assert!(!child.wait().unwrap().success());
        assert!(!record.pid_file().exists());
    }

    #[tokio::test]
    async fn a_reused_process_id_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        let record = ProcessRecord::new(directory.path(), "orphan");
        let earlier = ProcessIdentity { start_ticks: identity.start_ticks - 1, ..identity };
        record.write(earlier).unwrap();
        assert_eq!(record.stop_orphan(Duration::from_secs(5)).await, None);
        assert!(identity.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn one_that_ignores_the_request_is_killed() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo; while :; do sleep 1; done"])
            .stdout(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        // The line says that the trap is set.
        let mut line = [0];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let identity = ProcessIdentity::of(child.id()).unwrap();
        identity.stop(Duration::from_millis(100)).await;
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
