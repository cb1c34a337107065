//! The rows of the read models, shared by the projection that writes them, the store that keeps
//! them and the API that answers from them.

use serde::{Deserialize, Serialize};

use crate::account::{Account, Balances, Side};
use crate::event::{RefundCause, RefundDestination, SuspenseSubject};
use crate::fingerprint::Fingerprint;
use crate::sealed::Sealed;
use crate::{
    Amount, Currency, DepositId, GatewayName, Money, PaymentId, Position, RailName, RefundId,
    Timestamp, TransferId, UserId, WalletId, WalletLabel, WithdrawalId,
};

/// A payment as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRow {
    /// Which.
    pub id: PaymentId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// Whose wallet that is.
    pub user_id: UserId,
    /// What was asked for.
    pub money: Money,
    /// Free text for people.
    pub description: Option<Sealed>,
    /// Which of the caller's services asked.
    pub service_id: Option<String>,
    /// JSON object of the caller's own.
    pub metadata: Option<Sealed>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Why it failed, when it did.
    pub failure: Option<PaymentFailure>,
    /// The gateway of the latest attempt; none when no attempt was made.
    pub gateway: Option<GatewayName>,
    /// The gateway's own name of the charge.
    pub gateway_reference: Option<String>,
    /// How many attempts began.
    pub attempts: i32,
    /// What the gateway took, minor units.
    pub captured_amount: i64,
    /// What gateways gave back of that, minor units.
    pub refunded_amount: i64,
    /// Whether its caller wants it to end.
    pub cancel_requested: bool,
    /// Codes of what did not fit.
    pub discrepancies: Vec<String>,
    /// The wallet's posted balance after the entry that completed the payment.
    pub balance_after: Option<i64>,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Shard time of its first entry.
    pub created_at: Timestamp,
    /// Shard time of its latest entry.
    pub updated_at: Timestamp,
    /// Its latest entry.
    pub position: Position,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// In the log, not decided yet.
    Accepted,
    /// Money is held and a gateway is at work.
    Processing,
    /// Whether the gateway charged is not known.
    InDoubt,
    /// Whether the gateway charged is not known, and a person must find out.
    NeedsReview,
    /// The gateway charged and the money is gone.
    Completed,
    /// The same, and a part of it came back.
    PartiallyRefunded,
    /// The same, and all of it came back.
    Refunded,
    /// It failed for good; nothing is held.
    Failed,
    /// It ended as its caller wished; nothing is held.
    Cancelled,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Processing,
        Self::InDoubt,
        Self::NeedsReview,
        Self::Completed,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The status as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Processing => "processing",
            Self::InDoubt => "in_doubt",
            Self::NeedsReview => "needs_review",
            Self::Completed => "completed",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether money is held for the payment.
    pub fn is_held(self) -> bool {
        match self {
            Self::Processing | Self::InDoubt | Self::NeedsReview => true,
            Self::Accepted
            | Self::Completed
            | Self::PartiallyRefunded
            | Self::Refunded
            | Self::Failed
            | Self::Cancelled => false,
        }
    }

    /// Whether the payment has an outcome.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed
            | Self::PartiallyRefunded
            | Self::Refunded
            | Self::Failed
            | Self::Cancelled => true,
            Self::Accepted | Self::Processing | Self::InDoubt | Self::NeedsReview => false,
        }
    }
}

/// Why a payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFailure {
    /// The stable code.
    pub code: String,
    /// The gateway's code, when it declined.
    pub decline_code: Option<String>,
    /// In words.
    pub message: String,
}

/// A wallet as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletRow {
    /// Which.
    pub id: WalletId,
    /// Whose.
    pub user_id: UserId,
    /// Of what.
    pub currency: Currency,
    /// Which of the user's.
    pub label: WalletLabel,
    /// What it may be used for.
    pub status: WalletStatus,
    /// What payments may take from it.
    pub limits: WalletLimits,
    /// The four numbers.
    pub balances: Balances,
    /// How many entries have changed its numbers.
    pub version: i64,
    /// Shard time of its first entry.
    pub created_at: Timestamp,
    /// Shard time of its latest entry.
    pub updated_at: Timestamp,
    /// Its latest entry.
    pub position: Position,
}

/// What a wallet may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalletStatus {
    /// For everything.
    Active,
    /// No new debits.
    Frozen,
    /// For nothing any more.
    Closed,
}

impl WalletStatus {
    /// The status as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Closed => "closed",
        }
    }
}

/// What payments may take from a wallet; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WalletLimits {
    /// Minor units of one payment.
    pub per_payment: Option<i64>,
    /// Minor units of one day in UTC.
    pub per_day: Option<i64>,
    /// Payments that may be under way.
    pub in_flight: Option<i32>,
}

/// A refund as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRow {
    /// Which.
    pub id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// The payment's wallet.
    pub wallet_id: WalletId,
    /// What was asked for.
    pub money: Money,
    /// Why.
    pub cause: RefundCause,
    /// Where the money goes.
    pub destination: RefundDestination,
    /// Free text for people.
    pub reason: Option<Sealed>,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why it failed, when it did.
    pub failure: Option<PaymentFailure>,
    /// Where the charge was.
    pub gateway: GatewayName,
    /// The gateway's own name of the refund.
    pub gateway_reference: Option<String>,
    /// What the gateway gave back, minor units.
    pub refunded_amount: i64,
    /// Codes of what did not fit.
    pub discrepancies: Vec<String>,
    /// The wallet's posted balance after the entry that credited it.
    pub balance_after: Option<i64>,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Shard time of its first entry.
    pub created_at: Timestamp,
    /// Shard time of its latest entry.
    pub updated_at: Timestamp,
    /// Its latest entry.
    pub position: Position,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// In the log, not decided yet.
    Accepted,
    /// A gateway is at work.
    Processing,
    /// Whether the gateway gave back is not known.
    InDoubt,
    /// Whether the gateway gave back is not known, and a person must find out.
    NeedsReview,
    /// The gateway gave the money back.
    Succeeded,
    /// It failed for good; nothing came back.
    Failed,
}

