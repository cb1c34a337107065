//! From a shard to the followers of its own process, without the way through the broker.
//!
//! What the owner of a shard has committed, and has seen on its own `read_committed` tail with the
//! expected hash, is the journal: the process need not fetch and decode it a second time. The shard
//! offers such entries here, and the process's journal tail takes them where they follow, by
//! sequence and hash, what it has handed out so far. Whatever does not fit (a batch that was
//! dropped because the queue was full, a shard that was taken over) sends the tail back to the
//! broker. So this path can be lost at any moment, and a shard never waits for a follower.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use schemas::{Offset, Partition};

use super::chain::ChainLink;
use super::follower::Tailed;

/// Batches that may wait for the tail: some 100 ms of all shards under load. More are dropped, and
/// read from the broker.
const BATCHES: usize = 16;

/// The entries of one Kafka transaction, committed and confirmed.
#[derive(Debug)]
pub struct Confirmed<E> {
    /// The shard.
    pub partition: Partition,
    /// What its chain ended with before them.
    pub before: ChainLink,
    /// The entries.
    pub entries: Vec<Arc<Tailed<E>>>,
    /// Everything below this offset is in them or before them.
    pub reached: Offset,
}

/// What comes out of a feed.
#[derive(Debug)]
pub enum Fed<E> {
    /// Entries.
    Entries(Confirmed<E>),
    /// What follows in this shard, if anything, may not follow what came.
    Gap(Partition),
}

/// A shard's end of a feed.
#[derive(Debug)]
pub struct Feed<E>(Option<Open<E>>);

#[derive(Debug)]
struct Open<E> {
    partition: Partition,
    sender: SyncSender<Fed<E>>,
    has_lost: Arc<AtomicBool>,
}

/// Makes feeds that lead to one tail.
#[derive(Debug)]
pub struct FeedSource<E> {
    sender: SyncSender<Fed<E>>,
    has_lost: Arc<AtomicBool>,
}

/// The tail's end of all feeds of the process.
#[derive(Debug)]
pub struct FeedEnd<E> {
    receiver: Receiver<Fed<E>>,
    has_lost: Arc<AtomicBool>,
}

/// The two ends.
pub fn feed<E>() -> (FeedSource<E>, FeedEnd<E>) {
    let (sender, receiver) = sync_channel(BATCHES);
    let has_lost = Arc::new(AtomicBool::new(false));
    (FeedSource { sender, has_lost: Arc::clone(&has_lost) }, FeedEnd { receiver, has_lost })
}

impl<E> FeedSource<E> {
    /// The feed of this shard.
    pub fn of(&self, partition: Partition) -> Feed<E> {
        let (sender, has_lost) = (self.sender.clone(), Arc::clone(&self.has_lost));
        Feed(Some(Open { partition, sender, has_lost }))
    }
}

impl<E> Feed<E> {
    /// A feed for a process without followers.
    pub fn nowhere() -> Self {
        Self(None)
    }

    /// Whether anybody listens.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Offers entries; drops them when the queue is full.
    pub fn offer(&self, confirmed: Confirmed<E>) {
        if let Some(open) = &self.0 {
            open.send(Fed::Entries(confirmed));
        }
    }

    /// Says that the shard lost its thread: the next batch may not follow.
    pub fn interrupt(&self) {
        if let Some(open) = &self.0 {
            open.send(Fed::Gap(open.partition));
        }
    }
}

impl<E> Drop for Feed<E> {
    fn drop(&mut self) {
        self.interrupt();
    }
}

impl<E> Open<E> {
    fn send(&self, fed: Fed<E>) {
        if self.sender.try_send(fed).is_err() {
            self.has_lost.store(true, Ordering::Release);
        }
    }
}

impl<E> FeedEnd<E> {
    /// What comes next, waiting at most so long; `None` when nothing came.
    pub fn next(&self, wait: Duration) -> Option<Fed<E>> {
        match self.receiver.recv_timeout(wait) {
            Ok(fed) => Some(fed),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // No shard is left; the caller's pace must not depend on that.
                std::thread::sleep(wait);
                None
            }
        }
    }

    /// Whether something was dropped since this was asked last.
    pub fn has_lost(&self) -> bool {
        self.has_lost.swap(false, Ordering::AcqRel)
    }
}

impl<E> Confirmed<E> {
    /// What the chain ends with after them.
    pub fn end(&self) -> ChainLink {
        let last = self.entries.last();
        last.map_or(self.before, |last| ChainLink { seq: last.seq, hash: last.hash })
    }

    /// The entries that follow what was handed out up to `link`; empty when it has them all. `None`
    /// when they do not belong together.
    pub fn after(&self, link: ChainLink) -> Option<&[Arc<Tailed<E>>]> {
        if link == self.before {
            return Some(&self.entries);
        }
        let known = link.seq.checked_sub(self.before.seq)?;
        let known = usize::try_from(known).ok().filter(|known| *known <= self.entries.len())?;
        let last = self.entries.get(known.checked_sub(1)?)?;
        (last.hash == link.hash).then(|| &self.entries[known..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{EntryHash, Position};

    fn link(seq: u64) -> ChainLink {
        ChainLink { seq, hash: EntryHash::from([u8::try_from(seq).expect("small"); 32]) }
    }

    fn confirmed(after: u64, count: u64) -> Confirmed<u64> {
        let partition = Partition::new(0).expect("valid");
        let entry = |seq: u64| {
            let offset = Offset::new(i64::try_from(seq).expect("small")).expect("valid");
            let position = Position { partition, offset };
            let hash = link(seq).hash;
            let (key, timestamp_ms, trace) = (None, 0, None);
            Arc::new(Tailed { position, key, entry: seq, seq, hash, timestamp_ms, trace })
        };
        let entries: Vec<_> = (after + 1..=after + count).map(entry).collect();
        let reached = entries.last().map_or(Offset::ZERO, |last| last.position.offset.next());
        Confirmed { partition, before: link(after), entries, reached }
    }

    #[test]
    fn only_what_follows_is_taken() {
        let batch = confirmed(10, 3);
        let seqs = |link: ChainLink| {
            batch.after(link).map(|entries| entries.iter().map(|one| one.seq).collect::<Vec<_>>())
        };
        assert_eq!(seqs(link(10)), Some(vec![11, 12, 13]));
        assert_eq!(seqs(link(12)), Some(vec![13]));
        assert_eq!(seqs(link(13)), Some(vec![]));
        assert_eq!(seqs(link(14)), None, "the tail is further");
        assert_eq!(seqs(link(9)), None, "something is missing");
        let other = ChainLink { seq: 12, hash: link(99).hash };
        assert_eq!(seqs(other), None, "another journal");
        let other = ChainLink { seq: 10, hash: link(99).hash };
        assert_eq!(seqs(other), None, "another journal");
    }

    #[test]
    fn a_full_queue_loses_batches_and_says_so() {
        let (source, end) = feed();
        let shard = source.of(Partition::new(0).expect("valid"));
        for number in 0..BATCHES as u64 {
            shard.offer(confirmed(number, 1));
        }
        assert!(!end.has_lost());
        shard.offer(confirmed(99, 1));
        assert!(end.has_lost() && !end.has_lost());
        for _ in 0..BATCHES {
            assert!(matches!(end.next(Duration::ZERO), Some(Fed::Entries(_))));
        }
        drop(shard);
        assert!(matches!(end.next(Duration::ZERO), Some(Fed::Gap(_))));
        assert!(end.next(Duration::ZERO).is_none());
    }
}
