//! Paying: statuses, replays, waiting, and the forms of the answers.

use connectors::http::Profile;
use connectors::ports::Request;
use schemas::ErrorCode;
use schemas::inputs::CommandBody;
use schemas::read_model::PaymentStatus;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, PATIENT, USER, payment, until};
use crate::ledger::{Reply, clock, now};

const PAYMENTS: &str = "/api/v1/payments";

async fn caller() -> Caller {
    Caller::new(Profile::Dev).with_wallet().await
}

fn decided_by(caller: &Caller) -> usize {
    let is_payment = |request: &Request| matches!(request, Request::Command(_));
    caller.ledger.appended().iter().filter(|request| is_payment(request)).count()
}

#[tokio::test]
async fn a_payment_under_way_is_answered_from_the_view() {
    let caller = caller().await;
    let mut body = payment(10_000);
    body["metadata"] = json!({ "b": 1, "a": { "z": null, "y": 2 } });
    body["service_id"] = json!("shop");
    let headers = [("Idempotency-Key", "key-1"), ("X-Correlation-Id", "order-1")];
    let answer = caller.post(PAYMENTS, &body, &headers).await;

    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.text("id").to_owned();
    let wallet = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
    let expected = json!({
        "id": id, "object": "payment", "user_id": USER, "wallet_id": wallet.text("id"),
        "amount": 10_000, "currency": "USD", "description": "Order 1", "service_id": "shop",
        "metadata": { "a": { "y": 2, "z": null }, "b": 1 },
        "status": "processing", "failure": null, "gateway": "simulator", "gateway_reference": null,
        "attempts": 1, "captured_amount": 0, "refunded_amount": 0, "discrepancies": [],
        "cancel_requested": false, "balance_after": null, "correlation_id": "order-1",
        "created_at": now(2).to_string(), "updated_at": now(2).to_string(),
    });
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("location"), Some(format!("{PAYMENTS}/{id}").as_str()));
    assert_eq!(answer.header("idempotency-key"), Some("key-1"));
    assert_eq!(answer.header("x-correlation-id"), Some("order-1"));
    assert!(answer.header("holdfast-position").unwrap().ends_with("-2"));
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(answer.header("content-type"), Some("application/json"));

    let Some(Request::Command(command)) = caller.ledger.appended().pop() else { panic!() };
    assert_eq!(Some(command.envelope.command_id.as_str()), answer.header("request-id"));
    // Twelve decision time-outs.
    assert_eq!(command.envelope.deadline.unwrap().since(clock()), PATIENT * 12);
    let CommandBody::Pay(pay) = command.body else { panic!("not a payment") };
    let metadata = pay.metadata.unwrap();
    assert_eq!(metadata.read_plaintext(), Some(r#"{"a":{"y":2,"z":null},"b":1}"#));

    let found = caller.get(&format!("{PAYMENTS}/{id}"), &[]).await;
    assert_eq!((found.status.as_u16(), &found.body), (200, &expected));
    assert_eq!(found.header("holdfast-position"), answer.header("holdfast-position"));
}

#[tokio::test]
async fn a_trailing_slash_and_no_key_are_fine_in_dev() {
    let caller = caller().await;
    let answer = caller.post("/api/v1/payments/", &payment(10_000), &[]).await;
    assert_eq!(answer.status, 202);
    let key = answer.header("idempotency-key").unwrap().to_owned();
    let again = caller.pay(10_000, &key).await;
    assert_eq!(again.text("id"), answer.text("id"));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
}

/// What the first answer to a payment is, and what every later one with the same key is.
#[tokio::test]
async fn a_repeated_request_gets_the_status_of_the_payment_without_the_log() {
    for (reply, status, code) in [
        (Reply::Pay(PaymentStatus::Processing), 202, None),
        (Reply::Pay(PaymentStatus::InDoubt), 202, None),
        (Reply::Pay(PaymentStatus::Completed), 201, None),
        (Reply::Fail(ErrorCode::InsufficientFunds, None), 402, Some("insufficient_funds")),
        (Reply::Fail(ErrorCode::PaymentDeclined, Some("stolen")), 402, Some("payment_declined")),
        (Reply::Fail(ErrorCode::DeadlineExceeded, None), 422, Some("deadline_exceeded")),
    ] {
        let caller = caller().await;
        caller.ledger.reply(reply.clone());
        let first = caller.pay(10_000, "key").await;
        let again = caller.pay(10_000, "key").await;
        assert_eq!(decided_by(&caller), 1, "{reply:?}");
        assert_eq!(first.header("idempotent-replayed"), None);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(first.header("holdfast-position"), again.header("holdfast-position"));
        for answer in [&first, &again] {
            assert_eq!(answer.status, status, "{reply:?}: {answer:?}");
            assert!(answer.header("holdfast-position").is_some());
            match code {
                None => assert!(answer.header("location").is_some()),
                Some(code) => assert_failed(&caller, answer, code).await,
            }
        }
        let other = caller.pay(10_001, "key").await;
        other.assert_refused(ErrorCode::IdempotencyKeyReused);
        assert!(other.body["payment_id"].is_string() && other.header("location").is_none());
    }
}

/// A payment that failed still exists.
async fn assert_failed(caller: &Caller, answer: &Answer, code: &str) {
    answer.assert_refused(ErrorCode::from_code(code).unwrap());
    assert_eq!(answer.text("detail"), "as scripted");
    let found = caller.get(&format!("{PAYMENTS}/{}", answer.text("payment_id")), &[]).await;
    assert_eq!((found.status.as_u16(), found.text("status")), (200, "failed"));
    assert_eq!(found.body["failure"]["code"], code);
    let decline_code = &found.body["failure"]["decline_code"];
    assert_eq!(answer.body.get("decline_code").unwrap_or(&Value::Null), decline_code);
}

#[tokio::test]
async fn what_the_ledger_refuses_creates_nothing() {
    for code in [
        ErrorCode::WalletNotFound,
        ErrorCode::CurrencyMismatch,
        ErrorCode::GatewayUnknown,
        ErrorCode::IdempotencyKeyReused,
    ] {
        let caller = caller().await;
        caller.ledger.reply(Reply::Refuse(code));
        let answer = caller.pay(10_000, "key").await;
        answer.assert_refused(code);
        assert!(answer.header("holdfast-position").is_some());
        let exists = code == ErrorCode::IdempotencyKeyReused;
        assert_eq!(answer.body["payment_id"].is_string(), exists, "{answer:?}");
        assert_eq!(answer.header("idempotency-key"), Some("key"));
        assert_eq!(caller.pay(10_000, "key").await.status, 202, "it sticks to nothing");
    }
}

#[tokio::test]
async fn one_key_sent_at_once_is_one_payment() {
    let caller = caller().await;
    for _ in 0..50 {
        caller.ledger.reply(Reply::Silence);
    }
    let tries: Vec<_> = (0..50)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.pay(10_000, "key").await })
        })
        .collect();
    until(|| caller.ledger.waiters() == 50).await;
    for _ in 0..50 {
        caller.ledger.decide(&Reply::Pay(PaymentStatus::Processing));
    }
    let mut replayed = 0;
    let mut ids = std::collections::BTreeSet::new();
    for answer in tries {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 202);
        ids.insert(answer.text("id").to_owned());
        replayed += usize::from(answer.header("idempotent-replayed").is_some());
    }
    assert_eq!((ids.len(), replayed), (1, 49));
}

