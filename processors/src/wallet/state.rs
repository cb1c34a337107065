//! What a shard remembers of a wallet. Its money is in the account of the same name.
//!
//! ```text
//!                freeze                    close, when nothing is in it or under way
//!   Active ◀──────────────▶ Frozen ──────────────────────────────▶ Closed
//!     │         unfreeze                                              ▲
//!     └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! A frozen wallet takes no new debits; what is under way goes on, refunds and deposits come in.
//! Money for a closed one goes to suspense.

use schemas::read_model::{WalletLimits, WalletStatus};
use schemas::{Currency, TenantId, Timestamp, UserId, WalletId, WalletLabel};
use serde::{Deserialize, Serialize};

/// A holder of money in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Derived from tenant, user, currency and label.
    pub id: WalletId,
    /// In whose installation.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// Of what.
    pub currency: Currency,
    /// Which of the user's.
    pub label: WalletLabel,
    /// What it may be used for.
    pub status: WalletStatus,
    /// What payments may take from it, once that was bounded.
    pub bounds: Option<Bounds>,
}

/// What payments may take from a wallet, and what they have taken since that was bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bounds {
    /// The limits.
    pub limits: WalletLimits,
    /// The day of the latest payment, counted from 1970 in UTC.
    pub day: i64,
    /// Held or taken by payments of that day, minor units.
    pub spent: i64,
    /// Payments under way.
    pub in_flight: i32,
}

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The day of a time, counted from 1970 in UTC.
pub(crate) fn day_of(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MILLIS)
}

impl Bounds {
    /// What payments of this day have taken.
    pub(crate) fn spent_on(&self, day: i64) -> i64 {
        if self.day == day { self.spent } else { 0 }
    }

    /// A payment of this day began.
    pub(crate) fn begin(&mut self, day: i64, amount: i64) {
        self.spent = self.spent_on(day).saturating_add(amount);
        self.day = day;
        self.in_flight += 1;
    }

    /// A payment of this day gave back so much of what it held.
    pub(crate) fn give_back(&mut self, day: i64, amount: i64) {
        if self.day == day {
            self.spent -= amount;
        }
    }

    /// A payment ended.
    pub(crate) fn end(&mut self) {
        self.in_flight -= 1;
    }
}
