//! A consumer in which a partition is read at most once: what has left never comes back.
//!
//! librdkafka stops a partition's fetcher asynchronously and counts on one stop at a time. A
//! partition that is taken away, given back and taken away again (by another assignment, or by the
//! close) before the first stop was answered is stopped twice, and the second answer fails an
//! assertion (`rktp_started` in `rd_kafka_assignment_partition_stopped`): the process is aborted.
//! `assign` on top of an `assign` takes everything away and gives it back. So do a restore that is
//! cut short and a tail that is stopped soon after it changed its mind. It is
//! <https://github.com/confluentinc/librdkafka/issues/5573>, in all versions up to 2.15.0.
//!
//! Here partitions are only added, at explicit offsets, and left, each once; closing stops what is
//! still there. Whoever wants to read one of them from another place makes a new reader.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, TopicPartitionList};

/// A consumer of partitions that were named one by one, in no group.
pub(super) struct PartitionReader {
    consumer: BaseConsumer,
    /// Everything that was ever added.
    known: BTreeSet<(String, i32)>,
}

impl PartitionReader {
    /// A reader of nothing yet.
    pub fn new(config: &ClientConfig) -> KafkaResult<Self> {
        Ok(Self { consumer: config.create()?, known: BTreeSet::new() })
    }

    /// Reads these partitions too, from the offsets in the list on.
    pub fn add(&mut self, places: &TopicPartitionList) -> KafkaResult<()> {
        let names = names(places);
        if let Some((topic, partition)) = names.iter().find(|name| self.known.contains(name)) {
            let reason = format!("{topic}-{partition} was added to this reader before");
            return Err(KafkaError::Subscription(reason));
        }
        self.consumer.incremental_assign(places)?;
        self.known.extend(names);
        Ok(())
    }

    /// Reads these partitions no more, for as long as this reader lives.
    pub fn leave(&mut self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.consumer.incremental_unassign(partitions)
    }

    /// The next record, waiting at most so long for it.
    pub fn poll(&self, max_wait: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        // Most are there already, and one that is not waited for costs no look at the clock.
        let there = self.consumer.poll(Duration::ZERO);
        if there.is_some() || max_wait.is_zero() { there } else { self.consumer.poll(max_wait) }
    }

    /// For everything but what is assigned.
    pub fn consumer(&self) -> &BaseConsumer {
        &self.consumer
    }
}

fn names(partitions: &TopicPartitionList) -> Vec<(String, i32)> {
    let elements = partitions.elements();
    elements.iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}
