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
use utoipa::ToSchema;

use super::Api;
use super::answer::Answer;
use super::openapi::{refusals, values};
use super::path::PaymentPath;
use super::payment_events::OutcomeBody;
use super::problem::Problem;
use super::query::ReadQuery;
use super::representations::{PositionText, Time};

/// The operations that one attempt shows, the newest: inquiries may go on for weeks.
const MAX_OPERATIONS: usize = 100;

/// The saga of a payment
///
/// Where it stands, what was tried at which gateway, what was undone, what it waits for and until
/// when.
#[utoipa::path(
    get, path = "/sagas/{payment_id}", tag = "payments", operation_id = "get_saga",
    params(PaymentPath, ReadQuery),
    responses(
        (status = 200, description = "The saga.", body = SagaBody),
        refusals::LookAtPayment,
    ),
)]
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

/// The saga of a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = Saga)]
struct SagaBody<'a> {
    #[schema(value_type = values::PaymentId)]
    payment_id: PaymentId,
    #[schema(pattern = "^saga$", examples("saga"))]
    object: &'static str,
    #[schema(value_type = values::WalletId)]
    wallet_id: WalletId,
    state: StateText,
    /// After this nothing new is sent to a gateway.
    #[schema(value_type = Option<values::Time>, required = true)]
    deadline: Option<Time>,
    /// The money that is or was reserved.
    #[schema(required = true)]
    hold: Option<HoldBody>,
    /// The first one first.
    attempts: Vec<AttemptBody<'a>>,
    /// Its timer, while it is set.
    #[schema(required = true)]
    timer: Option<TimerBody<'a>>,
    /// Whether its caller wants it to end.
    cancel_requested: bool,
    /// What was undone.
    compensations: Vec<CompensationBody>,
    /// What is given back; the first one first.
    refunds: Vec<RefundBody<'a>>,
    /// What goes on next by itself; null when nothing does.
    #[schema(required = true)]
    waits_for: Option<WaitBody>,
    /// Codes of what did not fit between the ledger and the gateway.
    discrepancies: &'a [String],
    #[schema(value_type = values::Position)]
    position: PositionText,
}

/// Where a saga stands.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SagaState, examples("in_doubt"))]
enum StateText {
    /// Money is held; a charge is outstanding or waits to be sent again.
    Submitting,
    /// The gateway may have charged; inquiries go on.
    InDoubt,
    /// The same, and a person must find out.
    NeedsReview,
    /// The gateway charged; the hold is posted.
    Completed,
    /// It failed; nothing is held.
    Failed,
    /// It ended as its caller wished; nothing is held.
    Cancelled,
}

/// Money reserved for a payment.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaHold)]
struct HoldBody {
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    state: HoldStateText,
}

/// What became of a hold.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HoldState)]
enum HoldStateText {
    /// It stands.
    Held,
    /// The money went out.
    Posted,
    /// The money is free again.
    Voided,
}

/// One try at one gateway with one key.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
struct AttemptBody<'a> {
    /// Counted from 1.
    #[schema(examples(1))]
    number: i32,
    #[schema(value_type = values::AttemptId)]
    attempt_id: String,
    #[schema(value_type = values::GatewayName)]
    gateway: &'a str,
    #[schema(value_type = values::Time)]
    started_at: Time,
    /// How many operations there were; of many, only the newest are shown.
    #[schema(examples(1))]
    operations_count: usize,
    operations: Vec<OperationBody<'a>>,
}

/// What was asked of a gateway, and what it said.
#[derive(Serialize, ToSchema)]
#[schema(as = Operation)]
struct OperationBody<'a> {
    /// Counted from 1 in its attempt.
    #[schema(examples(1))]
    seq: i32,
    #[schema(value_type = values::GatewayOperationName)]
    kind: GatewayOperationKind,
    #[schema(value_type = values::Time)]
    requested_at: Time,
    /// It is not sent after this.
    #[schema(value_type = values::Time)]
    not_after: Time,
    /// Null while there is no answer.
    #[schema(value_type = Option<values::Time>, required = true)]
    answered_at: Option<Time>,
    /// Null while there is no answer.
    #[schema(required = true)]
    outcome: Option<OutcomeBody<'a>>,
    /// Null while there is no answer.
    #[schema(value_type = Option<values::ProofName>, required = true)]
    proof: Option<Proof>,
}

