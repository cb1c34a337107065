//! The saga of a payment: where it stands, what was tried, what it waits for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use schemas::event::{Proof, RefundCause};
use schemas::inputs::GatewayOperationKind;
use schemas::timeline::{
    CompensationKind, HoldState, Saga, SagaAttempt, SagaOperation, SagaRefund, SagaState, SagaWait,
    WaitKind,
};
use schemas::{PaymentId, RefundId, WalletId};
use serde::Serialize;

use super::Api;
use super::answer::Answer;
use super::path::PaymentPath;
use super::payment_events::OutcomeBody;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};

/// The operations that one attempt shows, the newest: inquiries may go on for weeks.
const MAX_OPERATIONS: usize = 100;

/// `GET /sagas/{payment_id}`
pub(super) async fn by_payment(
    State(api): State<Arc<Api>>,
    PaymentPath(id): PaymentPath,
    query: ReadQuery,
) -> Result<Answer, Problem> {
    query.fields.finish()?;
    api.reach(&query.demanded).await?;
    let payment = api.known_payment(id).await?;
    let saga = api.ports.views.saga(&payment)?;
    Ok(Answer::json(StatusCode::OK, &SagaBody::of(&saga)).position(saga.position))
}

#[derive(Serialize)]
struct SagaBody<'a> {
    payment_id: PaymentId,
    object: &'static str,
    wallet_id: WalletId,
    state: &'static str,
    deadline: Option<Time>,
    hold: Option<HoldBody>,
    attempts: Vec<AttemptBody<'a>>,
    timer: Option<TimerBody<'a>>,
    cancel_requested: bool,
    compensations: Vec<CompensationBody>,
    refunds: Vec<RefundBody<'a>>,
    waits_for: Option<WaitBody>,
    discrepancies: &'a [String],
    position: PositionText,
}

#[derive(Serialize)]
struct HoldBody {
    amount: i64,
    currency: &'static str,
    state: &'static str,
}

#[derive(Serialize)]
struct AttemptBody<'a> {
    number: i32,
    attempt_id: String,
    gateway: &'a str,
    started_at: Time,
    operations_count: usize,
    operations: Vec<OperationBody<'a>>,
}

#[derive(Serialize)]
struct OperationBody<'a> {
    seq: i32,
    kind: GatewayOperationKind,
    requested_at: Time,
    not_after: Time,
    answered_at: Option<Time>,
    outcome: Option<OutcomeBody<'a>>,
    proof: Option<Proof>,
}

/// What is given back, as the saga has it.
#[derive(Serialize)]
struct RefundBody<'a> {
    refund_id: RefundId,
    gateway: &'a str,
    amount: i64,
    currency: &'static str,
    cause: RefundCause,
    status: &'static str,
    operations_count: usize,
    operations: Vec<OperationBody<'a>>,
    /// When its timer fires, while it is set.
    due: Option<Time>,
}

#[derive(Serialize)]
struct TimerBody<'a> {
    id: &'a str,
    generation: i64,
    due: Time,
}

#[derive(Serialize)]
struct CompensationBody {
    r#type: &'static str,
    amount: i64,
    currency: &'static str,
    at: Time,
    position: PositionText,
}

#[derive(Serialize)]
pub(super) struct WaitBody {
    what: &'static str,
    until: Option<Time>,
}

impl<'a> SagaBody<'a> {
    fn of(saga: &'a Saga) -> Self {
        let hold = saga.hold.map(|hold| HoldBody {
            amount: hold.money.amount().minor(),
            currency: hold.money.currency().code(),
            state: hold_state(hold.state),
        });
        let compensations = saga.compensations.iter().map(|compensation| CompensationBody {
            r#type: compensation_type(compensation.kind),
            amount: compensation.money.amount().minor(),
            currency: compensation.money.currency().code(),
            at: Time(compensation.at),
            position: PositionText(compensation.position),
        });
        let timer = saga.timer.as_ref().map(|timer| TimerBody {
            id: &timer.id,
            generation: timer.generation,
            due: Time(timer.due),
        });
        Self {
            payment_id: saga.payment_id,
            object: "saga",
            wallet_id: saga.wallet_id,
            state: state(saga.state),
            deadline: saga.deadline.map(Time),
            hold,
            attempts: saga.attempts.iter().map(AttemptBody::of).collect(),
            timer,
            cancel_requested: saga.cancel_requested,
            compensations: compensations.collect(),
            refunds: saga.refunds.iter().map(RefundBody::of).collect(),
            waits_for: saga.waits_for.map(WaitBody::of),
            discrepancies: &saga.discrepancies,
            position: PositionText(saga.position),
        }
    }
}

impl<'a> AttemptBody<'a> {
    fn of(attempt: &'a SagaAttempt) -> Self {
        Self {
            number: attempt.number,
            attempt_id: attempt.operation_id.to_string(),
            gateway: attempt.gateway.as_str(),
            started_at: Time(attempt.started_at),
            operations_count: attempt.operations.len(),
            operations: newest(&attempt.operations),
        }
    }
}

impl<'a> RefundBody<'a> {
    fn of(refund: &'a SagaRefund) -> Self {
        Self {
            refund_id: refund.refund_id,
            gateway: refund.gateway.as_str(),
            amount: refund.money.amount().minor(),
            currency: refund.money.currency().code(),
            cause: refund.cause,
            status: refund.status.as_str(),
            operations_count: refund.operations.len(),
            operations: newest(&refund.operations),
            due: refund.timer.and_then(|timer| timer.due).map(Time),
        }
    }
}

fn newest(operations: &[SagaOperation]) -> Vec<OperationBody<'_>> {
    let newest = &operations[operations.len().saturating_sub(MAX_OPERATIONS)..];
    newest.iter().map(OperationBody::of).collect()
}

impl<'a> OperationBody<'a> {
    fn of(operation: &'a SagaOperation) -> Self {
        let answer = operation.answer.as_ref();
        Self {
            seq: operation.seq,
            kind: operation.kind,
            requested_at: Time(operation.requested_at),
            not_after: Time(operation.not_after),
            answered_at: answer.map(|answer| Time(answer.at)),
            outcome: answer.map(|answer| OutcomeBody::of(&answer.outcome)),
            proof: answer.map(|answer| answer.proof),
        }
    }
}

impl WaitBody {
    /// A transfer waits for the shard of its receiver, however long that takes.
    pub const RECEIVER: Self = Self { what: "receiver", until: None };

    pub fn of(wait: SagaWait) -> Self {
        let what = match wait.what {
            WaitKind::GatewayAnswer => "gateway_answer",
            WaitKind::Resend => "resend",
            WaitKind::Inquiry => "inquiry",
            WaitKind::Review => "review",
        };
        Self { what, until: wait.until.map(Time) }
    }
}

fn state(state: SagaState) -> &'static str {
    match state {
        SagaState::Submitting => "submitting",
        SagaState::InDoubt => "in_doubt",
        SagaState::NeedsReview => "needs_review",
        SagaState::Completed => "completed",
        SagaState::Failed => "failed",
        SagaState::Cancelled => "cancelled",
    }
}

fn compensation_type(kind: CompensationKind) -> &'static str {
    match kind {
        CompensationKind::HoldVoided => "hold_voided",
        CompensationKind::Refunded => "refunded",
    }
}

fn hold_state(state: HoldState) -> &'static str {
    match state {
        HoldState::Held => "held",
        HoldState::Posted => "posted",
        HoldState::Voided => "voided",
    }
}
