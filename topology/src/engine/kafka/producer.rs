//! The producer of inputs: what the API and the followers write to the input topics with.
//!
//! Idempotent, acknowledged by all replicas, to an explicit partition, for the partitioner of the
//! client library is not Java's. What is in flight is bounded, and at the bound the caller is told
//! at once. While the broker is known to be away, one record at a time tries whether it is back,
//! and everybody else is told at once; with its first acknowledgement all go on.
//!
//! A lone record leaves at once; under load records wait for each other, for a request costs the
//! broker more than the records in it. The client library knows one waiting time per client, so
//! there are two clients. Inputs have no order among each other that this could disturb: whoever
//! sends one that depends on another has waited for its acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use schemas::{Offset, Partition, Topic, TopicPrefix};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::KafkaConnection;
use super::records::owned_headers;
use crate::engine::application::Record;

/// How long [`IngressProducer::close`] waits for what is in flight.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The bounds of a producer of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngressLimits {
    /// Records that may wait for their acknowledgement at a time.
    pub in_flight: usize,
    /// How long a record is tried before its fate is unknown.
    pub timeout: Duration,
    /// How long a record waits under load for others to share a request with. None costs twice the
    /// CPU at 10,000 records/s, and 8 ms no less than 4.
    pub linger: Duration,
}

impl Default for IngressLimits {
    fn default() -> Self {
        let linger = Duration::from_millis(4);
        Self { in_flight: 10_000, timeout: Duration::from_secs(4), linger }
    }
}

/// A producer of inputs. Cheap to clone.
#[derive(Clone)]
pub struct IngressProducer {
    /// Sends at once.
    eager: FutureProducer,
    /// Lets records wait for each other.
    patient: FutureProducer,
    traffic: Arc<Traffic>,
    prefix: TopicPrefix,
    in_flight: Arc<Semaphore>,
    in_flight_limit: usize,
    /// One permit: who tries whether the broker is back.
    probe: Arc<Semaphore>,
    is_away: Arc<AtomicBool>,
}

/// A producer looks at its traffic over so long.
const WINDOW: Duration = Duration::from_millis(10);
/// So many records within a window are worth waiting for: 800 per second.
const DENSE: u64 = 8;

/// How many records a producer sends. Counts of several threads may be off by a few.
#[derive(Debug)]
struct Traffic {
    start: Instant,
    /// Which window is counted.
    window: AtomicU64,
    count: AtomicU64,
    was_dense: AtomicBool,
}

impl Traffic {
    fn since(start: Instant) -> Self {
        let (window, count) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { start, window, count, was_dense: AtomicBool::new(false) }
    }

    /// Counts a record; whether there were, or are, many within a window.
    fn is_dense(&self, now: Instant) -> bool {
        let window = now.saturating_duration_since(self.start).as_nanos() / WINDOW.as_nanos();
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        let last = self.window.swap(window, Ordering::AcqRel);
        if last != window {
            let count = self.count.swap(0, Ordering::AcqRel);
            self.was_dense.store(window == last + 1 && count >= DENSE, Ordering::Release);
        }
        let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
        count >= DENSE || self.was_dense.load(Ordering::Acquire)
    }
}

/// A record was not written, or nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngressError {
    /// Too many records are in flight. This one was not written.
    #[error("too many records wait for the log")]
    Overloaded,
    /// The broker is away. This record was not written.
    #[error("the log is away")]
    Away,
    /// The record cannot be written, ever: it is too large, or the topic does not exist.
    #[error("the log refuses the record: {0}")]
    Refused(String),
    /// No acknowledgement came in time. The record may be written or not; writing it again is safe,
    /// for inputs are deduplicated by id.
    #[error("the fate of the record is unknown: {0}")]
    Unknown(String),
}

