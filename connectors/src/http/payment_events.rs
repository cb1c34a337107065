//! What happened to a payment, entry by entry: its timeline.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use schemas::timeline::{RequestInput, TimelineInput, TimelineRow, TimerSetting};
use schemas::{Sealed, Topic};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::Answer;
use super::event_body::EventBody;
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
    Operation {
        source: SourceBody,
        command_id: &'a str,
        actor: &'a str,
        /// Of a resolution: how the person knows; null, too, when it is encrypted.
        #[schema(required = true)]
        evidence: Option<&'a str>,
    },
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
            TimelineInput::Operation(operation) => Self::Operation {
                source: source(Topic::Operations, operation.request.offset),
                command_id: &operation.request.command_id,
                actor: &operation.request.actor,
                evidence: operation.evidence.as_ref().and_then(Sealed::read_plaintext),
            },
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

impl TimerBody {
    fn of(setting: TimerSetting) -> Self {
        Self { generation: setting.generation, due: setting.due.map(Time) }
    }
}