impl RefundStatus {
    /// The status as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Processing => "processing",
            Self::InDoubt => "in_doubt",
            Self::NeedsReview => "needs_review",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Whether the refund has an outcome.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed => true,
            Self::Accepted | Self::Processing | Self::InDoubt | Self::NeedsReview => false,
        }
    }
}

/// A transfer as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRow {
    /// Which.
    pub id: TransferId,
    /// The sender.
    pub from_wallet_id: WalletId,
    /// The receiver.
    pub to_wallet_id: WalletId,
    /// Whose the sending wallet is.
    pub user_id: UserId,
    /// How much.
    pub money: Money,
    /// Free text for people.
    pub description: Option<Sealed>,
    /// Where it stands.
    pub status: TransferStatus,
    /// Why it failed, when it did.
    pub failure: Option<PaymentFailure>,
    /// How often the receiver's shard was asked to credit.
    pub legs_sent: u32,
    /// The sender's posted balance after the entry that completed it.
    pub balance_after: Option<i64>,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Shard time of its first entry.
    pub created_at: Timestamp,
    /// Shard time of its latest entry on the sender's shard.
    pub updated_at: Timestamp,
    /// Its latest entry on the sender's shard.
    pub position: Position,
}

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferStatus {
    /// In the log, not decided yet.
    Accepted,
    /// The sender's money is held, the receiver is asked.
    Held,
    /// The receiver has the money.
    Completed,
    /// It failed for good; nothing is held.
    Failed,
}

impl TransferStatus {
    /// The status as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Held => "held",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether the transfer has an outcome.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Accepted | Self::Held => false,
        }
    }
}

/// The receiver's side of a transfer: one row for each that was credited. It is kept apart from the
/// sender's row, because the two shards are folded independently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCreditRow {
    /// Which.
    pub transfer_id: TransferId,
    /// The receiver.
    pub wallet_id: WalletId,
    /// Shard time of the entry that credited it.
    pub at: Timestamp,
    /// That entry, on the receiver's shard.
    pub position: Position,
}

/// Money that went to suspense, or came from it: each line waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspenseRow {
    /// The entry.
    pub position: Position,
    /// Which booking of that entry, counted from 0.
    pub number: u32,
    /// Shard time of the entry.
    pub at: Timestamp,
    /// The wallet that it is about.
    pub wallet_id: WalletId,
    /// What it is about.
    pub subject: SuspenseSubject,
    /// The other account.
    pub against: Account,
    /// The side of the suspense account: a credit is owed to somebody, a debit is owed to us.
    pub side: Side,
    /// How much.
    pub money: Money,
    /// The stable code of the kind.
    pub code: String,
    /// In words.
    pub detail: String,
}

/// A deposit as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositRow {
    /// Which.
    pub id: DepositId,
    /// Into which wallet.
    pub wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// How it arrived.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// The wallet's posted balance afterwards.
    pub balance_after: i64,
    /// When the rail took it back, if it did.
    pub reversed_at: Option<Timestamp>,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// Shard time of its entry.
    pub created_at: Timestamp,
    /// Its latest entry.
    pub position: Position,
}

/// A withdrawal as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRow {
    /// Which.
    pub id: WithdrawalId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// How it left.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// The wallet's posted balance afterwards.
    pub balance_after: i64,
    /// When the rail gave it back, if it did.
    pub reversed_at: Option<Timestamp>,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// Shard time of its entry.
    pub created_at: Timestamp,
    /// Its latest entry.
    pub position: Position,
}

/// The four numbers of a wallet after one entry: its opening, or one that moved money of it; where
/// posted money moved, with the statement line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletMovement {
    /// Whose.
    pub wallet_id: WalletId,
    /// After which entry: also the line's id.
    pub position: Position,
    /// Shard time of the entry.
    pub at: Timestamp,
    /// The numbers afterwards.
    pub balances: Balances,
    /// What the statement shows; none when only pending money moved.
    pub line: Option<StatementLine>,
}

/// One line of a statement: posted money that moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementLine {
    /// What moved it.
    pub kind: StatementKind,
    /// Which way.
    pub side: Side,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// Free text of the payment.
    pub description: Option<Sealed>,
    /// Joins what one request set in motion.
    pub correlation_id: String,
}

/// What moved posted money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementKind {
    /// Money arrived.
    Deposit(DepositId),
    /// Money went out.
    Payment(PaymentId),
    /// Money left by an external rail.
    Withdrawal(WithdrawalId),
    /// The rail took a deposit back.
    DepositReversal(DepositId),
    /// The rail gave a withdrawal back.
    WithdrawalReversal(WithdrawalId),
    /// A payment came back, or a part of it.
    Refund(PaymentId, RefundId),
    /// Money came from another wallet.
    TransferIn(TransferId),
    /// Money went to another wallet.
    TransferOut(TransferId),
}

impl StatementKind {
    /// The type of the line as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deposit(_) => "deposit",
            Self::Payment(_) => "payment",
            Self::Withdrawal(_) => "withdrawal",
            Self::DepositReversal(_) => "deposit_reversal",
            Self::WithdrawalReversal(_) => "withdrawal_reversal",
            Self::Refund(..) => "refund",
            Self::TransferIn(_) => "transfer_in",
            Self::TransferOut(_) => "transfer_out",
        }
    }
}
