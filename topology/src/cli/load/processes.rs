//! What a run costs: processor time and memory of every process that takes part.
//!
//! The processes are those that were named, those that `holdfast dev` recorded, and those that
//! listen where the target is. A process that nobody names is not counted, and the report shows
//! which were.

use std::collections::BTreeSet;
use std::path::Path;

use procfs::net::TcpState;
use procfs::process::{FDTarget, Process};
use serde::Serialize;

use crate::embedded::process::ProcessRecord;

/// The generator itself.
const SELF_NAME: &str = "load";

/// A process that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Participant {
    name: String,
    pid: i32,
}

/// What the processes have used up to one moment, in the order of the participants.
#[derive(Debug, Clone)]
pub(super) struct Usage(Vec<Option<Used>>);

#[derive(Debug, Clone, Copy)]
struct Used {
    cpu_ticks: u64,
    rss_bytes: u64,
}

/// What one process cost between two moments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Cost {
    /// Which.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// Processor time, user and system, seconds.
    pub cpu_seconds: f64,
    /// The same for each payment that ended, microseconds.
    pub us_per_payment: f64,
    /// Memory at the end, MiB.
    pub rss_mib: f64,
}

/// `name=PID`, as on the command line.
pub(super) fn named(text: &str) -> Result<(String, i32), String> {
    let (name, pid) = text.split_once('=').ok_or("a process reads name=PID")?;
    let pid = pid.parse().map_err(|_| format!("{pid:?} is no process id"))?;
    Ok((name.to_owned(), pid))
}

/// The processes of a run: this one, those named, those recorded in the state directory, and those
/// that listen on these ports of this machine.
pub(super) fn participants(
    names: &[(String, i32)],
    state_directory: &Path,
    ports: &[(&str, u16)],
) -> Vec<Participant> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |name: &str, pid: i32| {
        if known.insert(pid) {
            found.push(Participant { name: name.to_owned(), pid });
        }
    };
    for (name, pid) in names {
        add(name, *pid);
    }
    for directory in [state_directory.to_owned(), state_directory.join("embedded")] {
        for (name, identity) in ProcessRecord::all_running(&directory) {
            add(&name, i32::try_from(identity.pid()).unwrap_or(0));
        }
    }
    for (name, port) in ports {
        if let Some(pid) = listener(*port) {
            add(name, pid);
        }
    }
    add(SELF_NAME, i32::try_from(std::process::id()).unwrap_or(0));
    found
}

/// The process that listens on this TCP port, if we may know.
fn listener(port: u16) -> Option<i32> {
    let sockets = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let inodes: BTreeSet<u64> = sockets
        .filter(|socket| socket.state == TcpState::Listen && socket.local_address.port() == port)
        .map(|socket| socket.inode)
        .collect();
    let listens = |process: &Process| {
        let mut targets = process.fd().into_iter().flatten().flatten();
        targets
            .any(|open| matches!(open.target, FDTarget::Socket(inode) if inodes.contains(&inode)))
    };
    let mut processes = procfs::process::all_processes().ok()?.flatten();
    processes.find(listens).map(|process| process.pid())
}

impl Usage {
    /// What the processes have used up to now.
    pub(super) fn of(participants: &[Participant]) -> Self {
        Self(participants.iter().map(|participant| used(participant.pid)).collect())
    }

    /// What was used since an earlier moment, for so many payments. Processes that came or went in
    /// between are left out.
    pub(super) fn since(
        &self,
        earlier: &Self,
        participants: &[Participant],
        payments: u64,
    ) -> Vec<Cost> {
        let pairs = participants.iter().zip(self.0.iter().zip(&earlier.0));
        pairs
            .filter_map(|(participant, (now, before))| {
                let (now, before) = (now.as_ref()?, before.as_ref()?);
                let ticks = now.cpu_ticks.checked_sub(before.cpu_ticks)?;
                let cpu_seconds = as_float(ticks) / as_float(procfs::ticks_per_second());
                Some(Cost {
                    name: participant.name.clone(),
                    pid: participant.pid,
                    cpu_seconds,
                    us_per_payment: cpu_seconds * 1e6 / as_float(payments.max(1)),
                    rss_mib: as_float(now.rss_bytes) / as_float(1 << 20),
                })
            })
            .collect()
    }
}

fn used(pid: i32) -> Option<Used> {
    let stat = Process::new(pid).ok()?.stat().ok()?;
    Some(Used { cpu_ticks: stat.utime + stat.stime, rss_bytes: stat.rss * procfs::page_size() })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port_and_nobody_is_counted_twice() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        let own = i32::try_from(std::process::id()).expect("a process id");
        assert_eq!(listener(port), Some(own));
        let directory = tempfile::tempdir().expect("a directory");
        let names = [("first".to_owned(), own)];
        let found = participants(&names, directory.path(), &[("second", port)]);
        assert_eq!(found, [Participant { name: "first".to_owned(), pid: own }]);
        let usage = Usage::of(&found);
        let cost = usage.since(&usage, &found, 10);
        assert_eq!((cost.len(), cost[0].pid), (1, own));
        assert!(cost[0].cpu_seconds.abs() < f64::EPSILON && cost[0].rss_mib > 1.0);
    }

    #[test]
    fn a_process_is_named_with_its_id() {
        assert_eq!(named("broker=12"), Ok(("broker".to_owned(), 12)));
        for bad in ["broker", "broker=", "broker=x"] {
            assert!(named(bad).is_err(), "{bad}");
        }
    }
}
