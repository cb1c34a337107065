//! What happened to a payment, entry by entry, and where its saga stands.

use std::time::Duration;

use connectors::http::Profile;
use schemas::event::{Proof, RefundCause};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use schemas::read_model::RefundStatus;
use schemas::timeline::{
    Compensation, CompensationKind, HoldState, RequestInput, ResultInput, Saga, SagaAnswer,
    SagaAttempt, SagaHold, SagaOperation, SagaRefund, SagaState, SagaTimer, SagaWait,
    TimelineEvent, TimelineInput, TimelineRow, TimerSetting, WaitKind,
};
use schemas::{
    Amount, Money, Offset, OperationId, Partition, PaymentId, Position, RefundId, Sealed,
};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::demo::wallet;
use crate::ledger::now;

fn position(offset: i64) -> Position {
    Position { partition: Partition::new(1).unwrap(), offset: Offset::new(offset).unwrap() }
}

fn money() -> Money {
    Money::new(Amount::try_from(10_000).unwrap(), "USD".parse().unwrap())
}

fn attempt() -> OperationId {
    OperationId::from_bytes([7; 16])
}

fn row(
    offset: i64,
    input: TimelineInput,
    correlation_id: &str,
    events: Vec<TimelineEvent>,
) -> TimelineRow {
    TimelineRow {
        position: position(offset),
        previous: (offset > 2).then(|| Offset::new(offset - 1).unwrap()),
        seq: offset + 1,
        at: now(offset),
        input,
        correlation_id: correlation_id.to_owned(),
        attempt: 1,
        events,
        timer: Some(TimerSetting { generation: offset, due: Some(now(offset + 9)) }),
        refund_timer: None,
    }
}

