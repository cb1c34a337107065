//! Where a refund stands.
//!
//! ```text
//!   (requested)
//!        │ the wallet is told of money to come: pending
//!        ▼            success: post
//!    Submitting ───────────────▶ Succeeded ◀──────────────────────────┐
//!     │  ▲  │ not sent: wait, then the same refund again              │ a late success:
//!     │  └──┘                                                         │ what is owed is posted,
//!     │  │ decline, or given up: void                                 │ the rest is in suspense
//!     │  └────────────────────────────────────────────────────────▶ Failed
//!     │  ▲                                                            ▲
//!     │  │ proven never received: the same refund again               │
//!     ▼  │            success: post                                   │
//!    InDoubt ──────────────────▶ Succeeded                            │
//!     │  └─ inquiries with back-off ───────────── decline: void ────▶ ┤
//!     │ review deadline, or another currency                          │
//!     ▼              success, or resolved as such: post               │
//!    NeedsReview ──────────────▶ Succeeded                            │
//!     └─ inquiries, slowly ── decline, never received, resolved: void ┘
//! ```
//!
//! There is no second gateway to try: a charge is given back where it was made.

use std::collections::BTreeSet;

use schemas::event::{RefundCause, RefundDestination};
use schemas::{
    Amount, Fingerprint, GatewayName, Money, OperationId, PaymentId, RefundId, TenantId, Timestamp,
    WalletId,
};
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::draft::DecideContext;
use crate::payment::{Payment, Resolution};

/// A refund and the state of its saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Which.
    pub id: RefundId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// In whose installation.
    pub tenant: TenantId,
    /// The payment's wallet.
    pub wallet_id: WalletId,
    /// How much.
    pub money: Money,
    /// Why.
    pub cause: RefundCause,
    /// Where the money goes.
    pub destination: RefundDestination,
    /// The attempt whose charge is given back.
    pub charge: OperationId,
    /// The gateway's own name of that charge.
    pub charge_reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// After this nothing new is sent to the gateway.
    pub deadline: Timestamp,
    /// Without an answer by then a person decides; none before it was in doubt.
    pub review_at: Option<Timestamp>,
    /// Joins what one request set in motion.
    pub correlation_id: String,
    /// Codes of what did not fit.
    pub discrepancies: BTreeSet<String>,
    /// How a person said that it ended.
    pub resolution: Option<Resolution>,
    /// How often its timer has been set.
    pub timer_generation: i64,
    /// What is known of it at the gateway.
    pub attempt: Attempt,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a refund stands. Drawn at the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// An operation is outstanding or waits to be sent again.
    Submitting,
    /// The gateway may have given back; inquiries go on.
    InDoubt,
    /// The same, and a person must decide; inquiries go on, slowly.
    NeedsReview,
    /// The gateway gave back so much.
    Succeeded(Amount),
    /// It failed; nothing came back.
    Failed,
}

impl Refund {
    /// A refund of this payment before any operation, as one that its caller asks for. Its id,
    /// charge and fingerprint are still those of the whole payment.
    pub(crate) fn of(
        payment: &Payment,
        gateway: &GatewayName,
        money: Money,
        id: RefundId,
        ctx: &DecideContext<'_>,
    ) -> Self {
        Self {
            id,
            payment_id: payment.id,
            tenant: payment.tenant.clone(),
            wallet_id: payment.wallet_id,
            money,
            cause: RefundCause::Asked,
            destination: RefundDestination::Wallet,
            charge: OperationId::refund(id),
            charge_reference: String::new(),
            fingerprint: payment.fingerprint,
            deadline: ctx.at.plus(ctx.policy.refund.total_deadline),
            review_at: None,
            correlation_id: payment.correlation_id.clone(),
            discrepancies: BTreeSet::new(),
            resolution: None,
            timer_generation: 0,
            attempt: Attempt::begun(OperationId::refund(id), gateway.clone()),
            phase: Phase::Submitting,
        }
    }

    /// Whether it has no outcome yet.
    pub fn is_open(&self) -> bool {
        match self.phase {
            Phase::Submitting | Phase::InDoubt | Phase::NeedsReview => true,
            Phase::Succeeded(_) | Phase::Failed => false,
        }
    }
}
