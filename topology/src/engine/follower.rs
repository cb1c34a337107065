//! Followers: what derives effects from the journal, fed by the one tail of their process.
//!
//! The tail reads and decodes each entry once and hands it to every follower, in the order of its
//! partition, over a bounded queue. A follower that is slow makes the tail wait, so it must never
//! wait for the outside world while it holds entries back. What a follower has not seen is told
//! apart from what does not exist by [`TailBatch::reached`]: the last place of a partition is a
//! marker, and no entry ever arrives there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemas::{EntryHash, Offset, Partition, PartitionCount, Position, TopicName};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};

use super::application::{Application, EntryDecodeError, JournalRecord};
use super::chain::{ChainBreak, ChainLink};

/// How long the tail waits before it offers a batch to a full queue again.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// One entry, as followers see it.
#[derive(Debug)]
pub struct Tailed<E> {
    /// Where it stands.
    pub position: Position,
    /// Its key.
    pub key: Option<Bytes>,
    /// What it says.
    pub entry: E,
    /// Its sequence in its partition.
    pub seq: u64,
    /// Its hash.
    pub hash: EntryHash,
    /// When the broker took it, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The value of [`CARRIED_HEADER`](super::application::CARRIED_HEADER).
    pub trace: Option<Bytes>,
}

/// What a follower gets at a time.
#[derive(Debug)]
pub struct TailBatch<E> {
    /// Entries, each partition in its order.
    pub entries: Vec<Arc<Tailed<E>>>,
    /// For these partitions, after the entries of this batch: everything below the offset was
    /// handed to this follower.
    pub reached: Vec<(Partition, Offset)>,
}

impl<E> Default for TailBatch<E> {
    fn default() -> Self {
        Self { entries: Vec::new(), reached: Vec::new() }
    }
}

/// The receiving end of a follower. Dropping it ends the following.
#[derive(Debug)]
pub struct Follower<E>(pub(super) Receiver<TailBatch<E>>);

impl<E> Follower<E> {
    /// The next batch; `None` when the tail has ended.
    pub async fn next(&mut self) -> Option<TailBatch<E>> {
        self.0.recv().await
    }

    /// The same, on a thread of its own.
    pub fn blocking_next(&mut self) -> Option<TailBatch<E>> {
        self.0.blocking_recv()
    }

    /// Whether the tail has ended: nothing comes after what waits here.
    pub fn has_ended(&self) -> bool {
        self.0.is_closed()
    }
}

/// How far the tail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailProgress {
    /// By partition: the offset below which everything was handed out.
    pub reached: Vec<Offset>,
    /// By partition: the end of the journal, as of a second ago; empty until it was read once.
    pub ends: Vec<Offset>,
    /// Whether the broker answers.
    pub connected: bool,
    /// Why the tail has ended, if it failed.
    pub failure: Option<String>,
}

impl TailProgress {
    /// Nothing was read yet.
    pub fn at_start(count: PartitionCount) -> Self {
        let reached = Partition::all(count).map(|_| Offset::ZERO).collect();
        Self { reached, ends: Vec::new(), connected: false, failure: None }
    }

    /// How many offsets the tail is behind the ends, markers included; `None` while these are
    /// unknown.
    pub fn lag(&self) -> Option<u64> {
        if self.ends.is_empty() {
            return None;
        }
        let behind = self.reached.iter().zip(&self.ends).map(|(reached, end)| {
            u64::try_from(end.number() - reached.number()).unwrap_or_default()
        });
        Some(behind.sum())
    }
}

/// The tail cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// An entry cannot be read.
    #[error("the journal at {position}: {source}")]
    Entry {
        /// Where it stands.
        position: Position,
        /// Why.
        source: EntryDecodeError,
    },
    /// An entry does not follow the one before.
    #[error("the journal is corrupted at {position}: {source}")]
    Chain {
        /// Where it stands.
        position: Position,
        /// What does not fit.
        source: ChainBreak,
    },
    /// Records are missing.
    #[error("{0}")]
    Lost(String),
    /// The client library refuses to work.
    #[error("the journal cannot be read: {0}")]
    Client(String),
}

/// Decodes the records of all journal partitions and checks their chains.
pub(super) struct JournalReader<A> {
    application: Arc<A>,
    journal: TopicName,
    /// By partition, the newest entry read; `None` when reading began in the middle.
    links: Vec<Option<ChainLink>>,
}

