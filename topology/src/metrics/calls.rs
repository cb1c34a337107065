//! Calls to gateways that are under way.

use prometheus::IntGauge;

use super::catalogue::Metric;
use super::registry::Metrics;

/// Shows how many calls to gateways are under way.
#[derive(Debug, Clone)]
pub struct CallGauge(IntGauge);

/// A call that is under way until this is dropped.
#[derive(Debug)]
pub struct Call(IntGauge);

impl CallGauge {
    /// The gauge of this process.
    pub fn new(metrics: &Metrics) -> Self {
        Self(metrics.gauges(Metric::CallsUnderWay).with_label_values::<&str>(&[]))
    }

    /// A call begins.
    pub fn enter(&self) -> Call {
        self.0.inc();
        Call(self.0.clone())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.dec();
    }
}
