//! Wallets and deposits.

use connectors::http::Profile;
use schemas::ErrorCode;
use serde_json::{Value, json};

use crate::caller::{Caller, USER};
use crate::ledger::{Reply, now};

const WALLETS: &str = "/api/v1/wallets";

#[tokio::test]
async fn a_wallet_opens_once() {
    let caller = Caller::new(Profile::Production);
    let body = json!({ "user_id": USER, "currency": "USD", "label": "savings" });
    let opened = caller.post(WALLETS, &body, &[]).await;
    assert_eq!(opened.status, 201);
    let id = opened.text("id").to_owned();
    let expected = json!({
        "id": id, "object": "wallet", "user_id": USER, "currency": "USD", "label": "savings",
        "status": "active",
        "balance": { "posted": 0, "pending_debits": 0, "pending_credits": 0, "available": 0 },
        "limits": { "per_payment": null, "per_day": null, "in_flight": null },
        "version": 0, "created_at": now(1).to_string(), "updated_at": now(1).to_string(),
    });
    assert_eq!(opened.body, expected);
    assert_eq!(opened.header("location"), Some(format!("{WALLETS}/{id}").as_str()));
    assert!(opened.header("holdfast-position").is_some());

    let again = caller.post(WALLETS, &body, &[]).await;
    assert_eq!((again.status.as_u16(), again.body), (200, expected.clone()));
    assert_eq!(caller.ledger.appended().len(), 1);

    for path in [format!("{WALLETS}/{id}"), format!("{WALLETS}/{USER}/USD?label=savings")] {
        let found = caller.get(&path, &[]).await;
        assert_eq!((found.status.as_u16(), &found.body), (200, &expected), "{path}");
        assert_eq!(found.header("holdfast-position"), opened.header("holdfast-position"));
    }
    let other = caller.get(&format!("{WALLETS}/{USER}/USD"), &[]).await;
    other.assert_refused(ErrorCode::WalletNotFound);
}

#[tokio::test]
async fn a_wallet_that_nobody_decided_is_accepted() {
    let caller = Caller::impatient();
    caller.ledger.reply(Reply::Silence);
    let body = json!({ "user_id": USER, "currency": "JPY" });
    let answer = caller.post(WALLETS, &body, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "accepted"));
    assert_eq!(answer.body["created_at"], Value::Null);
    caller.ledger.decide(&Reply::Pay(schemas::read_model::PaymentStatus::Accepted));
    assert_eq!(caller.get(answer.header("location").unwrap(), &[]).await.status, 200);
}

#[tokio::test]
async fn a_deposit_is_recorded_once() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let wallet = caller.get(&format!("{WALLETS}/{USER}/USD"), &[]).await.text("id").to_owned();
    let path = format!("{WALLETS}/{wallet}/deposits");
    let key = [("Idempotency-Key", "deposit-1")];
    let first = caller.post(&path, &json!({ "amount": 500 }), &key).await;
    let id = first.text("id").to_owned();
    let expected = json!({
        "id": id, "object": "deposit", "wallet_id": wallet, "amount": 500, "currency": "USD",
        "rail": "manual", "reference": id, "status": "recorded", "balance_after": 500,
        "correlation_id": "", "created_at": now(2).to_string(), "reversed_at": null,
    });
    assert_eq!((first.status.as_u16(), &first.body), (201, &expected));
    assert_eq!(first.header("location"), Some(format!("{WALLETS}/{wallet}/transactions").as_str()));

    let again = caller.post(&path, &json!({ "amount": 500 }), &key).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &expected));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = caller.post(&path, &json!({ "amount": 501 }), &key).await;
    other.assert_refused(ErrorCode::IdempotencyKeyReused);
    assert_eq!(caller.ledger.appended().len(), 2, "the wallet and one deposit");

    let found = caller.get(&format!("{WALLETS}/{wallet}"), &[]).await;
    assert_eq!(found.body["balance"]["available"], 500);
    caller.ledger.reply(Reply::Refuse(ErrorCode::ReferenceAlreadyRecorded));
    let taken = json!({ "amount": 500, "rail": "sepa", "reference": "E2E-1" });
    caller.post(&path, &taken, &[]).await.assert_refused(ErrorCode::ReferenceAlreadyRecorded);
}

#[tokio::test]
async fn a_deposit_that_nobody_decided_is_accepted() {
    let caller = Caller::impatient().with_wallet().await;
    let wallet = caller.get(&format!("{WALLETS}/{USER}/USD"), &[]).await.text("id").to_owned();
    caller.ledger.reply(Reply::Silence);
    let body = json!({ "amount": 500, "rail": "sepa", "reference": "E2E-1" });
    let answer = caller.post(&format!("{WALLETS}/{wallet}/deposits"), &body, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "accepted"));
    assert_eq!(answer.text("reference"), "E2E-1");
    assert!(answer.header("location").is_some() && answer.header("idempotency-key").is_some());
}

#[tokio::test]
async fn production_asks_for_rail_and_reference() {
    let caller = Caller::new(Profile::Production).with_wallet().await;
    let wallet = caller.get(&format!("{WALLETS}/{USER}/USD"), &[]).await.text("id").to_owned();
    let path = format!("{WALLETS}/{wallet}/deposits");
    let full = json!({ "amount": 1, "rail": "sepa", "reference": "E2E-1" });
    let keyless = caller.post(&path, &full, &[]).await;
    keyless.assert_refused(ErrorCode::IdempotencyKeyRequired);
    for missing in ["rail", "reference"] {
        let mut body = full.clone();
        body.as_object_mut().unwrap().remove(missing);
        let answer = caller.post(&path, &body, &[("Idempotency-Key", "key")]).await;
        answer.assert_refused(ErrorCode::InvalidRequest);
        assert_eq!(answer.text("param"), missing);
    }
    let answer = caller.post(&path, &full, &[("Idempotency-Key", "key")]).await;
    assert_eq!(answer.status, 201);
}
