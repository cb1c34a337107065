//! A key is one payment: however often, at the same time, after a restart, without the stores.

use std::collections::BTreeSet;
use std::fs;

use futures::future::join_all;
use serde_json::json;
use tests::caller::{Answer, Caller, Numbers, PATIENT, Wallet, new_key, payment};
use tests::installation::Installation;
use tests::stores;

const PAYMENTS: &str = "/api/v1/payments";

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_is_replayed_also_after_a_restart_and_without_the_stores() {
    let mut installation = Installation::start("retries").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let key = new_key();
    let first = caller.pay(&wallet, 2_500, &key).await.expect(201);
    assert!(!first.is_replayed());
    let refused_key = new_key();
    let refused = caller.pay(&wallet, 1_000_000, &refused_key).await;
    let refused = refused.expect_refusal(402, "insufficient_funds");
    assert!(!refused.is_replayed());
    // Funds that come later change nothing: a definite failure stays.
    caller.deposit(&wallet, 2_000_000).await.expect(201);

    for round in ["at once", "after a restart", "after the stores are gone"] {
        let again = caller.pay(&wallet, 2_500, &key).await.expect(201);
        assert!(again.is_replayed(), "{round}");
        assert_eq!(again.body, first.body, "{round}");
        let again = caller.pay(&wallet, 1_000_000, &refused_key).await;
        let again = again.expect_refusal(402, "insufficient_funds");
        assert!(again.is_replayed(), "{round}");
        assert_eq!(again.payment_id(), refused.payment_id(), "{round}");
        check_altered(&caller, &wallet, &key, &first).await;
        assert_eq!(installation.charges_of(first.payment_id()).await.len(), 1, "{round}");
        assert_eq!(caller.numbers(&wallet).await, Numbers::settled(2_007_500), "{round}");

        assert_eq!(installation.stop().await, "exit code 0");
        if round == "after a restart" {
            fs::remove_dir_all(installation.state_directory()).expect("it is there");
        }
        installation.run().await;
        assert!(!stores::stores(&installation.state_directory()).is_empty());
    }
    installation.assert_clean_audit().await;
}

/// The same key with any other body is refused, and says which payment has it.
async fn check_altered(caller: &Caller, wallet: &Wallet, key: &str, first: &Answer) {
    let alterations = [
        ("amount", json!(2_501)),
        ("description", json!("Something else")),
        ("service_id", json!("shop")),
        ("metadata", json!({"order": 7})),
    ];
    for (field, value) in alterations {
        let mut body = payment(wallet, 2_500);
        body[field] = value;
        let altered = caller.post(PAYMENTS, &body, &[("Idempotency-Key", key), PATIENT]).await;
        let altered = altered.expect_refusal(422, "idempotency_key_reused");
        assert_eq!(altered.payment_id(), first.payment_id(), "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_concurrent_posts_with_one_key_are_one_payment() {
    let installation = Installation::start("one-key").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let key = new_key();
    let answers = join_all((0..50).map(|_| caller.pay(&wallet, 1_000, &key))).await;

    let ids: BTreeSet<_> = answers.iter().map(Answer::payment_id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let firsts = answers.iter().filter(|answer| !answer.is_replayed()).count();
    assert_eq!(firsts, 1, "only one of them was the first");
    for answer in &answers {
        assert_eq!((answer.status, answer.text("status")), (201, "completed"), "{answer:?}");
    }
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(9_000));
    assert_eq!(installation.charges().await.len(), 1);
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.requested, 1);
}
