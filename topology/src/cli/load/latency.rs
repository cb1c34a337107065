//! Latencies of a run: an HDR histogram in microseconds, three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer counts as this: nobody waits longer for a payment under load.
const LONGEST_US: u64 = 3_600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies, each from the moment at which the payment was due.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u64>);

/// What a person wants to know of latencies, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Summary {
    /// How many there were.
    pub count: u64,
    /// Half took no longer.
    pub p50: f64,
    /// 95 % took no longer.
    pub p95: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// None took longer.
    pub max: f64,
}

impl Latencies {
    /// No latencies.
    pub(super) fn none() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, SIGNIFICANT_DIGITS);
        Self(histogram.expect("the bounds and digits are within those of the library"))
    }

    /// One more, in microseconds.
    pub(super) fn record(&mut self, microseconds: u64) {
        self.0.saturating_record(microseconds);
    }

    /// 95 % are no longer than this, in microseconds.
    pub(super) fn p95_us(&self) -> u64 {
        self.0.value_at_quantile(0.95)
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.0.reset();
    }

    /// The numbers for people and programs.
    pub(super) fn summary(&self) -> Summary {
        #[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is exact")]
        let ms = |us: u64| us as f64 / 1e3;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Summary {
            count: self.0.len(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: ms(self.0.max()),
        }
    }
}

/// Microseconds, as the histogram counts them.
pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
