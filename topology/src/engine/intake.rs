//! Inputs that were polled and are not handled yet, by topic.
//!
//! Batches take results before commands, each topic in its own order. What is held is bounded: a
//! topic that has more than it may is paused at the log, so that the others still come through. A
//! topic whose next record waits for the schema registry keeps its place and is tried again later.

use std::collections::VecDeque;
use std::time::Duration;

use schemas::{Offset, Topic};

use super::application::InputRecord;
use super::fold::input_index;

/// The most inputs in one Kafka transaction.
pub const MAX_BATCH_RECORDS: usize = 512;
/// The most bytes of inputs in one Kafka transaction; a single larger input goes alone.
pub const MAX_BATCH_BYTES: usize = 1 << 20;

/// A topic is paused with this much polled and not handled: some batches, so that a batch is always
/// full under load. Pausing throws away what the client has fetched, so it must be rare.
const PAUSE_RECORDS: usize = 8 * MAX_BATCH_RECORDS;
const PAUSE_BYTES: usize = 8 * MAX_BATCH_BYTES;
/// A paused topic goes on when this much is left: one batch, decided while the next is fetched.
const RESUME_RECORDS: usize = MAX_BATCH_RECORDS;
const RESUME_BYTES: usize = MAX_BATCH_BYTES;

/// How long an input that waits for the schema registry waits before it is tried again.
pub const REGISTRY_RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<InputRecord>,
    bytes: usize,
    paused: bool,
    /// Not before then, on the monotonic clock: the first record waits for the registry.
    waits_until: Option<Duration>,
}

/// What must be done at the log, after the queues have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Stop returning records of this topic.
    Pause(Topic),
    /// Go on.
    Resume(Topic),
}

/// The inputs of a shard that were polled and are not handled yet.
#[derive(Debug, Default)]
pub struct Intake {
    queues: [Queue; Topic::INPUTS.len()],
}

impl Intake {
    /// Keeps a record. Records of other topics are not inputs and are dropped.
    pub fn push(&mut self, record: InputRecord) {
        if let Some(index) = input_index(record.topic) {
            let queue = &mut self.queues[index];
            queue.bytes += record.record.weight();
            queue.records.push_back(record);
        }
    }

    /// Whether a batch would have something, at this monotonic time.
    pub fn has_work(&self, now: Duration) -> bool {
        self.queues.iter().any(|queue| queue.is_open(now) && !queue.records.is_empty())
    }

    /// Whether a batch would be full, at this monotonic time.
    pub fn is_full(&self, now: Duration) -> bool {
        let open = || self.queues.iter().filter(|queue| queue.is_open(now));
        let records: usize = open().map(|queue| queue.records.len()).sum();
        let bytes: usize = open().map(|queue| queue.bytes).sum();
        records >= MAX_BATCH_RECORDS || bytes >= MAX_BATCH_BYTES
    }

    /// Takes a batch: results before commands, each topic in its order.
    pub fn take(&mut self, now: Duration) -> Vec<InputRecord> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for queue in self.queues.iter_mut().filter(|queue| queue.is_open(now)) {
            while let Some(record) = queue.records.front() {
                let weight = record.record.weight();
                let fits = batch.len() < MAX_BATCH_RECORDS && bytes + weight <= MAX_BATCH_BYTES;
                if !fits && !batch.is_empty() {
                    return batch;
                }
                bytes += weight;
                queue.bytes -= weight;
                batch.extend(queue.records.pop_front());
            }
        }
        batch
    }

    /// Puts back what waits for the schema registry: the records of one topic, each in its place
    /// among those that are held.
    pub fn put_back(&mut self, topic: Topic, records: Vec<InputRecord>, now: Duration) {
        if let Some(index) = input_index(topic) {
            let queue = &mut self.queues[index];
            for record in records.into_iter().rev() {
                queue.bytes += record.record.weight();
                let at = queue.records.partition_point(|held| held.offset < record.offset);
                queue.records.insert(at, record);
            }
            queue.waits_until = Some(now + REGISTRY_RETRY);
        }
    }

    /// Whether this topic waits for the schema registry.
    pub fn waits(&self, topic: Topic, now: Duration) -> bool {
        input_index(topic).is_some_and(|index| !self.queues[index].is_open(now))
    }

    /// Whether any topic waits for the schema registry.
    pub fn waits_any(&self, now: Duration) -> bool {
        self.queues.iter().any(|queue| !queue.is_open(now))
    }

    /// Whether a record of this topic below an offset is still held.
    pub fn holds_below(&self, topic: Topic, end: Offset) -> bool {
        input_index(topic)
            .and_then(|index| self.queues[index].records.front())
            .is_some_and(|record| record.offset < end)
    }

    /// The next thing to pause or resume at the log; each is told once.
    pub fn flow(&mut self) -> Option<Flow> {
        for (queue, topic) in self.queues.iter_mut().zip(Topic::INPUTS) {
            let (records, bytes) = (queue.records.len(), queue.bytes);
            if !queue.paused && (records >= PAUSE_RECORDS || bytes >= PAUSE_BYTES) {
                queue.paused = true;
                return Some(Flow::Pause(topic));
            }
            if queue.paused && records <= RESUME_RECORDS && bytes <= RESUME_BYTES {
                queue.paused = false;
                return Some(Flow::Resume(topic));
            }
        }
        None
    }
}

