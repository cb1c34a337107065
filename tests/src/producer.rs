//! A producer that is not ours: writes whatever it is told, wherever it is told.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::codec::{Record, SCHEMA_HEADER, encode};
use schemas::{Offset, Partition, Position, SchemaId, Topic, TopicPrefix};

use crate::installation::Installation;

const SEND_BOUND: Duration = Duration::from_secs(30);
/// What the broker takes on the input topics, bytes.
const MAX_RECORD_BYTES: &str = "4194304";

/// A producer for the topics of one installation.
pub struct Producer {
    producer: FutureProducer,
    prefix: TopicPrefix,
}

/// What to write, and where.
#[derive(Debug, Clone)]
pub struct RawRecord {
    /// Which topic.
    pub topic: Topic,
    /// Which partition of it, whatever the key says.
    pub partition: Partition,
    /// The key; none for null.
    pub key: Option<String>,
    /// The value; none for a tombstone.
    pub value: Option<Vec<u8>>,
    /// The header that names the writer's schema.
    pub schema: Option<String>,
}

impl RawRecord {
    /// A record as our own producers write it.
    pub fn well_formed<R: Record>(partition: Partition, key: &str, record: &R) -> Self {
        Self {
            topic: R::KIND.topic(),
            partition,
            key: Some(key.to_owned()),
            // The header names the schema: the number in the frame is not looked at.
            value: Some(encode(record, SchemaId(1))),
            schema: Some(R::KIND.schema().fingerprint().to_string()),
        }
    }
}

impl Producer {
    /// A producer for this installation.
    pub fn of(installation: &Installation) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &installation.cluster().bootstrap_servers)
            .set("acks", "all")
            .set("message.max.bytes", MAX_RECORD_BYTES)
            .create()
            .expect("a producer");
        Self { producer, prefix: installation.prefix().clone() }
    }

    /// Writes a record; returns where it is when the broker has it.
    pub async fn send(&self, raw: &RawRecord) -> Position {
        self.send_with(raw, &[]).await
    }

    /// The same, with one header more.
    pub async fn send_with_header(&self, raw: &RawRecord, key: &str, value: &str) -> Position {
        self.send_with(raw, &[(key, value)]).await
    }

    async fn send_with(&self, raw: &RawRecord, more: &[(&str, &str)]) -> Position {
        let topic = raw.topic.name(&self.prefix);
        let mut record: FutureRecord<'_, String, Vec<u8>> =
            FutureRecord::to(topic.as_str()).partition(raw.partition.number());
        record.key = raw.key.as_ref();
        record.payload = raw.value.as_ref();
        let schema = raw.schema.iter().map(|schema| (SCHEMA_HEADER, schema.as_str()));
        let headers = schema.chain(more.iter().copied());
        let headers = headers.fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        record.headers = Some(headers).filter(|headers| headers.count() > 0);
        let sent = self.producer.send(record, SEND_BOUND).await;
        let delivery = sent.map_err(|(error, _)| error).expect("the broker takes the record");
        Position {
            partition: Partition::new(delivery.partition).expect("a partition"),
            offset: Offset::new(delivery.offset).expect("an offset"),
        }
    }
}
