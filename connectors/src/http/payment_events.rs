//! What happened to a payment, entry by entry: its timeline.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::account::Side;
use schemas::event::{Proof, RefundCause, RefundDestination};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, ResolvedOutcome};
use schemas::timeline::{RequestInput, TimelineEvent, TimelineInput, TimelineRow, TimerSetting};
use schemas::{Money, Topic};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::Answer;
use super::openapi::parameters::PageQuery;
use super::openapi::{refusals, values};
use super::page::ListBody;
use super::path::PaymentPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time, json};
use super::{Api, cursor, page};

/// What happened to a payment
///
/// Its entries in the journal, the oldest first, with what the gateway said each time.
#[utoipa::path(
    get, path = "/payments/{payment_id}/events", tag = "payments",
    operation_id = "list_payment_events",
    params(PaymentPath, PageQuery, ReadQuery),
    responses(
        (status = 200, description = "A page of entries.", body = ListBody<EntryBody>),
        refusals::ListOfPayment,
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    PaymentPath(id): PaymentPath,
    mut query: ReadQuery,
) -> Result<Answer, Problem> {
    let limit = page::limit(&mut query.fields)?;
    let name = format!("events {id}");
    let after = query.fields.take("cursor");
    let after = after.map(|text| cursor::decode(&name, &text).map(i64::from_be_bytes));
    let after = after.transpose()?;
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let payment = api.known_payment(id).await?;
    let rows = api.ports.views.timeline(&payment)?;
    let offset = |row: &TimelineRow| row.position.offset.number();
    let begin = after.map_or(0, |after| rows.partition_point(|row| offset(row) <= after));
    let end = rows.len().min(begin + limit);
    let shown = &rows[begin..end];
    let last = shown.last().filter(|_| end < rows.len()).map(offset);
    let next = last.map(|offset| cursor::encode(&name, offset.to_be_bytes()));
    let data = shown.iter().map(|row| EntryBody::of(row, &payment.correlation_id)).collect();
    let body = ListBody::new(data, next);
    Ok(Answer::json(StatusCode::OK, &body).position(payment.position))
}

/// An entry, as far as it concerns the payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry, examples(json!({
    "object": "entry", "position": "0-16", "seq": 17, "at": "2026-01-02T03:04:05.731Z",
    "input": {
        "type": "gateway_result",
        "source": { "topic": "gateway-results", "partition": 0, "offset": 4 },
        "operation": "submit", "operation_id": values::ATTEMPT_ID, "operation_seq": 1,
        "outcome": {
            "type": "succeeded", "gateway_reference": "ch_1", "amount": 10000, "currency": "USD",
        },
        "evidence": { "status": 200 }, "observed_at": "2026-01-02T03:04:05.729Z",
    },
    "correlation_id": values::KEY, "attempt": 1,
    "events": [
        { "type": "gateway_operation_answered", "operation_seq": 1, "proof": "nothing" },
        { "type": "hold_posted", "amount": 10000, "currency": "USD" },
        { "type": "payment_completed", "gateway_reference": "ch_1", "captured_amount": 10000 },
    ],
    "timer": { "generation": 2, "due": null },
})))]
struct EntryBody<'a> {
    #[schema(pattern = "^entry$")]
    object: &'static str,
    #[schema(value_type = values::Position)]
    position: PositionText,
    /// Its number in its partition.
    seq: i64,
    #[schema(value_type = values::Time)]
    at: Time,
    input: InputBody<'a>,
    #[schema(value_type = String)]
    correlation_id: &'a str,
    /// The latest attempt after this entry, counted from 1; 0 before the first.
    attempt: i32,
    /// What happened, in order.
    events: Vec<EventBody<'a>>,
    /// The payment's timer, when the entry set or cancelled it.
    #[schema(required = true)]
    timer: Option<TimerBody>,
}

/// What was decided on.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Input)]
enum InputBody<'a> {
    /// A request of a payer.
    Command { source: SourceBody, command_id: &'a str, actor: &'a str },
    /// A request of an operator.
    Operation { source: SourceBody, command_id: &'a str, actor: &'a str },
    /// What a gateway said.
    GatewayResult {
        source: SourceBody,
        #[schema(value_type = values::GatewayOperationName)]
        operation: GatewayOperationKind,
        /// The attempt or the refund that was asked for.
        #[schema(value_type = values::OperationId)]
        operation_id: String,
        operation_seq: i32,
        outcome: OutcomeBody<'a>,
        /// What was seen of the gateway's answer; null, too, when it is encrypted.
        #[schema(value_type = Option<Value>, required = true)]
        evidence: Option<&'a RawValue>,
        #[schema(value_type = values::Time)]
        observed_at: Time,
    },
    /// A timer that was due.
    Timer {
        generation: i64,
        #[schema(value_type = values::Time)]
        due: Time,
    },
}

