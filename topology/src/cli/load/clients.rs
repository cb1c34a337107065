//! The Kafka clients of the load generator.
//!
//! They are its own, not the engine's: it looks at the system from outside, and must cost less than
//! what it measures.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use schemas::{PartitionCount, Topic, TopicName};

use crate::settings::KafkaSettings;

/// How long the broker may take to say what it has.
const METADATA_BOUND: Duration = Duration::from_secs(15);

/// Makes clients of one installation.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    /// Where the log is.
    pub kafka: KafkaSettings,
    /// How many shards it has.
    pub partitions: PartitionCount,
}

/// How records arrive when the client library sends some of them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Each once, in the order in which they were sent.
    OnceInOrder,
    /// Perhaps twice, perhaps later than others: for records that do not depend on each other, at
    /// any rate. The other way the client library turns in a loop, a fifth of a core, from the end
    /// of the linger until the records before are acknowledged.
    Anyhow,
}

/// What goes wrong is in the results of the calls.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "The Kafka client reports.");
    }
}

impl ConsumerContext for Quiet {}

impl Clients {
    /// The clients of the installation with this journal. Blocks for a request to the broker.
    pub(super) fn connect(kafka: &KafkaSettings) -> anyhow::Result<Self> {
        let journal = Topic::Journal.name(&kafka.topic_prefix);
        let servers = &kafka.kafka_bootstrap_servers;
        let consumer: BaseConsumer<Quiet> =
            base(kafka).create_with_context(Quiet).context("cannot make a Kafka client")?;
        let metadata =
            consumer.fetch_metadata(Some(journal.as_str()), METADATA_BOUND).with_context(|| {
                format!("no Kafka broker answers at {servers}; start with `make up`")
            })?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == journal.as_str());
        let trouble = topic.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
        let count = topic.map_or(0, |topic| topic.partitions().len());
        if count == 0 || trouble.is_some() {
            bail!(
                "the broker at {servers} has no topic {journal}: start the application first, or \
                 name its --topic-prefix"
            );
        }
        let partitions = PartitionCount::try_from(i32::try_from(count)?)?;
        Ok(Self { kafka: kafka.clone(), partitions })
    }

    /// The name of the journal.
    pub(super) fn journal(&self) -> TopicName {
        Topic::Journal.name(&self.kafka.topic_prefix)
    }

    /// A consumer that sees committed entries as soon as they are there.
    pub(super) fn journal_consumer(&self) -> anyhow::Result<BaseConsumer<Quiet>> {
        let mut config = base(&self.kafka);
        config
            // The client library wants a name; partitions are assigned by hand.
            .set("group.id", format!("{}.load", self.kafka.topic_prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "50");
        config.create_with_context(Quiet).context("cannot make a Kafka consumer")
    }

    /// A producer of inputs; a record waits for others for `linger`.
    pub(super) fn producer<C: ProducerContext + 'static>(
        &self,
        linger: Duration,
        arrival: Arrival,
        context: C,
    ) -> anyhow::Result<BaseProducer<C>> {
        let mut config = base(&self.kafka);
        config
            .set("enable.idempotence", (arrival == Arrival::OnceInOrder).to_string())
            .set("acks", "all")
            .set("linger.ms", linger.as_millis().to_string())
            .set("retry.backoff.ms", "10")
            .set("message.timeout.ms", "30000")
            .set("queue.buffering.max.messages", "1000000")
            // A report for each record would cost as much as the record.
            .set("delivery.report.only.error", "true");
        config.create_with_context(context).context("cannot make a Kafka producer")
    }
}

fn base(kafka: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (name, value) in &kafka.kafka_property {
        config.set(name, value);
    }
    config
        .set("bootstrap.servers", &kafka.kafka_bootstrap_servers)
        .set("client.id", "holdfast-load")
        .set("socket.nagle.disable", "true")
        .set("log.connection.close", "false")
        .set("log_level", "2");
    config
}
