//! More than can be done: what is refused is refused at once and by name, what was accepted is
//! done, whoever only looks is answered, and memory stays bounded.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use schemas::Timestamp;
use schemas::inputs::CommandBody;
use serde_json::json;
use tests::caller::{Answer, Caller, Numbers, Wallet, new_key, payment};
use tests::installation::Installation;
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

use crate::bad_records::{Shards, command};

const DEPOSIT: i64 = 1_000_000_000;
/// Callers at a time: several times what the door of the first test lets in.
const CALLERS: usize = 160;
/// How long something is tried until the load shows what it is to show.
const SHED_BOUND: Duration = Duration::from_mins(1);
/// What the process may grow by under any load with the limits of the first test: the write
/// buffers of its stores and views, which fill once.
const GROWTH_BOUND_BYTES: u64 = 512 << 20;

fn resident_bytes(installation: &Installation) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", installation.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().unwrap();
    kib << 10
}

/// What callers of one kind were told, by code; empty for those who were let in.
type Told = BTreeMap<String, u64>;

/// Pays on and on from this wallet, with no pause and no patience, until it is over.
async fn press(caller: &Caller, wallet: &Wallet, is_over: &AtomicBool) -> (Told, Vec<String>) {
    let (mut told, mut accepted) = (Told::new(), Vec::new());
    while !is_over.load(Ordering::Relaxed) {
        let answer = caller.try_pay(wallet, 100, &new_key()).await.expect("answered");
        *told.entry(answer.code().to_owned()).or_default() += 1;
        match answer.status {
            202 => accepted.push(answer.payment_id().to_owned()),
            429 | 503 => check_shed(&answer),
            _ => panic!("{answer:?}"),
        }
    }
    (told, accepted)
}

fn check_shed(answer: &Answer) {
    assert!(matches!(answer.code(), "too_many_in_flight" | "overloaded"), "{answer:?}");
    let seconds: u64 = answer.header("retry-after").expect("it says when").parse().unwrap();
    assert!((1..=30).contains(&seconds), "{answer:?}");
    assert_eq!(answer.body["retryable"], true, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_callers_are_told_so_and_the_rest_is_served() {
    let narrow = [("HOLDFAST_IN_FLIGHT_LIMIT", "64"), ("HOLDFAST_WALLET_IN_FLIGHT_LIMIT", "8")];
    let installation = Installation::start_with("overload", &narrow).await;
    let caller = installation.caller();
    let mut wallets = vec![caller.wallet_with(DEPOSIT).await];
    for _ in 0..12 {
        wallets.push(caller.wallet_with(DEPOSIT).await);
    }
    let hot = wallets[0].clone();
    let known = caller.pay(&hot, 100, &new_key()).await.expect(201);
    let (is_over, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = resident_bytes(&installation);

    let pressing = join_all((0..CALLERS).map(|number| {
        // Half of them press on one wallet.
        let wallet = if number % 2 == 0 { &hot } else { &wallets[1 + number / 2 % 12] };
        press(&caller, wallet, &is_over)
    }));
    let watching = async {
        // Each look may meet a full door; it is let in all the same, again and again.
        while looks.load(Ordering::Relaxed) < 200 {
            let path = format!("/api/v1/payments/{}", known.payment_id());
            eventually(SHED_BOUND, "a look is answered", async || {
                let answer = caller.get(&path).await;
                if answer.status == 200 { Ok(()) } else { Err(answer) }
            })
            .await;
            looks.fetch_add(1, Ordering::Relaxed);
            let after = resident_bytes(&installation);
            assert!(after < before + GROWTH_BOUND_BYTES, "{before} grew to {after} bytes");
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (pressed, ()) = futures::future::join(pressing, watching).await;

    let (mut told, mut accepted) = (Told::new(), Vec::new());
    for (codes, ids) in pressed {
        for (code, count) in codes {
            *told.entry(code).or_default() += count;
        }
        accepted.extend(ids);
    }
    println!("told: {told:?}, accepted: {}", accepted.len());
    assert!(told.contains_key("too_many_in_flight"), "{told:?}");
    assert!(accepted.len() > 100, "the rest is served: {told:?}");
    for id in &accepted {
        assert_eq!(caller.settled(id).await["status"], "completed");
    }
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, accepted.len() as u64 + 1, "and nothing else");
    assert_eq!(report.totals.open_holds, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_the_topic_sheds_new_requests_and_nothing_else() {
    let impatient = [("HOLDFAST_DECISION_TIMEOUT_MS", "300")];
    let installation = Installation::start_with("flood", &impatient).await;
    let caller = installation.caller();
    // Decided at once, with nothing held: what floods is the log.
    let (empty, funded) = (caller.wallet_with(0).await, caller.wallet_with(DEPOSIT).await);
    let key = new_key();
    let known = caller.pay(&funded, 100, &key).await.expect(201);
    let producer = Producer::of(&installation);
    let is_over = AtomicBool::new(false);
    let flooding = async {
        let shard = Shards::of(&empty).right;
        while !is_over.load(Ordering::Relaxed) {
            join_all((0..4_000).map(async |_| {
                let command = command(&empty, 100, "flood");
                producer.send(&RawRecord::well_formed(shard, &empty.id, &command)).await
            }))
            .await;
        }
    };
    let asking = async {
        let shed = eventually(SHED_BOUND, "a new request is shed", async || {
            let answer = caller.try_pay(&empty, 100, &new_key()).await.expect("answered");
            if answer.code() == "overloaded" { Ok(answer) } else { Err(answer) }
        })
        .await;
        check_shed(&shed);
        // What is known is told all the same, by key and by id.
        let replay = caller.pay(&funded, 100, &key).await.expect(201);
        assert!(replay.is_replayed() && replay.payment_id() == known.payment_id());
        caller.get(&format!("/api/v1/payments/{}", known.payment_id())).await.expect(200);
        is_over.store(true, Ordering::Relaxed);
    };
    futures::future::join(flooding, asking).await;

    let paid = eventually(SHED_BOUND, "the flood has drained", async || {
        let answer = caller.pay(&funded, 200, &new_key()).await;
        if answer.status == 201 { Ok(answer) } else { Err(answer) }
    })
    .await;
    assert_eq!(caller.settled(paid.payment_id()).await["status"], "completed");
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.open_holds, 0);
}

/// Whoever asked has been told long ago to ask again: no money is held for him now.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_handled_too_late_fails_and_holds_nothing() {
    let installation = Installation::start("too-late").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;
    let producer = Producer::of(&installation);
    let mut late = command(&wallet, 1_000, "too late");
    late.envelope.deadline = Some(Timestamp::from_millis(1));
    let CommandBody::Pay(body) = &late.body else { panic!("not a payment") };
    let record = RawRecord::well_formed(Shards::of(&wallet).right, &wallet.id, &late);
    producer.send(&record).await;
    let shown = caller.settled(&body.payment_id).await;
    assert_eq!(shown["status"], "failed", "{shown}");
    assert_eq!(shown["failure"]["code"], "deadline_exceeded", "{shown}");
    // The same request with the same key is the same failure, over HTTP, too.
    let key = late.envelope.idempotency_key.as_str();
    let mut same = payment(&wallet, 1_000);
    same["description"] = json!("too late");
    let again = caller.post("/api/v1/payments", &same, &[("Idempotency-Key", key)]).await;
    let again = again.expect_refusal(422, "deadline_exceeded");
    assert_eq!(again.payment_id(), body.payment_id);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(5_000));
    installation.assert_clean_audit().await;
}
