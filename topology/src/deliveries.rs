//! What a follower brought into the log: counted, and whether it is in trouble.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntCounter;

use crate::metrics::Metrics;
use crate::metrics::catalogue::Metric;

/// How long a failure counts when nothing is appended after it: as long as the longest wait before
/// a leg is asked for again.
const TROUBLE_COUNTS_FOR: Duration = Duration::from_mins(5);

/// What one follower has appended. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Deliveries {
    name: &'static str,
    appended: IntCounter,
    failed: IntCounter,
    /// Why the latest append failed, and when; none once one succeeded.
    trouble: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Deliveries {
    /// Of the follower with this label; `name` is how `/health` calls it.
    pub fn new(metrics: &Metrics, follower: &'static str, name: &'static str) -> Self {
        let appends = metrics.counters(Metric::FollowerAppends);
        let counter = |outcome| appends.with_label_values(&[follower, outcome]);
        let (appended, failed) = (counter("appended"), counter("failed"));
        Self { name, appended, failed, trouble: Arc::default() }
    }

    /// The name of the component.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A record is in the log.
    pub fn appended(&self) {
        self.appended.inc();
        self.note(None);
    }

    /// A record is not in the log, for all that is known.
    pub fn failed(&self, reason: String) {
        self.failed.inc();
        self.note(Some(reason));
    }

    /// How many records are in the log, and why the latest one is not.
    pub fn seen(&self) -> (u64, Option<String>) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let recent = trouble.filter(|(at, _)| at.elapsed() < TROUBLE_COUNTS_FOR);
        (self.appended.get(), recent.map(|(_, reason)| reason))
    }

    fn note(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            trouble.map(|reason| (Instant::now(), reason));
    }
}
