//! The journal as any consumer of Kafka reads it: committed records, decoded without a registry.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::codec::{SCHEMA_HEADER, SchemaCatalog, SchemaFingerprint};
use schemas::entry::{Entry, Source};
use schemas::event::Event;
use schemas::{Position, Topic};

use crate::installation::{Installation, PARTITIONS};
use crate::wait::eventually;

const READ_BOUND: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);
/// From an input's acknowledgement to its entry.
const ENTRY_BOUND: Duration = Duration::from_secs(30);

/// Every entry of an installation, partition after partition, each in its order.
pub async fn entries(installation: &Installation) -> Vec<Entry> {
    let topic = Topic::Journal.name(installation.prefix()).to_string();
    let servers = installation.cluster().bootstrap_servers.clone();
    let read = tokio::task::spawn_blocking(move || read(&servers, &topic));
    read.await.expect("the reader does not panic")
}

/// The entry of the input at this place, once it is there.
pub async fn entry_of(installation: &Installation, topic: Topic, position: Position) -> Entry {
    let source = Source::Input {
        topic: topic.label().to_owned(),
        partition: position.partition.number(),
        offset: position.offset.number(),
    };
    eventually(ENTRY_BOUND, &format!("there is an entry of {source:?}"), async || {
        let entries = entries(installation).await;
        let count = entries.len();
        entries.into_iter().find(|entry| entry.source == source).ok_or(format!("{count} others"))
    })
    .await
}

/// Every event, in order within each partition.
pub async fn events(installation: &Installation) -> Vec<Event> {
    entries(installation).await.into_iter().flat_map(|entry| entry.events).collect()
}

/// Whether every entry that was written is committed or aborted, on every partition.
pub async fn is_stable(installation: &Installation) -> bool {
    let topic = Topic::Journal.name(installation.prefix()).to_string();
    let servers = installation.cluster().bootstrap_servers.clone();
    let look = move || {
        let [stable, end] = ["read_committed", "read_uncommitted"].map(|isolation| {
            let mut ends = TopicPartitionList::new();
            ends.add_partition_range(&topic, 0, PARTITIONS - 1);
            ends.set_all_offsets(Offset::End).expect("a place");
            let ends = consumer(&servers, isolation).offsets_for_times(ends, READ_BOUND);
            ends.expect("the broker answers")
        });
        stable == end
    };
    tokio::task::spawn_blocking(look).await.expect("it does not panic")
}

fn consumer(bootstrap_servers: &str, isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap_servers)
        .set("group.id", "unused")
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .create()
        .expect("a consumer")
}

fn read(bootstrap_servers: &str, topic: &str) -> Vec<Entry> {
    let consumer = consumer(bootstrap_servers, "read_committed");
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&assignment).expect("an assignment");
    let catalog = SchemaCatalog::default();
    let mut open: BTreeSet<i32> = (0..PARTITIONS).collect();
    let mut entries = Vec::new();
    let deadline = Instant::now() + READ_BOUND;
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "{topic}: {open:?} not read within {READ_BOUND:?}");
        match consumer.poll(POLL) {
            Some(Ok(message)) => entries.push((message.partition(), decode(&catalog, &message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            // librdkafka tries again; the deadline is ours.
            Some(Err(_)) | None => {}
        }
    }
    // The broker gives partitions in any order, and from one reading to the next in another.
    entries.sort_by_key(|(partition, _)| *partition);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn decode(catalog: &SchemaCatalog, message: &BorrowedMessage<'_>) -> Entry {
    let header = message.headers().and_then(|headers| {
        let ours = headers.iter().find(|header| header.key == SCHEMA_HEADER)?;
        SchemaFingerprint::parse(ours.value?)
    });
    catalog.decode(message.payload(), header).expect("a journal has entries only")
}
