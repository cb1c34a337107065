//! SIGTERM at random moments of a start: the process ends in order, and the next one goes on.
//!
//! Whatever it was doing (creating topics, taking shards over, restoring, catching up, running), it
//! ends by itself, in time, with exit code 0.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use schemas::Timestamp;
use tests::caller::new_key;
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::random::Random;
use tests::wait::past;
use tokio::time::Instant;

use crate::load::persist;

/// How many starts end so.
const ROUNDS: u64 = 12;
/// How many of them begin without any state, so that there is much to restore.
const EMPTY_EVERY: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_at_any_moment_of_a_start_ends_it_in_order() {
    let mut random = Random::seeded();
    let cluster = Cluster::shared();
    let mut installation = Installation::prepare_on(cluster, "sigterm", &QUICK_GATEWAY).await;
    let mut start = Duration::from_secs(1);
    // The first ones create the topics, if they get so far.
    for round in 0..2 {
        ended_after(random.below(millis(start)), &mut installation).await;
        println!("{round} without topics");
    }
    installation.run().await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000_000).await;
    for _ in 0..50 {
        persist(&caller, &wallet, 100, &new_key()).await;
    }
    assert_eq!(installation.stop().await, "exit code 0", "{}", installation.log());
    let begun = Instant::now();
    installation.run().await;
    start = begun.elapsed();
    assert_eq!(installation.stop().await, "exit code 0", "{}", installation.log());

    for round in 0..ROUNDS {
        if round % EMPTY_EVERY == 0 {
            installation.forget_state();
        }
        // Some of them when it is ready already.
        ended_after(random.below(millis(start * 5 / 4)), &mut installation).await;
    }
    installation.run().await;
    persist(&caller, &wallet, 100, &new_key()).await;
    assert_eq!(caller.numbers(&wallet).await.posted, 1_000_000 - 51 * 100);
    installation.assert_clean_audit().await;
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}

/// Starts it, and asks it to stop after so many milliseconds.
async fn ended_after(moment: u64, installation: &mut Installation) {
    let before = installation.application_log().len();
    installation.launch();
    past(now().plus(Duration::from_millis(moment))).await;
    let can_hear = can_hear(installation.pid(), Signal::SIGTERM);
    let end = installation.stop().await;
    println!("SIGTERM after {moment} ms: {end}");
    let log = installation.log().split_off(before);
    // Before the process can hear it, the kernel does what it asks for; nothing has begun then.
    let is_early = !can_hear && end == "SIGTERM" && !log.contains("Stopping");
    assert!(is_early || end == "exit code 0", "after {moment} ms: {end}\n{log}");
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("it is past 1970");
    Timestamp::from_millis(i64::try_from(since.as_millis()).expect("not yet"))
}

/// Whether the process has a handler for this signal.
fn can_hear(pid: u32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (signal as u64 - 1)) != 0)
}
