//! Events: the facts that entries state.
//!
//! An event says what happened in the words of the business; how the money moved is in the postings
//! of the same entry. Texts about people stay in the entry's input and are not repeated here.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::inputs::GatewayOperationKind;
use crate::{
    Amount, Currency, DepositId, GatewayName, OperationId, PaymentId, RailName, TenantId,
    Timestamp, UserId, WalletId, WalletLabel,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A wallet exists.
    #[serde(rename = "holdfast.WalletOpened")]
    WalletOpened(WalletOpened),
    /// Money arrived on an external rail.
    #[serde(rename = "holdfast.DepositRecorded")]
    DepositRecorded(DepositRecorded),
    /// A payment exists.
    #[serde(rename = "holdfast.PaymentRequested")]
    PaymentRequested(PaymentRequested),
    /// Money is reserved for a payment.
    #[serde(rename = "holdfast.HoldPlaced")]
    HoldPlaced(Hold),
    /// Reserved money went out.
    #[serde(rename = "holdfast.HoldPosted")]
    HoldPosted(Hold),
    /// Reserved money is free again.
    #[serde(rename = "holdfast.HoldVoided")]
    HoldVoided(Hold),
    /// A try at one gateway with one key began.
    #[serde(rename = "holdfast.AttemptStarted")]
    AttemptStarted(AttemptStarted),
    /// The gateway follower is to do something.
    #[serde(rename = "holdfast.GatewayOperationRequested")]
    GatewayOperationRequested(GatewayOperationRequested),
    /// The result of a gateway operation was taken in.
    #[serde(rename = "holdfast.GatewayOperationAnswered")]
    GatewayOperationAnswered(GatewayOperationAnswered),
    /// The same attempt will be sent again later.
    #[serde(rename = "holdfast.ResendScheduled")]
    ResendScheduled(ResendScheduled),
    /// Whether the gateway charged is not known.
    #[serde(rename = "holdfast.PaymentInDoubt")]
    PaymentInDoubt(PaymentInDoubt),
    /// The gateway charged and the money is gone.
    #[serde(rename = "holdfast.PaymentCompleted")]
    PaymentCompleted(PaymentCompleted),
    /// The payment failed for good; nothing is held for it.
    #[serde(rename = "holdfast.PaymentFailed")]
    PaymentFailed(PaymentFailed),
    /// What a gateway said does not fit what the ledger knows; a person should look.
    #[serde(rename = "holdfast.DiscrepancyRecorded")]
    DiscrepancyRecorded(DiscrepancyRecorded),
}

/// A wallet exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletOpened {
    /// Which.
    pub wallet_id: WalletId,
    /// In whose installation.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// Of what.
    pub currency: Currency,
    /// Which of the user's.
    pub label: WalletLabel,
}

/// Money arrived on an external rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositRecorded {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Whose wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// How it arrived.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
}

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
}

/// A hold was placed, posted or voided. Its id is that of its payment.
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
    /// The attempt, and the idempotency key that the gateway gets.
    pub operation_id: OperationId,
    /// Which operation of the attempt, counted from 1.
    pub operation_seq: i32,
    /// Charge, or ask.
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
    /// What the answer proves about tries of this attempt.
    pub proof: Proof,
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
}
