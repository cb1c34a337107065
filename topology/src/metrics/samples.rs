//! Numbers that are read at the moment of a scrape, from those who keep them anyway.

use std::collections::BTreeMap;

use prometheus::proto;

use super::catalogue::{Kind, Metric};

/// What a scrape has read so far.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<Metric, Vec<proto::Metric>>);

impl Samples {
    /// Adds one number, with the values of the metric's labels in their order.
    ///
    /// # Panics
    /// When the metric has other labels, or is a histogram: a defect at the place of the call.
    pub fn put(&mut self, metric: Metric, values: &[&str], number: f64) {
        let labels = metric.labels();
        assert_eq!(labels.len(), values.len(), "labels of {}", metric.name());
        let pairs = labels.iter().zip(values).map(|(label, value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name(label.name().to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut sample = proto::Metric::from_label(pairs.collect());
        match metric.kind() {
            Kind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(number);
                sample.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(number);
                sample.set_gauge(gauge);
            }
            Kind::Histogram => panic!("{} is not read at a scrape", metric.name()),
        }
        self.0.entry(metric).or_default().push(sample);
    }

    /// Adds a whole number; beyond 2^53 it is rounded.
    pub fn count(&mut self, metric: Metric, values: &[&str], number: u64) {
        self.put(metric, values, as_float(number));
    }

    /// The families of what was read.
    pub(super) fn families(self) -> impl Iterator<Item = proto::MetricFamily> {
        self.0.into_iter().map(|(metric, samples)| {
            let mut family = proto::MetricFamily::default();
            family.set_name(metric.name().to_owned());
            family.set_help(metric.help().to_owned());
            family.set_field_type(match metric.kind() {
                Kind::Counter => proto::MetricType::COUNTER,
                Kind::Gauge => proto::MetricType::GAUGE,
                Kind::Histogram => proto::MetricType::HISTOGRAM,
            });
            family.set_metric(samples);
            family
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floats; 2^53 is far away")]
fn as_float(number: u64) -> f64 {
    number as f64
}