/// Where a record stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Source)]
struct SourceBody {
    #[schema(examples("commands"))]
    topic: &'static str,
    partition: i32,
    #[schema(value_type = values::Offset)]
    offset: i64,
}

/// The timer of a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = TimerSetting)]
struct TimerBody {
    /// How often it has been set, this time included.
    generation: i64,
    /// Null cancels it.
    #[schema(value_type = Option<values::Time>, required = true)]
    due: Option<Time>,
}

/// Money.
#[derive(Serialize, ToSchema)]
#[schema(as = Money)]
struct MoneyBody {
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
}

/// What a gateway said of an operation.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Outcome)]
pub(super) enum OutcomeBody<'a> {
    /// It charged.
    Succeeded {
        gateway_reference: &'a str,
        #[schema(value_type = values::MinorUnits)]
        amount: i64,
        currency: &'a str,
    },
    /// It refused to charge.
    Declined { decline_code: &'a str, message: &'a str },
    /// It cannot have received the request.
    NotSent { reason: &'a str },
    /// The time to send the request was over.
    ExpiredUnsent,
    /// It may have charged.
    OutcomeUnknown { reason: &'a str },
    /// It knows no such charge.
    NotFound,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Event)]
enum EventBody<'a> {
    /// The payment exists.
    PaymentRequested {
        #[serde(flatten)]
        money: MoneyBody,
        #[schema(value_type = values::Time)]
        deadline: Time,
    },
    /// Money is reserved.
    HoldPlaced(MoneyBody),
    /// Reserved money went out.
    HoldPosted(MoneyBody),
    /// Reserved money is free again.
    HoldVoided(MoneyBody),
    /// A try at one gateway with one key began.
    AttemptStarted {
        #[schema(value_type = values::AttemptId)]
        attempt_id: String,
        #[schema(value_type = values::GatewayName)]
        gateway: &'a str,
    },
    /// The gateway was to do something.
    GatewayOperationRequested {
        /// The refund that it was for, where it was for one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = values::RefundId, required = false)]
        refund_id: Option<String>,
        #[schema(value_type = values::GatewayOperationName)]
        operation: GatewayOperationKind,
        operation_seq: i32,
        #[schema(value_type = values::Time)]
        not_after: Time,
        #[schema(value_type = values::Time)]
        conclusive_after: Time,
    },
    /// The result of an operation was taken in.
    GatewayOperationAnswered {
        operation_seq: i32,
        #[schema(value_type = values::ProofName)]
        proof: Proof,
    },
    /// The attempt will be sent again.
    ResendScheduled {
        reason: &'a str,
        #[schema(value_type = values::Time)]
        due: Time,
    },
    /// Whether the gateway charged is not known.
    PaymentInDoubt { reason: &'a str },
    /// The gateway charged and the money is gone.
    PaymentCompleted {
        gateway_reference: &'a str,
        #[schema(value_type = values::MinorUnits)]
        captured_amount: i64,
    },
    /// It failed for good.
    PaymentFailed {
        #[schema(value_type = values::ErrorCodeName)]
        code: &'a str,
        #[schema(required = true)]
        decline_code: Option<&'a str>,
        message: &'a str,
    },
    /// What a gateway said does not fit.
    DiscrepancyRecorded { code: &'a str, detail: &'a str },
    /// The attempt is given up: no operation of it charged, nor ever will.
    AttemptAbandoned {
        #[schema(value_type = values::AttemptId)]
        attempt_id: String,
        reason: &'a str,
    },
    /// A person must find out whether the gateway charged.
    PaymentReviewRequested { reason: &'a str },
    /// A person has found out.
    PaymentResolved {
        #[schema(value_type = values::ResolvedOutcomeName)]
        outcome: ResolvedOutcome,
        #[schema(value_type = values::MinorUnits)]
        amount: i64,
        actor: &'a str,
    },
    /// Its caller wants it to end.
    CancelRequested,
    /// It ended as its caller wished.
    PaymentCancelled,
    /// Money went to suspense, or came from there.
    SuspenseBooked {
        #[schema(value_type = values::SideName)]
        side: Side,
        #[serde(flatten)]
        money: MoneyBody,
        code: &'a str,
        detail: &'a str,
    },
    /// A refund exists.
    RefundRequested {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::GatewayName)]
        gateway: &'a str,
        #[serde(flatten)]
        money: MoneyBody,
        #[schema(value_type = values::RefundCauseName)]
        cause: RefundCause,
        #[schema(value_type = values::RefundDestinationName)]
        destination: RefundDestination,
    },
    /// The refund will be sent again.
    RefundResendScheduled {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
        #[schema(value_type = values::Time)]
        due: Time,
    },
    /// Whether the gateway gave the money back is not known.
    RefundInDoubt {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
    },
    /// A person must find out whether the gateway gave the money back.
    RefundReviewRequested {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        reason: &'a str,
    },
    /// A person has found out.
    RefundResolved {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::ResolvedOutcomeName)]
        outcome: ResolvedOutcome,
        actor: &'a str,
    },
    /// The gateway gave the money back.
    RefundSucceeded {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        gateway_reference: &'a str,
        #[schema(value_type = values::Amount)]
        amount: i64,
    },
    /// Nothing came back.
    RefundFailed {
        #[schema(value_type = values::RefundId)]
        refund_id: String,
        #[schema(value_type = values::ErrorCodeName)]
        code: &'a str,
        message: &'a str,
    },
}

