//! Refunds: asked once, whatever happens, and shown as they stand.

use connectors::http::Profile;
use connectors::ports::Request;
use schemas::ErrorCode;
use schemas::inputs::CommandBody;
use schemas::read_model::RefundStatus;
use serde_json::{Value, json};

use crate::caller::{Caller, until};
use crate::demo;
use crate::ledger::{Reply, now};

fn refunds() -> String {
    format!("/api/v1/payments/{}/refunds", demo::payment())
}

async fn caller() -> Caller {
    Caller::new(Profile::Dev).with_demo().await
}

#[tokio::test]
async fn a_refund_under_way_is_answered_from_the_view() {
    let caller = caller().await;
    let before = caller.ledger.appended().len();
    let headers = [("Idempotency-Key", "key"), ("X-Correlation-Id", "order-1")];
    let body = json!({ "amount": 30, "reason": "Broken" });
    let answer = caller.post(&refunds(), &body, &headers).await;
    let id = answer.text("id").to_owned();
    let at = now(i64::try_from(before + 1).unwrap()).to_string();
    let expected = json!({
        "id": id, "object": "refund", "payment_id": demo::payment(), "wallet_id": demo::wallet(),
        "amount": 30, "currency": "USD", "reason": "Broken", "cause": "asked",
        "destination": "wallet", "status": "processing", "failure": null, "gateway": "simulator",
        "gateway_reference": null, "refunded_amount": 0, "discrepancies": [],
        "balance_after": null, "correlation_id": "order-1", "created_at": at, "updated_at": at,
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (202, &expected));
    assert_eq!(answer.header("location"), Some(format!("/api/v1/refunds/{id}").as_str()));
    assert_eq!(answer.header("idempotency-key"), Some("key"));
    let found = caller.get(answer.header("location").unwrap(), &[]).await;
    assert_eq!((found.status.as_u16(), &found.body), (200, &expected));
    assert_eq!(found.header("holdfast-position"), answer.header("holdfast-position"));

    let list = caller.get(&refunds(), &[]).await;
    let ids: Vec<_> = list.body["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!(id), &json!(demo::refund())], "the newest first");
    let mut path = format!("{}?limit=1", refunds());
    for (id, has_more) in [(json!(id), true), (json!(demo::refund()), false)] {
        let page = caller.get(&path, &[]).await;
        assert_eq!((&page.body["data"][0]["id"], &page.body["has_more"]), (&id, &json!(has_more)));
        path = format!("{}?limit=1&cursor={}", refunds(), page.body["next_cursor"]);
        path = path.replace('"', "");
    }
}

#[tokio::test]
async fn a_repeated_refund_is_the_same_refund() {
    for (reply, status, code) in [
        (Reply::Refund(RefundStatus::Processing), 202, None),
        (Reply::Refund(RefundStatus::NeedsReview), 202, None),
        (Reply::Refund(RefundStatus::Succeeded), 201, None),
        (Reply::Fail(ErrorCode::RefundDeclined, Some("too_old")), 402, Some("refund_declined")),
    ] {
        let caller = caller().await;
        let before = caller.ledger.appended().len();
        caller.ledger.reply(reply.clone());
        let key = [("Idempotency-Key", "key")];
        let first = caller.post(&refunds(), &json!({}), &key).await;
        let again = caller.post(&refunds(), &json!({}), &key).await;
        assert_eq!(caller.ledger.appended().len(), before + 1, "{reply:?}");
        assert_eq!(first.header("idempotent-replayed"), None);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        for answer in [&first, &again] {
            assert_eq!(answer.status, status, "{answer:?}");
            assert!(answer.header("holdfast-position").is_some());
            if let Some(code) = code {
                answer.assert_refused(ErrorCode::from_code(code).unwrap());
                assert_eq!(answer.text("decline_code"), "too_old");
                let path = format!("/api/v1/refunds/{}", answer.text("refund_id"));
                assert_eq!(caller.get(&path, &[]).await.text("status"), "failed");
            }
        }
        let other = caller.post(&refunds(), &json!({ "amount": 1 }), &key).await;
        other.assert_refused(ErrorCode::IdempotencyKeyReused);
        assert!(other.body["refund_id"].is_string());
    }
}

/// A refund of all that is left needs nothing said, not even that the nothing is JSON.
#[tokio::test]
async fn a_refund_may_have_no_body() {
    let caller = caller().await;
    let request = axum::http::Request::post(refunds()).body(axum::body::Body::empty());
    let answer = caller.send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.body["amount"]), (202, &json!(100)));
    let Some(Request::Command(command)) = caller.ledger.appended().pop() else { panic!() };
    let CommandBody::Refund(refund) = command.body else { panic!("not a refund") };
    assert_eq!(refund.amount, None);
}

#[tokio::test]
async fn prefer_wait_holds_the_answer_until_the_end_or_a_review() {
    for (end, status) in [(RefundStatus::Succeeded, 201), (RefundStatus::NeedsReview, 202)] {
        let caller = caller().await;
        let waiting = tokio::spawn({
            let caller = caller.clone();
            let headers = [("Prefer", "wait=30"), ("Idempotency-Key", "key")];
            async move { caller.post(&refunds(), &json!({ "amount": 5 }), &headers).await }
        });
        until(|| caller.ledger.watchers() == 1).await;
        let list = caller.get(&refunds(), &[]).await;
        let id = list.body["data"][0]["id"].as_str().unwrap().parse().unwrap();
        caller.ledger.settle_refund(id, RefundStatus::InDoubt);
        caller.ledger.settle_refund(id, end);
        let answer = waiting.await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.text("status")), (status, end.as_str()));
        assert_eq!(answer.header("preference-applied"), Some("wait=30"));
    }
}

#[tokio::test]
async fn a_refund_that_nobody_decided_is_accepted_and_waited_for() {
    let caller = caller().await;
    caller.ledger.reply(Reply::Silence);
    let headers = [("Prefer", "wait=0"), ("Idempotency-Key", "key")];
    let answer = caller.post(&refunds(), &json!({}), &headers).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "accepted"));
    assert_eq!((&answer.body["amount"], &answer.body["gateway"]), (&Value::Null, &Value::Null));
    let location = answer.header("location").unwrap().to_owned();
    let looking = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(&location, &[]).await }
    });
    until(|| caller.ledger.watchers() == 1).await;
    caller.ledger.decide(&Reply::Refund(RefundStatus::Processing));
    assert_eq!(looking.await.unwrap().text("status"), "processing");
}
