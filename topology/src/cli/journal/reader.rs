//! Reads the journal, committed records only: up to the end that it has now, or for ever.
//!
//! For `holdfast audit`, `holdfast journal` and others who look at the log from outside; dead
//! letters are read in the same way. It shares nothing with the engine on purpose, writes nothing,
//! and joins no consumer group. It does not judge what it reads; a record that is no entry is
//! handed on as such.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, TopicPartitionList};
use schemas::codec::{DecodeError, Record, SCHEMA_HEADER, SchemaCatalog, SchemaFingerprint};
use schemas::entry::Entry;
use schemas::{
    Offset, Partition, PartitionCount, Position, Timestamp, Topic, TopicName, TopicPrefix,
};

use crate::settings::KafkaSettings;

/// Where the embedded broker listens unless its port was taken.
const DEFAULT_BOOTSTRAP_SERVERS: &str = "127.0.0.1:9092";
/// How long the broker may take to say what it has.
const METADATA_BOUND: Duration = Duration::from_secs(15);
/// How long reading may stand still, which a broker that restarts stays well below.
const STALL_BOUND: Duration = Duration::from_secs(30);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(500);

/// Which journal, and who reads it.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct JournalAddress<'a> {
    /// host:port, comma-separated.
    pub bootstrap_servers: &'a str,
    /// Further properties of the Kafka client, as librdkafka names them.
    pub kafka_properties: &'a [(String, String)],
    /// What the names of all topics begin with.
    pub topic_prefix: &'a TopicPrefix,
    /// The subcommand.
    pub reader: &'static str,
}

/// A record of the journal, as it stands there.
#[derive(Debug)]
pub(in crate::cli) struct JournalRecord<'a> {
    /// Where it stands.
    pub position: Position,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// What the value says.
    pub entry: Result<Entry, DecodeError>,
}

/// What there is of one partition: from `begin` up to but without `end`.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Extent {
    pub partition: Partition,
    pub begin: i64,
    pub end: i64,
}

/// Whether the reader goes on after a record.
pub(in crate::cli) type Visited = anyhow::Result<ControlFlow<()>>;

/// A reader of one journal; blocks the thread.
pub(in crate::cli) struct JournalReader {
    consumer: BaseConsumer<Calls>,
    journal: TopicName,
    servers: String,
    count: PartitionCount,
    catalog: SchemaCatalog,
}

/// What goes wrong is in the errors of the calls, and the end of a partition is no error at all.
struct Calls;

impl ClientContext for Calls {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "The Kafka client reports.");
    }
}

impl ConsumerContext for Calls {}

/// The brokers that a command line names. A line like `KAFKA_BOOTSTRAP_SERVERS=` of an .env file
/// means: the default.
pub(in crate::cli) fn servers(kafka: &KafkaSettings) -> &str {
    match kafka.kafka_bootstrap_servers.trim() {
        "" => DEFAULT_BOOTSTRAP_SERVERS,
        servers => servers,
    }
}

impl JournalReader {
    /// A reader of the journal at this address.
    ///
    /// # Errors
    /// No broker answers there, or it has no such topic; the text says what to do.
    pub fn open(address: JournalAddress<'_>) -> anyhow::Result<Self> {
        Self::open_topic(address, Topic::Journal)
    }

