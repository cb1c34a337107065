//! What happens to payments, their holds, and at gateways.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::inputs::{GatewayOperationKind, ResolvedOutcome};
use crate::{
    Amount, Currency, GatewayName, OperationId, PaymentId, RefundId, Timestamp, UserId, WalletId,
};

/// A payment exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequested {
    /// Which.
    pub payment_id: PaymentId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// Whose wallet that is.
    pub user_id: UserId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// After this nothing new is sent to a gateway for it.
    pub deadline: Timestamp,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// The gateway that the request names; no other is tried then.
    #[serde(default)]
    pub gateway: Option<GatewayName>,
}

/// A hold was placed, posted or voided. Its id is that of its payment. What the gateway took is
/// posted and the rest is voided: together they are what was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// For which payment.
    pub payment_id: PaymentId,
    /// In which wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
}

/// A try at one gateway with one key began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The attempt, and the idempotency key that the gateway gets.
    pub operation_id: OperationId,
    /// Counted from 1.
    pub number: i32,
    /// Where.
    pub gateway: GatewayName,
}

/// The gateway follower is to do something, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayOperationRequested {
    /// For which payment.
    pub payment_id: PaymentId,
    /// Routes the result.
    pub wallet_id: WalletId,
    /// The attempt or the refund, and the idempotency key that the gateway gets.
    pub operation_id: OperationId,
    /// Which operation of it, counted from 1.
    pub operation_seq: i32,
    /// Charge, give back, or ask.
    pub operation: GatewayOperationKind,
    /// Where.
    pub gateway: GatewayName,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// No request may be handed to the HTTP client after this.
    pub not_after: Timestamp,
    /// An authoritative "not found" to an inquiry asked after this proves that the gateway never
    /// got the charge: `not_after`, the maximum call time and the ingestion window have passed.
    pub conclusive_after: Timestamp,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// What a refund gives back; none for a charge.
    #[serde(default)]
    pub refund: Option<Box<RefundOf>>,
}

/// What a refund gives back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOf {
    /// The refund.
    pub refund_id: RefundId,
    /// The attempt whose charge it is: the key that the gateway got for it.
    pub charge_operation_id: OperationId,
    /// The gateway's own name of that charge.
    pub charge_reference: String,
}

/// The result of a gateway operation was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayOperationAnswered {
    /// For which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Which operation of the attempt.
    pub operation_seq: i32,
    /// What the answer proves about tries of this attempt or refund.
    pub proof: Proof,
    /// The refund, when it is of one.
    #[serde(default)]
    pub refund_id: Option<RefundId>,
}

/// What the answer of a gateway proves about what it may have received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Nothing.
    Nothing,
    /// This operation never reached the gateway.
    NotSent,
    /// No operation of this attempt ever reached the gateway.
    NeverReceived,
}

/// The same attempt will be sent again, to the same gateway with the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendScheduled {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Why.
    pub reason: String,
    /// When.
    pub due: Timestamp,
}

/// Whether the gateway charged is not known; the hold stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentInDoubt {
    /// Which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Why.
    pub reason: String,
    /// Without an answer by then a person decides; none in entries of version 1.
    #[serde(default)]
    pub review_at: Option<Timestamp>,
}

/// The gateway charged and the money is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCompleted {
    /// Which payment.
    pub payment_id: PaymentId,
    /// By which attempt.
    pub operation_id: OperationId,
    /// Where.
    pub gateway: GatewayName,
    /// The gateway's own name of the charge.
    pub gateway_reference: String,
    /// Minor units.
    pub captured_amount: Amount,
}

/// The payment failed for good; nothing is held for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFailed {
    /// Which payment.
    pub payment_id: PaymentId,
    /// The stable code: `insufficient_funds`, `payment_declined`, …
    pub code: String,
    /// The gateway's code; empty when no gateway declined.
    pub decline_code: String,
    /// In words.
    pub message: String,
}

/// What a gateway said does not fit what the ledger knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscrepancyRecorded {
    /// Which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// The stable code of the kind of discrepancy.
    pub code: String,
    /// In words.
    pub detail: String,
    /// The refund, when it is of one.
    #[serde(default)]
    pub refund_id: Option<RefundId>,
}

/// An attempt ended without a charge; another gateway is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptAbandoned {
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Why.
    pub reason: String,
}

/// A person must say how the payment ended; the hold stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReviewRequested {
    /// Which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Why.
    pub reason: String,
}

/// A person said how the payment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentResolved {
    /// Which payment.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// How it ended.
    pub outcome: ResolvedOutcome,
    /// Minor units that the gateway took; 0 for none.
    pub amount: i64,
    /// The gateway's own name of the charge.
    pub gateway_reference: String,
    /// Who said so.
    pub actor: String,
}

/// The caller wants the payment to end: nothing new is sent for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {
    /// Which payment.
    pub payment_id: PaymentId,
}

/// The payment ended as its caller wished; nothing was charged and nothing is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCancelled {
    /// Which payment.
    pub payment_id: PaymentId,
}
