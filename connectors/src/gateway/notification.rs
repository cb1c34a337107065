//! What gateways say unasked, verified and read: the plain types, for every kind of gateway.
//!
//! A notification is a result that nobody asked for: it comes before, after or instead of an
//! answer, several times, and in any order. Nothing here decides what follows from it.

use schemas::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use super::evidence::Evidence;
use super::operation::Outcome;

/// One notification whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The gateway's own id of the event, at most 128 visible ASCII characters: the same event
    /// comes again with the same id.
    pub event_id: String,
    /// When it happened, as the gateway says.
    pub occurred_at: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// What was seen, bounded and allow-listed.
    pub evidence: Evidence,
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What became of a charge.
    Charge {
        /// The payment that it was made for.
        payment_id: Uuid,
        /// The attempt that it was made for.
        attempt_id: Uuid,
        /// What became of it.
        outcome: Outcome,
    },
    /// What became of a refund.
    Refund {
        /// The payment that it was made for.
        payment_id: Uuid,
        /// The refund that it was made for.
        refund_id: Uuid,
        /// What became of it.
        outcome: Outcome,
    },
    /// How much of a charge was given back so far, by whomever the refunds were made.
    Refunded {
        /// The payment that was charged.
        payment_id: Uuid,
        /// The attempt that was charged.
        attempt_id: Uuid,
        /// What was given back in all, in minor units.
        total_minor: i64,
        /// ISO 4217 code, upper case.
        currency: String,
    },
    /// Nothing of ours, or nothing that is acted on.
    Other {
        /// The kind of event, in the gateway's words.
        kind: String,
    },
}

/// A notification that is signed well and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the notification is not understood: {0}")]
pub struct NotificationUnreadable(pub(super) String);
