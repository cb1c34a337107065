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

use super::answer::Answer;
use super::path::PaymentPath;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time, json};
use super::{Api, cursor, page};

/// `GET /payments/{payment_id}/events`: the oldest first.
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
    let body = page::ListBody::new(data, next);
    Ok(Answer::json(StatusCode::OK, &body).position(payment.position))
}

/// An entry, as far as it concerns the payment.
#[derive(Serialize)]
struct EntryBody<'a> {
    object: &'static str,
    position: PositionText,
    seq: i64,
    at: Time,
    input: InputBody<'a>,
    correlation_id: &'a str,
    attempt: i32,
    events: Vec<EventBody<'a>>,
    timer: Option<TimerBody>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum InputBody<'a> {
    Command {
        source: SourceBody,
        command_id: &'a str,
        actor: &'a str,
    },
    Operation {
        source: SourceBody,
        command_id: &'a str,
        actor: &'a str,
    },
    GatewayResult {
        source: SourceBody,
        operation: GatewayOperationKind,
        operation_id: String,
        operation_seq: i32,
        outcome: OutcomeBody<'a>,
        /// Null, too, when it is encrypted.
        evidence: Option<&'a RawValue>,
        observed_at: Time,
    },
    Timer {
        generation: i64,
        due: Time,
    },
}

/// Where a record stands.
#[derive(Serialize)]
struct SourceBody {
    topic: &'static str,
    partition: i32,
    offset: i64,
}

#[derive(Serialize)]
struct TimerBody {
    generation: i64,
    /// Null cancels it.
    due: Option<Time>,
}

#[derive(Serialize)]
struct MoneyBody {
    amount: i64,
    currency: &'static str,
}

/// What a gateway said of an operation.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutcomeBody<'a> {
    Succeeded { gateway_reference: &'a str, amount: i64, currency: &'a str },
    Declined { decline_code: &'a str, message: &'a str },
    NotSent { reason: &'a str },
    ExpiredUnsent,
    OutcomeUnknown { reason: &'a str },
    NotFound,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventBody<'a> {
    PaymentRequested {
        #[serde(flatten)]
        money: MoneyBody,
        deadline: Time,
    },
    HoldPlaced(MoneyBody),
    HoldPosted(MoneyBody),
    HoldVoided(MoneyBody),
    AttemptStarted {
        attempt_id: String,
        gateway: &'a str,
    },
    GatewayOperationRequested {
        #[serde(skip_serializing_if = "Option::is_none")]
        refund_id: Option<String>,
        operation: GatewayOperationKind,
        operation_seq: i32,
        not_after: Time,
        conclusive_after: Time,
    },
    GatewayOperationAnswered {
        operation_seq: i32,
        proof: Proof,
    },
    ResendScheduled {
        reason: &'a str,
        due: Time,
    },
    PaymentInDoubt {
        reason: &'a str,
    },
    PaymentCompleted {
        gateway_reference: &'a str,
        captured_amount: i64,
    },
    PaymentFailed {
        code: &'a str,
        decline_code: Option<&'a str>,
        message: &'a str,
    },
    DiscrepancyRecorded {
        code: &'a str,
        detail: &'a str,
    },
    AttemptAbandoned {
        attempt_id: String,
        reason: &'a str,
    },
    PaymentReviewRequested {
        reason: &'a str,
    },
    PaymentResolved {
        outcome: ResolvedOutcome,
        amount: i64,
        actor: &'a str,
    },
    CancelRequested,
    PaymentCancelled,
    SuspenseBooked {
        side: Side,
        #[serde(flatten)]
        money: MoneyBody,
        code: &'a str,
        detail: &'a str,
    },
    RefundRequested {
        refund_id: String,
        gateway: &'a str,
        #[serde(flatten)]
        money: MoneyBody,
        cause: RefundCause,
        destination: RefundDestination,
    },
    RefundResendScheduled {
        refund_id: String,
        reason: &'a str,
        due: Time,
    },
    RefundInDoubt {
        refund_id: String,
        reason: &'a str,
    },
    RefundReviewRequested {
        refund_id: String,
        reason: &'a str,
    },
    RefundResolved {
        refund_id: String,
        outcome: ResolvedOutcome,
        actor: &'a str,
    },
    RefundSucceeded {
        refund_id: String,
        gateway_reference: &'a str,
        amount: i64,
    },
    RefundFailed {
        refund_id: String,
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
