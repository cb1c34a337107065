//! One gateway of the table: how it is reached and what it promises.

use std::path::Path;
use std::time::Duration;

use schemas::GatewayName;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gateway::base_url::GatewayClientError;
use crate::gateway::client::GatewayClient;
use crate::gateway::secret::{Secret, SecretError, SecretReference};
use crate::gateway::simulator::ground_truth::GroundTruthError;
use crate::gateway::simulator::{InProcessGateway, Pace};
use crate::gateway::simulator_client::SimulatorGateway;
use crate::gateway::stripe::{self, StripeGateway, StripeOptions};

/// What kind a gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    /// The gateway simulator, over HTTP.
    Simulator,
    /// The same without HTTP, in this process: for benchmarks.
    InProcess,
    /// Stripe.
    Stripe,
}

/// What a gateway's "not found" is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InquiryKind {
    /// A proof, after the ingestion window.
    Authoritative,
    /// A hint.
    Advisory,
    /// It cannot be asked.
    None,
}

/// A gateway. Fields that a kind does not have are none there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRow {
    /// Its name in the log: for ever that of this gateway and of no other.
    pub name: GatewayName,
    /// Its kind.
    pub kind: GatewayKind,
    /// Where it is. Stripe is where it always is, unless something stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The key that it is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretReference>,
    /// The secrets that its notifications are signed with: several while one replaces another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_secrets: Vec<SecretReference>,
    /// Stripe only: what is charged, the id of a `PaymentMethod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
    /// Stripe only: whose that is, the id of a `Customer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The longest that making a connection may take, in milliseconds.
    #[serde(default = "default_connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// The longest that we wait for an answer, connecting included, in milliseconds.
    #[serde(default = "default_call_timeout_ms")]
    pub call_timeout_ms: u64,
    /// The longest that a call can go on at the gateway, also when we wait no more, in
    /// milliseconds: what it has not begun to do by then it never will.
    #[serde(default = "default_maximum_call_time_ms")]
    pub maximum_call_time_ms: u64,
    /// How many calls may be under way at once.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// How many of its last calls, in percent, open its breaker when they are ill. At 100 only a
    /// gateway that fails every call is left alone.
    #[serde(default = "default_breaker_percent")]
    pub breaker_percent: u32,
    /// How long it remembers an idempotency key, in hours.
    #[serde(default = "default_key_retention_hours")]
    pub key_retention_hours: u64,
    /// What its "not found" is worth for a charge.
    #[serde(default = "default_inquiry")]
    pub inquiry: InquiryKind,
    /// What its "not found" is worth for a refund.
    #[serde(default = "default_inquiry")]
    pub refund_inquiry: InquiryKind,
    /// How long after a call ended what it did may yet become visible to an inquiry, in
    /// milliseconds.
    #[serde(default = "default_ingestion_window_ms")]
    pub ingestion_window_ms: u64,
}

/// Why a row that is valid cannot be used here and now.
#[derive(Debug, Error)]
pub enum RowUnusable {
    /// A secret cannot be had.
    #[error("gateway {name}, {field}: {error}")]
    Secret {
        /// Whose.
        name: GatewayName,
        /// Which.
        field: &'static str,
        /// Why not.
        error: SecretError,
    },
    /// The client cannot be made.
    #[error("gateway {name}: {error}")]
    Client {
        /// Whose.
        name: GatewayName,
        /// Why not.
        error: GatewayClientError,
    },
    /// The gateway in this process has no use of its files.
    #[error("gateway {name}: {error}")]
    GroundTruth {
        /// Whose.
        name: GatewayName,
        /// Why not.
        error: GroundTruthError,
    },
}

impl GatewayRow {
    /// The longest that we wait for an answer.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// The longest that a call can go on at the gateway.
    pub fn maximum_call_time(&self) -> Duration {
        Duration::from_millis(self.maximum_call_time_ms)
    }

    /// How long it remembers an idempotency key.
    pub fn key_retention(&self) -> Duration {
        Duration::from_secs(self.key_retention_hours.saturating_mul(60 * 60))
    }

    /// How long after a call what it did may yet become visible.
    pub fn ingestion_window(&self) -> Duration {
        Duration::from_millis(self.ingestion_window_ms)
    }

    /// Its client; a gateway in this process keeps its ground truth below `state_dir`. Reads the
    /// secret, and blocks for that.
    ///
    /// # Errors
    /// [`RowUnusable`], without the secret.
    pub fn client(&self, state_dir: &Path) -> Result<GatewayClient, RowUnusable> {
        let name = || self.name.clone();
        let unusable = |error| RowUnusable::Client { name: name(), error };
        let connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        let base_url = self.base_url.as_deref().unwrap_or_default();
        match self.kind {
            GatewayKind::Simulator => {
                let client = SimulatorGateway::connecting_within(base_url, connect_timeout);
                Ok(GatewayClient::Simulator(Box::new(client.map_err(unusable)?)))
            }
            GatewayKind::InProcess => {
                let client = InProcessGateway::open(state_dir, Pace::default());
                let client =
                    client.map_err(|error| RowUnusable::GroundTruth { name: name(), error })?;
                Ok(GatewayClient::InProcess(client))
            }
            GatewayKind::Stripe => {
                let credentials = self.credentials.as_ref().ok_or(SecretError::Missing {
                    place: "the table".to_owned(),
                    reason: "it names none".to_owned(),
                });
                let secret_key = credentials.and_then(SecretReference::read);
                let secret_key = secret_key.map_err(|error| RowUnusable::Secret {
                    name: name(),
                    field: "credentials",
                    error,
                })?;
                let client = StripeGateway::new(StripeOptions {
                    base_url: self.base_url.clone().unwrap_or_else(|| stripe::BASE_URL.to_owned()),
                    connect_timeout,
                    secret_key,
                    payment_method: self.payment_method.clone().unwrap_or_default(),
                    customer: self.customer.clone(),
                });
                Ok(GatewayClient::Stripe(Box::new(client.map_err(unusable)?)))
            }
        }
    }

    /// The secrets that its notifications are signed with. Blocks for reading them.
    ///
    /// # Errors
    /// [`RowUnusable::Secret`] for the first that cannot be had.
    pub fn signing_secrets(&self) -> Result<Vec<Secret>, RowUnusable> {
        let read = |reference: &SecretReference| {
            let (name, field) = (self.name.clone(), "webhook_secrets");
            reference.read().map_err(|error| RowUnusable::Secret { name, field, error })
        };
        self.webhook_secrets.iter().map(read).collect()
    }
}

/// As long as it takes to tell a host that is not there from one that does not answer.
fn default_connect_timeout_ms() -> u64 {
    2_000
}

/// As long as a person waits in front of a screen.
fn default_call_timeout_ms() -> u64 {
    3_000
}

/// Ten times what we wait.
fn default_maximum_call_time_ms() -> u64 {
    30_000
}

fn default_concurrency() -> u32 {
    256
}

/// Half: a few declines of an issuer's host do not stop a gateway.
fn default_breaker_percent() -> u32 {
    50
}

fn default_key_retention_hours() -> u64 {
    24
}

/// Not to be believed, unless somebody says so.
fn default_inquiry() -> InquiryKind {
    InquiryKind::Advisory
}

fn default_ingestion_window_ms() -> u64 {
    60_000
}
