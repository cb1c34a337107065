//! The adapter of a shard's [`Log`] to Kafka. Its futures complete synchronously: the shard has its
//! own thread.
//!
//! One consumer reads the shard's journal partition and then its inputs too, from explicit offsets;
//! one transactional producer writes. `init` throws both away; the new producer has the same
//! transactional id, which fences the old. There is no group to join with static
//! assignment: the group metadata is that of a consumer that never subscribed, which the broker
//! accepts unfenced. An assignment by group takes it from its control consumer, here, for every
//! Kafka transaction.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use schemas::{Offset, Partition, Position, Topic, TopicName, TopicPrefix};

use super::connection::KafkaConnection;
use super::delivery::DeliveryContext;
use super::partition_reader::PartitionReader;
use super::records::{detach_body, headers, owned_headers};
use crate::crash_window::{CrashWindow, pass, pass_alongside};
use crate::engine::application::{EntryRecord, InputRecord, JournalRecord};
use crate::engine::log::{Isolation, Log, LogError, LogRecord};

/// `init_transactions` takes half a second; on a broker that just started, some. It goes on where
/// it was when it is called again.
const INIT_WAIT: Duration = Duration::from_secs(1);
/// Requests that only ask. Short, for the shard does nothing else meanwhile.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Sending offsets and aborting.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a message may take, so that every report has come.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a request may take.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);
/// A commit that takes longer than half of the time after which the client library repeats the
/// request is not trusted, even if it ends well.
const TRUSTED_COMMIT: Duration = Duration::from_secs(4);
/// After the last report was counted, its event is still being freed: that takes microseconds.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Kafka, as one shard sees it.
pub struct KafkaLog {
    connection: KafkaConnection,
    shard: Partition,
    topics: ShardTopics,
    reader: PartitionReader,
    producer: Option<ThreadedProducer<DeliveryContext>>,
    /// One that waits for the broker to let it begin.
    initializing: Option<ThreadedProducer<DeliveryContext>>,
    /// Sees high watermarks; there only while the shard is taken over.
    watermarks: Option<BaseConsumer>,
    assigned: Vec<(Topic, Offset)>,
    /// The last entry of a commit that the consumer has not shown yet.
    unconfirmed: Option<Offset>,
    statistics: CommitStatistics,
}

/// What commits have cost, for the regression test of the 100 ms trap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitStatistics {
    /// Commits asked for.
    pub commits: u64,
    /// Of these, with a delivery outstanding when the client library was asked. Always 0.
    pub with_outstanding_deliveries: u64,
    /// The time the client library took, in all.
    pub spent: Duration,
}

/// Whether the owner waits for entries that he wrote himself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Confirms {
    Yes,
    No,
}

/// The names of a shard's topics.
struct ShardTopics {
    names: Vec<(Topic, TopicName)>,
}

impl ShardTopics {
    fn new(prefix: &TopicPrefix) -> Self {
        let topics = Topic::INPUTS.into_iter().chain([Topic::Journal]);
        Self { names: topics.map(|topic| (topic, topic.name(prefix))).collect() }
    }

    fn name(&self, topic: Topic) -> &str {
        let found = self.names.iter().find(|(known, _)| *known == topic);
        found.map_or("", |(_, name)| name.as_str())
    }

    /// A message, as what it is; `None` for one that nobody asked for. Headers are no part of an
    /// entry's hash, so the owner who confirms his own entries is spared them.
    fn place(&self, message: &BorrowedMessage<'_>, confirms: Confirms) -> Option<LogRecord> {
        let name = message.topic();
        let (topic, _) = self.names.iter().find(|(_, known)| known.as_str() == name)?;
        let partition = Partition::new(message.partition())?;
        let offset = Offset::new(message.offset())?;
        let mut record = detach_body(message);
        if *topic != Topic::Journal || confirms == Confirms::No {
            record.headers = headers(message);
        }
        if *topic == Topic::Journal {
            let position = Position { partition, offset };
            return Some(LogRecord::Journal(JournalRecord { position, record }));
        }
        Some(LogRecord::Input(InputRecord { topic: *topic, partition, offset, record }))
    }
}

