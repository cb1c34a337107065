//! `--detach`, `--stop`, `--status`, `--logs`: talking to a supervisor in another process.
//!
//! The lock of the state directory says whether one runs and which process it is; its note says
//! whether it is ready. Nothing else is trusted.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::foreground::{CHILDREN, log_file};
use super::ready::{Build, Ready};
use super::terminal::{LogFollower, say};
use super::{DevArguments, banner};
use crate::embedded::lock::LockedDirectory;
use crate::embedded::log_file as child_log;
use crate::embedded::process::{ProcessIdentity, ProcessRecord};

/// The stem of the supervisor's own log.
const SUPERVISOR: &str = "dev";
/// The sum of what its children may take, and then some.
const STOP_BOUND: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Starts a supervisor in the background and returns when everything is ready.
pub async fn detach(arguments: &DevArguments) -> anyhow::Result<()> {
    let state = &arguments.state_dir;
    if let Some(pid) = LockedDirectory::holder(state) {
        let build = Build::of_this_process().context("cannot find the running executable")?;
        match Ready::of(state, pid) {
            Some(ready) if ready.build == build => {
                say(&format!("holdfast is already running (pid {pid})."));
                say(&banner::render(&ready));
                return Ok(());
            }
            _ => {
                say(&format!("Process {pid} is another build, or not ready: replacing it."));
                stop(state).await?;
            }
        }
    }
    fs::create_dir_all(state.join("logs")).context("cannot create the log directory")?;
    let path = log_file(state, SUPERVISOR);
    let log = child_log::open(&path).context("cannot open the supervisor's log")?;
    let mut follower = LogFollower::from_end(path.clone());
    let passed_on = std::env::args_os().skip(1);
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .args(passed_on.map(|text| if text == "--detach" { "--background".into() } else { text }))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the supervisor")?;
    let pid = child.id().context("the supervisor has no process id")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    loop {
        tokio::select! {
            end = child.wait() => {
                follower.new_lines().iter().for_each(|line| say(line));
                bail!("holdfast did not start ({}); this is also in {}", end?, path.display());
            }
            _ = interrupt.recv() => {
                stop(state).await?;
                bail!("interrupted");
            }
            () = sleep(POLL_INTERVAL) => {}
        }
        let ready = Ready::of(state, pid);
        follower.new_lines().iter().for_each(|line| say(line));
        if let Some(ready) = ready {
            say(&banner::render(&ready));
            return Ok(());
        }
    }
}

/// Stops the supervisor and all that it runs; fine when none runs.
pub async fn stop(state: &Path) -> anyhow::Result<()> {
    let Some(pid) = LockedDirectory::holder(state) else {
        for name in CHILDREN {
            ProcessRecord::new(state, name).stop_orphan(STOP_BOUND).await;
        }
        say("holdfast is not running.");
        return Ok(());
    };
    say(&format!("Stopping holdfast (pid {pid}) ..."));
    let Some(identity) = ProcessIdentity::of(pid) else {
        return Ok(());
    };
    // The process alone: on a terminal its group may hold the one that asks.
    identity.signal(Signal::SIGTERM);
    if !identity.is_gone_within(STOP_BOUND).await {
        bail!(
            "process {pid} does not stop; see {}, or end it with: kill -9 {pid}",
            log_file(state, SUPERVISOR).display()
        );
    }
    say("Stopped; wallets and payments are kept.");
    Ok(())
}

/// Prints whether a supervisor runs, and its banner.
pub fn status(state: &Path) -> anyhow::Result<()> {
    let Some(pid) = LockedDirectory::holder(state) else {
        bail!("holdfast is not running in {}", state.display());
    };
    let Some(ready) = Ready::of(state, pid) else {
        bail!("holdfast is starting or stopping (pid {pid})");
    };
    say(&banner::render(&ready));
    Ok(())
}

/// Becomes a `tail` of every log; returns only when that cannot be had.
pub fn follow_logs(state: &Path) -> anyhow::Result<()> {
    let logs = [SUPERVISOR].into_iter().chain(CHILDREN).map(|name| log_file(state, name));
    let logs: Vec<_> = logs.filter(|path| path.exists()).collect();
    if logs.is_empty() {
        bail!("there are no logs in {}: nothing has run there yet", state.display());
    }
    let error = Command::new("tail").args(["-n", "50", "-F"]).args(logs).exec();
    Err(error).context("cannot run tail")
}
