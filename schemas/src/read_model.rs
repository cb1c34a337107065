//! The rows of the read models, shared by the projection that writes them, the store that keeps
//! them and the API that answers from them.

use serde::{Deserialize, Serialize};

use crate::account::{Balances, Side};
use crate::fingerprint::Fingerprint;
use crate::sealed::Sealed;
use crate::{
    Amount, Currency, DepositId, GatewayName, Money, PaymentId, Position, RailName, Timestamp,
    UserId, WalletId, WalletLabel,
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
    /// The gateway charged and the money is gone.
    Completed,
    /// It failed for good; nothing is held.
    Failed,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Accepted, Self::Processing, Self::InDoubt, Self::Completed, Self::Failed];

    /// The status as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Processing => "processing",
            Self::InDoubt => "in_doubt",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The status with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether money is held for the payment.
    pub fn is_held(self) -> bool {
        match self {
            Self::Processing | Self::InDoubt => true,
            Self::Accepted | Self::Completed | Self::Failed => false,
        }
    }

    /// Whether the caller has nothing to wait for any more.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed => true,
            Self::Accepted | Self::Processing | Self::InDoubt => false,
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
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// Shard time of its entry.
    pub created_at: Timestamp,
    /// Its entry.
    pub position: Position,
}

/// The four numbers of a wallet after one entry, and, where posted money moved, the statement line.
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
}