impl KafkaLog {
    /// A handle for one shard. Nothing is asked of the broker yet.
    ///
    /// # Errors
    /// [`LogError::Unknown`] when the client library refuses a property.
    pub fn new(
        connection: &KafkaConnection,
        prefix: &TopicPrefix,
        shard: Partition,
    ) -> Result<Self, LogError> {
        let reader = PartitionReader::new(&connection.ledger_consumer(shard)).map_err(unknown)?;
        Ok(Self {
            connection: connection.clone(),
            shard,
            topics: ShardTopics::new(prefix),
            reader,
            producer: None,
            initializing: None,
            watermarks: None,
            assigned: Vec::new(),
            unconfirmed: None,
            statistics: CommitStatistics::default(),
        })
    }

    /// What commits have cost so far.
    pub fn statistics(&self) -> CommitStatistics {
        self.statistics
    }

    fn producer(&self) -> Result<&ThreadedProducer<DeliveryContext>, LogError> {
        self.producer.as_ref().ok_or_else(|| LogError::Unknown("not initialised".to_owned()))
    }

    fn context(&self) -> Result<&DeliveryContext, LogError> {
        Ok(self.producer()?.client().context())
    }

    fn partitions(&self, topics: impl IntoIterator<Item = Topic>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            list.add_partition(self.topics.name(topic), self.shard.number());
        }
        list
    }

    fn partitions_at(&self, places: &[(Topic, Offset)]) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (topic, offset) in places {
            let offset = rdkafka::Offset::Offset(offset.number());
            list.add_partition_offset(self.topics.name(*topic), self.shard.number(), offset)
                .map_err(unknown)?;
        }
        Ok(list)
    }

    /// Throws everything away, and makes a producer that cannot do anything yet.
    fn new_clients(&mut self) -> Result<ThreadedProducer<DeliveryContext>, LogError> {
        self.unconfirmed = None;
        self.assigned.clear();
        // A new client remembers neither a pause nor a leader that is none any more.
        let config = self.connection.ledger_consumer(self.shard);
        self.reader = PartitionReader::new(&config).map_err(unknown)?;
        self.producer = None;
        let config = self.connection.ledger_producer(self.shard);
        config.create_with_context(DeliveryContext::default()).map_err(unknown)
    }

    /// Reads these too.
    fn read(&mut self, places: &[(Topic, Offset)]) -> Result<(), LogError> {
        let partitions = self.partitions_at(places)?;
        self.reader.add(&partitions).map_err(unknown)?;
        self.assigned.extend_from_slice(places);
        Ok(())
    }

    /// Commits what was begun, and trusts the commit only if nothing disturbed it.
    fn end(&self) -> Result<(), LogError> {
        let started = Instant::now();
        self.producer()?.commit_transaction(COMMIT_TIMEOUT).map_err(transaction_error)?;
        let spent = started.elapsed();
        if spent > TRUSTED_COMMIT {
            return Err(LogError::Unknown(format!("a commit took {spent:?}")));
        }
        self.settle()?;
        self.check_undisturbed()
    }

    /// Until its last entry has been shown, a commit is not trusted if the connection was
    /// disturbed.
    fn check_undisturbed(&self) -> Result<(), LogError> {
        if self.context()?.is_disturbed() {
            return Err(LogError::Unknown("the connection failed around a commit".to_owned()));
        }
        Ok(())
    }

    /// The first or last offsets of the shard's partitions of these topics, in their order.
    fn offsets(
        &self,
        handle: &BaseConsumer,
        topics: &[Topic],
        which: rdkafka::Offset,
    ) -> Result<Vec<Offset>, LogError> {
        let partitions = self.partitions(topics.iter().copied());
        let found =
            fetch_offsets(handle, partitions, (which, QUERY_TIMEOUT)).map_err(query_error)?;
        let of = |topic: &Topic| {
            offset_in(&found, self.topics.name(*topic), self.shard.number())
                .ok_or_else(|| LogError::Retry(format!("{topic} has no {which:?}")))
        };
        topics.iter().map(of).collect()
    }

    /// Waits until everything that the client library has to tell was heard.
    fn settle(&self) -> Result<(), LogError> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        while self.producer()?.in_flight_count() > 0 && Instant::now() < deadline {
            thread::yield_now();
        }
        Ok(())
    }

    /// Waits until no delivery is outstanding.
    fn drain(&self) -> Result<Offset, LogError> {
        let reports = self.context()?.drain(DRAIN_TIMEOUT);
        let reports =
            reports.ok_or_else(|| LogError::Unknown("entries were not acknowledged".to_owned()))?;
        if let Some(code) = reports.failure {
            return Err(match code {
                RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
                    LogError::Refused(code.to_string())
                }
                RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch => LogError::Fenced(code.to_string()),
                _ => LogError::Aborted(code.to_string()),
            });
        }
        self.settle()?;
        reports
            .last_offset
            .and_then(Offset::new)
            .ok_or_else(|| LogError::Unknown("no entry was acknowledged".to_owned()))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn unknown(error: KafkaError) -> LogError {
    LogError::Unknown(error.to_string())
}

