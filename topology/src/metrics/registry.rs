//! The metrics of a process: instruments that parts move, sources that a scrape reads.
//!
//! An instrument is made once, when its part starts, and its handles are kept: moving it is an
//! atomic addition. A source is asked at every scrape, so it must answer from memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, proto,
};

use super::catalogue::Metric;
use super::samples::Samples;

/// Bounds of all histograms, in seconds: fine around the 100 ms that a payment may take, and up to
/// the minutes that one in doubt takes.
const BUCKETS: [f64; 18] = [
    0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];

type Source = Box<dyn Fn(&mut Samples) + Send + Sync>;

/// The metrics of a process.
#[derive(Default)]
pub struct Metrics {
    instruments: Registry,
    sources: Mutex<Vec<Source>>,
}

impl Metrics {
    /// Asks this source at every scrape.
    pub fn watch(&self, source: impl Fn(&mut Samples) + Send + Sync + 'static) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Forgets every source, and so what they hold.
    pub fn forget_sources(&self) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The counters of a metric.
    pub(crate) fn counters(&self, metric: Metric) -> IntCounterVec {
        let made = IntCounterVec::new(Opts::new(metric.name(), metric.help()), &labels(metric));
        self.register(made)
    }

    /// The gauges of a metric.
    pub(super) fn gauges(&self, metric: Metric) -> IntGaugeVec {
        let made = IntGaugeVec::new(Opts::new(metric.name(), metric.help()), &labels(metric));
        self.register(made)
    }

    /// The histograms of a metric.
    pub(super) fn histograms(&self, metric: Metric) -> HistogramVec {
        let options = HistogramOpts::new(metric.name(), metric.help()).buckets(BUCKETS.to_vec());
        self.register(HistogramVec::new(options, &labels(metric)))
    }

    fn register<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let made = made.expect("the catalogue has valid names");
        let registered = self.instruments.register(Box::new(made.clone()));
        registered.expect("every metric has one part that moves it");
        made
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut samples = Samples::default();
        for source in &*self.sources.lock().unwrap_or_else(PoisonError::into_inner) {
            source(&mut samples);
        }
        let mut families: BTreeMap<String, proto::MetricFamily> = BTreeMap::new();
        for mut family in self.instruments.gather().into_iter().chain(samples.families()) {
            match families.get_mut(family.name()) {
                Some(known) => known.mut_metric().extend(family.take_metric()),
                None => {
                    families.insert(family.name().to_owned(), family);
                }
            }
        }
        let families: Vec<_> = families.into_values().collect();
        TextEncoder::new().encode_to_string(&families).expect("families have names and numbers")
    }
}

fn labels(metric: Metric) -> Vec<&'static str> {
    metric.labels().iter().map(|label| label.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalogue::Kind;

    #[test]
    fn every_metric_can_be_made_and_is_shown() {
        let metrics = Metrics::default();
        for metric in Metric::ALL {
            let values = vec!["x"; metric.labels().len()];
            match metric.kind() {
                Kind::Counter => metrics.counters(*metric).with_label_values(&values).inc(),
                Kind::Gauge => metrics.gauges(*metric).with_label_values(&values).set(-1),
                Kind::Histogram => {
                    metrics.histograms(*metric).with_label_values(&values).observe(0.1);
                }
            }
        }
        let text = metrics.text();
        for metric in Metric::ALL {
            let line = format!("# TYPE {} {}\n", metric.name(), metric.kind().label());
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn an_instrument_and_a_source_share_a_family() {
        let metrics = Metrics::default();
        metrics.counters(Metric::RetryAttempts).with_label_values(&["submit"]).inc_by(2);
        metrics.watch(|samples| samples.count(Metric::RetryAttempts, &["batch"], 3));
        let text = metrics.text();
        assert_eq!(text.matches("# TYPE retry_attempts_total counter").count(), 1, "{text}");
        for line in [
            r#"retry_attempts_total{operation="submit"} 2"#,
            r#"retry_attempts_total{operation="batch"} 3"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
