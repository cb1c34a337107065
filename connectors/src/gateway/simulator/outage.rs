//! Outages: the gateway is away for some time, as a whole.
//!
//! Invariants: at most one at a time, and each ends by itself. Whoever is not served during an
//! outage is not charged.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

/// The longest outage that can be asked for, in seconds.
pub const LONGEST_OUTAGE_SECONDS: f64 = 3600.0;

/// How the gateway is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutageKind {
    /// Nobody listens: connections are refused, those that are open are closed. That is true of the
    /// admin API as well, so nothing but time ends it.
    #[serde(rename = "refuse")]
    Refuse,
    /// Charges and inquiries are read and never answered.
    #[serde(rename = "hang")]
    Hang,
    /// Charges and inquiries are answered with 503.
    #[serde(rename = "5xx")]
    ServerErrors,
}

/// An outage in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Its kind.
    pub kind: OutageKind,
    until: Instant,
}

/// The outage in force, which everybody watches.
#[derive(Debug, Clone)]
pub struct Outages(watch::Sender<Option<Outage>>);

impl Outage {
    /// How long it goes on.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Outages {
    /// None in force.
    pub fn none() -> Self {
        Self(watch::channel(None).0)
    }

    /// The outage in force.
    pub fn current(&self) -> Option<Outage> {
        let outage = *self.0.borrow();
        outage.filter(|outage| !outage.left().is_zero())
    }

    /// Begins one, in the place of any other.
    pub fn begin(&self, kind: OutageKind, lasts: Duration) {
        self.0.send_replace(Some(Outage { kind, until: Instant::now() + lasts }));
    }

    /// Ends the one in force.
    pub fn end(&self) {
        self.0.send_replace(None);
    }

    /// Returns when an outage of this kind is in force.
    pub async fn begins(&self, kind: OutageKind) {
        let mut changes = self.0.subscribe();
        let is_of = |outage: &Option<Outage>| {
            outage.is_some_and(|outage| outage.kind == kind && !outage.left().is_zero())
        };
        // The sender is ours, so that it cannot be gone.
        let _ = changes.wait_for(is_of).await;
    }

    /// Returns when no outage of this kind is in force any more.
    pub async fn ends(&self, kind: OutageKind) {
        let mut changes = self.0.subscribe();
        while let Some(outage) = self.current().filter(|outage| outage.kind == kind) {
            // A change may be a longer one, so that it is looked at again.
            let _ = tokio::time::timeout(outage.left(), changes.changed()).await;
        }
    }
}
