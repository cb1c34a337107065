//! What happened to one payment: its rows in the read model, and the state of its saga.
//!
//! A row is one entry of the journal, reduced to what concerns the payment; ids that the payment's
//! own row says once are not repeated. Rows of a payment are linked backwards, so that they can be
//! kept in the order of the journal. Refused and repeated inputs changed nothing and have no row.

use serde::{Deserialize, Serialize};

use crate::account::Side;
use crate::event::{Proof, RefundCause, RefundDestination};
use crate::inputs::{GatewayOperationKind, GatewayOutcome, ResolvedOutcome};
use crate::read_model::RefundStatus;
use crate::{
    Amount, GatewayName, Money, Offset, OperationId, PaymentId, Position, RefundId, Sealed,
    Timestamp, WalletId,
};

/// One entry that changed a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// The entry.
    pub position: Position,
    /// The entry that changed the payment before, in the same partition; none for the first.
    pub previous: Option<Offset>,
    /// The entry's number in its partition.
    pub seq: i64,
    /// Shard time of the entry.
    pub at: Timestamp,
    /// The input that was decided.
    pub input: TimelineInput,
    /// The correlation id that the input carried; empty when it carried none.
    pub correlation_id: String,
    /// The latest attempt after this entry, counted from 1; 0 before the first.
    pub attempt: i32,
    /// What happened, in order.
    pub events: Vec<TimelineEvent>,
    /// The payment's timer, when the entry set or cancelled it.
    pub timer: Option<TimerSetting>,
    /// The same of a refund of the payment.
    pub refund_timer: Option<(RefundId, TimerSetting)>,
}

/// The input of an entry, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimelineInput {
    /// A record of topic `commands`.
    Command(RequestInput),
    /// A record of topic `operations`.
    Operation(Box<OperationInput>),
    /// A record of topic `gateway-results`.
    GatewayResult(Box<ResultInput>),
    /// A due timer.
    Timer {
        /// How often it had been set.
        generation: i64,
        /// When it was due.
        due: Timestamp,
    },
}

/// A request of a payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestInput {
    /// Where the record stands in the shard's partition of its topic.
    pub offset: i64,
    /// Names the try.
    pub command_id: String,
    /// Who asked.
    pub actor: String,
}

/// A request of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationInput {
    /// As of a payer.
    pub request: RequestInput,
    /// Of a resolution: how the person knows.
    pub evidence: Option<Sealed>,
}

/// What a gateway said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultInput {
    /// Where the record stands in the shard's partition of its topic.
    pub offset: i64,
    /// Which operation of the attempt.
    pub operation_seq: i32,
    /// What was asked of the gateway.
    pub operation: GatewayOperationKind,
    /// Of which attempt or refund.
    pub operation_id: OperationId,
    /// What came of it.
    pub outcome: GatewayOutcome,
    /// What was seen of the gateway's answer.
    pub evidence: Option<Sealed>,
    /// When the follower knew.
    pub observed_at: Timestamp,
}