/// What is given back, as the saga has it.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaRefund)]
struct RefundBody<'a> {
    #[schema(value_type = values::RefundId)]
    refund_id: RefundId,
    #[schema(value_type = values::GatewayName)]
    gateway: &'a str,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::RefundCauseName)]
    cause: RefundCause,
    #[schema(value_type = values::RefundStatusName)]
    status: &'static str,
    /// How many operations there were; of many, only the newest are shown.
    #[schema(examples(1))]
    operations_count: usize,
    operations: Vec<OperationBody<'a>>,
    /// When its timer fires, while it is set.
    #[schema(value_type = Option<values::Time>, required = true)]
    due: Option<Time>,
}

/// The timer of a saga.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaTimer)]
struct TimerBody<'a> {
    #[schema(examples("payment:d74d9105-bf5b-8002-97e2-0d6bb8490645"))]
    id: &'a str,
    /// How often it has been set.
    #[schema(examples(2))]
    generation: i64,
    #[schema(value_type = values::Time)]
    due: Time,
}

/// What was undone.
#[derive(Serialize, ToSchema)]
#[schema(as = Compensation)]
struct CompensationBody {
    r#type: CompensationText,
    #[schema(value_type = values::Amount)]
    amount: i64,
    #[schema(value_type = values::Currency)]
    currency: &'static str,
    #[schema(value_type = values::Time)]
    at: Time,
    #[schema(value_type = values::Position)]
    position: PositionText,
}

/// What can be undone.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CompensationType)]
enum CompensationText {
    /// The hold: its money is free again.
    HoldVoided,
    /// A charge: the gateway gave it back.
    Refunded,
}

/// What goes on next by itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Wait)]
pub(super) struct WaitBody {
    what: WaitText,
    /// Null while its timer is being handled, and where there is none.
    #[schema(value_type = Option<values::Time>, required = true)]
    until: Option<Time>,
}

/// What can be waited for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WaitKind)]
enum WaitText {
    /// The answer to an operation; without one by then, the outcome is in doubt or asked about
    /// again.
    GatewayAnswer,
    /// The back-off before the charge is sent again.
    Resend,
    /// The back-off before the gateway is asked what became of the charge.
    Inquiry,
    /// A person; the gateway is asked on, slowly.
    Review,
    /// The shard of the receiver of a transfer, however long that takes.
    Receiver,
}

impl<'a> SagaBody<'a> {
    fn of(saga: &'a Saga) -> Self {
        let hold = saga.hold.map(|hold| HoldBody {
            amount: hold.money.amount().minor(),
            currency: hold.money.currency().code(),
            state: HoldStateText::of(hold.state),
        });
        let compensations = saga.compensations.iter().map(|compensation| CompensationBody {
            r#type: CompensationText::of(compensation.kind),
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
            state: StateText::of(saga.state),
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
    pub const RECEIVER: Self = Self { what: WaitText::Receiver, until: None };

    pub fn of(wait: SagaWait) -> Self {
        let what = match wait.what {
            WaitKind::GatewayAnswer => WaitText::GatewayAnswer,
            WaitKind::Resend => WaitText::Resend,
            WaitKind::Inquiry => WaitText::Inquiry,
            WaitKind::Review => WaitText::Review,
        };
        Self { what, until: wait.until.map(Time) }
    }
}

impl StateText {
    fn of(state: SagaState) -> Self {
        match state {
            SagaState::Submitting => Self::Submitting,
            SagaState::InDoubt => Self::InDoubt,
            SagaState::NeedsReview => Self::NeedsReview,
            SagaState::Completed => Self::Completed,
            SagaState::Failed => Self::Failed,
            SagaState::Cancelled => Self::Cancelled,
        }
    }
}

impl CompensationText {
    fn of(kind: CompensationKind) -> Self {
        match kind {
            CompensationKind::HoldVoided => Self::HoldVoided,
            CompensationKind::Refunded => Self::Refunded,
        }
    }
}

impl HoldStateText {
    fn of(state: HoldState) -> Self {
        match state {
            HoldState::Held => Self::Held,
            HoldState::Posted => Self::Posted,
            HoldState::Voided => Self::Voided,
        }
    }
}
