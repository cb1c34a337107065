//! Cancelling, and what a person decides about payments and refunds in review.

use connectors::http::Profile;
use connectors::ports::Request;
use schemas::ErrorCode;
use schemas::inputs::{OperationBody, ResolvedOutcome};
use schemas::read_model::{PaymentStatus, RefundStatus};
use serde_json::json;

use crate::caller::{Caller, until};
use crate::demo;
use crate::ledger::Reply;

fn cancel() -> String {
    format!("/api/v1/payments/{}/cancel", demo::payment())
}

async fn caller() -> Caller {
    Caller::new(Profile::Dev).with_demo().await
}

#[tokio::test]
async fn a_payment_that_nothing_was_sent_for_is_cancelled_at_once() {
    let caller = caller().await;
    let request = axum::http::Request::post(cancel()).body(axum::body::Body::empty());
    let answer = caller.send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (201, "cancelled"));
    assert_eq!(answer.body["cancel_requested"], true);
    let again = caller.post(&cancel(), &json!({}), &[]).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, Some("true")));
}

#[tokio::test]
async fn a_cancel_that_waits_tells_how_it_ended() {
    for (end, status) in [
        (PaymentStatus::Cancelled, 201),
        (PaymentStatus::NeedsReview, 202),
        (PaymentStatus::Completed, 409),
        (PaymentStatus::Failed, 409),
    ] {
        let caller = caller().await;
        caller.ledger.reply(Reply::Pay(PaymentStatus::InDoubt));
        let now = caller.post(&cancel(), &json!({}), &[]).await;
        assert_eq!((now.status.as_u16(), now.text("status")), (202, "in_doubt"));
        assert_eq!(now.body["cancel_requested"], true);
        let waiting = tokio::spawn({
            let caller = caller.clone();
            async move { caller.post(&cancel(), &json!({}), &[("Prefer", "wait=30")]).await }
        });
        until(|| caller.ledger.watchers() == 1).await;
        caller.ledger.settle(demo::payment(), end);
        let answer = waiting.await.unwrap();
        if status == 409 {
            answer.assert_refused(ErrorCode::PaymentNotCancellable);
            assert_eq!(answer.text("payment_id"), demo::payment().to_string());
        } else {
            assert_eq!((answer.status.as_u16(), answer.text("status")), (status, end.as_str()));
            assert_eq!(answer.header("preference-applied"), Some("wait=30"));
        }
    }
}

#[tokio::test]
async fn a_person_resolves_a_payment_in_his_own_name() {
    let caller = caller().await;
    caller.ledger.settle(demo::payment(), PaymentStatus::NeedsReview);
    let list = caller.get("/api/v1/payments?status=needs_review", &[]).await;
    assert_eq!(list.body["data"][0]["id"], json!(demo::payment()));
    let body = json!({
        "outcome": "succeeded", "evidence": "Their statement of 3 May\nhas it.", "amount": 90,
        "gateway_reference": "ch_1", "actor": "ada@bank",
    });
    let path = format!("/api/v1/payments/{}/resolve", demo::payment());
    let answer = caller.post(&path, &body, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "completed"));
    assert_eq!(answer.body["captured_amount"], 90);
    assert!(answer.header("holdfast-position").is_some());
    let location = format!("/api/v1/payments/{}", demo::payment());
    assert_eq!(answer.header("location"), Some(location.as_str()));

    let Some(Request::Operation(operation)) = caller.ledger.appended().pop() else { panic!() };
    assert_eq!(operation.envelope.actor, "ada@bank");
    let OperationBody::ResolvePayment(resolution) = operation.body else { panic!("not that") };
    assert_eq!(resolution.outcome, ResolvedOutcome::Succeeded);
    assert_eq!((resolution.amount, resolution.gateway_reference.as_str()), (Some(90), "ch_1"));
    let evidence = resolution.evidence.unwrap();
    assert_eq!(evidence.read_plaintext(), Some("Their statement of 3 May\nhas it."));
}

#[tokio::test]
async fn a_person_resolves_a_refund() {
    let caller = caller().await;
    caller.ledger.settle_refund(demo::refund(), RefundStatus::NeedsReview);
    let body = json!({ "outcome": "failed", "evidence": "They said so.", "actor": "ada" });
    let path = format!("/api/v1/refunds/{}/resolve", demo::refund());
    let answer = caller.post(&path, &body, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "failed"));
    let location = format!("/api/v1/refunds/{}", demo::refund());
    assert_eq!(answer.header("location"), Some(location.as_str()));
}
