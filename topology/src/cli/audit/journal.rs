//! Reads the journal from its first record to the end it has at the start, committed records only.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use processors::audit::{AuditRecord, Auditor};
use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, TopicPartitionList};
use schemas::codec::{SCHEMA_HEADER, SchemaCatalog, SchemaFingerprint};
use schemas::entry::Entry;
use schemas::{Offset, Partition, PartitionCount, Position, Timestamp, Topic, TopicName};

use super::{AuditOptions, Progress};
use crate::wall_clock;

/// How long the broker may take to say what it has.
const METADATA_BOUND: Duration = Duration::from_secs(15);
/// How long reading may stand still, which a broker that restarts stays well below.
const STALL_BOUND: Duration = Duration::from_secs(30);
/// How long one poll waits.
const POLL: Duration = Duration::from_millis(500);
/// The progress bar moves once in so many records.
const RECORDS_PER_TICK: u64 = 1024;

/// A journal that was read.
pub(super) struct Folded {
    pub auditor: Auditor,
    /// When the end up to which it was read was taken.
    pub end_taken: Timestamp,
}

/// What there is of one partition: from `begin` up to but without `end`.
struct Extent {
    partition: Partition,
    begin: i64,
    end: i64,
}

/// What goes wrong is in the errors of the calls, and the end of a partition is no error at all.
struct Calls;

impl ClientContext for Calls {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "The Kafka client reports.");
    }
}

impl ConsumerContext for Calls {}

type JournalConsumer = BaseConsumer<Calls>;

/// Reads and folds every partition of the journal; blocks the thread.
pub(super) fn fold(options: &AuditOptions) -> anyhow::Result<Folded> {
    let servers = &options.bootstrap_servers;
    let journal = Topic::Journal.name(&options.topic_prefix);
    let consumer = consumer(options).context("cannot make a Kafka client")?;
    let count = partitions(&consumer, &journal, servers)?;
    // Before the end is asked for: a charge made by now is of a payment before that end.
    let end_taken = wall_clock::now();
    let extents = extents(&consumer, &journal, count)
        .with_context(|| format!("the broker at {servers} does not say where {journal} ends"))?;
    let bar = progress(options.progress, &extents);
    let mut auditor = Auditor::new(journal.clone(), count);
    for extent in extents {
        let partition = extent.partition;
        read(&consumer, &journal, &extent, &bar, &mut auditor)
            .with_context(|| format!("cannot read partition {partition} of {journal}"))?;
    }
    bar.finish_and_clear();
    Ok(Folded { auditor, end_taken })
}

fn consumer(options: &AuditOptions) -> anyhow::Result<JournalConsumer> {
    let mut config = ClientConfig::new();
    for (name, value) in &options.kafka_properties {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &options.bootstrap_servers)
        .set("client.id", "holdfast-audit")
        // librdkafka wants a name; partitions are assigned by hand, so the group is never joined.
        .set("group.id", format!("{}.audit", options.topic_prefix))
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
    consumer: &JournalConsumer,
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
            bail!("the broker at {servers} cannot serve {journal} ({trouble}); audit again later")
        }
        None if count > 0 => {}
        Some(_) | None => bail!(
            "the broker at {servers} has no topic {journal}: nothing has run there yet, or the \
             installation has another --topic-prefix"
        ),
    }
    Ok(PartitionCount::try_from(i32::try_from(count)?)?)
}

/// Up to the last stable offset: the handle reads committed records only.
fn extents(
    consumer: &JournalConsumer,
    journal: &TopicName,
    count: PartitionCount,
) -> anyhow::Result<Vec<Extent>> {
    let extent = |partition: Partition| {
        let (begin, end) =
            consumer.fetch_watermarks(journal.as_str(), partition.number(), METADATA_BOUND)?;
        Ok(Extent { partition, begin, end })
    };
    Partition::all(count).map(extent).collect()
}

fn read(
    consumer: &JournalConsumer,
    journal: &TopicName,
    extent: &Extent,
    bar: &ProgressBar,
    auditor: &mut Auditor,
) -> anyhow::Result<()> {
    if extent.begin >= extent.end {
        return Ok(());
    }
    let mut assignment = TopicPartitionList::new();
    let number = extent.partition.number();
    assignment.add_partition_offset(
        journal.as_str(),
        number,
        rdkafka::Offset::Offset(extent.begin),
    )?;
    consumer.assign(&assignment)?;
    let catalog = SchemaCatalog::default();
    let (mut last_heard, mut trouble) = (Instant::now(), None);
    let mut records = 0_u64;
    let mut read_up_to = extent.begin;
    loop {
        match consumer.poll(POLL) {
            Some(Ok(message)) if message.partition() == number => {
                if message.offset() >= extent.end {
                    break;
                }
                observe(auditor, &catalog, extent.partition, &message)?;
                last_heard = Instant::now();
                records += 1;
                if records.is_multiple_of(RECORDS_PER_TICK) {
                    bar.inc(u64::try_from(message.offset() - read_up_to).unwrap_or(0));
                    read_up_to = message.offset();
                }
            }
            // Markers of Kafka transactions may stand last: then no record reaches the end.
            Some(Err(KafkaError::PartitionEOF(ended))) if ended == number => break,
            Some(Err(error)) if is_final(&error) => return Err(error.into()),
            Some(Err(error)) => trouble = Some(error),
            Some(Ok(_)) | None => {}
        }
        if last_heard.elapsed() > STALL_BOUND {
            let seconds = STALL_BOUND.as_secs();
            let why = trouble.map_or_else(String::new, |error| format!(" ({error})"));
            bail!("nothing came for {seconds} s{why}; is the broker there? run the audit again");
        }
    }
    bar.inc(u64::try_from(extent.end - read_up_to).unwrap_or(0));
    Ok(())
}

fn observe(
    auditor: &mut Auditor,
    catalog: &SchemaCatalog,
    partition: Partition,
    message: &BorrowedMessage<'_>,
) -> anyhow::Result<()> {
    let offset = Offset::new(message.offset()).context("a record has no offset")?;
    let entry = catalog.decode::<Entry>(message.payload(), fingerprint(message));
    auditor.observe(&AuditRecord {
        position: Position { partition, offset },
        key: message.key(),
        value: message.payload(),
        entry,
    });
    Ok(())
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

fn progress(progress: Progress, extents: &[Extent]) -> ProgressBar {
    let records = extents.iter().map(|extent| (extent.end - extent.begin).max(0)).sum::<i64>();
    let target = match progress {
        // Draws nothing where standard error is no terminal.
        Progress::Shown => ProgressDrawTarget::stderr(),
        Progress::Hidden => ProgressDrawTarget::hidden(),
    };
    let template = "reading the journal {bar:32} {human_pos}/{human_len} {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(u64::try_from(records).ok(), target).with_style(style)
}
