//! The configuration that decisions depend on. An entry names its version; evolve never sees it.

use std::time::Duration;

use schemas::inputs::GatewayOperationKind;
use schemas::{Currency, GatewayName, Money, PartitionCount};
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
    /// Which of them are tried for which money; the first route that fits counts. Money that no
    /// route fits goes to all of them, in their own order.
    pub routes: Vec<GatewayRoute>,
    /// When the saga of a payment does what.
    pub payment: PaymentTimes,
    /// When the saga of a refund does what.
    pub refund: PaymentTimes,
    /// When the saga of a transfer does what.
    pub transfer: TransferTimes,
}

/// Gateways for some money, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayRoute {
    /// Only in this currency; none is any.
    pub currency: Option<Currency>,
    /// Only this much or more, minor units.
    pub least: i64,
    /// Only this much or less, minor units; none is any amount.
    pub most: Option<i64>,
    /// Which.
    pub gateways: Vec<GatewayName>,
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
    /// What its answers to inquiries about charges are worth.
    pub inquiry: InquiryKind,
    /// What its answers to inquiries about refunds are worth.
    pub refund_inquiry: InquiryKind,
}

/// What a gateway's "not found" is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum InquiryKind {
    /// A proof, after the ingestion window.
    Authoritative,
    /// A hint.
    Advisory,
    /// It cannot be asked: its notifications or a person end a doubt.
    None,
}

/// When the saga of a payment or a refund does what. The defaults are those of a retail payment,
/// where a person waits in front of a screen; [`PaymentTimes::of_refunds`] are more patient.
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
    /// How often one attempt is sent at most; then the next gateway is tried.
    pub submits_limit: u32,
    /// The wait before the first inquiry; doubles with each.
    pub inquiry_backoff: Duration,
    /// The longest wait before an inquiry.
    pub inquiry_backoff_limit: Duration,
    /// How long after its request nothing new is sent to a gateway.
    pub total_deadline: Duration,
    /// How long an outcome may be in doubt before a person must decide.
    pub review_after: Duration,
    /// The wait before an inquiry while a person decides.
    pub review_inquiry_interval: Duration,
}

/// When the saga of a transfer does what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferTimes {
    /// The wait before a leg that was not answered is sent again; doubles with each.
    pub leg_backoff: Duration,
    /// The longest of these waits. There is no deadline: a leg is sent until it is answered.
    pub leg_backoff_limit: Duration,
}

impl GatewayPolicy {
    /// What its answer to such an inquiry is worth.
    pub fn inquiry_of(&self, operation: GatewayOperationKind) -> InquiryKind {
        if operation.is_of_refund() { self.refund_inquiry } else { self.inquiry }
    }
}

impl Default for PaymentTimes {
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
            review_after: Duration::from_hours(1),
            review_inquiry_interval: Duration::from_hours(1),
        }
    }
}

impl PaymentTimes {
    /// Nobody waits in front of a screen for a refund, and there is no second gateway to try.
    pub fn of_refunds() -> Self {
        Self {
            resend_backoff_limit: Duration::from_mins(5),
            submits_limit: 32,
            total_deadline: Duration::from_hours(2),
            ..Self::default()
        }
    }
}

impl Default for TransferTimes {
    fn default() -> Self {
        Self { leg_backoff: Duration::from_secs(2), leg_backoff_limit: Duration::from_mins(5) }
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

    /// The gateways that are tried for so much, the first one first.
    pub fn gateways_for(&self, money: Money) -> Vec<&GatewayPolicy> {
        let (amount, currency) = (money.amount().minor(), money.currency());
        let fits = |route: &&GatewayRoute| {
            route.currency.is_none_or(|own| own == currency)
                && amount >= route.least
                && route.most.is_none_or(|most| amount <= most)
        };
        match self.routes.iter().find(fits) {
            Some(route) => {
                route.gateways.iter().filter_map(|name| self.gateway(Some(name))).collect()
            }
            None => self.gateways.iter().collect(),
        }
    }
}
