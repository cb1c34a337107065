//! The log away, the process overloaded, a defect: what callers are told.

use connectors::http::{ApiOptions, Profile};
use connectors::ports::AppendError;
use schemas::ErrorCode;
use serde_json::json;

use crate::caller::{Caller, PATIENT, USER, payment, until};
use crate::ledger::Reply;

#[tokio::test]
async fn a_request_that_the_log_did_not_confirm_may_be_repeated() {
    for (error, code) in [
        (
            AppendError::Unconfirmed("broker 10.0.0.7 timed out".to_owned()),
            ErrorCode::LogUnavailable,
        ),
        (AppendError::QueueFull, ErrorCode::Overloaded),
        (AppendError::NotReady("schema registry".to_owned()), ErrorCode::NotReady),
    ] {
        let caller = Caller::new(Profile::Dev).with_wallet().await;
        caller.ledger.reply(Reply::Append(error.clone()));
        let answer = caller.post("/api/v1/payments", &payment(1), &[]).await;
        answer.assert_refused(code);
        assert!(!answer.body.to_string().contains("10.0.0.7"), "internals never leak");
        let key = answer.text("idempotency_key");
        assert_eq!(answer.header("idempotency-key"), Some(key));
        assert_eq!(caller.ledger.waiters(), 0);

        let again = caller.pay(1, key).await;
        assert_eq!((again.status.as_u16(), again.text("id")), (202, answer.text("payment_id")));

        let wallet = again.text("wallet_id");
        caller.ledger.reply(Reply::Append(error));
        let path = format!("/api/v1/wallets/{wallet}/deposits");
        let answer = caller.post(&path, &json!({ "amount": 1 }), &[]).await;
        answer.assert_refused(code);
        assert!(answer.body["idempotency_key"].is_string());
    }
}

#[tokio::test]
async fn a_defect_tells_nothing_of_the_inside() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    caller.ledger.reply(Reply::Crash);
    let answer = caller.pay(1, "key").await;
    answer.assert_refused(ErrorCode::Internal);
    assert!(!answer.body.to_string().contains("secret"));
    assert_eq!(caller.pay(1, "key").await.status, 202);
}

#[tokio::test]
async fn overload_sheds_at_the_door_and_spares_health() {
    let mut options = ApiOptions::new(Profile::Dev);
    options.in_flight_limit = 1;
    options.decision_timeout = PATIENT;
    let caller = Caller::with(options).with_wallet().await;
    caller.ledger.reply(Reply::Silence);
    let first = tokio::spawn({
        let caller = caller.clone();
        async move { caller.pay(1, "key").await }
    });
    until(|| caller.ledger.waiters() == 1).await;
    caller.pay(2, "other").await.assert_refused(ErrorCode::Overloaded);
    assert_eq!(caller.get("/ready", &[]).await.status, 200);
    caller.ledger.decide(&Reply::Refuse(ErrorCode::WalletNotFound));
    first.await.unwrap().assert_refused(ErrorCode::WalletNotFound);
    assert_eq!(caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await.status, 200);
}