/// The reaction to an error of a call that only asks.
#[allow(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn query_error(error: KafkaError) -> LogError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            LogError::Lost(error.to_string())
        }
        _ => LogError::Retry(error.to_string()),
    }
}

/// The reaction to an error of a call that is part of a Kafka transaction.
fn transaction_error(error: KafkaError) -> LogError {
    let text = error.to_string();
    let KafkaError::Transaction(error) = error else { return LogError::Unknown(text) };
    match error.code() {
        RDKafkaErrorCode::Fenced
        | RDKafkaErrorCode::ProducerFenced
        | RDKafkaErrorCode::InvalidProducerEpoch => LogError::Fenced(text),
        _ if error.is_fatal() => LogError::Unknown(text),
        _ if error.txn_requires_abort() => LogError::Aborted(text),
        _ => LogError::Unknown(text),
    }
}

/// One request for the first or last offsets of all these partitions: in a list of times, -1 asks
/// for the end and -2 for the beginning.
pub(super) fn fetch_offsets(
    consumer: &BaseConsumer,
    mut partitions: TopicPartitionList,
    (which, at_most): (rdkafka::Offset, Duration),
) -> Result<TopicPartitionList, KafkaError> {
    partitions.set_all_offsets(which)?;
    let offsets = consumer.offsets_for_times(partitions, at_most)?;
    for element in offsets.elements() {
        element.error()?;
    }
    Ok(offsets)
}

