//! Where a payment stands.
//!
//! ```text
//!                 limits, frozen, closed, insufficient funds, deadline passed
//!   (requested) ──────────────────────────────────────────────────────────▶ Failed
//!        │ funds available: hold                                              ▲
//!        ▼            success: post                                           │
//!    Submitting ───────────────▶ Completed                                    │
//!     │  ▲  │ not sent: wait, then the same attempt again;                    │
//!     │  └──┘ then the next gateway with a new attempt; then give up: void    │
//!     │     ├───────────────────────────────────────────────────────────────▶ ┤
//!     │     │ decline: void                                                   │
//!     │     └───────────────────────────────────────────────────────────────▶ ┤
//!     │  ▲                                                                    │
//!     │  │ proven never received: the same attempt again                      │
//!     ▼  │            success: post                                           │
//!    InDoubt ──────────────────▶ Completed                                    │
//!     │  │ └─ inquiries with back-off, the hold is kept                       │
//!     │  └────────────────────────────────────────────── decline: void ─────▶ ┤
//!     │ review deadline, or a charge in another currency                      │
//!     ▼              success, or resolved as such: post                       │
//!    NeedsReview ──────────────▶ Completed                                    │
//!     └─ inquiries, slowly ──── decline, never received, or resolved: void ─▶ ┘
//!
//!    Submitting, InDoubt ── cancel: nothing new is sent ──▶ the same, cancel requested
//!    cancel requested ── proven that nothing was charged: void ──▶ Cancelled
//!    cancel requested ── success: post ──▶ Completed, the cancel is lost
//! ```
//!
//! Completed, Failed and Cancelled are final. A success that turns up for another attempt, or after
//! Failed or Cancelled, changes nothing here: the money is booked against suspense, and the charge
//! is refunded at its gateway. A second outcome that contradicts the first is a discrepancy.

use std::collections::BTreeSet;

use schemas::inputs::ResolvedOutcome;
use schemas::{Amount, Fingerprint, Money, OperationId, PaymentId, TenantId, Timestamp, WalletId};
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;

/// A payment and the state of its saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Which.
    pub id: PaymentId,
    /// In whose installation.
    pub tenant: TenantId,
    /// From which wallet.
    pub wallet_id: WalletId,
    /// What was asked for.
    pub money: Money,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// After this nothing new is sent to a gateway.
    pub deadline: Timestamp,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// How often its timer has been set.
    pub timer_generation: i64,
    /// Whether the request names its gateway: then no other is tried.
    pub is_pinned: bool,
    /// Whether its caller wants it to end: then nothing new is sent.
    pub cancel_requested: bool,
    /// The day on which it counts against the limits of its wallet, where there are any.
    pub counted_on: Option<i64>,
    /// Where it stands.
    pub phase: Phase,
    /// What most payments never have.
    pub rare: Option<Box<Rare>>,
}

/// What most payments never have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rare {
    /// Without an answer by then a person decides.
    pub review_at: Option<Timestamp>,
    /// Codes of what did not fit.
    pub discrepancies: BTreeSet<String>,
    /// Attempts before the current one, the first one first.
    pub earlier: Vec<Attempt>,
    /// Attempts whose charge nobody wants, and which are refunded.
    pub unwanted: BTreeSet<OperationId>,
    /// What came back, and may yet.
    pub refunds: RefundSums,
    /// How a person said that it ended.
    pub resolution: Option<Resolution>,
    /// What the gateway took beyond what was asked, minor units. It is in suspense.
    pub surplus: i64,
}

/// What refunds of a payment add up to, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RefundSums {
    /// Of those that may yet succeed.
    pub open: i64,
    /// Of those that succeeded.
    pub succeeded: i64,
}

/// How a person said that something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// How.
    pub outcome: ResolvedOutcome,
    /// Minor units that the gateway moved; 0 for none.
    pub amount: i64,
}

/// Where a payment stands. Drawn at the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Requested; never seen outside the entry that decides what follows.
    Requested,
    /// Money is held; an operation is outstanding or waits to be sent again.
    Submitting(Attempt),
    /// The gateway may have charged; inquiries go on.
    InDoubt(Attempt),
    /// The same, and a person must decide; inquiries go on, slowly.
    NeedsReview(Attempt),
    /// The gateway charged; the hold is posted.
    Completed(Charge),
    /// It failed; nothing is held. The attempt, if money was ever held.
    Failed(Option<Attempt>),
    /// It ended as its caller wished; nothing is held.
    Cancelled(Attempt),
}

/// A charge that a wallet paid for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The attempt that it came of.
    pub attempt: Attempt,
    /// The gateway's own name of it.
    pub reference: String,
    /// What the wallet paid.
    pub captured: Amount,
}

impl Payment {
    /// The attempt that money is or was held for.
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.phase {
            Phase::Submitting(attempt)
            | Phase::InDoubt(attempt)
            | Phase::NeedsReview(attempt)
            | Phase::Cancelled(attempt) => Some(attempt),
            Phase::Completed(charge) => Some(&charge.attempt),
            Phase::Failed(attempt) => attempt.as_ref(),
            Phase::Requested => None,
        }
    }

    /// Attempts before that, the first one first.
    pub fn earlier(&self) -> &[Attempt] {
        self.rare.as_ref().map_or(&[], |rare| &rare.earlier)
    }

    /// Whether money is held for it.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Submitting(_) | Phase::InDoubt(_) | Phase::NeedsReview(_))
    }

    /// Codes of what did not fit.
    pub fn has_discrepancy(&self, code: &str) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.discrepancies.contains(code))
    }

    /// Whether this attempt's charge is refunded because nobody wants it.
    pub fn is_unwanted(&self, attempt: OperationId) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.unwanted.contains(&attempt))
    }

    /// What refunds add up to.
    pub fn refunds(&self) -> RefundSums {
        self.rare.as_ref().map_or_else(RefundSums::default, |rare| rare.refunds)
    }

    /// What may yet be refunded, minor units: captured less succeeded less every refund still open.
    pub fn refundable(&self) -> i64 {
        let Phase::Completed(charge) = &self.phase else { return 0 };
        let RefundSums { open, succeeded } = self.refunds();
        charge.captured.minor() - succeeded - open
    }

    /// What the gateway took beyond what was asked, minor units.
    pub(super) fn surplus(&self) -> i64 {
        self.rare.as_ref().map_or(0, |rare| rare.surplus)
    }

    /// When a person must decide, once it is in doubt. Entries of version 1 do not say.
    pub(super) fn review_at(&self) -> Timestamp {
        self.rare.as_ref().and_then(|rare| rare.review_at).unwrap_or(self.deadline)
    }

    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}
