//! The adapter of [`Log`] to a broker in memory: deterministic, for tests and the test driver.
//!
//! Polling in vain moves the monotonic time of its clock by what it would have waited, so that
//! every deadline of the shard loop is reached without anybody waiting.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use schemas::{Offset, Partition, Topic};

use super::application::EntryRecord;
use super::clock::ManualClock;
use super::log::{Isolation, Log, LogError, LogRecord};
use super::memory_broker::MemoryBroker;

/// The log in memory, as one shard sees it.
#[derive(Debug)]
pub struct MemoryLog {
    broker: MemoryBroker,
    partition: Partition,
    clock: Arc<ManualClock>,
    epoch: u64,
    reading: Vec<(Topic, Offset)>,
    paused: HashSet<Topic>,
}

impl MemoryLog {
    /// A handle for one shard.
    pub fn new(broker: MemoryBroker, partition: Partition, clock: Arc<ManualClock>) -> Self {
        Self { broker, partition, clock, epoch: 0, reading: Vec::new(), paused: HashSet::new() }
    }
}

impl Log for MemoryLog {
    async fn init(&mut self) -> Result<(), LogError> {
        self.epoch = self.broker.take_over(self.partition);
        self.reading.clear();
        self.paused.clear();
        Ok(())
    }

    async fn read_journal(&mut self, from: Offset) -> Result<(), LogError> {
        self.reading.push((Topic::Journal, from));
        Ok(())
    }

    async fn read_inputs(&mut self, from: &[(Topic, Offset)]) -> Result<(), LogError> {
        // Inputs first, as far as a poll has a choice.
        self.reading.splice(0..0, from.iter().copied());
        Ok(())
    }

    async fn poll(&mut self, max_wait: Duration) -> Result<Option<LogRecord>, LogError> {
        for (topic, next) in &mut self.reading {
            if self.paused.contains(topic) {
                continue;
            }
            let (record, position) = self.broker.read(*topic, self.partition, *next)?;
            *next = position;
            if record.is_some() {
                return Ok(record);
            }
        }
        self.clock.wait(max_wait);
        Ok(None)
    }

    fn position(&mut self, topic: Topic) -> Result<Offset, LogError> {
        let reading = self.reading.iter().find(|(read, _)| *read == topic);
        Ok(reading.map_or(Offset::ZERO, |(_, next)| *next))
    }

    fn pause(&mut self, topic: Topic) -> Result<(), LogError> {
        self.paused.insert(topic);
        Ok(())
    }

    fn resume(&mut self, topic: Topic) -> Result<(), LogError> {
        self.paused.remove(&topic);
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), LogError> {
        self.broker.begin(self.partition, self.epoch)
    }

    async fn send_offsets(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError> {
        self.broker.send_offsets((self.partition, self.epoch), next)
    }

    async fn append(&mut self, entry: &EntryRecord) -> Result<(), LogError> {
        self.broker.append((self.partition, self.epoch), entry)
    }

    async fn commit(&mut self) -> Result<Offset, LogError> {
        self.broker.commit(self.partition, self.epoch)
    }

    async fn abort(&mut self) -> Result<(), LogError> {
        self.broker.abort(self.partition, self.epoch)
    }

    async fn prove(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError> {
        self.broker.prove((self.partition, self.epoch), next)
    }

    async fn end_offsets(
        &mut self,
        topics: &[Topic],
        isolation: Isolation,
    ) -> Result<Vec<Offset>, LogError> {
        let end = |topic: &Topic| self.broker.end(*topic, self.partition, isolation);
        Ok(topics.iter().map(end).collect())
    }

    async fn low_watermarks(&mut self, topics: &[Topic]) -> Result<Vec<Offset>, LogError> {
        Ok(topics.iter().map(|topic| self.broker.low(*topic, self.partition)).collect())
    }

    async fn committed(&mut self, topics: &[Topic]) -> Result<Vec<Option<Offset>>, LogError> {
        let committed = |topic: &Topic| self.broker.committed(*topic, self.partition);
        Ok(topics.iter().map(committed).collect())
    }
}
