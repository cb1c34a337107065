//! How long a request that is appended now would wait for its decision, as measured.
//!
//! What was appended, and when, the acknowledgements of this process say; what was handled, the
//! entries that its views have applied. Offsets count the requests of everybody, so a flood from
//! elsewhere shows with the next acknowledgement. Two measures, of which the longer counts: how
//! long the oldest request that is not handled has waited; and, once requests do queue, how long
//! what is queued will take at the pace of the last moments. The second sees a flood before anybody
//! has waited too long; the first sees a ledger that stands still.
//!
//! It knows nothing of clocks: times are durations since any fixed moment.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use connectors::ports::Request;
use schemas::entry::{Entry, Source};
use schemas::{Offset, Partition, PartitionCount, Topic};

/// Below this a wait is the ordinary work of a commit, not a queue: the pace of a shard that keeps
/// up is that of its callers and says nothing.
const QUEUEING: Duration = Duration::from_millis(250);
/// The time over which the pace is measured: several commits, and short beside any time-out.
const PACE_WINDOW: Duration = Duration::from_millis(200);
/// Appended requests are noted this far apart: precise enough for waits of a second.
const NOTE_EVERY: Duration = Duration::from_millis(5);
/// Notes of one queue. More are not taken: the oldest, which count, are there.
const MAX_NOTES: usize = 4096;

/// The topics whose requests somebody waits for.
const TOPICS: [Topic; 2] = [Topic::Commands, Topic::Operations];

/// The queues before all shards.
pub struct Backlog {
    since: Instant,
    /// By partition, then by topic.
    queues: Vec<[Mutex<Queue>; TOPICS.len()]>,
}

/// What is known of one partition of a topic.
#[derive(Debug, Default)]
struct Queue {
    /// The latest offset that was acknowledged to this process.
    appended: Option<i64>,
    /// The latest offset that was handled.
    handled: Option<i64>,
    /// Requests that are not handled, and when they were appended.
    notes: VecDeque<(i64, Duration)>,
    /// What was handled when the pace was last measured, while requests queue.
    window: Option<(i64, Duration)>,
    /// Requests handled in a window, while requests queue.
    pace: Option<(i64, Duration)>,
}

impl Backlog {
    /// Empty queues before so many shards.
    pub fn new(count: PartitionCount) -> Self {
        let queues = Partition::all(count).map(|_| Default::default()).collect();
        Self { since: Instant::now(), queues }
    }

    /// A request was acknowledged at this place.
    pub fn appended(&self, topic: Topic, partition: Partition, offset: Offset) {
        self.with(topic, partition, |queue, now| queue.appended(offset.number(), now));
    }

    /// Entries of these inputs were applied.
    pub fn applied<'a>(&self, entries: impl Iterator<Item = &'a Entry>) {
        let mut latest: VecDeque<(Topic, Partition, i64)> = VecDeque::new();
        for entry in entries {
            let Source::Input { topic, partition, offset } = &entry.source else { continue };
            let topic = TOPICS.into_iter().find(|known| known.label() == topic);
            let Some((topic, partition)) = topic.zip(Partition::new(*partition)) else { continue };
            let known = latest.iter_mut().find(|known| (known.0, known.1) == (topic, partition));
            match known {
                Some(known) => known.2 = known.2.max(*offset),
                None => latest.push_back((topic, partition, *offset)),
            }
        }
        for (topic, partition, offset) in latest {
            self.with(topic, partition, |queue, now| queue.handled(offset, now));
        }
    }

    /// How long this request would wait in this shard.
    pub fn expected_wait(&self, partition: Partition, request: &Request) -> Duration {
        let topic = match request {
            Request::Command(_) => Topic::Commands,
            Request::Operation(_) => Topic::Operations,
        };
        self.with(topic, partition, |queue, now| queue.expected_wait(now)).unwrap_or_default()
    }

    fn with<T>(
        &self,
        topic: Topic,
        partition: Partition,
        act: impl FnOnce(&mut Queue, Duration) -> T,
    ) -> Option<T> {
        let index = TOPICS.iter().position(|known| *known == topic)?;
        let queue = self.queues.get(partition.index())?.get(index)?;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(&mut queue, self.since.elapsed()))
    }
}

impl Queue {
    fn appended(&mut self, offset: i64, now: Duration) {
        self.appended = self.appended.max(Some(offset));
        let is_handled = self.handled.is_some_and(|handled| handled >= offset);
        let is_newest =
            self.notes.back().is_none_or(|(noted, at)| *noted < offset && *at + NOTE_EVERY <= now);
        if !is_handled && is_newest && self.notes.len() < MAX_NOTES {
            self.notes.push_back((offset, now));
        }
    }

