//! Where a transfer stands, at its sender and at its receiver. Both may be on one shard: the legs
//! go the same way.
//!
//! ```text
//!   sender                                              receiver
//!   (requested) ── frozen, closed, funds, late ─▶ Failed
//!        │ funds available: hold
//!        ▼
//!      Held ─────────────── leg: credit ───────────────▶ (nothing)
//!        │ └─ sent again with back-off until answered        │  │ frozen, closed, missing,
//!        │                                                   │  │ other currency
//!        │ ◀─────────────── leg: done ── Credited ◀──────────┘  │
//!        │ ◀─────────────── leg: refused ── Refused ◀───────────┘
//!        ├── done: post ────▶ Completed
//!        └── refused: void ─▶ Failed
//! ```
//!
//! The hold never expires, and the sender's last step is unconditional. A leg that comes again is
//! folded by transfer and leg: the receiver answers the same again, and moves nothing.

use schemas::{Fingerprint, Money, TenantId, TransferId, WalletId};
use serde::{Deserialize, Serialize};

/// A transfer, at its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which.
    pub id: TransferId,
    /// In whose installation.
    pub tenant: TenantId,
    /// The sender.
    pub wallet_id: WalletId,
    /// The receiver.
    pub to_wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// How often the receiver's shard was asked to credit.
    pub legs_sent: u32,
    /// How often its timer has been set.
    pub timer_generation: i64,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a transfer stands at its sender. Drawn at the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Requested; never seen outside the entry that decides what follows.
    Requested,
    /// Money is held, the receiver is asked.
    Held,
    /// The receiver has the money.
    Completed,
    /// It failed; nothing is held.
    Failed,
}

/// What became of a transfer at its receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Of which transfer.
    pub transfer_id: TransferId,
    /// The sender.
    pub from_wallet_id: WalletId,
    /// The receiver.
    pub wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// What became of it.
    pub outcome: ReceiptOutcome,
}

/// What became of a transfer at its receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptOutcome {
    /// The receiver has the money.
    Credited,
    /// The receiver cannot have it.
    Refused {
        /// The stable code.
        code: String,
        /// In words.
        message: String,
    },
}