    /// A reader of another topic at this address.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_topic(address: JournalAddress<'_>, topic: Topic) -> anyhow::Result<Self> {
        let journal = topic.name(address.topic_prefix);
        let servers = address.bootstrap_servers.to_owned();
        let consumer = consumer(address).context("cannot make a Kafka client")?;
        let count = partitions(&consumer, &journal, &servers)?;
        Ok(Self { consumer, journal, servers, count, catalog: SchemaCatalog::default() })
    }

    /// The name of the topic.
    pub fn journal(&self) -> &TopicName {
        &self.journal
    }

    /// How many partitions it has.
    pub fn count(&self) -> PartitionCount {
        self.count
    }

    /// What each partition holds now: up to the last stable offset, since only committed records
    /// are read.
    pub fn extents(&self) -> anyhow::Result<Vec<Extent>> {
        let extent = |partition: Partition| {
            let (begin, end) = self.consumer.fetch_watermarks(
                self.journal.as_str(),
                partition.number(),
                METADATA_BOUND,
            )?;
            Ok(Extent { partition, begin, end })
        };
        let extents: Result<_, KafkaError> = Partition::all(self.count).map(extent).collect();
        extents.with_context(|| {
            format!("the broker at {} does not say where {} ends", self.servers, self.journal)
        })
    }

    /// The same, beginning with what was written at this time or later.
    pub fn since(&self, extents: &[Extent], time: Timestamp) -> anyhow::Result<Vec<Extent>> {
        let at = rdkafka::Offset::Offset(time.millis());
        let mut times = TopicPartitionList::new();
        for extent in extents {
            times.add_partition_offset(self.journal.as_str(), extent.partition.number(), at)?;
        }
        let found = self.consumer.offsets_for_times(times, METADATA_BOUND)?;
        let begin = |extent: &Extent| {
            let number = extent.partition.number();
            match found.find_partition(self.journal.as_str(), number).map(|place| place.offset()) {
                Some(rdkafka::Offset::Offset(offset)) => offset,
                // Nothing is that young.
                Some(_) | None => extent.end,
            }
        };
        Ok(extents.iter().map(|extent| Extent { begin: begin(extent), ..*extent }).collect())
    }

    /// Shows the records of one extent, in order; `Break` if the visitor did not want more.
    ///
    /// # Errors
    /// Reading stalls or cannot go on, or the visitor fails.
    pub fn read(
        &self,
        extent: Extent,
        mut visit: impl FnMut(JournalRecord<'_>) -> Visited,
    ) -> Visited {
        self.read_messages(extent, |message| visit(self.record(message)?))
    }

    /// Shows the values of one extent, in order, as records of another kind than entries.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn read_as<R: Record>(
        &self,
        extent: Extent,
        mut visit: impl FnMut(Result<R, DecodeError>) -> Visited,
    ) -> Visited {
        self.read_messages(extent, |message| {
            visit(self.catalog.decode(message.payload(), fingerprint(message)))
        })
    }

    fn read_messages(
        &self,
        extent: Extent,
        mut visit: impl FnMut(&BorrowedMessage<'_>) -> Visited,
    ) -> Visited {
        if extent.begin >= extent.end {
            return Ok(ControlFlow::Continue(()));
        }
        self.assign(&[extent])?;
        let number = extent.partition.number();
        let (mut last_heard, mut trouble) = (Instant::now(), None);
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.partition() == number => {
                    if message.offset() >= extent.end {
                        break;
                    }
                    if visit(&message)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    last_heard = Instant::now();
                }
                // Markers of Kafka transactions may stand last: then no record reaches the end.
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == number => break,
                Some(Err(error)) if is_final(&error) => return Err(self.cannot_read(error)),
                Some(Err(error)) => trouble = Some(error),
                Some(Ok(_)) | None => {}
            }
            if last_heard.elapsed() > STALL_BOUND {
                let (seconds, journal) = (STALL_BOUND.as_secs(), &self.journal);
                let why = trouble.map_or_else(String::new, |error| format!(" ({error})"));
                bail!(
                    "nothing came from partition {number} of {journal} for {seconds} s{why}; is \
                     the broker there? try again"
                );
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Shows the records of all these partitions from where they begin, and every later one as it
    /// comes, until the visitor wants no more. A broker that is away is waited for.
    ///
    /// # Errors
    /// Reading cannot go on, or the visitor fails.
    pub fn follow(
        &self,
        extents: &[Extent],
        mut visit: impl FnMut(JournalRecord<'_>) -> Visited,
    ) -> anyhow::Result<()> {
        self.assign(extents)?;
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    if visit(self.record(&message)?)?.is_break() {
                        return Ok(());
                    }
                }
                Some(Err(error)) if is_final(&error) => return Err(self.cannot_read(error)),
                Some(Err(_)) | None => {}
            }
        }
    }

    fn assign(&self, extents: &[Extent]) -> anyhow::Result<()> {
        let mut assignment = TopicPartitionList::new();
        for extent in extents {
            assignment.add_partition_offset(
                self.journal.as_str(),
                extent.partition.number(),
                rdkafka::Offset::Offset(extent.begin),
            )?;
        }
        Ok(self.consumer.assign(&assignment)?)
    }

    fn record<'a>(&self, message: &'a BorrowedMessage<'_>) -> anyhow::Result<JournalRecord<'a>> {
        let offset = Offset::new(message.offset()).context("a record has no offset")?;
        let partition = Partition::new(message.partition()).context("a record has no partition")?;
        Ok(JournalRecord {
            position: Position { partition, offset },
            key: message.key(),
            value: message.payload(),
            entry: self.catalog.decode::<Entry>(message.payload(), fingerprint(message)),
        })
    }

    fn cannot_read(&self, error: KafkaError) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("cannot read {}", self.journal))
    }
}

fn consumer(address: JournalAddress<'_>) -> anyhow::Result<BaseConsumer<Calls>> {
    let mut config = ClientConfig::new();
    for (name, value) in address.kafka_properties {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", address.bootstrap_servers)
        .set("client.id", format!("holdfast-{}", address.reader))
        // librdkafka wants a name; partitions are assigned by hand, so the group is never joined.
        .set("group.id", format!("{}.{}", address.topic_prefix, address.reader))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.error.backoff.ms", "50")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.max.messages.kbytes", "16384")
        // What goes wrong is in the errors of the calls.
        .set("log_level", "2");
    Ok(config.create_with_context(Calls)?)
}

fn partitions(
    consumer: &BaseConsumer<Calls>,
    journal: &TopicName,
    servers: &str,
) -> anyhow::Result<PartitionCount> {
    let absent = |error| {
        anyhow!(
            "no Kafka broker answers at {servers} ({error}); start one with `make up`, or name \
             yours with KAFKA_BOOTSTRAP_SERVERS or --kafka-bootstrap-servers"
        )
    };
    let metadata =
        consumer.fetch_metadata(Some(journal.as_str()), METADATA_BOUND).map_err(absent)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == journal.as_str());
    let trouble = topic.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
    let count = topic.map_or(0, |topic| topic.partitions().len());
    match trouble {
        Some(trouble) if trouble != RDKafkaErrorCode::UnknownTopicOrPartition => {
            bail!("the broker at {servers} cannot serve {journal} ({trouble}); try again later")
        }
        None if count > 0 => {}
        Some(_) | None => bail!(
            "the broker at {servers} has no topic {journal}: nothing has run there yet, or the \
             installation has another --topic-prefix"
        ),
    }
    Ok(PartitionCount::try_from(i32::try_from(count)?)?)
}

fn fingerprint(message: &BorrowedMessage<'_>) -> Option<SchemaFingerprint> {
    let headers = message.headers()?;
    let header = headers.iter().find(|header| header.key == SCHEMA_HEADER)?;
    header.value.and_then(SchemaFingerprint::parse)
}

/// Errors that waiting does not cure; librdkafka retries the others by itself.
fn is_final(error: &KafkaError) -> bool {
    match error.rdkafka_error_code() {
        Some(code) => matches!(
            code,
            RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::Fatal
        ),
        None => false,
    }
}