#[tokio::test]
async fn prefer_wait_holds_the_answer_until_the_end() {
    for (end, status) in [(PaymentStatus::Completed, 201), (PaymentStatus::InDoubt, 202)] {
        let caller = caller().await;
        let waiting = tokio::spawn({
            let caller = caller.clone();
            let wait = if status == 201 { "wait=30" } else { "respond-async, wait=1" };
            async move { caller.post(PAYMENTS, &payment(10_000), &[("Prefer", wait)]).await }
        });
        until(|| caller.ledger.watchers() == 1).await;
        let list = caller.get(PAYMENTS, &[]).await;
        let id = list.body["data"][0]["id"].as_str().unwrap().parse().unwrap();
        caller.ledger.settle(id, PaymentStatus::InDoubt);
        caller.ledger.settle(id, end);
        let answer = waiting.await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.text("status")), (status, end.as_str()));
        let applied = if status == 201 { "wait=30" } else { "wait=1" };
        assert_eq!(answer.header("preference-applied"), Some(applied));
        assert!(answer.header("holdfast-position").unwrap().ends_with("-4"));
    }
}

#[tokio::test]
async fn prefer_wait_also_holds_a_replay() {
    let caller = caller().await;
    let first = caller.pay(10_000, "key").await;
    let id = first.text("id").parse().unwrap();
    let waiting = tokio::spawn({
        let caller = caller.clone();
        let headers = [("Prefer", "wait=30"), ("Idempotency-Key", "key")];
        async move { caller.post(PAYMENTS, &payment(10_000), &headers).await }
    });
    until(|| caller.ledger.watchers() == 1).await;
    caller.ledger.settle(id, PaymentStatus::Completed);
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("idempotent-replayed")), (201, Some("true")));
}