impl Queue {
    fn is_open(&self, now: Duration) -> bool {
        self.waits_until.is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::application::Record;
    use bytes::Bytes;
    use schemas::Partition;

    fn record(topic: Topic, offset: i64, bytes: usize) -> InputRecord {
        let value = Some(Bytes::from(vec![0; bytes]));
        InputRecord {
            topic,
            partition: Partition::new(0).expect("valid"),
            offset: Offset::new(offset).expect("valid"),
            record: Record { value, ..Record::default() },
        }
    }

    fn places(batch: &[InputRecord]) -> Vec<(Topic, i64)> {
        batch.iter().map(|record| (record.topic, record.offset.number())).collect()
    }

    const NOW: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_put_back_takes_its_own_place() {
        let mut intake = Intake::default();
        for offset in [2, 4] {
            intake.push(record(Topic::Commands, offset, 1));
        }
        intake.put_back(Topic::Commands, vec![record(Topic::Commands, 3, 1)], Duration::ZERO);
        intake.put_back(Topic::Commands, vec![record(Topic::Commands, 1, 1)], Duration::ZERO);
        let later = REGISTRY_RETRY;
        let offsets: Vec<i64> = places(&intake.take(later)).iter().map(|place| place.1).collect();
        assert_eq!(offsets, [1, 2, 3, 4]);
    }

    #[test]
    fn results_come_before_commands() {
        let mut intake = Intake::default();
        for offset in 0..2 {
            intake.push(record(Topic::Commands, offset, 1));
            intake.push(record(Topic::GatewayResults, offset, 1));
        }
        intake.push(record(Topic::Operations, 0, 1));
        let wanted = [
            (Topic::GatewayResults, 0),
            (Topic::GatewayResults, 1),
            (Topic::Operations, 0),
            (Topic::Commands, 0),
            (Topic::Commands, 1),
        ];
        assert_eq!(places(&intake.take(NOW)), wanted);
        assert!(!intake.has_work(NOW));
    }

    #[test]
    fn a_batch_is_bounded_and_a_giant_goes_alone() {
        let mut intake = Intake::default();
        for offset in 0..600 {
            intake.push(record(Topic::Commands, offset, 1));
        }
        assert!(intake.is_full(NOW));
        assert_eq!(intake.take(NOW).len(), MAX_BATCH_RECORDS);
        assert_eq!(intake.take(NOW).len(), 600 - MAX_BATCH_RECORDS);
        intake.push(record(Topic::Commands, 600, 4 << 20));
        intake.push(record(Topic::Commands, 601, 1));
        assert_eq!(places(&intake.take(NOW)), [(Topic::Commands, 600)]);
        assert_eq!(places(&intake.take(NOW)), [(Topic::Commands, 601)]);
    }

    #[test]
    fn a_topic_that_waits_lets_the_others_pass_and_keeps_its_order() {
        let mut intake = Intake::default();
        intake.push(record(Topic::Commands, 2, 1));
        let back = vec![record(Topic::Commands, 0, 1), record(Topic::Commands, 1, 1)];
        intake.put_back(Topic::Commands, back, NOW);
        intake.push(record(Topic::GatewayResults, 0, 1));
        assert_eq!(places(&intake.take(NOW)), [(Topic::GatewayResults, 0)]);
        assert!(!intake.has_work(NOW) && intake.waits(Topic::Commands, NOW));
        let later = NOW + REGISTRY_RETRY;
        let offsets: Vec<_> = places(&intake.take(later)).iter().map(|place| place.1).collect();
        assert_eq!(offsets, [0, 1, 2]);
    }

    #[test]
    fn a_topic_with_too_much_is_paused_once_and_resumed_once() {
        let mut intake = Intake::default();
        for offset in 0..i64::try_from(PAUSE_RECORDS).expect("small") {
            intake.push(record(Topic::Commands, offset, 1));
        }
        assert_eq!(intake.flow(), Some(Flow::Pause(Topic::Commands)));
        assert_eq!(intake.flow(), None);
        while intake.queues[3].records.len() > RESUME_RECORDS {
            intake.take(NOW);
        }
        assert_eq!(intake.flow(), Some(Flow::Resume(Topic::Commands)));
        assert_eq!(intake.flow(), None);
    }
}
