//! The one journal tail of a process: reads the journal partitions that its followers need, decodes
//! each entry once, and hands it to all of them.
//!
//! It has its own OS thread and a `read_committed` consumer with explicit offsets. It survives the
//! broker being away. What it does not survive is a journal that does not add up: then it ends,
//! says why in its progress, and every follower sees the end of its queue. A follower that joins
//! late and starts earlier makes the tail go back; the others do not get entries twice.
//!
//! A partition whose shard runs in this process is *fed* ([`crate::engine::feed`]) as soon as what
//! the shard offers follows what was read, and then it is not fetched. At the first doubt it is
//! fetched again, with a new client ([`PartitionReader`]).

use std::sync::mpsc as commands;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message;
use schemas::{Offset, Partition, PartitionCount, Position, Topic, TopicName, TopicPrefix};
use tokio::sync::{mpsc, watch};

use super::connection::KafkaConnection;
use super::log::{fetch_offsets, offset_in};
use super::partition_reader::PartitionReader;
use super::records::detach;
use crate::engine::application::{Application, JournalRecord};
use crate::engine::feed::{Confirmed, Fed, FeedEnd, FeedSource, feed};
use crate::engine::follower::{
    Fanout, Follower, JournalReader, TailBatch, TailError, TailProgress, Tailed,
};
use crate::engine::shard::StopSignal;

/// How long the tail waits for an entry: so fast a new follower is heard.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// The same where some partitions are fetched and others are fed.
const MIXED_WAIT: Duration = Duration::from_millis(2);
/// The most entries in one batch, roughly: what a shard offers is not split.
const MAX_BATCH: usize = 256;
/// How long a client fetches all that it was made for before a partition is fed again: under a load
/// that the feed cannot carry, clients must not be made one after the other.
const FETCHED_FOR: Duration = Duration::from_secs(1);
/// How often the ends are read, for the lag.
const ENDS_EVERY: Duration = Duration::from_secs(1);
/// A broker that does not answer must not hold entries back for longer.
const ENDS_TIMEOUT: Duration = Duration::from_millis(500);
/// The same for somebody who asks.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// The journal tail of a process.
pub struct JournalTail<A: Application> {
    commands: commands::Sender<Join<A::Entry>>,
    progress: watch::Receiver<TailProgress>,
    queues: Queues<A::Entry>,
    ends: Arc<Ends>,
    count: PartitionCount,
    feed: FeedSource<A::Entry>,
    stop: Arc<StopSignal>,
    thread: Option<JoinHandle<()>>,
}

/// The queues of all that ever joined, by name.
type Queues<E> = Arc<Mutex<Vec<(String, mpsc::WeakSender<TailBatch<E>>)>>>;

/// Shows how far a tail is, without keeping it or its followers alive.
pub struct TailGauge<E> {
    progress: watch::Receiver<TailProgress>,
    queues: Queues<E>,
}

impl<E> TailGauge<E> {
    /// How far it is.
    pub fn progress(&self) -> TailProgress {
        self.progress.borrow().clone()
    }

    /// For each follower, how many batches wait for it.
    pub fn queues(&self) -> Vec<(String, usize)> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let depth = |(name, queue): &(String, mpsc::WeakSender<TailBatch<E>>)| {
            let queue = queue.upgrade()?;
            Some((name.clone(), queue.max_capacity() - queue.capacity()))
        };
        queues.iter().filter_map(depth).collect()
    }
}

/// A follower that wants to join.
struct Join<E> {
    name: String,
    queue: mpsc::Sender<TailBatch<E>>,
    from: Vec<Offset>,
}

/// Reads the ends of the journal on a handle of its own.
struct Ends {
    handle: BaseConsumer,
    journal: TopicName,
    count: PartitionCount,
}

