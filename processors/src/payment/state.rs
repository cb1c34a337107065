//! Where a payment stands.
//!
//! ```text
//!                 insufficient funds, deadline passed
//!   (requested) ──────────────────────────────────────────────▶ Failed
//!        │ funds available: hold                                  ▲
//!        ▼            success                                     │ decline, gave up: void
//!    Submitting ───────────────▶ Completed                        │
//!     │  ▲  │ not sent: wait, then the same attempt again         │
//!     │  └──┘────────────────────────────────────────────────────▶┤
//!     │  ▲                                                        │
//!     │  │ proven never received: the same attempt again          │
//!     ▼  │            success                                     │
//!    InDoubt ──────────────────▶ Completed                        │
//!     │  └─ inquiries with back-off, the hold is kept             │
//!     └───────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeSet;

use schemas::event::{GatewayOperationRequested, Proof};
use schemas::inputs::GatewayOperationKind;
use schemas::{
    Fingerprint, GatewayName, Money, OperationId, PaymentId, TenantId, Timestamp, WalletId,
};
use serde::{Deserialize, Serialize};

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
    /// Codes of what did not fit.
    pub discrepancies: BTreeSet<String>,
    /// How often its timer has been set.
    pub timer_generation: i64,
    /// Where it stands.
    pub phase: Phase,
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
    /// The gateway charged; the hold is posted.
    Completed(Attempt),
    /// It failed; nothing is held. The attempt, if money was ever held.
    Failed(Option<Attempt>),
}

/// One try at one gateway with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The attempt, and the key that the gateway got.
    pub operation_id: OperationId,
    /// Where.
    pub gateway: GatewayName,
    /// The latest operation asked for; 0 before the first.
    pub latest_seq: i32,
    /// The latest charge asked for; 0 before the first.
    pub latest_submit: i32,
    /// How often it was asked to charge.
    pub submits: u32,
    /// How often it was asked what became of it, since it was last in doubt.
    pub inquiries: u32,
    /// Operations asked for and not answered yet.
    pub unanswered: BTreeSet<i32>,
    /// Charges that may have reached the gateway: not proven otherwise.
    pub maybe_sent: BTreeSet<i32>,
    /// When the first charge was asked for: the gateway remembers the key from then on.
    pub first_submitted_at: Timestamp,
    /// When a "not found" begins to prove something, for the latest charge.
    pub conclusive_after: Timestamp,
    /// The latest inquiry, and when it was asked.
    pub latest_inquiry: Option<(i32, Timestamp)>,
}

impl Attempt {
    /// Whether the gateway may have charged, for all that is known.
    pub fn may_have_sent(&self) -> bool {
        !self.maybe_sent.is_empty()
    }

    /// Whether an answer to the latest charge is awaited.
    pub fn awaits_answer(&self) -> bool {
        self.unanswered.contains(&self.latest_submit)
    }

    /// An attempt before any operation.
    pub(super) fn begun(operation_id: OperationId, gateway: GatewayName) -> Self {
        Self {
            operation_id,
            gateway,
            latest_seq: 0,
            latest_submit: 0,
            submits: 0,
            inquiries: 0,
            unanswered: BTreeSet::new(),
            maybe_sent: BTreeSet::new(),
            first_submitted_at: Timestamp::default(),
            conclusive_after: Timestamp::default(),
            latest_inquiry: None,
        }
    }

    /// The attempt once this operation was asked for.
    #[must_use]
    pub(super) fn requested(mut self, event: &GatewayOperationRequested, at: Timestamp) -> Self {
        let seq = event.operation_seq;
        self.latest_seq = seq;
        self.unanswered.insert(seq);
        match event.operation {
            GatewayOperationKind::Submit => {
                if self.submits == 0 {
                    self.first_submitted_at = at;
                }
                self.submits += 1;
                self.latest_submit = seq;
                self.inquiries = 0;
                self.maybe_sent.insert(seq);
                self.conclusive_after = event.conclusive_after;
            }
            GatewayOperationKind::Inquire => {
                self.inquiries += 1;
                self.latest_inquiry = Some((seq, at));
            }
        }
        self
    }

    /// The attempt once this operation was answered.
    #[must_use]
    pub(super) fn answered(mut self, seq: i32, proof: Proof) -> Self {
        self.unanswered.remove(&seq);
        match proof {
            Proof::Nothing => {}
            Proof::NotSent => {
                self.maybe_sent.remove(&seq);
            }
            Proof::NeverReceived => self.maybe_sent.clear(),
        }
        self
    }
}

impl Payment {
    /// The attempt that money is or was held for.
    pub fn attempt(&self) -> Option<&Attempt> {
        match &self.phase {
            Phase::Submitting(attempt) | Phase::InDoubt(attempt) | Phase::Completed(attempt) => {
                Some(attempt)
            }
            Phase::Failed(attempt) => attempt.as_ref(),
            Phase::Requested => None,
        }
    }

    /// Whether money is held for it.
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Submitting(_) | Phase::InDoubt(_))
    }
}