/// The offset in a list, for one partition.
pub(super) fn offset_in(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<Offset> {
    match list.find_partition(topic, partition)?.offset() {
        rdkafka::Offset::Offset(number) => Offset::new(number),
        _ => None,
    }
}

impl Log for KafkaLog {
    async fn init(&mut self) -> Result<(), LogError> {
        let producer = match self.initializing.take() {
            Some(producer) => producer,
            None => self.new_clients()?,
        };
        match producer.init_transactions(INIT_WAIT) {
            Ok(()) => {
                self.producer = Some(producer);
                Ok(())
            }
            Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                self.initializing = Some(producer);
                Err(LogError::Retry(error.to_string()))
            }
            Err(error) => Err(transaction_error(error)),
        }
    }

    async fn read_journal(&mut self, from: Offset) -> Result<(), LogError> {
        self.read(&[(Topic::Journal, from)])
    }

    async fn read_inputs(&mut self, from: &[(Topic, Offset)]) -> Result<(), LogError> {
        self.watermarks = None;
        self.read(from)
    }

    async fn poll(&mut self, max_wait: Duration) -> Result<Option<LogRecord>, LogError> {
        if self.unconfirmed.is_some() {
            self.check_undisturbed()?;
        }
        let confirms = if self.unconfirmed.is_some() { Confirms::Yes } else { Confirms::No };
        let record = match self.reader.poll(max_wait) {
            None => None,
            Some(Err(error)) => return Err(query_error(error)),
            Some(Ok(message)) => self.topics.place(&message, confirms),
        };
        if let Some(LogRecord::Journal(journal)) = &record
            && self.unconfirmed.is_some_and(|last| last <= journal.position.offset)
        {
            self.check_undisturbed()?;
            self.unconfirmed = None;
        }
        Ok(record)
    }

    fn position(&mut self, topic: Topic) -> Result<Offset, LogError> {
        let positions = self.reader.consumer().position().map_err(query_error)?;
        let start = self.assigned.iter().find(|(assigned, _)| *assigned == topic);
        let start = start.map_or(Offset::ZERO, |(_, offset)| *offset);
        let name = self.topics.name(topic);
        Ok(offset_in(&positions, name, self.shard.number()).unwrap_or(start))
    }

    fn pause(&mut self, topic: Topic) -> Result<(), LogError> {
        self.reader.consumer().pause(&self.partitions([topic])).map_err(unknown)
    }

    fn resume(&mut self, topic: Topic) -> Result<(), LogError> {
        self.reader.consumer().resume(&self.partitions([topic])).map_err(unknown)
    }

    async fn begin(&mut self) -> Result<(), LogError> {
        if self.context()?.is_cut() {
            return Err(LogError::Unknown("the connection was lost".to_owned()));
        }
        self.context()?.begin();
        self.producer()?.begin_transaction().map_err(transaction_error)
    }

    async fn send_offsets(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError> {
        let offsets = self.partitions_at(next)?;
        let group = self.reader.consumer().group_metadata();
        let group = group.ok_or_else(|| LogError::Unknown("no group metadata".to_owned()))?;
        self.producer()?
            .send_offsets_to_transaction(&offsets, &group, CONTROL_TIMEOUT)
            .map_err(transaction_error)
    }

    async fn append(&mut self, entry: &EntryRecord) -> Result<(), LogError> {
        let name = self.topics.name(Topic::Journal);
        let mut record = BaseRecord::to(name)
            .partition(self.shard.number())
            .key(&entry.key[..])
            .payload(&entry.value[..]);
        if let Some(headers) = owned_headers(&entry.headers) {
            record = record.headers(headers);
        }
        let context = self.context()?;
        context.expect_report();
        self.producer()?.send(record).map_err(|(error, _)| {
            context.expect_no_report();
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::MessageSizeTooLarge) => LogError::Refused(error.to_string()),
                Some(RDKafkaErrorCode::QueueFull) => LogError::Aborted(error.to_string()),
                _ => unknown(error),
            }
        })
    }

    async fn commit(&mut self) -> Result<Offset, LogError> {
        let last = self.drain()?;
        let outstanding = self.producer()?.in_flight_count() > 0;
        pass(CrashWindow::BeforeCommit);
        pass_alongside(CrashWindow::CommitUnderWay);
        let started = Instant::now();
        let outcome = self.end();
        self.statistics.commits += 1;
        self.statistics.with_outstanding_deliveries += u64::from(outstanding);
        self.statistics.spent += started.elapsed();
        outcome?;
        self.unconfirmed = Some(last);
        Ok(last)
    }

    async fn abort(&mut self) -> Result<(), LogError> {
        self.producer()?.abort_transaction(CONTROL_TIMEOUT).map_err(transaction_error)
    }

    async fn prove(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError> {
        self.begin().await?;
        self.send_offsets(next).await?;
        self.end()
    }

    async fn end_offsets(
        &mut self,
        topics: &[Topic],
        isolation: Isolation,
    ) -> Result<Vec<Offset>, LogError> {
        if isolation == Isolation::ReadUncommitted && self.watermarks.is_none() {
            self.watermarks = Some(self.connection.watermarks().create().map_err(unknown)?);
        }
        let handle = match (isolation, &self.watermarks) {
            (Isolation::ReadUncommitted, Some(watermarks)) => watermarks,
            _ => self.reader.consumer(),
        };
        self.offsets(handle, topics, rdkafka::Offset::End)
    }

    async fn low_watermarks(&mut self, topics: &[Topic]) -> Result<Vec<Offset>, LogError> {
        self.offsets(self.reader.consumer(), topics, rdkafka::Offset::Beginning)
    }

    async fn committed(&mut self, topics: &[Topic]) -> Result<Vec<Option<Offset>>, LogError> {
        let partitions = self.partitions(topics.iter().copied());
        let committed = self.reader.consumer().committed_offsets(partitions, QUERY_TIMEOUT);
        let committed = committed.map_err(query_error)?;
        let of =
            |topic: &Topic| offset_in(&committed, self.topics.name(*topic), self.shard.number());
        Ok(topics.iter().map(of).collect())
    }
}
