//! The producer of inputs: what the API and the followers write to the input topics with.
//!
//! Idempotent, acknowledged by all replicas, to an explicit partition, for the partitioner of the
//! client library is not Java's. What is in flight is bounded, and at the bound the caller is told
//! at once. While the broker is known to be away, one record at a time tries whether it is back,
//! and everybody else is told at once; with its first acknowledgement all go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use schemas::{Offset, Partition, Topic, TopicPrefix};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::KafkaConnection;
use super::log::owned_headers;
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
    /// How long a record waits for others to share a request with. 8 ms saves half of the CPU at
    /// 10,000 records/s and costs 2 ms of latency; 0 is best when idle.
    pub linger: Duration,
}

impl Default for IngressLimits {
    fn default() -> Self {
        let linger = Duration::from_millis(2);
        Self { in_flight: 10_000, timeout: Duration::from_secs(4), linger }
    }
}

/// A producer of inputs. Cheap to clone.
#[derive(Clone)]
pub struct IngressProducer {
    producer: FutureProducer,
    prefix: TopicPrefix,
    in_flight: Arc<Semaphore>,
    in_flight_limit: usize,
    /// One permit: who tries whether the broker is back.
    probe: Arc<Semaphore>,
    is_away: Arc<AtomicBool>,
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
        let mut config = connection.ingress_producer(role);
        config
            .set("linger.ms", limits.linger.as_millis().to_string())
            .set("message.timeout.ms", limits.timeout.as_millis().to_string())
            .set("queue.buffering.max.messages", (limits.in_flight * 2).to_string());
        let producer = config.create().map_err(|error| IngressError::Refused(error.to_string()))?;
        Ok(Self {
            producer,
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
        let delivery = self.producer.send_result(out).map_err(|(error, _)| refusal(&error))?;
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
        let (_, reason) = self.producer.client().fatal_error()?;
        Some(reason)
    }

    /// Waits, within bounds, for what is in flight. Blocks.
    pub fn close(&self) {
        if let Err(error) = self.producer.flush(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "Records were in flight when the producer was closed.");
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
