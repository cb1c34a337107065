//! The application is killed, or asked to stop, with its hands full: nothing is lost or done twice.

use futures::future::join_all;
use reqwest::Method;
use std::time::Duration;
use tests::caller::{Numbers, new_key};
use tests::installation::{Installation, LENIENT_GATEWAY, STOP_BOUND};
use tests::wait::eventually;
use tokio::time::Instant;

use crate::load::{Load, persist};

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_under_load_loses_nothing_and_charges_nobody_twice() {
    let mut installation = Installation::start_with("kills", &LENIENT_GATEWAY).await;
    let load = Load::on(&installation).await;
    load.while_doing(async {
        // At different moments: warming up, at full speed, and while it restores.
        for more in [30, 150, 75] {
            load.accepts(more).await;
            installation.kill().await;
            installation.launch();
        }
        answers(&installation).await;
        installation.kill().await;
        installation.run().await;
        load.accepts(100).await;
        installation.kill().await;
        installation.run().await;
        load.accepts(30).await;
    })
    .await;
    load.check(&installation, &[]).await;
}

/// Waits until the application answers at all: it may be far from ready.
async fn answers(installation: &Installation) {
    let caller = installation.caller();
    eventually(STOP_BOUND, "the application answers", async || {
        caller.send(Method::GET, "/live", &[], Vec::new()).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_with_payments_in_flight_ends_cleanly_and_loses_nothing() {
    const SLOW: i64 = 4_011;
    const COUNT: i64 = 40;
    let mut installation = Installation::start("sigterm").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(COUNT * SLOW).await;
    let keys: Vec<_> = (0..COUNT).map(|_| new_key()).collect();

    // Half of the callers wait for the end, which is 1.5 s away.
    let (waiting, others) = keys.split_at(keys.len() / 2);
    let payments = futures::future::join(
        join_all(waiting.iter().map(|key| {
            let headers = [("Idempotency-Key", key.as_str()), ("Prefer", "wait=20")];
            let (caller, body) = (&caller, tests::caller::payment(&wallet, SLOW));
            async move { caller.try_post("/api/v1/payments", &body, &headers).await }
        })),
        join_all(others.iter().map(|key| caller.try_pay(&wallet, SLOW, key))),
    );
    let path = format!("/api/v1/payments?wallet_id={}&status=processing&limit=100", wallet.id);
    let stop = async {
        eventually(Duration::from_secs(20), "20 payments are in flight", async || {
            let answer = caller.get(&path).await;
            let count = answer.body["data"].as_array().map_or(0, Vec::len);
            if count >= 20 { Ok(()) } else { Err(answer) }
        })
        .await;
        let asked = Instant::now();
        assert_eq!(installation.stop().await, "exit code 0");
        asked.elapsed()
    };
    let ((waited, accepted), took) = futures::future::join(payments, stop).await;
    assert!(took < STOP_BOUND, "{took:?}");
    for answer in waited.iter().chain(&accepted).flatten() {
        // A caller is told the truth or nothing: it never hears of a failure that is none.
        assert!(matches!(answer.status, 201 | 202 | 503), "{answer:?}");
    }

    installation.run().await;
    for key in &keys {
        let answer = persist(&caller, &wallet, SLOW, key).await;
        let payment = caller.settled(answer.payment_id()).await;
        assert_eq!(payment["status"], "completed", "{payment}");
    }
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(0));
    assert_eq!(installation.charges().await.len(), keys.len());
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, keys.len() as u64);
}