impl IngressProducer {
    /// A producer for one role, which names it at the broker.
    ///
    /// # Errors
    /// [`IngressError::Refused`] when the client library refuses a property.
    pub fn new(
        connection: &KafkaConnection,
        prefix: &TopicPrefix,
        role: &str,
        limits: IngressLimits,
    ) -> Result<Self, IngressError> {
        let client = |linger: Duration| {
            let mut config = connection.ingress_producer(role);
            config
                .set("linger.ms", linger.as_millis().to_string())
                .set("message.timeout.ms", limits.timeout.as_millis().to_string())
                .set("queue.buffering.max.messages", (limits.in_flight * 2).to_string());
            config.create().map_err(|error| IngressError::Refused(error.to_string()))
        };
        Ok(Self {
            eager: client(Duration::ZERO)?,
            patient: client(limits.linger)?,
            traffic: Arc::new(Traffic::since(Instant::now())),
            prefix: prefix.clone(),
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            in_flight_limit: limits.in_flight,
            probe: Arc::new(Semaphore::new(1)),
            is_away: Arc::default(),
        })
    }

    /// Writes a record and waits for its acknowledgement, which comes within the time-out.
    ///
    /// Dropping the future does not take the record back.
    ///
    /// # Errors
    /// [`IngressError`].
    pub async fn send(
        &self,
        topic: Topic,
        partition: Partition,
        record: &Record,
    ) -> Result<Offset, IngressError> {
        let _permits = self.admit()?;
        let name = topic.name(&self.prefix);
        let mut out: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(name.as_str()).partition(partition.number());
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        out.headers = owned_headers(&record.headers);
        let is_dense = self.traffic.is_dense(Instant::now());
        let producer = if is_dense { &self.patient } else { &self.eager };
        let delivery = producer.send_result(out).map_err(|(error, _)| refusal(&error))?;
        let delivered = match delivery.await {
            Ok(Ok(delivered)) => delivered,
            Ok(Err((error, _))) => return Err(self.fate(&error)),
            Err(_) => return Err(IngressError::Unknown("the producer was closed".to_owned())),
        };
        if self.is_away.swap(false, Ordering::AcqRel) {
            tracing::info!("The log is back.");
        }
        Offset::new(delivered.offset)
            .ok_or_else(|| IngressError::Unknown("the log gave no offset".to_owned()))
    }

    /// Whether the last record that was tried was not acknowledged in time.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// How many records wait for their acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.in_flight_limit.saturating_sub(self.in_flight.available_permits())
    }

    /// Why the client library will never write again; `None` while it can. A new producer can.
    pub fn failure(&self) -> Option<String> {
        let clients = [&self.eager, &self.patient];
        clients.iter().find_map(|producer| Some(producer.client().fatal_error()?.1))
    }

    /// Waits, within bounds, for what is in flight. Blocks.
    pub fn close(&self) {
        for producer in [&self.eager, &self.patient] {
            if let Err(error) = producer.flush(FLUSH_TIMEOUT) {
                tracing::warn!(%error, "Records were in flight when the producer was closed.");
            }
        }
    }

    fn admit(&self) -> Result<[Option<OwnedSemaphorePermit>; 2], IngressError> {
        let overloaded = |_| IngressError::Overloaded;
        let permit = Arc::clone(&self.in_flight).try_acquire_owned().map_err(overloaded)?;
        if !self.is_away() {
            return Ok([Some(permit), None]);
        }
        let probe = Arc::clone(&self.probe).try_acquire_owned().map_err(|_| IngressError::Away)?;
        Ok([Some(permit), Some(probe)])
    }

    fn fate(&self, error: &KafkaError) -> IngressError {
        if let Some(
            RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownPartition
            | RDKafkaErrorCode::TopicAuthorizationFailed,
        ) = error.rdkafka_error_code()
        {
            return IngressError::Refused(error.to_string());
        }
        if !self.is_away.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "The log does not acknowledge records.");
        }
        IngressError::Unknown(error.to_string())
    }
}

/// A record that the client library did not take.
fn refusal(error: &KafkaError) -> IngressError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::QueueFull) => IngressError::Overloaded,
        _ => IngressError::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_records_at_a_time_wait_for_each_other() {
        let start = Instant::now();
        let traffic = Traffic::since(start);
        let at = |micros: u64| start + Duration::from_micros(micros);
        let lone = (0..100_u64).any(|number| traffic.is_dense(at(number * 5_000)));
        assert!(!lone, "200 per second");
        let dense: Vec<bool> =
            (0..100_u64).map(|number| traffic.is_dense(at(600_000 + number * 500))).collect();
        assert!(!dense[0] && dense[20..].iter().all(|is_dense| *is_dense), "{dense:?}");
        assert!(!traffic.is_dense(at(900_000)), "it is over");
    }
}
