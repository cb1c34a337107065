//! What happens to refunds.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::inputs::ResolvedOutcome;
use crate::{Amount, Currency, GatewayName, OperationId, PaymentId, RefundId, Timestamp, WalletId};

/// A charge is to be given back, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The payment's wallet.
    pub wallet_id: WalletId,
    /// The attempt whose charge is given back.
    pub operation_id: OperationId,
    /// Where that was charged.
    pub gateway: GatewayName,
    /// The gateway's own name of that charge.
    pub gateway_reference: String,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// Why.
    pub cause: RefundCause,
    /// Where the money goes.
    pub destination: RefundDestination,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// After this nothing new is sent to the gateway for it.
    pub deadline: Timestamp,
    /// Joins what one request set in motion.
    pub correlation_id: String,
}

/// Why a charge is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundCause {
    /// Somebody asked for it.
    Asked,
    /// It is for a payment that had failed, was cancelled, or was charged already.
    UnwantedCharge,
}

/// Where refunded money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundDestination {
    /// Back to the wallet, which shows it as pending until then.
    Wallet,
    /// To suspense: the wallet is closed, or never paid.
    Suspense,
}

/// The same refund will be sent again, to the same gateway with the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundResendScheduled {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Why.
    pub reason: String,
    /// When.
    pub due: Timestamp,
}

/// Whether the gateway gave back is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundInDoubt {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Why.
    pub reason: String,
    /// Without an answer by then a person decides.
    pub review_at: Timestamp,
}

/// A person must say how the refund ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundReviewRequested {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Why.
    pub reason: String,
}

/// A person said how the refund ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundResolved {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// How it ended.
    pub outcome: ResolvedOutcome,
    /// Minor units that the gateway gave back; 0 for none.
    pub amount: i64,
    /// The gateway's own name of the refund.
    pub gateway_reference: String,
    /// Who said so.
    pub actor: String,
}

/// The gateway gave the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSucceeded {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The gateway's own name of the refund.
    pub gateway_reference: String,
    /// Minor units that the gateway gave back.
    pub amount: Amount,
    /// Minor units of it that were owed; the rest went to suspense.
    pub credited: i64,
}

/// The refund failed for good; nothing was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFailed {
    /// Which refund.
    pub refund_id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The stable code.
    pub code: String,
    /// The gateway's code; empty when no gateway declined.
    pub decline_code: String,
    /// In words.
    pub message: String,
}
