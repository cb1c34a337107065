//! What a shard consumes, as it stands on the wire: commands, operations, gateway results, legs of
//! transfers.
//!
//! These are written by anyone, so ids, amounts and names are plain texts and numbers here; the
//! processors turn them into proven values or refuse them by name. The Avro schemas in `avro/` are
//! the public contract; the structs follow them field by field.

use serde::{Deserialize, Serialize};

use crate::sealed::Sealed;
use crate::{
    Amount, Currency, GatewayName, OperationId, PaymentId, TenantId, Timestamp, TransferId,
    WalletId,
};

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
    /// End a payment before it has an outcome, if that can still be done.
    #[serde(rename = "holdfast.Cancel")]
    Cancel(Cancel),
    /// Give a payment back, or a part of it.
    #[serde(rename = "holdfast.Refund")]
    Refund(Refund),
    /// Move money from one wallet to another.
    #[serde(rename = "holdfast.Transfer")]
    Transfer(Transfer),
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

/// End a payment before it has an outcome, if that can still be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// Which.
    pub payment_id: String,
    /// The payment's wallet: routes the request.
    pub wallet_id: String,
}

/// Give a payment back, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Derived from tenant, payment and idempotency key.
    pub refund_id: String,
    /// Which payment.
    pub payment_id: String,
    /// The payment's wallet: routes the request.
    pub wallet_id: String,
    /// Minor units; none is all that is left to refund.
    #[serde(default)]
    pub amount: Option<i64>,
    /// Free text for people.
    #[serde(default)]
    pub reason: Option<Sealed>,
}

/// Move money from one wallet to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Derived from tenant, sending wallet and idempotency key.
    pub transfer_id: String,
    /// Where the money is.
    pub wallet_id: String,
    /// Where it goes.
    pub to_wallet_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code; must be that of both wallets.
    pub currency: String,
    /// Free text for people.
    #[serde(default)]
    pub description: Option<Sealed>,
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
    /// Record that money left by an external rail.
    #[serde(rename = "holdfast.Withdraw")]
    Withdraw(Withdraw),
    /// Record that the rail took a deposit back.
    #[serde(rename = "holdfast.ReverseDeposit")]
    ReverseDeposit(ReverseDeposit),
    /// Record that the rail gave a withdrawal back.
    #[serde(rename = "holdfast.ReverseWithdrawal")]
    ReverseWithdrawal(ReverseWithdrawal),
    /// Refuse new debits of a wallet.
    #[serde(rename = "holdfast.FreezeWallet")]
    FreezeWallet(WalletChange),
    /// Allow them again.
    #[serde(rename = "holdfast.UnfreezeWallet")]
    UnfreezeWallet(WalletChange),
    /// End a wallet that is empty, for good.
    #[serde(rename = "holdfast.CloseWallet")]
    CloseWallet(WalletChange),
    /// Bound what payments may take from a wallet.
    #[serde(rename = "holdfast.SetLimits")]
    SetLimits(SetLimits),
    /// Say how a payment in review ended.
    #[serde(rename = "holdfast.ResolvePayment")]
    ResolvePayment(ResolvePayment),
    /// Say how a refund in review ended.
    #[serde(rename = "holdfast.ResolveRefund")]
    ResolveRefund(ResolveRefund),
    /// The configuration that a shard decides by from now on.
    #[serde(rename = "holdfast.AdoptPolicy")]
    AdoptPolicy(AdoptPolicy),
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

/// Record that money left by an external rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Derived from tenant, wallet and idempotency key.
    pub withdrawal_id: String,
    /// Where the money was.
    pub wallet_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code; must be the wallet's.
    pub currency: String,
    /// How it left.
    pub rail: String,
    /// The rail's own name of it: with `rail` unique per wallet, deposits included.
    pub reference: String,
}

/// Record that the rail took a deposit back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseDeposit {
    /// Which.
    pub deposit_id: String,
    /// The deposit's wallet: routes the request.
    pub wallet_id: String,
    /// Free text for people.
    #[serde(default)]
    pub reason: Option<Sealed>,
}

/// Record that the rail gave a withdrawal back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReverseWithdrawal {
    /// Which.
    pub withdrawal_id: String,
    /// The withdrawal's wallet: routes the request.
    pub wallet_id: String,
    /// Free text for people.
    #[serde(default)]
    pub reason: Option<Sealed>,
}

/// Freeze, unfreeze or close a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletChange {
    /// Which.
    pub wallet_id: String,
    /// Free text for people.
    #[serde(default)]
    pub reason: Option<Sealed>,
}