impl<A: Application> JournalReader<A> {
    pub(super) fn new(application: Arc<A>, journal: TopicName, count: PartitionCount) -> Self {
        let links = Partition::all(count).map(|_| None).collect();
        Self { application, journal, links }
    }

    /// Reading goes on somewhere else in this partition.
    pub(super) fn seek(&mut self, partition: Partition, from: Offset) {
        let genesis = ChainLink::genesis(&self.journal, partition);
        if let Some(link) = self.links.get_mut(partition.index()) {
            *link = (from == Offset::ZERO).then_some(genesis);
        }
    }

    /// The newest entry read of a partition; `None` before any was.
    pub(super) fn link(&self, partition: Partition) -> Option<ChainLink> {
        self.links.get(partition.index()).copied().flatten()
    }

    /// Entries up to this one were taken from elsewhere.
    pub(super) fn advance(&mut self, partition: Partition, to: ChainLink) {
        if let Some(link) = self.links.get_mut(partition.index()) {
            *link = Some(to);
        }
    }

    /// The entry in a record.
    pub(super) fn take(&mut self, record: JournalRecord) -> Result<Tailed<A::Entry>, TailError> {
        let position = record.position;
        let entry = self
            .application
            .decode_entry(&record)
            .map_err(|source| TailError::Entry { position, source })?;
        let header = self.application.header(&entry);
        let link = self.links.get_mut(position.partition.index());
        let link = link.ok_or_else(|| TailError::Lost(format!("{position} is no shard")))?;
        let next = match link {
            Some(before) => before
                .follow(&header, &record.record)
                .map_err(|source| TailError::Chain { position, source })?,
            None => ChainLink::of(&header, &record.record),
        };
        *link = Some(next);
        let trace = record.record.carried().cloned();
        let (key, timestamp_ms) = (record.record.key, record.record.timestamp_ms);
        Ok(Tailed { position, key, entry, seq: next.seq, hash: next.hash, timestamp_ms, trace })
    }
}

/// Hands entries to followers.
pub(super) struct Fanout<E> {
    followers: Vec<Seat<E>>,
}

struct Seat<E> {
    name: String,
    queue: Sender<TailBatch<E>>,
    /// By partition: what this follower gets next.
    next: Vec<Offset>,
    /// By partition: what it was told that it has reached.
    told: Vec<Offset>,
}

