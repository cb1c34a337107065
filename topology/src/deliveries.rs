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
    /// Of the followers with these labels; the names are how `/health` calls them. A metric is
    /// moved by one part of the process, so all of them come at once.
    pub fn of<const N: usize>(
        metrics: &Metrics,
        followers: [(&'static str, &'static str); N],
    ) -> [Self; N] {
        let appends = metrics.counters(Metric::FollowerAppends);
        followers.map(|(label, name)| {
            let counter = |outcome| appends.with_label_values(&[label, outcome]);
            let (appended, failed) = (counter("appended"), counter("failed"));
            Self { name, appended, failed, trouble: Arc::default() }
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_until_something_is_appended() {
        let metrics = Metrics::default();
        let [one, other] = Deliveries::of(&metrics, [("transfers", "one"), ("x", "other")]);
        one.failed("away".to_owned());
        assert_eq!(one.seen(), (0, Some("away".to_owned())));
        assert_eq!(other.seen(), (0, None));
        one.appended();
        assert_eq!(one.seen(), (1, None));
    }
}
