//! A process is stopped (SIGSTOP) with a Kafka transaction open, for longer than the broker lets
//! one be open, and wakes up: what it had begun is gone, and nothing of it is ever seen.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY, Rival};
use tests::journal;
use tests::wait::eventually;

use crate::load::{Load, persist};

/// The broker ends a Kafka transaction after 10 s, and looks every second.
const ABORT_BOUND: Duration = Duration::from_secs(40);
/// From the return of a zombie to the end of one of the two.
const FENCE_BOUND: Duration = Duration::from_mins(1);
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

/// Either of the two may be the one that ends: they fence each other until one of them has had
/// enough, or the older one finds the claim of the newer before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_writes_nothing_and_one_of_two_rivals_ends_with_a_named_error() {
    let mut installation = start("zombie").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000_000).await;
    let mut keys = Keys { wallet, all: Vec::new() };
    // Some of these never come back: their process is stopped.
    let first: Vec<_> = (0..40).map(|_| keys.next()).collect();
    let hanging = {
        let (caller, wallet) = (caller.clone(), keys.wallet.clone());
        tokio::spawn(async move {
            for key in first {
                // No answer is an answer here: the key is repeated later.
                let _ = caller.try_pay(&wallet, 100, &key).await;
            }
        })
    };
    stopped(&installation).await;
    let mut rival = installation.launch_rival();
    rival.ready().await;
    // What it did the zombie knows nothing of.
    for _ in 0..10 {
        let key = keys.next();
        persist(&rival.caller, &keys.wallet, 100, &key).await;
    }

    installation.signal(Signal::SIGCONT);
    let callers = [caller.clone(), rival.caller.clone()];
    eventually(FENCE_BOUND, "one of the two ends", async || {
        for caller in &callers {
            let key = keys.next();
            // Whoever has ended answers nothing; the key is repeated later.
            let _ = caller.try_pay(&keys.wallet, 100, &key).await;
        }
        let seen = [installation.is_running(), rival.is_running()];
        if seen == [true, true] { Err(seen) } else { Ok(()) }
    })
    .await;
    hanging.await.expect("it gives up by itself");
    let survivor = survivor(&mut installation, &mut rival).await;
    all_are_completed(&survivor, &keys).await;
    drop(rival);
    if installation.is_running() {
        assert_eq!(installation.stop().await, "exit code 0", "{}", installation.log());
    }
    installation.run().await;
    all_are_completed(&caller, &keys).await;
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, keys.all.len() as u64);
    assert_eq!(report.totals.open_holds, 0);
}

/// The keys of all payments that were ever asked for.
struct Keys {
    wallet: Wallet,
    all: Vec<String>,
}

impl Keys {
    fn next(&mut self) -> String {
        self.all.push(new_key());
        self.all[self.all.len() - 1].clone()
    }
}

/// Who is left; the other one has said why it ended.
async fn survivor(installation: &mut Installation, rival: &mut Rival) -> Caller {
    let (caller, end, log) = if rival.is_running() {
        (rival.caller.clone(), installation.ended().await, installation.log())
    } else {
        (installation.caller(), rival.ended().await, rival.log())
    };
    assert_eq!(end, "exit code 1", "{log}");
    let named = ["another process runs the same shards", "another process with the role gateway"];
    assert!(named.iter().any(|text| log.contains(text)), "{log}");
    caller
}

/// Whatever became of its first try, each key is one completed payment.
async fn all_are_completed(caller: &Caller, keys: &Keys) {
    for key in &keys.all {
        let answer = persist(caller, &keys.wallet, 100, key).await;
        let payment = caller.settled(answer.payment_id()).await;
        assert_eq!(payment["status"], "completed", "{payment}");
    }
    let numbers = caller.numbers(&keys.wallet).await;
    let paid = 100 * i64::try_from(keys.all.len()).expect("few");
    assert_eq!(numbers, Numbers::settled(10_000_000 - paid));
}