/// Something that happened to the payment of the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimelineEvent {
    /// It exists.
    PaymentRequested {
        /// What was asked for.
        money: Money,
        /// After this nothing new is sent to a gateway for it.
        deadline: Timestamp,
    },
    /// Money is reserved for it.
    HoldPlaced(Money),
    /// Reserved money went out.
    HoldPosted(Money),
    /// Reserved money is free again.
    HoldVoided(Money),
    /// A try at one gateway with one key began.
    AttemptStarted {
        /// The attempt, and the key that the gateway gets.
        operation_id: OperationId,
        /// Where.
        gateway: GatewayName,
    },
    /// The gateway was to do something.
    GatewayOperationRequested {
        /// The refund, when it is for one.
        refund_id: Option<RefundId>,
        /// Which operation of the attempt or the refund.
        operation_seq: i32,
        /// Charge, or ask.
        operation: GatewayOperationKind,
        /// No request may be handed to the HTTP client after this.
        not_after: Timestamp,
        /// A "not found" to an inquiry asked after this proves something.
        conclusive_after: Timestamp,
    },
    /// The result of an operation was taken in.
    GatewayOperationAnswered {
        /// The attempt or the refund.
        operation_id: OperationId,
        /// Which operation of it.
        operation_seq: i32,
        /// What the answer proves.
        proof: Proof,
    },
    /// The attempt will be sent again.
    ResendScheduled {
        /// Why.
        reason: String,
        /// When.
        due: Timestamp,
    },
    /// Whether the gateway charged is not known.
    PaymentInDoubt {
        /// Why.
        reason: String,
    },
    /// The gateway charged and the money is gone.
    PaymentCompleted {
        /// The gateway's own name of the charge.
        gateway_reference: String,
        /// Minor units.
        captured_amount: Amount,
    },
    /// It failed for good.
    PaymentFailed {
        /// The stable code.
        code: String,
        /// The gateway's code; empty when no gateway declined.
        decline_code: String,
        /// In words.
        message: String,
    },
    /// What a gateway said does not fit.
    DiscrepancyRecorded {
        /// The stable code of the kind.
        code: String,
        /// In words.
        detail: String,
    },
    /// The attempt ended without a charge; another gateway is tried.
    AttemptAbandoned {
        /// The attempt.
        operation_id: OperationId,
        /// Why.
        reason: String,
    },
    /// A person must say how it ended.
    PaymentReviewRequested {
        /// Why.
        reason: String,
    },
    /// A person said how it ended.
    PaymentResolved {
        /// How.
        outcome: ResolvedOutcome,
        /// Minor units that the gateway took; 0 for none.
        amount: i64,
        /// Who said so.
        actor: String,
    },
    /// Its caller wants it to end.
    CancelRequested,
    /// It ended as its caller wished.
    PaymentCancelled,
    /// Money went to suspense or came from it.
    SuspenseBooked {
        /// The side of the suspense account.
        side: Side,
        /// How much.
        money: Money,
        /// The stable code of the kind.
        code: String,
        /// In words.
        detail: String,
    },
    /// A charge is to be given back, or a part of it.
    RefundRequested {
        /// The refund.
        refund_id: RefundId,
        /// Where.
        gateway: GatewayName,
        /// How much.
        money: Money,
        /// Why.
        cause: RefundCause,
        /// Where the money goes.
        destination: RefundDestination,
    },
    /// The refund will be sent again.
    RefundResendScheduled {
        /// The refund.
        refund_id: RefundId,
        /// Why.
        reason: String,
        /// When.
        due: Timestamp,
    },
    /// Whether the gateway gave back is not known.
    RefundInDoubt {
        /// The refund.
        refund_id: RefundId,
        /// Why.
        reason: String,
    },
    /// A person must say how the refund ended.
    RefundReviewRequested {
        /// The refund.
        refund_id: RefundId,
        /// Why.
        reason: String,
    },
    /// A person said how the refund ended.
    RefundResolved {
        /// The refund.
        refund_id: RefundId,
        /// How.
        outcome: ResolvedOutcome,
        /// Who said so.
        actor: String,
    },
    /// The gateway gave the money back.
    RefundSucceeded {
        /// The refund.
        refund_id: RefundId,
        /// The gateway's own name of the refund.
        gateway_reference: String,
        /// Minor units.
        amount: Amount,
    },
    /// The refund failed for good.
    RefundFailed {
        /// The refund.
        refund_id: RefundId,
        /// The stable code.
        code: String,
        /// In words.
        message: String,
    },
}

/// The one timer of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSetting {
    /// How often it has been set, this time included.
    pub generation: i64,
    /// When it is due; none cancels it.
    pub due: Option<Timestamp>,
}

