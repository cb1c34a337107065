//! Delivery reports of a shard's producer, counted.
//!
//! `commit_transaction` takes 100 ms or more when a delivery report is outstanding, for its flush
//! loops on a poll of 100 ms. So the shard waits here until every report was counted, and commits
//! then: 1 ms. The reports come on the client's polling thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
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

    /// Whether the connection failed since the Kafka transaction began. The client library repeats
    /// requests by itself then, and a delayed one may end the next Kafka transaction.
    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Acquire)
    }
}

impl ClientContext for DeliveryContext {
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
