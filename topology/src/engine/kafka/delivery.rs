//! Delivery reports of a shard's producer, counted.
//!
//! `commit_transaction` takes 100 ms or more when a delivery report is outstanding, for its flush
//! loops on a poll of 100 ms. So the shard waits here until every report was counted, and commits
//! then: 1 ms. The reports come on the client's polling thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// What the reports of one Kafka transaction said.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports {
    outstanding: usize,
    /// The offset of the last entry that was acknowledged.
    pub(super) last_offset: Option<i64>,
    /// The first failure.
    pub(super) failure: Option<RDKafkaErrorCode>,
}

/// Counts delivery reports, and notes that the connection was disturbed.
#[derive(Debug, Default)]
pub(super) struct DeliveryContext {
    reports: Mutex<Reports>,
    drained: Condvar,
    disturbed: AtomicBool,
    /// A connection that had carried requests was lost. Stays so: the client library does not
    /// tell of the next loss if it looks like this one.
    cut: AtomicBool,
}

impl DeliveryContext {
    fn lock(&self) -> MutexGuard<'_, Reports> {
        // Nothing under this lock panics half way.
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new Kafka transaction begins.
    pub(super) fn begin(&self) {
        *self.lock() = Reports::default();
        self.disturbed.store(false, Ordering::Release);
    }

    /// A record is about to be produced.
    pub(super) fn expect_report(&self) {
        self.lock().outstanding += 1;
    }

    /// It was not accepted: no report will come.
    pub(super) fn expect_no_report(&self) {
        let mut reports = self.lock();
        reports.outstanding = reports.outstanding.saturating_sub(1);
    }

    /// Waits until every report has come. `None` when some are still missing after so long.
    pub(super) fn drain(&self, at_most: Duration) -> Option<Reports> {
        let deadline = Instant::now() + at_most;
        let mut reports = self.lock();
        while reports.outstanding > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.drained.wait_timeout(reports, left);
            reports = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(reports.clone())
    }

    /// Whether the connection failed since the Kafka transaction began, or was ever lost. The
    /// client library repeats requests by itself then, and a delayed one may end the next Kafka
    /// transaction.
    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Acquire) || self.is_cut()
    }

    /// Whether a connection was ever lost that had carried requests: what was sent on it may reach
    /// the broker at any time. Only a new producer, whose epoch is higher, is safe from it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }
}

/// Whether the client library says that it lost a connection on which requests may have been sent.
/// One that could not be made carries none, and the brokers of a list may well be down.
fn is_loss(facility: &str, message: &str) -> bool {
    facility == "FAIL" && ["in state UP", "in state REAUTH"].iter().any(|it| message.contains(it))
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if is_loss(facility, message) {
            self.cut.store(true, Ordering::Release);
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(facility, message, "The producer of a shard warns.");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, message, "The producer of a shard says.");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Once for each Kafka transaction that it disturbs: the client library says it again and
        // again while the broker is away.
        if !self.disturbed.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, reason, "The producer of a shard reports an error.");
        }
    }
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery_result: &DeliveryResult<'_>, (): ()) {
        let mut reports = self.lock();
        match delivery_result {
            Ok(message) => reports.last_offset = reports.last_offset.max(Some(message.offset())),
            Err((error, _)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                reports.failure = reports.failure.or(Some(code));
            }
        }
        reports.outstanding = reports.outstanding.saturating_sub(1);
        if reports.outstanding == 0 {
            self.drained.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_lost_only_when_it_was_there() {
        let lost = "127.0.0.1:9092/1: Disconnected (after 12ms in state UP)";
        let refused =
            "b:9092/bootstrap: Connect to b:9092 failed: refused (after 0ms in state CONNECT)";
        assert!(is_loss("FAIL", lost));
        assert!(!is_loss("FAIL", refused));
        assert!(!is_loss("REQTMOUT", lost));
        let context = DeliveryContext::default();
        context.log(RDKafkaLogLevel::Info, "FAIL", refused);
        assert!(!context.is_disturbed());
        context.log(RDKafkaLogLevel::Info, "FAIL", lost);
        context.begin();
        assert!(context.is_disturbed() && context.is_cut(), "for as long as the producer lives");
    }
}
