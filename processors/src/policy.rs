//! The configuration that decisions depend on. An entry names its version; evolve never sees it.

use std::time::Duration;

use schemas::{GatewayName, PartitionCount};
use serde::Serialize;

/// What decisions may depend on besides state and input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Recorded in every entry; see [`Policy::versioned`].
    #[serde(skip)]
    pub version: i64,
    /// How many shards there are.
    pub partitions: PartitionCount,
    /// Whether texts may stand in the log unencrypted: profile `dev` only.
    pub plaintext: PlaintextRule,
    /// The gateways, the default one first. Never empty.
    pub gateways: Vec<GatewayPolicy>,
    /// When the saga of a payment does what.
    pub payment: PaymentTimes,
}

/// Whether a text with an empty key id is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PlaintextRule {
    /// Profile `dev`.
    Allowed,
    /// Profile `production`.
    Refused,
}

/// What a gateway promises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayPolicy {
    /// Its name.
    pub name: GatewayName,
    /// How long it remembers an idempotency key.
    pub key_retention: Duration,
    /// How long one call can take at most, connecting included.
    pub maximum_call_time: Duration,
    /// How long after a call ended the charge may yet become visible to an inquiry.
    pub ingestion_window: Duration,
    /// What its answers to inquiries are worth.
    pub inquiry: InquiryKind,
}

/// What a gateway's "not found" is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum InquiryKind {
    /// A proof, after the ingestion window.
    Authoritative,
    /// A hint.
    Advisory,
}

/// When the saga of a payment does what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentTimes {
    /// How long after its request a gateway operation may be handed to the HTTP client.
    pub operation_window: Duration,
    /// How much later than the last possible answer the saga stops waiting for one.
    pub answer_grace: Duration,
    /// The wait before the first resend; doubles with each.
    pub resend_backoff: Duration,
    /// The longest wait before a resend.
    pub resend_backoff_limit: Duration,
    /// How often one attempt is sent at most.
    pub submits_limit: u32,
    /// The wait before the first inquiry; doubles with each.
    pub inquiry_backoff: Duration,
    /// The longest wait before an inquiry.
    pub inquiry_backoff_limit: Duration,
    /// How long after its request nothing new is sent to a gateway for a payment.
    pub total_deadline: Duration,
}

impl Default for PaymentTimes {
    /// The times of a retail payment, where a person waits in front of a screen.
    fn default() -> Self {
        Self {
            operation_window: Duration::from_secs(10),
            answer_grace: Duration::from_secs(2),
            resend_backoff: Duration::from_millis(250),
            resend_backoff_limit: Duration::from_secs(30),
            submits_limit: 8,
            inquiry_backoff: Duration::from_millis(500),
            inquiry_backoff_limit: Duration::from_mins(5),
            total_deadline: Duration::from_mins(10),
        }
    }
}

impl Policy {
    /// The policy with the version that follows from its content: the first 63 bits of BLAKE3 over
    /// its row. Equal versions are equal policies.
    #[must_use]
    pub fn versioned(mut self) -> Self {
        let hash = blake3::hash(&crate::encode_row(&self));
        let (first, _) = hash.as_bytes().split_first_chunk::<8>().expect("32 bytes have 8");
        self.version = i64::from_be_bytes(*first) & i64::MAX;
        self
    }

    /// The gateway with this name; the default one for none.
    pub fn gateway(&self, name: Option<&GatewayName>) -> Option<&GatewayPolicy> {
        match name {
            Some(name) => self.gateways.iter().find(|gateway| gateway.name == *name),
            None => self.gateways.first(),
        }
    }
}
