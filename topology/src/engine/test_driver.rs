//! Runs an application without a broker: pipe inputs in, read entries out, let time pass.
//!
//! It is the real shard loop on a log and a store in memory, one shard, driven step by step on the
//! caller's thread. Nothing waits and nothing is random: the same calls give the same entries.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use schemas::{Offset, Partition, Position, Topic, TopicPrefix};

use super::application::{Application, EntryDecodeError, JournalRecord, Record, StateError};
use super::chain::ChainLink;
use super::clock::ManualClock;
use super::failure::ShardError;
use super::feed::Feed;
use super::fold::{Positions, fold};
use super::governor::Governor;
use super::memory_broker::MemoryBroker;
use super::memory_log::MemoryLog;
use super::memory_store::MemoryStore;
use super::overlay::{Changes, Overlay};
use super::shard::{Shard, ShardParts, Step, StopSignal};
use super::status::ShardStatus;
use super::store::{Head, Store, StoreDigest, digest};

/// Idle steps in a row after which nothing more will happen by itself. A record that waits for the
/// schema registry is tried again each second, and an idle step waits a tenth.
const IDLE_STEPS: usize = 12;
/// Steps after which a shard that is still busy is taken to run in a circle.
const MAX_STEPS: usize = 100_000;

/// An application on a log in memory.
pub struct TestDriver<A: Application> {
    application: Arc<A>,
    broker: MemoryBroker,
    clock: Arc<ManualClock>,
    prefix: TopicPrefix,
    partition: Partition,
    shard: Shard<A, MemoryLog, MemoryStore, Arc<ManualClock>>,
}

/// The journal does not fold.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// An entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryDecodeError),
    /// An entry does not follow the one before.
    #[error(transparent)]
    Chain(#[from] super::chain::ChainBreak),
    /// An entry does not fit the state.
    #[error(transparent)]
    State(#[from] StateError),
}

impl<A: Application> TestDriver<A> {
    /// A driver whose clock shows this wall time, milliseconds since the epoch, and stands still.
    pub fn new(application: A, wall_ms: i64) -> Self {
        Self::of(Arc::new(application), wall_ms)
    }

    /// The same for an application that the test keeps a hand on.
    pub fn of(application: Arc<A>, wall_ms: i64) -> Self {
        let broker = MemoryBroker::default();
        let clock = Arc::new(ManualClock::at_ms(wall_ms));
        let prefix: TopicPrefix = "payments".parse().expect("a valid prefix");
        let partition = Partition::new(0).expect("a valid partition");
        let parts = ShardParts {
            log: MemoryLog::new(broker.clone(), partition, Arc::clone(&clock)),
            store: MemoryStore::new(application.columns()),
            clock: Arc::clone(&clock),
            governor: Arc::new(Governor::unlimited()),
            journal: Topic::Journal.name(&prefix),
            partition,
            stop: Arc::new(StopSignal::default()),
            feed: Feed::nowhere(),
            application: Arc::clone(&application),
        };
        let shard = Shard::new(parts);
        Self { application, broker, clock, prefix, partition, shard }
    }

    /// Pipes a record into an input topic. It is handled by the next [`TestDriver::settle`].
    pub fn pipe(&self, topic: Topic, record: Record) -> Offset {
        self.broker.produce(topic, self.partition, record)
    }

    /// Pipes a record into an input topic and handles everything there is to handle.
    ///
    /// # Errors
    /// [`ShardError`] when the shard ends.
    pub fn pipe_and_settle(&mut self, topic: Topic, record: Record) -> Result<Offset, ShardError> {
        let offset = self.pipe(topic, record);
        self.settle()?;
        Ok(offset)
    }

    /// Runs the shard until it has nothing to do.
    ///
    /// # Errors
    /// [`ShardError`] when the shard ends.
    ///
    /// # Panics
    /// When it never comes to rest.
    pub fn settle(&mut self) -> Result<(), ShardError> {
        let mut idle = 0;
        for _ in 0..MAX_STEPS {
            match block_on(self.shard.step())? {
                Step::Idle => idle += 1,
                Step::TookOver | Step::Handled(_) | Step::FellBack => idle = 0,
            }
            if idle >= IDLE_STEPS {
                return Ok(());
            }
        }
        panic!("the shard does not come to rest: {:?}", self.shard.status().snapshot());
    }

    /// Lets time pass and handles what that makes due.
    ///
    /// # Errors
    /// [`ShardError`] when the shard ends.
    pub fn advance(&mut self, duration: Duration) -> Result<(), ShardError> {
        self.clock.advance(duration);
        self.settle()
    }

    /// The clock: for tests that set it wrong.
    pub fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// The broker: for tests that ask for faults.
    pub fn broker(&self) -> &MemoryBroker {
        &self.broker
    }

    /// What the shard says about itself.
    pub fn status(&self) -> Arc<ShardStatus> {
        self.shard.status()
    }

    /// The committed state.
    pub fn store(&self) -> &impl Store {
        self.shard.store()
    }

    /// The committed records of the journal.
    pub fn journal(&self) -> Vec<JournalRecord> {
        let records = self.broker.records(Topic::Journal, self.partition);
        let place = |(offset, record)| JournalRecord {
            position: Position { partition: self.partition, offset },
            record,
        };
        records.into_iter().map(place).collect()
    }

    /// The entries of the journal.
    ///
    /// # Errors
    /// [`EntryDecodeError`] when one of them cannot be read.
    pub fn entries(&self) -> Result<Vec<A::Entry>, EntryDecodeError> {
        self.journal().iter().map(|record| self.application.decode_entry(record)).collect()
    }

    /// The digest of the committed state.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be read.
    pub fn digest(&self) -> Result<StoreDigest, StateError> {
        digest(self.shard.store())
    }

    /// The digest that a fold of the whole journal into an empty store gives: equal to
    /// [`TestDriver::digest`], or the state does not follow from the journal.
    ///
    /// # Errors
    /// [`FoldError`] when the journal does not fold.
    pub fn fold_digest(&self) -> Result<StoreDigest, FoldError> {
        let store = MemoryStore::new(self.application.columns());
        let journal = Topic::Journal.name(&self.prefix);
        let mut head = Head::genesis(&journal, self.partition);
        let mut positions = Positions::default();
        for record in self.journal() {
            let entry = self.application.decode_entry(&record)?;
            let header = self.application.header(&entry);
            let link = ChainLink { seq: head.seq, hash: head.hash };
            let ChainLink { seq, hash } = link.follow(&header, &record.record)?;
            let mut changes = Changes::default();
            let mut overlay = Overlay::new(&store, &mut changes);
            fold(&*self.application, &mut overlay, &mut positions, (&header, &entry))?;
            let applied = Some(record.position.offset);
            head = Head { applied, seq, hash, at_ms: header.at_ms };
            head.put(&mut changes);
            positions.put(&mut changes);
            store.write(changes)?;
        }
        Ok(digest(&store)?)
    }
}