impl<E> Fanout<E> {
    pub(super) fn new() -> Self {
        Self { followers: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    pub(super) fn add(&mut self, name: String, queue: Sender<TailBatch<E>>, from: Vec<Offset>) {
        let told = from.clone();
        self.followers.push(Seat { name, queue, next: from, told });
    }

    /// By partition: what some follower needs next. `None` without followers.
    pub(super) fn needed(&self) -> Option<Vec<Offset>> {
        let needs = self.followers.iter().map(|seat| seat.next.clone());
        needs.reduce(|all, one| all.into_iter().zip(one).map(|(a, b)| a.min(b)).collect())
    }

    /// Hands entries out, and tells how far they go. Waits for those that are slow, until stopped;
    /// those that are gone are forgotten.
    pub(super) fn deliver(
        &mut self,
        entries: &[Arc<Tailed<E>>],
        reached: &[Offset],
        is_stopped: impl Fn() -> bool,
    ) {
        self.followers.retain_mut(|seat| {
            let batch = seat.batch(entries, reached);
            if batch.entries.is_empty() && batch.reached.is_empty() {
                return !seat.queue.is_closed();
            }
            let stays = seat.offer(batch, &is_stopped);
            if !stays {
                tracing::info!(follower = seat.name, "A follower has left the journal tail.");
            }
            stays
        });
    }
}

impl<E> Seat<E> {
    fn batch(&mut self, entries: &[Arc<Tailed<E>>], reached: &[Offset]) -> TailBatch<E> {
        let mut batch = TailBatch::default();
        for entry in entries {
            let Position { partition, offset } = entry.position;
            if let Some(next) = self.next.get_mut(partition.index()).filter(|next| **next <= offset)
            {
                *next = offset.next();
                batch.entries.push(Arc::clone(entry));
            }
        }
        for (index, (told, reached)) in self.told.iter_mut().zip(reached).enumerate() {
            if *told < *reached {
                *told = *reached;
                self.next[index] = self.next[index].max(*reached);
                let partition = i32::try_from(index).ok().and_then(Partition::new);
                batch.reached.extend(partition.map(|partition| (partition, *reached)));
            }
        }
        batch
    }

    fn offer(&self, batch: TailBatch<E>, is_stopped: impl Fn() -> bool) -> bool {
        let mut batch = batch;
        loop {
            match self.queue.try_send(batch) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) if !is_stopped() => {
                    batch = back;
                    std::thread::sleep(FULL_WAIT);
                }
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn offset(number: i64) -> Offset {
        Offset::new(number).expect("not negative")
    }

    fn partition(number: i32) -> Partition {
        Partition::new(number).expect("not negative")
    }

    fn tailed(p: i32, o: i64) -> Arc<Tailed<i64>> {
        Arc::new(Tailed {
            position: Position { partition: partition(p), offset: offset(o) },
            key: None,
            entry: o,
            seq: 0,
            hash: EntryHash::from([0; 32]),
            timestamp_ms: 0,
            trace: None,
        })
    }

    fn received(follower: &mut Follower<i64>) -> Vec<(i32, i64)> {
        let mut places = Vec::new();
        while let Ok(batch) = follower.0.try_recv() {
            places.extend(
                batch.entries.iter().map(|entry| {
                    (entry.position.partition.number(), entry.position.offset.number())
                }),
            );
        }
        places
    }

    #[test]
    fn each_follower_gets_what_it_has_not_seen_once() {
        let mut fanout = Fanout::new();
        assert!(fanout.needed().is_none());
        let (early, receiver) = mpsc::channel(8);
        let mut early_follower = Follower(receiver);
        let (late, receiver) = mpsc::channel(8);
        let mut late_follower = Follower(receiver);
        fanout.add("early".to_owned(), early, vec![offset(0), offset(0)]);
        fanout.add("late".to_owned(), late, vec![offset(5), offset(0)]);
        assert_eq!(fanout.needed(), Some(vec![offset(0), offset(0)]));
        let entries: Vec<_> = [(0, 4), (1, 0), (0, 5), (0, 6)].map(|(p, o)| tailed(p, o)).into();
        fanout.deliver(&entries, &[offset(7), offset(1)], || false);
        // A reader that went back shows entries again: nobody gets them twice.
        fanout.deliver(&entries, &[offset(7), offset(1)], || false);
        assert_eq!(received(&mut early_follower), [(0, 4), (1, 0), (0, 5), (0, 6)]);
        assert_eq!(received(&mut late_follower), [(1, 0), (0, 5), (0, 6)]);
        assert_eq!(fanout.needed(), Some(vec![offset(7), offset(1)]));
    }

    #[test]
    fn a_follower_is_told_of_places_without_entries() {
        let mut fanout = Fanout::<i64>::new();
        let (queue, receiver) = mpsc::channel(8);
        let mut follower = Follower(receiver);
        fanout.add("view".to_owned(), queue, vec![offset(3)]);
        fanout.deliver(&[], &[offset(3)], || false);
        assert!(follower.0.try_recv().is_err(), "nothing new");
        fanout.deliver(&[], &[offset(4)], || false);
        let batch = follower.0.try_recv().expect("told");
        assert_eq!(batch.reached, [(partition(0), offset(4))]);
    }

    #[test]
    fn a_follower_that_is_gone_is_forgotten_and_a_full_one_stops_waiting_when_asked() {
        let mut fanout = Fanout::new();
        let (queue, receiver) = mpsc::channel(1);
        drop(receiver);
        fanout.add("gone".to_owned(), queue, vec![offset(0)]);
        fanout.deliver(&[tailed(0, 0)], &[offset(1)], || false);
        assert!(fanout.is_empty());
        let (queue, _receiver) = mpsc::channel(1);
        fanout.add("slow".to_owned(), queue, vec![offset(0)]);
        fanout.deliver(&[tailed(0, 0)], &[offset(1)], || true);
        fanout.deliver(&[tailed(0, 1)], &[offset(2)], || true);
        assert!(fanout.is_empty());
    }
}