impl<'a> EntryBody<'a> {
    /// A timer carries no correlation id of its own: it goes on with the payment's.
    fn of(row: &'a TimelineRow, of_payment: &'a str) -> Self {
        let own = row.correlation_id.as_str();
        Self {
            object: "entry",
            position: PositionText(row.position),
            seq: row.seq,
            at: Time(row.at),
            input: InputBody::of(row),
            correlation_id: if own.is_empty() { of_payment } else { own },
            attempt: row.attempt,
            events: row.events.iter().map(EventBody::of).collect(),
            timer: row.timer.map(TimerBody::of),
        }
    }
}

impl<'a> InputBody<'a> {
    fn of(row: &'a TimelineRow) -> Self {
        let partition = row.position.partition.number();
        let source = |topic: Topic, offset| SourceBody { topic: topic.label(), partition, offset };
        match &row.input {
            TimelineInput::Command(RequestInput { offset, command_id, actor }) => {
                Self::Command { source: source(Topic::Commands, *offset), command_id, actor }
            }
            TimelineInput::Operation(RequestInput { offset, command_id, actor }) => {
                Self::Operation { source: source(Topic::Operations, *offset), command_id, actor }
            }
            TimelineInput::GatewayResult(result) => Self::GatewayResult {
                source: source(Topic::GatewayResults, result.offset),
                operation: result.operation,
                operation_id: result.operation_id.to_string(),
                operation_seq: result.operation_seq,
                outcome: OutcomeBody::of(&result.outcome),
                evidence: json(result.evidence.as_ref()),
                observed_at: Time(result.observed_at),
            },
            TimelineInput::Timer { generation, due } => {
                Self::Timer { generation: *generation, due: Time(*due) }
            }
        }
    }
}

impl<'a> OutcomeBody<'a> {
    pub fn of(outcome: &'a GatewayOutcome) -> Self {
        match outcome {
            GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
                Self::Succeeded { gateway_reference, amount: *amount, currency }
            }
            GatewayOutcome::Declined { decline_code, message } => {
                Self::Declined { decline_code, message }
            }
            GatewayOutcome::NotSent { reason } => Self::NotSent { reason },
            GatewayOutcome::ExpiredUnsent {} => Self::ExpiredUnsent,
            GatewayOutcome::OutcomeUnknown { reason } => Self::OutcomeUnknown { reason },
            GatewayOutcome::NotFound {} => Self::NotFound,
        }
    }
}

impl MoneyBody {
    fn of(money: Money) -> Self {
        Self { amount: money.amount().minor(), currency: money.currency().code() }
    }
}

impl TimerBody {
    fn of(setting: TimerSetting) -> Self {
        Self { generation: setting.generation, due: setting.due.map(Time) }
    }
}