impl<A: Application> JournalTail<A> {
    /// Starts the tail over these of so many partitions. It reads nothing before the first follower
    /// joins.
    ///
    /// # Errors
    /// [`TailError::Client`] when a client or the thread cannot be made.
    pub fn start(
        connection: &KafkaConnection,
        prefix: &TopicPrefix,
        (partitions, count): (Vec<Partition>, PartitionCount),
        application: Arc<A>,
    ) -> Result<Self, TailError> {
        let journal = Topic::Journal.name(prefix);
        let reading = PartitionReader::new(&connection.journal_tail());
        let handle = connection.watermarks().create().map_err(|error| client(&error))?;
        let ends = Arc::new(Ends { handle, journal: journal.clone(), count });
        let (commands, joins) = commands::channel();
        let (shown, progress) = watch::channel(TailProgress::at_start(count));
        let stop = Arc::new(StopSignal::default());
        let (feed, offered) = feed();
        let tail = Tail {
            connection: connection.clone(),
            reading: reading.map_err(|error| client(&error))?,
            reading_since: Instant::now(),
            is_reading_less: false,
            fed: offered,
            is_fed: Partition::all(count).map(|_| false).collect(),
            ends: Arc::clone(&ends),
            reader: JournalReader::new(application, journal.clone(), count),
            journal,
            fanout: Fanout::new(),
            joins,
            partitions,
            reached: Vec::new(),
            shown,
            ends_read_at: None,
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("journal-tail".to_owned())
            .spawn(move || tail.run())
            .map_err(|error| client(&error))?;
        let queues = Queues::default();
        Ok(Self { commands, progress, queues, ends, count, feed, stop, thread: Some(thread) })
    }

    /// Where the shards of this process offer what they have confirmed.
    pub fn feed(&self) -> &FeedSource<A::Entry> {
        &self.feed
    }

    /// Joins a follower, which gets every entry from these offsets on, given by partition. Its
    /// queue holds so many batches.
    pub fn follow(
        &self,
        name: impl Into<String>,
        mut from: Vec<Offset>,
        batches: usize,
    ) -> Follower<A::Entry> {
        let (queue, receiver) = mpsc::channel(batches.max(1));
        from.resize(Partition::all(self.count).count(), Offset::ZERO);
        let name = name.into();
        let shown = (name.clone(), queue.downgrade());
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
        // When the tail has ended, the queue ends at once, which the follower sees.
        let _ = self.commands.send(Join { name, queue, from });
        Follower(receiver)
    }

    /// How far the tail is.
    pub fn progress(&self) -> watch::Receiver<TailProgress> {
        self.progress.clone()
    }

    /// The same for whoever only looks at it, and how deep the queues of its followers are.
    pub fn gauge(&self) -> TailGauge<A::Entry> {
        TailGauge { progress: self.progress.clone(), queues: Arc::clone(&self.queues) }
    }

    /// The ends of all journal partitions now: every committed entry is below them. Blocks for a
    /// request.
    ///
    /// # Errors
    /// [`TailError::Client`] when the broker does not answer.
    pub fn ends(&self) -> Result<Vec<Offset>, TailError> {
        self.ends.read(ASK_TIMEOUT)
    }

    /// Asks the tail to stop, and waits for its thread. Followers see the end of their queues.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("The journal tail panicked.");
        }
    }
}

impl<A: Application> Drop for JournalTail<A> {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Ends {
    fn read(&self, at_most: Duration) -> Result<Vec<Offset>, TailError> {
        let mut partitions = TopicPartitionList::new();
        for partition in Partition::all(self.count) {
            partitions.add_partition(self.journal.as_str(), partition.number());
        }
        let ends = fetch_offsets(&self.handle, partitions, (rdkafka::Offset::End, at_most))
            .map_err(|error| client(&error))?;
        let end = |partition: Partition| {
            offset_in(&ends, self.journal.as_str(), partition.number())
                .ok_or_else(|| TailError::Client(format!("{} has no end", self.journal)))
        };
        Partition::all(self.count).map(end).collect()
    }
}

fn client(error: &dyn std::fmt::Display) -> TailError {
    TailError::Client(error.to_string())
}

/// What the thread owns.
struct Tail<A: Application> {
    connection: KafkaConnection,
    reading: PartitionReader,
    reading_since: Instant,
    /// There are partitions that neither this client nor a feed gives.
    is_reading_less: bool,
    fed: FeedEnd<A::Entry>,
    /// By partition: whether its entries come from its shard, and it is not fetched.
    is_fed: Vec<bool>,
    ends: Arc<Ends>,
    reader: JournalReader<A>,
    journal: TopicName,
    fanout: Fanout<A::Entry>,
    joins: commands::Receiver<Join<A::Entry>>,
    /// Those that are read. The others count as reached, wherever they end.
    partitions: Vec<Partition>,
    /// By partition; empty while nothing is read.
    reached: Vec<Offset>,
    shown: watch::Sender<TailProgress>,
    ends_read_at: Option<Instant>,
    stop: Arc<StopSignal>,
}

impl<A: Application> Tail<A> {
    fn run(mut self) {
        while !self.stop.is_raised() {
            if let Err(error) = self.turn() {
                tracing::error!(%error, "The journal tail ends.");
                self.shown.send_modify(|progress| progress.failure = Some(error.to_string()));
                return;
            }
        }
    }

