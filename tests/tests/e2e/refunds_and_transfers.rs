//! Money that comes back, and money that goes to somebody else.

use serde_json::json;
use tests::caller::{Numbers, PATIENT, new_key};
use tests::installation::Installation;

const PAYMENTS: &str = "/api/v1/payments";
const TRANSFERS: &str = "/api/v1/transfers";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_refunded_in_parts_and_never_beyond() {
    let installation = Installation::start("refund").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000).await;
    let id = caller.pay(&wallet, 500, &new_key()).await.expect(201).payment_id().to_owned();
    let refunds = format!("{PAYMENTS}/{id}/refunds");
    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str()), PATIENT];
    let part = json!({"amount": 200, "reason": "Half of it was broken"});
    let first = caller.post(&refunds, &part, &headers).await.expect(201);
    assert_eq!(first.text("status"), "succeeded");
    assert_eq!(first.body["balance_after"], 700);
    let again = caller.post(&refunds, &part, &headers).await.expect(201);
    assert_eq!((again.is_replayed(), &again.body), (true, &first.body));
    let other = caller.post(&refunds, &json!({"amount": 201}), &headers).await;
    other.expect_refusal(422, "idempotency_key_reused");
    let payment = caller.get(&format!("{PAYMENTS}/{id}")).await.expect(200);
    assert_eq!(payment.text("status"), "partially_refunded");
    let beyond = caller.post(&refunds, &json!({"amount": 301}), &[]).await;
    beyond.expect_refusal(422, "refund_exceeds_captured");

    let rest = caller.post(&refunds, &json!({}), &[PATIENT]).await.expect(201);
    assert_eq!(rest.body["amount"], 300);
    let payment = caller.get(&format!("{PAYMENTS}/{id}")).await.expect(200);
    assert_eq!(
        (payment.text("status"), &payment.body["refunded_amount"]),
        ("refunded", &json!(500))
    );
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(1_000));
    let list = caller.get(&refunds).await.expect(200);
    assert_eq!(list.body["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(list.body["data"][1], first.body);
    let saga = caller.get(&format!("/api/v1/sagas/{id}")).await.expect(200);
    assert_eq!(saga.body["refunds"].as_array().map(Vec::len), Some(2));
    let statement = format!("/api/v1/wallets/{}/transactions?limit=1", wallet.id);
    let line = &caller.get(&statement).await.expect(200).body["data"][0];
    assert_eq!((&line["type"], &line["refund_id"]), (&json!("refund"), &rest.body["id"]));
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_reaches_the_other_wallet_or_comes_back() {
    let installation = Installation::start("transfer").await;
    let caller = installation.caller();
    // Enough receivers that some live on the other shard.
    let sender = caller.wallet_with(1_000).await;
    for _ in 0..4 {
        let receiver = caller.wallet_with(0).await;
        let body = json!({
            "from_wallet_id": sender.id, "to_wallet_id": receiver.id, "amount": 100,
        });
        let key = new_key();
        let headers = [("Idempotency-Key", key.as_str()), PATIENT];
        let done = caller.post(TRANSFERS, &body, &headers).await.expect(201);
        assert_eq!(done.text("status"), "completed");
        assert!(caller.post(TRANSFERS, &body, &headers).await.expect(201).is_replayed());
        let seen = caller.get(&format!("{TRANSFERS}/{}", done.text("id"))).await.expect(200);
        assert_eq!(seen.body, done.body);
        assert!(seen.body["credited_at"].is_string());
        // The positions of the answer are enough to see the money arrive.
        let position = done.header("holdfast-position").expect("positions");
        let path = format!("/api/v1/wallets/{}", receiver.id);
        let wallet = caller.get_with(&path, &[("Holdfast-Position", position)]).await.expect(200);
        assert_eq!(wallet.body["balance"]["posted"], 100);
        let lines = caller.get(&format!("{path}/transactions")).await.expect(200);
        assert_eq!(lines.body["data"][0]["type"], "transfer_in");
        assert_eq!(lines.body["data"][0]["transfer_id"], done.body["id"]);
    }
    assert_eq!(caller.numbers(&sender).await, Numbers::settled(600));

    let closed = caller.wallet_with(0).await;
    let close = format!("/api/v1/wallets/{}/close", closed.id);
    caller.post(&close, &json!({}), &[]).await.expect(200);
    let body = json!({"from_wallet_id": sender.id, "to_wallet_id": closed.id, "amount": 100});
    let refused = caller.post(TRANSFERS, &body, &[PATIENT]).await;
    let refused = refused.expect_refusal(423, "wallet_closed");
    let shown = format!("{TRANSFERS}/{}", refused.text("transfer_id"));
    assert_eq!(caller.get(&shown).await.expect(200).text("status"), "failed");
    let body = json!({"from_wallet_id": sender.id, "to_wallet_id": closed.id, "amount": 700});
    let poor = caller.post(TRANSFERS, &body, &[PATIENT]).await;
    poor.expect_refusal(402, "insufficient_funds");
    assert_eq!(caller.numbers(&sender).await, Numbers::settled(600));
    installation.assert_clean_audit().await;
}