/// The saga of a payment as it stands: the fold of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// Where it stands.
    pub state: SagaState,
    /// After this nothing new is sent to a gateway; none when its first entry is not at hand.
    pub deadline: Option<Timestamp>,
    /// The money that is or was reserved.
    pub hold: Option<SagaHold>,
    /// Its attempts, the first one first.
    pub attempts: Vec<SagaAttempt>,
    /// Its timer, while it is set.
    pub timer: Option<SagaTimer>,
    /// Whether its caller wants it to end.
    pub cancel_requested: bool,
    /// What was undone.
    pub compensations: Vec<Compensation>,
    /// What is given back, the first one first.
    pub refunds: Vec<SagaRefund>,
    /// What goes on next by itself; none when nothing does.
    pub waits_for: Option<SagaWait>,
    /// What did not fit.
    pub discrepancies: Vec<String>,
    /// Its latest entry.
    pub position: Position,
}

/// Where a saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SagaState {
    /// Money is held; a charge is outstanding or waits to be sent again.
    Submitting,
    /// The gateway may have charged; inquiries go on.
    InDoubt,
    /// The same, and a person must find out; inquiries go on, slowly.
    NeedsReview,
    /// The gateway charged; the hold is posted.
    Completed,
    /// It failed; nothing is held.
    Failed,
    /// It ended as its caller wished; nothing is held.
    Cancelled,
}

/// A refund of a payment as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRefund {
    /// Which.
    pub refund_id: RefundId,
    /// Where.
    pub gateway: GatewayName,
    /// How much was asked for.
    pub money: Money,
    /// Why.
    pub cause: RefundCause,
    /// Where it stands.
    pub status: RefundStatus,
    /// What was asked of the gateway, the first one first.
    pub operations: Vec<SagaOperation>,
    /// Its timer, while it is set.
    pub timer: Option<TimerSetting>,
}

/// Money reserved for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SagaHold {
    /// How much.
    pub money: Money,
    /// What became of it.
    pub state: HoldState,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// It stands.
    Held,
    /// The money went out.
    Posted,
    /// The money is free again.
    Voided,
}

/// One try at one gateway with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaAttempt {
    /// Counted from 1.
    pub number: i32,
    /// The attempt, and the key that the gateway got.
    pub operation_id: OperationId,
    /// Where.
    pub gateway: GatewayName,
    /// When it began.
    pub started_at: Timestamp,
    /// What was asked of the gateway, the first one first.
    pub operations: Vec<SagaOperation>,
}

/// One thing that was asked of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaOperation {
    /// Counted from 1 within the attempt.
    pub seq: i32,
    /// Charge, or ask.
    pub kind: GatewayOperationKind,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// No request may be handed to the HTTP client after this.
    pub not_after: Timestamp,
    /// What came of it; none while nobody has said.
    pub answer: Option<SagaAnswer>,
}

/// What came of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaAnswer {
    /// When it was taken in.
    pub at: Timestamp,
    /// What the gateway said.
    pub outcome: GatewayOutcome,
    /// What that proves.
    pub proof: Proof,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaTimer {
    /// Which.
    pub id: String,
    /// How often it has been set.
    pub generation: i64,
    /// When it is due.
    pub due: Timestamp,
}

/// A step that undid an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compensation {
    /// How.
    pub kind: CompensationKind,
    /// How much was released, or came back.
    pub money: Money,
    /// When.
    pub at: Timestamp,
    /// By which entry.
    pub position: Position,
}

/// How a step was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompensationKind {
    /// Reserved money is free again.
    HoldVoided,
    /// The gateway gave a charge back.
    Refunded,
}

/// What a saga waits for, and how long at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SagaWait {
    /// For what.
    pub what: WaitKind,
    /// Then its timer fires; none while the timer is being handled.
    pub until: Option<Timestamp>,
}

/// What a saga can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// The answer to an operation; without one by then, the outcome is in doubt or asked about
    /// again.
    GatewayAnswer,
    /// The back-off before the charge is sent again.
    Resend,
    /// The back-off before the gateway is asked what became of the charge.
    Inquiry,
    /// A person; meanwhile the gateway is asked slowly.
    Review,
}
