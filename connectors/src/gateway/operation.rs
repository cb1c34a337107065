//! What is asked of a gateway, and the classified answer that goes back.
//!
//! These are the plain types of the boundary: no HTTP in them, and nothing of Kafka or the ledger.
//! They convert to what the log says, which has one outcome more: that an operation expired unsent
//! is the follower's to find, never a gateway's answer.

use std::time::Duration;

use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use tokio::time::Instant;
use uuid::Uuid;

pub use super::classification::{Health, OperationKind};
pub use super::evidence::Evidence;

/// One operation, to be tried once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRequest {
    /// Whether money is to be moved or only asked about.
    pub kind: OperationKind,
    /// The attempt the operation belongs to, or the refund.
    pub attempt_id: Uuid,
    /// The payment, which the gateway knows as `reference`.
    pub payment_id: Uuid,
    /// The key of the attempt, or of the refund, at this gateway: 1 to 255 visible ASCII
    /// characters.
    pub idempotency_key: String,
    /// The gateway's own id of the charge, if an earlier answer gave it. A refund needs it; an
    /// inquiry is exact with it.
    pub charge_reference: Option<String>,
    /// Amount in minor units, positive. An inquiry does not send it.
    pub amount_minor: i64,
    /// ISO 4217 code, three upper-case letters. An inquiry does not send it.
    pub currency: String,
    /// W3C Trace Context of the call, to be sent along.
    pub traceparent: Option<String>,
    /// When the call's time began: what passes between this and the call counts.
    pub begun: Instant,
    /// The longest the call may take, connecting and reading the answer included.
    pub call_timeout: Duration,
}

/// What became of one try of an operation, as far as anyone can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The gateway took the money, or gave it back.
    Success {
        /// The gateway's own id of the charge or refund, at most 128 visible ASCII characters.
        gateway_reference: String,
        /// What was moved, in minor units; it may differ from what was asked.
        amount_minor: i64,
        /// ISO 4217 code of what was moved; it may differ from what was asked.
        currency: String,
    },
    /// The gateway decided against the charge or refund, definitely.
    Decline {
        /// The gateway's decline code, at most 64 characters of `[a-z0-9_]`.
        code: String,
        /// What the code means, for a person to read.
        message: String,
    },
    /// This try did nothing at the gateway. Says nothing about earlier tries of the operation.
    NotSent {
        /// Why, for a person to read.
        reason: String,
    },
    /// Nobody knows whether money moved.
    Unknown {
        /// Why, for a person to read.
        reason: String,
    },
    /// The gateway states that it has no charge or refund under the key.
    NotFound,
}

/// The outcome of one try with the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationAnswer {
    /// The classified outcome.
    pub outcome: Outcome,
    /// What was seen, bounded and allow-listed.
    pub evidence: Evidence,
    /// What it says about the gateway itself: for the breaker.
    pub health: Health,
}

impl OperationKind {
    /// What the ledger asks for; none for what is no question to a gateway.
    pub fn of(kind: GatewayOperationKind) -> Option<Self> {
        match kind {
            GatewayOperationKind::Submit => Some(Self::Submit),
            GatewayOperationKind::Inquire => Some(Self::Inquire),
            GatewayOperationKind::Refund => Some(Self::Refund),
            GatewayOperationKind::InquireRefund => Some(Self::InquireRefund),
            // These are heard, never asked.
            GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => None,
        }
    }
}

impl From<Outcome> for GatewayOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success { gateway_reference, amount_minor, currency } => {
                Self::Succeeded { gateway_reference, amount: amount_minor, currency }
            }
            Outcome::Decline { code, message } => Self::Declined { decline_code: code, message },
            Outcome::NotSent { reason } => Self::NotSent { reason },
            Outcome::Unknown { reason } => Self::OutcomeUnknown { reason },
            Outcome::NotFound => Self::NotFound {},
        }
    }
}
