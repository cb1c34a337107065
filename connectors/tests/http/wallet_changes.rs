//! Freezing, unfreezing, closing and bounding wallets.

use connectors::http::Profile;
use connectors::ports::Request;
use schemas::inputs::OperationBody;
use serde_json::json;

use crate::caller::{Answer, Caller};
use crate::demo;
use crate::ledger::Reply;

fn path(what: &str) -> String {
    format!("/api/v1/wallets/{}/{what}", demo::wallet())
}

async fn put(caller: &Caller, body: &serde_json::Value) -> Answer {
    let request = axum::http::Request::put(path("limits"))
        .header("content-type", "application/json")
        .body(body.to_string().into());
    caller.send(request.unwrap()).await
}

#[tokio::test]
async fn a_wallet_is_frozen_unfrozen_and_closed() {
    let caller = Caller::new(Profile::Production).with_wallet().await;
    for (what, status) in [("freeze", "frozen"), ("unfreeze", "active"), ("close", "closed")] {
        let request = axum::http::Request::post(path(what)).body(axum::body::Body::empty());
        let answer = caller.send(request.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text("status")), (200, status));
        assert_eq!(answer.header("idempotent-replayed"), None);
        let again = caller.post(&path(what), &json!({}), &[]).await;
        assert_eq!((again.status.as_u16(), again.text("status")), (200, status));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let found = caller.get(&format!("/api/v1/wallets/{}", demo::wallet()), &[]).await;
        assert_eq!(found.body, again.body);
    }
}

#[tokio::test]
async fn who_changes_a_wallet_may_say_why() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    caller.post(&path("freeze"), &json!({ "reason": "Police" }), &[]).await;
    let Some(Request::Operation(operation)) = caller.ledger.appended().pop() else { panic!() };
    let OperationBody::FreezeWallet(change) = operation.body else { panic!("not a freeze") };
    assert_eq!(change.reason.unwrap().read_plaintext(), Some("Police"));
}

#[tokio::test]
async fn limits_replace_those_before() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    for (body, limits) in [
        (
            json!({ "per_payment": 500, "per_day": 1000, "in_flight": 0 }),
            json!({ "per_payment": 500, "per_day": 1000, "in_flight": 0 }),
        ),
        (
            json!({ "per_day": 9_007_199_254_740_991_i64, "per_payment": null }),
            json!({ "per_payment": null, "per_day": 9_007_199_254_740_991_i64, "in_flight": null }),
        ),
        (json!({}), json!({ "per_payment": null, "per_day": null, "in_flight": null })),
    ] {
        let answer = put(&caller, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["limits"]), (200, &limits));
        assert_eq!(answer.header("idempotent-replayed"), None);
        let again = put(&caller, &body).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
}

#[tokio::test]
async fn a_change_that_nobody_decided_is_accepted() {
    let caller = Caller::impatient().with_wallet().await;
    caller.ledger.reply(Reply::Silence);
    let answer = caller.post(&path("freeze"), &json!({}), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "active"));
    let location = answer.header("location").unwrap().to_owned();
    caller.ledger.decide(&Reply::Pay(schemas::read_model::PaymentStatus::Accepted));
    assert_eq!(caller.get(&location, &[]).await.text("status"), "frozen");
}
