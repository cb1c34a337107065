//! A process is stopped (SIGSTOP) with a Kafka transaction open, for longer than the broker lets
//! one be open, and wakes up: what it had begun is gone, and nothing of it is ever seen.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::wait::eventually;

use crate::load::Load;

/// The broker ends a Kafka transaction after 10 s, and looks every second.
const ABORT_BOUND: Duration = Duration::from_secs(40);
/// Stops at the commit after some, with every entry in the log and none of them committed.
const STOPS: &str = "before_commit=14*off->1*return(stop)->off";

async fn start(name: &str) -> Installation {
    let mut installation = Installation::prepare_on(Cluster::shared(), name, &QUICK_GATEWAY).await;
    installation.launch_armed(STOPS);
    installation.ready().await;
    installation
}

/// Waits until the process has stopped with a Kafka transaction open.
async fn stopped(installation: &Installation) {
    eventually(ABORT_BOUND, "the process has stopped", async || {
        let line = "crash window before_commit: SIGSTOP";
        if installation.log().contains(line) { Ok(()) } else { Err(()) }
    })
    .await;
    assert!(!journal::is_stable(installation).await, "entries are in the log, uncommitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_past_its_time_out_begins_again() {
    let installation = start("pause").await;
    let (load, process) = (Load::brisk(&installation).await, installation.pid());
    load.while_doing(async {
        stopped(&installation).await;
        eventually(ABORT_BOUND, "the broker has ended the Kafka transaction", async || {
            if journal::is_stable(&installation).await { Ok(()) } else { Err(()) }
        })
        .await;
        installation.signal(Signal::SIGCONT);
        load.accepts(30).await;
    })
    .await;
    assert!(installation.is_running() && installation.pid() == process, "the same process");
    assert!(installation.log().contains("A shard is taken over again."), "it noticed");
    load.check(&installation, &[]).await;
}
