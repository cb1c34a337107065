//! What a shard consumes, as it stands on the wire: commands, operations, gateway results.
//!
//! These are written by anyone, so ids, amounts and names are plain texts and numbers here; the
//! processors turn them into proven values or refuse them by name. The Avro schemas in `avro/` are
//! the public contract; the structs follow them field by field.

use serde::{Deserialize, Serialize};

use crate::sealed::Sealed;
use crate::{GatewayName, OperationId, PaymentId, Timestamp, WalletId};

/// What a payer may ask: topic `commands`, keyed by wallet id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What every request carries.
    pub envelope: Envelope,
    /// What is asked.
    pub body: CommandBody,
}

/// What an operator may ask: topic `operations`, keyed by wallet id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What every request carries.
    pub envelope: Envelope,
    /// What is asked.
    pub body: OperationBody,
}

/// What every request carries, whatever it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Random for each try; echoed in the entry, so that the one who waits finds his answer.
    pub command_id: String,
    /// Whose installation.
    #[serde(default)]
    pub tenant: String,
    /// What makes a retry the same request.
    #[serde(default)]
    pub idempotency_key: String,
    /// Joins what one request set in motion.
    #[serde(default)]
    pub correlation_id: String,
    /// Who asks, for the audit trail; no personal data.
    #[serde(default)]
    pub actor: String,
    /// Handled after this, the request fails with `deadline_exceeded`.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
}

/// The requests of a payer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandBody {
    /// Take money from a wallet and send it out through a gateway.
    #[serde(rename = "holdfast.Pay")]
    Pay(Pay),
}

/// Take money from a wallet and send it out through a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pay {
    /// Derived from tenant, wallet and idempotency key.
    pub payment_id: String,
    /// Where the money is.
    pub wallet_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code; must be the wallet's.
    pub currency: String,
    /// Which gateway; the configured default when absent.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Which of the caller's services asks.
    #[serde(default)]
    pub service_id: Option<String>,
    /// Free text for people.
    #[serde(default)]
    pub description: Option<Sealed>,
    /// JSON object of the caller's own.
    #[serde(default)]
    pub metadata: Option<Sealed>,
}

/// The requests of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationBody {
    /// Open a wallet; idempotent by who owns what.
    #[serde(rename = "holdfast.OpenWallet")]
    OpenWallet(OpenWallet),
    /// Record that money arrived on an external rail.
    #[serde(rename = "holdfast.Deposit")]
    Deposit(Deposit),
}

/// Open a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWallet {
    /// Derived from tenant, user, currency and label.
    pub wallet_id: String,
    /// Who will own it.
    pub user_id: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Which of the user's wallets in this currency.
    pub label: String,
}

/// Record that money arrived on an external rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Derived from tenant, wallet and idempotency key.
    pub deposit_id: String,
    /// Where the money goes.
    pub wallet_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code; must be the wallet's.
    pub currency: String,
    /// How it arrived.
    pub rail: String,
    /// The rail's own name of it: with `rail` unique per wallet.
    pub reference: String,
}

/// What a gateway said about one operation, or that nobody knows: topic `gateway-results`, keyed by
/// wallet id, written by the gateway follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayResult {
    /// Routes the result.
    pub wallet_id: WalletId,
    /// The payment that the operation is for.
    pub payment_id: PaymentId,
    /// The attempt.
    pub operation_id: OperationId,
    /// Which operation of the attempt: with the id above it makes results unique.
    pub operation_seq: i32,
    /// What was asked of the gateway.
    pub operation: GatewayOperationKind,
    /// Which gateway.
    pub gateway: GatewayName,
    /// What came of it.
    pub outcome: GatewayOutcome,
    /// What the gateway said, bounded and allow-listed.
    #[serde(default)]
    pub evidence: Option<Sealed>,
    /// When the follower knew.
    pub observed_at: Timestamp,
    /// Joins what one request set in motion.
    #[serde(default)]
    pub correlation_id: String,
}

/// What can be asked of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayOperationKind {
    /// Charge.
    Submit,
    /// Say what became of an earlier charge.
    Inquire,
}

/// What came of an operation at a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GatewayOutcome {
    /// The gateway charged.
    #[serde(rename = "holdfast.Succeeded")]
    Succeeded {
        /// The gateway's own name of the charge.
        gateway_reference: String,
        /// Minor units that it charged.
        amount: i64,
        /// In what currency.
        currency: String,
    },
    /// The gateway refused for good.
    #[serde(rename = "holdfast.Declined")]
    Declined {
        /// The gateway's code.
        decline_code: String,
        /// The gateway's text.
        message: String,
    },
    /// No byte of this operation can have reached the gateway, or it proved that it did nothing.
    #[serde(rename = "holdfast.NotSent")]
    NotSent {
        /// Why.
        reason: String,
    },
    /// The operation's `not_after` passed before any try.
    #[serde(rename = "holdfast.ExpiredUnsent")]
    ExpiredUnsent {},
    /// It may or may not have charged.
    #[serde(rename = "holdfast.OutcomeUnknown")]
    OutcomeUnknown {
        /// Why.
        reason: String,
    },
    /// Asked, the gateway knows of no such charge.
    #[serde(rename = "holdfast.NotFound")]
    NotFound {},
}