    fn handled(&mut self, offset: i64, now: Duration) {
        self.handled = self.handled.max(Some(offset));
        if self.age(now) < QUEUEING {
            (self.window, self.pace) = (None, None);
        } else if let Some((before, at)) = self.window {
            let elapsed = now.saturating_sub(at);
            if elapsed >= PACE_WINDOW {
                self.pace = Some((offset - before, elapsed));
                self.window = Some((offset, now));
            }
        } else {
            self.window = Some((offset, now));
        }
        while self.notes.front().is_some_and(|(noted, _)| *noted <= offset) {
            self.notes.pop_front();
        }
    }

    fn expected_wait(&self, now: Duration) -> Duration {
        self.age(now).max(self.queued_for().unwrap_or_default())
    }

    /// How long the oldest request that is not handled has waited.
    fn age(&self, now: Duration) -> Duration {
        self.notes.front().map_or(Duration::ZERO, |(_, at)| now.saturating_sub(*at))
    }

    /// How long what is queued takes at the measured pace.
    fn queued_for(&self) -> Option<Duration> {
        let (count, elapsed) = self.pace?;
        let queued = u64::try_from(self.appended? - self.handled?).ok()?;
        let count = u128::try_from(count).ok().filter(|count| *count > 0)?;
        let millis = elapsed.as_millis() * u128::from(queued) / count;
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A queue that got `per_second` requests and handled `pace` of them, for so many milliseconds,
    /// looked at every 10 ms.
    fn loaded(per_second: i64, pace: i64, millis: u64) -> Queue {
        let mut queue = Queue::default();
        for now in (0..=millis).step_by(10) {
            let time = i64::try_from(now).expect("short");
            queue.appended(per_second * time / 1000, ms(now));
            queue.handled((pace * time / 1000).min(per_second * time / 1000), ms(now));
        }
        queue
    }

    #[test]
    fn a_shard_that_keeps_up_has_no_queue() {
        for per_second in [1, 100, 5_000] {
            let queue = loaded(per_second, 10_000, 5_000);
            assert!(queue.expected_wait(ms(5_000)) < QUEUEING, "{per_second}");
        }
    }

    #[test]
    fn a_flood_is_seen_before_anybody_has_waited_for_long() {
        // Ten times the capacity: after one second nine seconds of work are queued.
        let queue = loaded(10_000, 1_000, 1_000);
        let wait = queue.expected_wait(ms(1_000));
        assert!((ms(8_000)..ms(10_000)).contains(&wait), "{wait:?}");
        assert!(queue.age(ms(1_000)) < ms(1_000));
    }

    #[test]
    fn a_ledger_that_stands_still_is_as_late_as_the_oldest_request() {
        let mut queue = loaded(1_000, 10_000, 1_000);
        queue.appended(2_000, ms(1_100));
        assert_eq!(queue.expected_wait(ms(7_100)), ms(6_000));
        queue.handled(2_000, ms(7_200));
        assert_eq!(queue.expected_wait(ms(7_200)), ms(0));
    }

    #[test]
    fn a_flood_that_is_over_is_forgotten_when_its_queue_is() {
        let mut queue = loaded(10_000, 1_000, 1_000);
        for now in (1_010..=10_000).step_by(10) {
            queue.handled(i64::try_from(now).expect("short"), ms(now));
        }
        assert_eq!(queue.expected_wait(ms(10_000)), ms(0));
    }

    #[test]
    fn requests_of_others_count_with_the_next_acknowledgement() {
        let mut queue = Queue::default();
        queue.appended(0, ms(0));
        queue.handled(0, ms(0));
        // Somebody else has appended 10,000 in between; 100 are handled in 100 ms.
        queue.appended(10_001, ms(10));
        for now in (10..=900).step_by(10) {
            queue.handled(i64::try_from(now).expect("short"), ms(now));
        }
        let wait = queue.expected_wait(ms(900));
        assert!((ms(8_000)..ms(10_000)).contains(&wait), "{wait:?}");
    }

    #[test]
    fn notes_are_bounded_and_keep_the_oldest() {
        let mut queue = Queue::default();
        for number in 0..10_000 {
            let at = u64::try_from(number).expect("not negative") * 10;
            queue.appended(number, ms(at));
        }
        assert_eq!(queue.notes.len(), MAX_NOTES);
        assert_eq!(queue.age(ms(100_000)), ms(100_000));
    }
}