    fn turn(&mut self) -> Result<(), TailError> {
        self.take_joins()?;
        if self.fanout.is_empty() {
            return Ok(());
        }
        let mut entries = self.take_fed()?;
        self.read(&mut entries)?;
        self.note_positions()?;
        let stop = &self.stop;
        self.fanout.deliver(&entries, &self.reached, || stop.is_raised());
        self.show();
        Ok(())
    }

    /// Lets followers join, waiting for the first one, and goes back as far as they need.
    fn take_joins(&mut self) -> Result<(), TailError> {
        let mut joined = false;
        if self.fanout.is_empty()
            && let Ok(join) = self.joins.recv_timeout(POLL_WAIT)
        {
            joined = true;
            self.fanout.add(join.name, join.queue, join.from);
        }
        while let Ok(join) = self.joins.try_recv() {
            joined = true;
            self.fanout.add(join.name, join.queue, join.from);
        }
        if joined { self.go_back() } else { Ok(()) }
    }

    fn go_back(&mut self) -> Result<(), TailError> {
        let Some(mut from) = self.fanout.needed() else { return Ok(()) };
        if !self.reached.is_empty() {
            for (from, reached) in from.iter_mut().zip(&self.reached) {
                *from = (*from).min(*reached);
            }
            if from == self.reached {
                return Ok(());
            }
        }
        for partition in &self.partitions {
            let index = partition.index();
            if self.reached.get(index) != Some(&from[index]) {
                self.reader.seek(*partition, from[index]);
            }
        }
        self.is_fed.fill(false);
        self.reached = from;
        self.read_anew()
    }

    /// Reads whatever is not fed from where it stands, with a new client.
    fn read_anew(&mut self) -> Result<(), TailError> {
        let mut places = TopicPartitionList::new();
        for partition in &self.partitions {
            let index = partition.index();
            if !self.is_fed[index] {
                let offset = rdkafka::Offset::Offset(self.reached[index].number());
                places
                    .add_partition_offset(self.journal.as_str(), partition.number(), offset)
                    .map_err(|error| client(&error))?;
            }
        }
        let reading = PartitionReader::new(&self.connection.journal_tail());
        self.reading = reading.map_err(|error| client(&error))?;
        self.reading.add(&places).map_err(|error| client(&error))?;
        (self.reading_since, self.is_reading_less) = (Instant::now(), false);
        Ok(())
    }

    /// What the shards of this process offer, waiting for it where nothing is fetched.
    fn take_fed(&mut self) -> Result<Vec<Arc<Tailed<A::Entry>>>, TailError> {
        let mut entries = Vec::new();
        if self.fed.has_lost() {
            self.is_reading_less |= self.is_fed.contains(&true);
            self.is_fed.fill(false);
        }
        let is_fed = |partition: &Partition| self.is_fed[partition.index()];
        let are_fed = self.partitions.iter().all(is_fed);
        let mut wait = if are_fed { POLL_WAIT } else { Duration::ZERO };
        while entries.len() < MAX_BATCH {
            match self.fed.next(wait) {
                None => break,
                Some(Fed::Gap(partition)) => self.feed_no_more(partition),
                Some(Fed::Entries(confirmed)) => self.adopt(&confirmed, &mut entries)?,
            }
            wait = Duration::ZERO;
        }
        if self.is_reading_less {
            self.read_anew()?;
        }
        Ok(entries)
    }