fn answered(
    offset: i64,
    operation_seq: i32,
    operation: GatewayOperationKind,
    outcome: GatewayOutcome,
) -> TimelineInput {
    TimelineInput::GatewayResult(Box::new(ResultInput {
        offset,
        operation_seq,
        operation,
        operation_id: attempt(),
        outcome,
        evidence: Some(Sealed::plaintext(r#"{"status":502}"#)),
        observed_at: now(offset),
    }))
}

/// Held and asked; in doubt; asked what became of it; declined.
fn timeline() -> Vec<TimelineRow> {
    let command = RequestInput { offset: 5, command_id: "try".into(), actor: "api".into() };
    let asked = |operation_seq, operation| TimelineEvent::GatewayOperationRequested {
        refund_id: None,
        operation_seq,
        operation,
        not_after: now(20),
        conclusive_after: now(30),
    };
    let unknown = GatewayOutcome::OutcomeUnknown { reason: "502".to_owned() };
    let declined =
        GatewayOutcome::Declined { decline_code: "stolen".into(), message: "No.".into() };
    let answer = |operation_seq| TimelineEvent::GatewayOperationAnswered {
        operation_id: attempt(),
        operation_seq,
        proof: Proof::Nothing,
    };
    let mut rows = vec![
        row(
            2,
            TimelineInput::Command(command),
            "order-1",
            vec![
                TimelineEvent::PaymentRequested { money: money(), deadline: now(600) },
                TimelineEvent::HoldPlaced(money()),
                TimelineEvent::AttemptStarted {
                    operation_id: attempt(),
                    gateway: "simulator".parse().unwrap(),
                },
                asked(1, GatewayOperationKind::Submit),
            ],
        ),
        row(
            3,
            answered(0, 1, GatewayOperationKind::Submit, unknown),
            "order-1",
            vec![answer(1), TimelineEvent::PaymentInDoubt { reason: "502".to_owned() }],
        ),
        row(
            4,
            TimelineInput::Timer { generation: 3, due: now(4) },
            "",
            vec![asked(2, GatewayOperationKind::Inquire)],
        ),
        row(
            5,
            answered(1, 2, GatewayOperationKind::Inquire, declined),
            "order-1",
            vec![
                answer(2),
                TimelineEvent::HoldVoided(money()),
                TimelineEvent::PaymentFailed {
                    code: "payment_declined".to_owned(),
                    decline_code: "stolen".to_owned(),
                    message: "No.".to_owned(),
                },
            ],
        ),
    ];
    rows[3].timer = Some(TimerSetting { generation: 5, due: None });
    rows
}

/// In doubt, so that everything is there.
fn saga(id: PaymentId) -> Saga {
    let operation = |seq, kind, answer| SagaOperation {
        seq,
        kind,
        requested_at: now(2),
        not_after: now(20),
        answer,
    };
    let outcome = GatewayOutcome::NotSent { reason: "refused".to_owned() };
    let answer = SagaAnswer { at: now(3), outcome, proof: Proof::NotSent };
    Saga {
        payment_id: id,
        wallet_id: wallet(),
        state: SagaState::InDoubt,
        deadline: Some(now(600)),
        hold: Some(SagaHold { money: money(), state: HoldState::Held }),
        attempts: vec![SagaAttempt {
            number: 1,
            operation_id: attempt(),
            gateway: "simulator".parse().unwrap(),
            started_at: now(2),
            operations: vec![
                operation(1, GatewayOperationKind::Submit, Some(answer)),
                operation(2, GatewayOperationKind::Inquire, None),
            ],
        }],
        timer: Some(SagaTimer { id: "payment:1:2".to_owned(), generation: 4, due: now(13) }),
        cancel_requested: false,
        refunds: vec![SagaRefund {
            refund_id: RefundId::from_bytes([9; 16]),
            gateway: "simulator".parse().unwrap(),
            money: money(),
            cause: RefundCause::UnwantedCharge,
            status: RefundStatus::InDoubt,
            operations: vec![operation(1, GatewayOperationKind::Refund, None)],
            timer: Some(TimerSetting { generation: 2, due: Some(now(14)) }),
        }],
        compensations: [CompensationKind::HoldVoided, CompensationKind::Refunded]
            .map(|kind| Compensation { kind, money: money(), at: now(5), position: position(5) })
            .to_vec(),
        waits_for: Some(SagaWait { what: WaitKind::GatewayAnswer, until: Some(now(13)) }),
        discrepancies: vec!["amount_differs".to_owned()],
        position: position(5),
    }
}

async fn told() -> (Caller, String) {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let headers = [("Idempotency-Key", "key"), ("X-Correlation-Id", "order-1")];
    let body = crate::caller::payment(10_000);
    let paid = caller.post("/api/v1/payments", &body, &headers).await;
    let id = paid.text("id").to_owned();
    caller.ledger.tell(id.parse().unwrap(), timeline(), saga(id.parse().unwrap()));
    (caller, id)
}

#[tokio::test]
async fn the_entries_of_a_payment_are_told_in_their_order() {
    let (caller, id) = told().await;
    let list = caller.get(&format!("/api/v1/payments/{id}/events"), &[]).await;
    assert_eq!((list.status.as_u16(), list.text("object")), (200, "list"));
    let payment = caller.get(&format!("/api/v1/payments/{id}"), &[]).await;
    assert_eq!(list.header("holdfast-position"), payment.header("holdfast-position"));
    let entries = list.body["data"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    let amount = |kind: &str| json!({ "type": kind, "amount": 10_000, "currency": "USD" });
    let mut requested = amount("payment_requested");
    requested["deadline"] = json!(now(600).to_string());
    let first = json!({
        "object": "entry", "position": "1-2", "seq": 3, "at": now(2).to_string(),
        "input": {
            "type": "command", "command_id": "try", "actor": "api",
            "source": { "topic": "commands", "partition": 1, "offset": 5 },
        },
        "correlation_id": "order-1", "attempt": 1,
        "events": [
            requested,
            amount("hold_placed"),
            {
                "type": "attempt_started", "attempt_id": attempt().to_string(),
                "gateway": "simulator",
            },
            {
                "type": "gateway_operation_requested", "operation": "submit", "operation_seq": 1,
                "not_after": now(20).to_string(), "conclusive_after": now(30).to_string(),
            },
        ],
        "timer": { "generation": 2, "due": now(11).to_string() },
    });
    assert_eq!(entries[0], first);
    let input = json!({
        "type": "gateway_result", "operation": "submit", "operation_seq": 1,
        "operation_id": attempt().to_string(),
        "source": { "topic": "gateway-results", "partition": 1, "offset": 0 },
        "outcome": { "type": "outcome_unknown", "reason": "502" },
        "evidence": { "status": 502 }, "observed_at": now(0).to_string(),
    });
    assert_eq!(entries[1]["input"], input);
    let timer = json!({ "type": "timer", "generation": 3, "due": now(4).to_string() });
    assert_eq!(entries[2]["input"], timer);
    assert_eq!(entries[2]["correlation_id"], "order-1", "a timer goes on with the payment's");
    assert_eq!(entries[3]["events"][1], amount("hold_voided"));
    assert_eq!(entries[3]["events"][2]["decline_code"], "stolen");
    assert_eq!(entries[3]["timer"], json!({ "generation": 5, "due": null }));
}

#[tokio::test]
async fn the_entries_of_a_payment_come_in_pages() {
    let (caller, id) = told().await;
    let path = format!("/api/v1/payments/{id}/events?limit=3");
    let first = caller.get(&path, &[]).await;
    let seqs = |page: &Value| -> Vec<i64> {
        page["data"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect()
    };
    assert_eq!((seqs(&first.body), first.body["has_more"].as_bool()), (vec![3, 4, 5], Some(true)));
    let next = first.text("next_cursor");
    let second = caller.get(&format!("{path}&cursor={next}"), &[]).await;
    assert_eq!((seqs(&second.body), second.body["has_more"].as_bool()), (vec![6], Some(false)));
    let other = caller.pay(5, "other").await;
    let path = format!("/api/v1/payments/{}/events?cursor={next}", other.text("id"));
    caller.get(&path, &[]).await.assert_refused(schemas::ErrorCode::CursorInvalid);
}

#[tokio::test]
async fn a_saga_says_where_it_stands_and_what_it_waits_for() {
    let (caller, id) = told().await;
    let answer = caller.get(&format!("/api/v1/sagas/{id}"), &[]).await;
    assert_eq!(answer.header("holdfast-position"), Some("1-5"));
    let compensation = |kind: &str| {
        json!({
            "type": kind, "amount": 10_000, "currency": "USD", "at": now(5).to_string(),
            "position": "1-5",
        })
    };
    let expected = json!({
        "payment_id": id, "object": "saga", "wallet_id": wallet().to_string(),
        "state": "in_doubt", "deadline": now(600).to_string(),
        "hold": { "amount": 10_000, "currency": "USD", "state": "held" },
        "attempts": [{
            "number": 1, "attempt_id": attempt().to_string(), "gateway": "simulator",
            "started_at": now(2).to_string(), "operations_count": 2,
            "operations": [
                {
                    "seq": 1, "kind": "submit", "requested_at": now(2).to_string(),
                    "not_after": now(20).to_string(), "answered_at": now(3).to_string(),
                    "outcome": { "type": "not_sent", "reason": "refused" }, "proof": "not_sent",
                },
                {
                    "seq": 2, "kind": "inquire", "requested_at": now(2).to_string(),
                    "not_after": now(20).to_string(), "answered_at": null, "outcome": null,
                    "proof": null,
                },
            ],
        }],
        "timer": { "id": "payment:1:2", "generation": 4, "due": now(13).to_string() },
        "cancel_requested": false,
        "compensations": [compensation("hold_voided"), compensation("refunded")],
        "refunds": [{
            "refund_id": RefundId::from_bytes([9; 16]).to_string(), "gateway": "simulator",
            "amount": 10_000, "currency": "USD", "cause": "unwanted_charge",
            "status": "in_doubt", "operations_count": 1,
            "operations": [{
                "seq": 1, "kind": "refund", "requested_at": now(2).to_string(),
                "not_after": now(20).to_string(), "answered_at": null, "outcome": null,
                "proof": null,
            }],
            "due": now(14).to_string(),
        }],
        "waits_for": { "what": "gateway_answer", "until": now(13).to_string() },
        "discrepancies": ["amount_differs"], "position": "1-5",
    });
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn the_open_holds_of_a_wallet_say_what_they_wait_for() {
    let (caller, id) = told().await;
    let path = format!("/api/v1/wallets/{}/holds", wallet());
    let holds = caller.get(&path, &[]).await;
    let payment = caller.get(&format!("/api/v1/payments/{id}"), &[]).await;
    let expected = json!([{
        "object": "hold", "payment_id": id, "wallet_id": wallet().to_string(), "amount": 10_000,
        "currency": "USD", "status": "processing",
        "waits_for": { "what": "gateway_answer", "until": now(13).to_string() },
        "created_at": payment.body["created_at"],
        "position": payment.header("holdfast-position").unwrap(),
    }]);
    assert_eq!((holds.status.as_u16(), &holds.body["data"]), (200, &expected));
    let id = id.parse().unwrap();
    caller.ledger.settle(id, schemas::read_model::PaymentStatus::Completed);
    assert_eq!(caller.get(&path, &[]).await.body["data"], json!([]));
}

#[tokio::test]
async fn a_saga_of_weeks_shows_its_newest_operations() {
    let (caller, id) = told().await;
    let id: PaymentId = id.parse().unwrap();
    let mut long = saga(id);
    let template = long.attempts[0].operations[1].clone();
    let of_seq = |seq| SagaOperation { seq, ..template.clone() };
    long.attempts[0].operations = (1..=1000).map(of_seq).collect();
    caller.ledger.tell(id, Vec::new(), long);
    let answer = caller.get(&format!("/api/v1/sagas/{id}"), &[]).await;
    let attempt = &answer.body["attempts"][0];
    assert_eq!(attempt["operations_count"], 1000);
    let operations = attempt["operations"].as_array().unwrap();
    assert_eq!((operations.len(), &operations[0]["seq"]), (100, &json!(901)));
}

/// The link that every problem carries leads to the meaning of its code.
#[tokio::test]
async fn the_page_of_errors_is_served() {
    use tower::ServiceExt;

    let caller = Caller::new(Profile::Dev);
    let refused = caller.get("/api/v1/nothing", &[]).await;
    let (path, anchor) = refused.text("doc_url").split_once('#').unwrap();
    let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    let response = caller.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let page = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains(&format!("<a id=\"{anchor}\"></a>")), "{page}");
}

/// What is known is told although nobody could be let wait.
#[tokio::test]
async fn replays_and_reads_are_answered_while_new_requests_are_shed() {
    let (caller, id) = told().await;
    caller.ledger.set_expected_wait(Duration::from_secs(42));
    let shed = caller.pay(1, "new").await;
    shed.assert_refused(schemas::ErrorCode::Overloaded);
    assert_eq!(shed.header("retry-after"), Some("12"), "42 s less the 30 that callers wait");
    assert_eq!(shed.text("idempotency_key"), "new");
    let body = crate::caller::payment(10_000);
    let replay = caller.post("/api/v1/payments", &body, &[("Idempotency-Key", "key")]).await;
    assert_eq!((replay.status.as_u16(), replay.text("id")), (202, id.as_str()));
    for path in [format!("/api/v1/payments/{id}"), format!("/api/v1/wallets/{}", wallet())] {
        assert_eq!(caller.get(&path, &[]).await.status, 200, "{path}");
    }
    caller.ledger.set_expected_wait(Duration::ZERO);
    assert_eq!(caller.pay(1, "new").await.status, 202);
}
