//! Withdrawals, and reversals of both kinds of facts.

use connectors::http::Profile;
use schemas::ErrorCode;
use serde_json::json;

use crate::caller::Caller;
use crate::demo;
use crate::ledger::now;

#[tokio::test]
async fn a_withdrawal_is_recorded_once() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let path = format!("/api/v1/wallets/{}/withdrawals", demo::wallet());
    let key = [("Idempotency-Key", "key")];
    let first = caller.post(&path, &json!({ "amount": 500 }), &key).await;
    let id = first.text("id").to_owned();
    let expected = json!({
        "id": id, "object": "withdrawal", "wallet_id": demo::wallet(), "amount": 500,
        "currency": "USD", "rail": "manual", "reference": id, "status": "recorded",
        "balance_after": -500, "correlation_id": "", "created_at": now(2).to_string(),
        "reversed_at": null,
    });
    assert_eq!((first.status.as_u16(), &first.body), (201, &expected));
    let again = caller.post(&path, &json!({ "amount": 500 }), &key).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &expected));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(caller.ledger.appended().len(), 2, "the wallet and one withdrawal");
    let other = caller.post(&path, &json!({ "amount": 501 }), &key).await;
    other.assert_refused(ErrorCode::IdempotencyKeyReused);
}

#[tokio::test]
async fn a_fact_is_reversed_once() {
    let caller = Caller::new(Profile::Production).with_demo().await;
    for (path, object) in [
        (format!("/api/v1/deposits/{}/reverse", demo::deposit()), "deposit"),
        (format!("/api/v1/withdrawals/{}/reverse", demo::withdrawal()), "withdrawal"),
    ] {
        let before = caller.ledger.appended().len();
        let first = caller.post(&path, &json!({}), &[]).await;
        assert_eq!((first.status.as_u16(), first.text("object")), (201, object));
        assert_eq!(first.text("status"), "reversed");
        assert!(first.body["reversed_at"].is_string());
        assert_eq!(first.header("idempotent-replayed"), None);
        let again = caller.post(&path, &json!({}), &[]).await;
        assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("holdfast-position"), first.header("holdfast-position"));
        assert_eq!(caller.ledger.appended().len(), before + 1);
    }
}