impl<'a> EventBody<'a> {
    fn of(event: &'a TimelineEvent) -> Self {
        match event {
            TimelineEvent::PaymentRequested { money, deadline } => {
                Self::PaymentRequested { money: MoneyBody::of(*money), deadline: Time(*deadline) }
            }
            TimelineEvent::HoldPlaced(money) => Self::HoldPlaced(MoneyBody::of(*money)),
            TimelineEvent::HoldPosted(money) => Self::HoldPosted(MoneyBody::of(*money)),
            TimelineEvent::HoldVoided(money) => Self::HoldVoided(MoneyBody::of(*money)),
            TimelineEvent::AttemptStarted { operation_id, gateway } => Self::AttemptStarted {
                attempt_id: operation_id.to_string(),
                gateway: gateway.as_str(),
            },
            TimelineEvent::GatewayOperationRequested {
                refund_id,
                operation_seq,
                operation,
                not_after,
                conclusive_after,
            } => Self::GatewayOperationRequested {
                refund_id: refund_id.map(|id| id.to_string()),
                operation: *operation,
                operation_seq: *operation_seq,
                not_after: Time(*not_after),
                conclusive_after: Time(*conclusive_after),
            },
            TimelineEvent::GatewayOperationAnswered { operation_seq, proof, .. } => {
                Self::GatewayOperationAnswered { operation_seq: *operation_seq, proof: *proof }
            }
            TimelineEvent::ResendScheduled { reason, due } => {
                Self::ResendScheduled { reason, due: Time(*due) }
            }
            TimelineEvent::PaymentInDoubt { reason } => Self::PaymentInDoubt { reason },
            TimelineEvent::PaymentCompleted { gateway_reference, captured_amount } => {
                let captured_amount = captured_amount.minor();
                Self::PaymentCompleted { gateway_reference, captured_amount }
            }
            TimelineEvent::PaymentFailed { code, decline_code, message } => {
                let decline_code = Some(decline_code.as_str()).filter(|code| !code.is_empty());
                Self::PaymentFailed { code, decline_code, message }
            }
            TimelineEvent::DiscrepancyRecorded { code, detail } => {
                Self::DiscrepancyRecorded { code, detail }
            }
            TimelineEvent::AttemptAbandoned { operation_id, reason } => {
                Self::AttemptAbandoned { attempt_id: operation_id.to_string(), reason }
            }
            TimelineEvent::PaymentReviewRequested { reason } => {
                Self::PaymentReviewRequested { reason }
            }
            TimelineEvent::PaymentResolved { outcome, amount, actor } => {
                Self::PaymentResolved { outcome: *outcome, amount: *amount, actor }
            }
            TimelineEvent::CancelRequested => Self::CancelRequested,
            TimelineEvent::PaymentCancelled => Self::PaymentCancelled,
            TimelineEvent::SuspenseBooked { side, money, code, detail } => {
                let money = MoneyBody::of(*money);
                Self::SuspenseBooked { side: *side, money, code, detail }
            }
            TimelineEvent::RefundRequested { .. }
            | TimelineEvent::RefundResendScheduled { .. }
            | TimelineEvent::RefundInDoubt { .. }
            | TimelineEvent::RefundReviewRequested { .. }
            | TimelineEvent::RefundResolved { .. }
            | TimelineEvent::RefundSucceeded { .. }
            | TimelineEvent::RefundFailed { .. } => Self::of_refund(event),
        }
    }

    fn of_refund(event: &'a TimelineEvent) -> Self {
        match event {
            TimelineEvent::RefundRequested { refund_id, gateway, money, cause, destination } => {
                Self::RefundRequested {
                    refund_id: refund_id.to_string(),
                    gateway: gateway.as_str(),
                    money: MoneyBody::of(*money),
                    cause: *cause,
                    destination: *destination,
                }
            }
            TimelineEvent::RefundResendScheduled { refund_id, reason, due } => {
                let refund_id = refund_id.to_string();
                Self::RefundResendScheduled { refund_id, reason, due: Time(*due) }
            }
            TimelineEvent::RefundInDoubt { refund_id, reason } => {
                Self::RefundInDoubt { refund_id: refund_id.to_string(), reason }
            }
            TimelineEvent::RefundReviewRequested { refund_id, reason } => {
                Self::RefundReviewRequested { refund_id: refund_id.to_string(), reason }
            }
            TimelineEvent::RefundResolved { refund_id, outcome, actor } => {
                let refund_id = refund_id.to_string();
                Self::RefundResolved { refund_id, outcome: *outcome, actor }
            }
            TimelineEvent::RefundSucceeded { refund_id, gateway_reference, amount } => {
                let (refund_id, amount) = (refund_id.to_string(), amount.minor());
                Self::RefundSucceeded { refund_id, gateway_reference, amount }
            }
            TimelineEvent::RefundFailed { refund_id, code, message } => {
                Self::RefundFailed { refund_id: refund_id.to_string(), code, message }
            }
            other => Self::of(other),
        }
    }
}