/// Bound what payments may take from a wallet. Replaces every bound that was set before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLimits {
    /// Which.
    pub wallet_id: String,
    /// Minor units; none is no limit.
    #[serde(default)]
    pub per_payment: Option<i64>,
    /// Minor units of one day in UTC; none is no limit.
    #[serde(default)]
    pub per_day: Option<i64>,
    /// Payments that may be under way; none is no limit.
    #[serde(default)]
    pub in_flight: Option<i32>,
}

/// Say how a payment in review ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvePayment {
    /// Which.
    pub payment_id: String,
    /// The payment's wallet: routes the request.
    pub wallet_id: String,
    /// How it ended.
    pub outcome: ResolvedOutcome,
    /// Why the operator knows.
    #[serde(default)]
    pub evidence: Option<Sealed>,
    /// Minor units that the gateway took; none is what was asked.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The gateway's own name of the charge; empty when there is none.
    #[serde(default)]
    pub gateway_reference: String,
}

/// Say how a refund in review ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolveRefund {
    /// Which.
    pub refund_id: String,
    /// The payment's wallet: routes the request.
    pub wallet_id: String,
    /// How it ended.
    pub outcome: ResolvedOutcome,
    /// Why the operator knows.
    #[serde(default)]
    pub evidence: Option<Sealed>,
    /// Minor units that the gateway gave back; none is what was asked.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The gateway's own name of the refund; empty when there is none.
    #[serde(default)]
    pub gateway_reference: String,
}

/// How something in review ended, as a person found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResolvedOutcome {
    /// The gateway did it.
    Succeeded,
    /// The gateway never did it, and never will.
    Failed,
}

/// The configuration that a shard decides by from now on; to every partition, with an empty key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptPolicy {
    /// Follows from the configuration.
    pub version: i64,
    /// Canonical JSON.
    pub configuration: String,
}

/// What a gateway said about one operation, or that nobody knows: topic `gateway-results`, keyed by
/// wallet id, written by the gateway follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayResult {
    /// Routes the result.
    pub wallet_id: WalletId,
    /// The payment that the operation is for.
    pub payment_id: PaymentId,
    /// The attempt or the refund.
    pub operation_id: OperationId,
    /// Which operation of it: with the id above it makes results unique; 0 for what a gateway says
    /// unasked.
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
    /// The gateway's own id of what it said unasked; empty for an answer.
    #[serde(default)]
    pub notification_id: String,
}

/// What can be asked of a gateway, or heard from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayOperationKind {
    /// Charge.
    Submit,
    /// Say what became of an earlier charge.
    Inquire,
    /// Give a charge back, or a part of it.
    Refund,
    /// Say what became of an earlier refund.
    InquireRefund,
    /// Nothing: the gateway says unasked what became of a charge.
    Notify,
    /// Nothing: the gateway says unasked what became of a refund.
    NotifyRefund,
}

impl GatewayOperationKind {
    /// Whether it is about a refund, not about a charge.
    pub fn is_of_refund(self) -> bool {
        match self {
            Self::Refund | Self::InquireRefund | Self::NotifyRefund => true,
            Self::Submit | Self::Inquire | Self::Notify => false,
        }
    }

    /// Whether it moves money at the gateway.
    pub fn moves_money(self) -> bool {
        match self {
            Self::Submit | Self::Refund => true,
            Self::Inquire | Self::InquireRefund | Self::Notify | Self::NotifyRefund => false,
        }
    }
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

/// A leg of a wallet-to-wallet transfer, to the shard that must act: topic `transfers`, keyed by
/// wallet id, written by the transfer follower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLeg {
    /// Whose shard must act.
    pub wallet_id: WalletId,
    /// Which transfer.
    pub transfer_id: TransferId,
    /// In whose installation.
    pub tenant: TenantId,
    /// The sender.
    pub from_wallet_id: WalletId,
    /// The receiver.
    pub to_wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// What it asks, or says.
    pub body: LegBody,
    /// Joins what one request set in motion.
    #[serde(default)]
    pub correlation_id: String,
}

/// What a leg asks, or says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegBody {
    /// To the receiver: credit.
    #[serde(rename = "holdfast.CreditAsked")]
    CreditAsked {},
    /// To the sender: it was credited.
    #[serde(rename = "holdfast.CreditDone")]
    CreditDone {},
    /// To the sender: it was refused.
    #[serde(rename = "holdfast.CreditRefused")]
    CreditRefused {
        /// The stable code.
        code: String,
        /// In words.
        message: String,
    },
}