    /// Takes what follows; a partition whose shard is level with the reader is fed from here on.
    fn adopt(
        &mut self,
        confirmed: &Confirmed<A::Entry>,
        entries: &mut Vec<Arc<Tailed<A::Entry>>>,
    ) -> Result<(), TailError> {
        let partition = confirmed.partition;
        let is_fed = self.is_fed[partition.index()];
        if !is_fed && (self.is_reading_less || self.reading_since.elapsed() < FETCHED_FOR) {
            return Ok(());
        }
        let link = self.reader.link(partition);
        let Some(next) = link.and_then(|link| confirmed.after(link)) else {
            // Either the reader is further already, or what was offered does not follow.
            self.feed_no_more(partition);
            return Ok(());
        };
        entries.extend(next.iter().map(Arc::clone));
        self.reader.advance(partition, confirmed.end());
        let Some(reached) = self.reached.get_mut(partition.index()) else { return Ok(()) };
        *reached = (*reached).max(confirmed.reached);
        if !is_fed {
            self.is_fed[partition.index()] = true;
            let mut leaving = TopicPartitionList::new();
            leaving.add_partition(self.journal.as_str(), partition.number());
            self.reading.leave(&leaving).map_err(|error| client(&error))?;
        }
        Ok(())
    }

    /// Fetches a partition again, if it was fed.
    fn feed_no_more(&mut self, partition: Partition) {
        self.is_reading_less |= std::mem::take(&mut self.is_fed[partition.index()]);
    }

    /// Adds the entries that the broker gives, at most a batch, waiting for the first one where
    /// nothing else may come.
    fn read(&mut self, entries: &mut Vec<Arc<Tailed<A::Entry>>>) -> Result<(), TailError> {
        let fed = self.is_fed.iter().filter(|fed| **fed).count();
        let mut wait = match fed {
            _ if !entries.is_empty() => Duration::ZERO,
            0 => POLL_WAIT,
            all if all == self.partitions.len() => Duration::ZERO,
            _ => MIXED_WAIT,
        };
        while entries.len() < MAX_BATCH {
            match self.reading.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let places =
                        (Partition::new(message.partition()), Offset::new(message.offset()));
                    let (Some(partition), Some(offset)) = places else { continue };
                    if self.is_fed.get(partition.index()) == Some(&true) {
                        continue;
                    }
                    let position = Position { partition, offset };
                    let record = JournalRecord { position, record: detach(&message) };
                    entries.push(Arc::new(self.reader.take(record)?));
                    wait = Duration::ZERO;
                }
                Some(Err(error)) => {
                    if let Some(
                        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
                    ) = error.rdkafka_error_code()
                    {
                        return Err(TailError::Lost(error.to_string()));
                    }
                    tracing::debug!(%error, "The journal tail waits for the broker.");
                    break;
                }
            }
        }
        Ok(())
    }

    /// Where reading stands, markers included.
    fn note_positions(&mut self) -> Result<(), TailError> {
        if self.is_fed.iter().all(|fed| *fed) {
            return Ok(());
        }
        let positions = self.reading.consumer().position().map_err(|error| client(&error))?;
        for (partition, reached) in Partition::all(self.ends.count).zip(&mut self.reached) {
            if self.is_fed[partition.index()] {
                continue;
            }
            if let Some(position) = offset_in(&positions, self.journal.as_str(), partition.number())
            {
                *reached = position;
            }
        }
        Ok(())
    }

    /// Publishes the progress, and reads the ends now and then.
    fn show(&mut self) {
        let mut read = None;
        if self.ends_read_at.is_none_or(|at| at.elapsed() >= ENDS_EVERY) {
            read = Some(self.ends.read(ENDS_TIMEOUT));
            self.ends_read_at = Some(Instant::now());
        }
        if let Some(Ok(ends)) = &read {
            for (partition, reached) in Partition::all(self.ends.count).zip(&mut self.reached) {
                if !self.partitions.contains(&partition) {
                    *reached = ends[partition.index()];
                }
            }
        }
        let reached = &self.reached;
        self.shown.send_if_modified(|progress| {
            let before = progress.clone();
            progress.reached.clone_from(reached);
            match read {
                Some(Ok(ends)) => {
                    progress.ends = ends;
                    progress.connected = true;
                }
                Some(Err(_)) => progress.connected = false,
                None => {}
            }
            *progress != before
        });
    }
}
