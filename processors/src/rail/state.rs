//! What a shard remembers of deposits and withdrawals.
//!
//! ```text
//!   (recorded) ──▶ Standing ── reversed ──▶ Reversed
//! ```

use schemas::{DepositId, Fingerprint, Money, RailName, WalletId, WithdrawalId};
use serde::{Deserialize, Serialize};

/// Which deposit or withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FactId {
    /// Money that came in.
    Deposit(DepositId),
    /// Money that went out.
    Withdrawal(WithdrawalId),
}

impl FactId {
    /// The 16 bytes. Ids of both kinds never meet: they are derived from different words.
    pub fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Deposit(id) => id.as_bytes(),
            Self::Withdrawal(id) => id.as_bytes(),
        }
    }
}

/// A deposit or a withdrawal that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RailFact {
    /// Which.
    pub id: FactId,
    /// Of which wallet.
    pub wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// By which rail.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Whether it still stands.
    pub standing: Standing,
}

/// Whether a fact still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It does, and its money is or was the wallet's.
    Booked,
    /// It does, and its money went to suspense: the wallet was closed.
    Suspended,
    /// The rail took it back.
    Reversed,
}