#[tokio::test]
async fn without_a_decision_in_time_the_payment_is_accepted() {
    let caller = Caller::impatient().with_wallet().await;
    caller.ledger.reply(Reply::Silence);
    let answer = caller.pay(10_000, "key").await;
    assert_eq!((answer.status.as_u16(), answer.text("status")), (202, "accepted"));
    assert_eq!(answer.body["created_at"], Value::Null);
    assert_eq!(answer.text("description"), "Order 1");
    assert_eq!(answer.header("holdfast-position"), None);
    assert_eq!(caller.ledger.waiters(), 0);
    let location = answer.header("location").unwrap();

    let unknown = caller.get(location, &[]).await;
    unknown.assert_refused(ErrorCode::PaymentNotFound);
    caller.ledger.decide(&Reply::Pay(PaymentStatus::Completed));
    assert_eq!(caller.get(location, &[]).await.text("status"), "completed");
    assert_eq!(caller.pay(10_000, "key").await.status, 201);
}

#[tokio::test]
async fn a_payment_just_accepted_is_waited_for() {
    let caller = caller().await;
    caller.ledger.reply(Reply::Silence);
    let wait = [("Prefer", "wait=0"), ("Idempotency-Key", "key")];
    let answer = caller.post(PAYMENTS, &payment(10_000), &wait).await;
    assert_eq!(answer.text("status"), "accepted");
    let location = answer.header("location").unwrap().to_owned();
    let looking = tokio::spawn({
        let caller = caller.clone();
        async move { caller.get(&location, &[]).await }
    });
    until(|| caller.ledger.watchers() == 1).await;
    caller.ledger.decide(&Reply::Pay(PaymentStatus::Processing));
    assert_eq!(looking.await.unwrap().text("status"), "processing");
}

#[tokio::test]
async fn a_wallet_is_named_by_id_or_by_owner() {
    let caller = caller().await;
    let wallet = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
    let id = wallet.text("id");
    for (body, status) in [
        (json!({ "wallet_id": id, "amount": 1, "currency": "USD" }), 202),
        (json!({ "wallet_id": id, "user_id": USER, "amount": 1, "currency": "USD" }), 202),
        (
            json!({ "wallet_id": id, "user_id": USER, "label": "main", "amount": 1,
                "currency": "USD" }),
            202,
        ),
        (json!({ "wallet_id": id, "user_id": "x", "amount": 1, "currency": "USD" }), 422),
        (json!({ "wallet_id": id, "user_id": USER, "amount": 1, "currency": "EUR" }), 422),
        (
            json!({ "wallet_id": id, "user_id": USER, "label": "other", "amount": 1,
                "currency": "USD" }),
            422,
        ),
    ] {
        let answer = caller.post(PAYMENTS, &body, &[]).await;
        match status {
            202 => assert_eq!(answer.text("wallet_id"), id),
            _ => answer.assert_refused(ErrorCode::WalletMismatch),
        }
    }
}

#[tokio::test]
async fn production_asks_for_keys_and_takes_no_plaintext() {
    let caller = Caller::new(Profile::Production).with_wallet().await;
    let body = json!({ "user_id": USER, "amount": 1, "currency": "USD" });
    let answer = caller.post(PAYMENTS, &body, &[]).await;
    answer.assert_refused(ErrorCode::IdempotencyKeyRequired);
    let key = [("Idempotency-Key", "key")];
    caller.post(PAYMENTS, &payment(1), &key).await.assert_refused(ErrorCode::FieldInvalid);
    assert_eq!(caller.post(PAYMENTS, &body, &key).await.status, 202);
}

#[tokio::test]
async fn another_spelling_of_metadata_is_the_same_request() {
    let caller = caller().await;
    let mut answers = Vec::new();
    for metadata in [r#"{"a":1,"b":{"c":[],"d":1}}"#, r#"{ "b" : {"d":1, "c" : []}, "a": 1 }"#] {
        let body =
            format!(r#"{{"user_id":"{USER}","amount":1,"currency":"USD","metadata":{metadata}}}"#);
        let request = axum::http::Request::post(PAYMENTS)
            .header("content-type", "Application/JSON; charset=utf-8")
            .header("idempotency-key", "key");
        answers.push(caller.send(request.body(body.into()).unwrap()).await);
    }
    assert_eq!(answers[1].header("idempotent-replayed"), Some("true"));
    assert_eq!(answers[0].body, answers[1].body);
}
