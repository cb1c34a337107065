//! Transfers: asked once, and shown with what both shards say.

use connectors::http::Profile;
use schemas::ErrorCode;
use schemas::read_model::TransferStatus;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, until};
use crate::demo;
use crate::ledger::{Reply, shards};

const TRANSFERS: &str = "/api/v1/transfers";

async fn caller() -> Caller {
    Caller::new(Profile::Dev).with_demo().await
}

async fn transfer(caller: &Caller, amount: i64, headers: &[(&str, &str)]) -> Answer {
    let body = json!({
        "from_wallet_id": demo::wallet(), "to_wallet_id": demo::other(), "amount": amount,
        "description": "Rent",
    });
    caller.post(TRANSFERS, &body, headers).await
}

#[tokio::test]
async fn a_transfer_is_held_then_completed() {
    let caller = caller().await;
    let waiting = tokio::spawn({
        let caller = caller.clone();
        let headers = [("Prefer", "wait=30"), ("Idempotency-Key", "key")];
        async move { transfer(&caller, 20, &headers).await }
    });
    until(|| caller.ledger.watchers() == 1).await;
    let held = transfer(&caller, 20, &[("Idempotency-Key", "key")]).await;
    assert_eq!((held.status.as_u16(), held.text("status")), (202, "held"));
    assert_eq!(held.header("idempotent-replayed"), Some("true"));
    let id = held.text("id").to_owned();
    let location = format!("{TRANSFERS}/{id}");
    assert_eq!(held.header("location"), Some(location.as_str()));

    let holds = caller.get(&format!("/api/v1/wallets/{}/holds?limit=1", demo::wallet()), &[]).await;
    let shown = &holds.body["data"][0];
    assert_eq!((&shown["transfer_id"], &shown["amount"]), (&json!(id), &json!(20)));
    assert_eq!(shown["waits_for"], json!({ "what": "receiver", "until": null }));
    assert!(shown.get("payment_id").is_none());

    caller.ledger.complete_transfer(id.parse().unwrap());
    let done = waiting.await.unwrap();
    let expected = json!({
        "id": id, "object": "transfer", "from_wallet_id": demo::wallet(),
        "to_wallet_id": demo::other(), "amount": 20, "currency": "USD", "description": "Rent",
        "status": "completed", "failure": null, "balance_after": null,
        "credited_at": done.body["credited_at"], "correlation_id": done.text("correlation_id"),
        "created_at": held.body["created_at"], "updated_at": done.body["updated_at"],
    });
    assert_eq!((done.status.as_u16(), &done.body), (201, &expected));
    assert!(done.body["credited_at"].is_string());
    // One position for each shard that spoke.
    let positions: Vec<_> = done.header("holdfast-position").unwrap().split(',').collect();
    let is_one_shard = demo::wallet().shard(shards()) == demo::other().shard(shards());
    assert_eq!(positions.len(), if is_one_shard { 1 } else { 2 });
    let found = caller.get(&location, &[]).await;
    assert_eq!((found.status.as_u16(), &found.body), (200, &expected));
    assert_eq!(found.header("holdfast-position"), done.header("holdfast-position"));
}

#[tokio::test]
async fn a_repeated_transfer_is_the_same_transfer() {
    for (reply, status) in [
        (Reply::Transfer(TransferStatus::Held), 202),
        (Reply::Fail(ErrorCode::InsufficientFunds, None), 402),
        (Reply::Fail(ErrorCode::WalletFrozen, None), 423),
        (Reply::Fail(ErrorCode::WalletNotFound, None), 404),
    ] {
        let caller = caller().await;
        let before = caller.ledger.appended().len();
        caller.ledger.reply(reply.clone());
        let key = [("Idempotency-Key", "key")];
        let first = transfer(&caller, 20, &key).await;
        let again = transfer(&caller, 20, &key).await;
        assert_eq!(caller.ledger.appended().len(), before + 1, "{reply:?}");
        for answer in [&first, &again] {
            assert_eq!(answer.status, status, "{answer:?}");
            if let Reply::Fail(code, _) = &reply {
                answer.assert_refused(*code);
                let path = format!("{TRANSFERS}/{}", answer.text("transfer_id"));
                assert_eq!(caller.get(&path, &[]).await.text("status"), "failed");
            }
        }
        transfer(&caller, 21, &key).await.assert_refused(ErrorCode::IdempotencyKeyReused);
    }
}

#[tokio::test]
async fn currencies_that_differ_begin_nothing() {
    let caller = caller().await;
    let euros = json!({ "user_id": "other", "currency": "EUR" });
    let euros = caller.post("/api/v1/wallets", &euros, &[]).await;
    let before = caller.ledger.appended().len();
    let body = json!({
        "from_wallet_id": demo::wallet(), "to_wallet_id": euros.text("id"), "amount": 1,
    });
    caller.post(TRANSFERS, &body, &[]).await.assert_refused(ErrorCode::CurrencyMismatch);
    assert_eq!(caller.ledger.appended().len(), before);
}

#[tokio::test]
async fn a_transfer_that_nobody_decided_is_accepted_and_waited_for() {
    let caller = caller().await;
    caller.ledger.reply(Reply::Silence);
    let headers = [("Prefer", "wait=0"), ("Idempotency-Key", "key")];
    let answer = transfer(&caller, 20, &headers).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "accepted"));
    assert_eq!(answer.body["created_at"], Value::Null);
    let location = answer.header("location").unwrap().to_owned();
    let looking = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(&location, &[]).await }
    });
    until(|| caller.ledger.watchers() == 1).await;
    caller.ledger.decide(&Reply::Transfer(TransferStatus::Held));
    assert_eq!(looking.await.unwrap().text("status"), "held");
}
