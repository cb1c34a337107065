//! The shards of a process: each on its own OS thread, with its own store and its own clients.
//!
//! Shards are assigned by a static list, and the state directory's lock keeps the list to one
//! process. (An assignment by group hands them out one by one; it starts and stops shards here.) A
//! shard that ends with an error is reported once; the process decides what to do, which is to
//! exit: a supervisor starts it again, and the log tells it where to go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures::executor::block_on;
use schemas::{Partition, Topic, TopicPrefix};
use tokio::sync::mpsc;

use super::connection::KafkaConnection;
use super::log::KafkaLog;
use crate::engine::application::Application;
use crate::engine::clock::SystemClock;
use crate::engine::feed::{Feed, FeedSource};
use crate::engine::governor::Governor;
use crate::engine::log::LogError;
use crate::engine::rocks_options::StoreMemory;
use crate::engine::rocks_store::RocksStore;
use crate::engine::shard::{Shard, ShardParts, StopSignal};
use crate::engine::state_directory::StateDirectory;
use crate::engine::status::ShardStatus;
use crate::engine::store::{StoreError, StoreIdentity};

/// The version of the engine's own columns. A store of another one is rebuilt.
const ENGINE_FORMAT: u32 = 2;

/// What the shards of a process share.
pub struct LedgerOptions {
    /// How to reach the broker.
    pub connection: KafkaConnection,
    /// What the topics' names begin with.
    pub prefix: TopicPrefix,
    /// The shards to run.
    pub shards: Vec<Partition>,
    /// Where the stores live, locked.
    pub directory: Arc<StateDirectory>,
    /// Block cache and write buffers.
    pub memory: StoreMemory,
}

/// The shards of this process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A client cannot be made.
    #[error("shard {shard} cannot start: {source}")]
    Client {
        /// The shard.
        shard: Partition,
        /// What the client library says.
        source: LogError,
    },
    /// A thread cannot be made.
    #[error("shard {shard} gets no thread: {source}")]
    Thread {
        /// The shard.
        shard: Partition,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// A shard has ended without being asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} ended: {reason}")]
pub struct ShardEnded {
    /// The shard.
    pub shard: Partition,
    /// The named error, or the text of a panic.
    pub reason: String,
}

/// The running shards of a process.
pub struct Ledger {
    statuses: Vec<Arc<ShardStatus>>,
    governor: Arc<Governor>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<ShardEnded>,
    stop: Arc<StopSignal>,
}

impl Ledger {
    /// Starts the shards. What they confirm goes to `feed`, where this process has followers.
    ///
    /// # Errors
    /// [`LedgerError`]; shards that run already are stopped.
    pub fn start<A: Application>(
        application: &Arc<A>,
        options: &LedgerOptions,
        feed: Option<&FeedSource<A::Entry>>,
    ) -> Result<Self, LedgerError> {
        let count = u32::try_from(options.shards.len()).unwrap_or(u32::MAX);
        // The governor compares times of all shards: they share one origin.
        let (governor, clock) = (Arc::new(Governor::for_shards(count)), SystemClock::new());
        let (report, ended) = mpsc::channel(options.shards.len().max(1));
        let stop = Arc::new(StopSignal::default());
        let mut ledger = Self {
            statuses: Vec::new(),
            governor: Arc::clone(&governor),
            threads: Vec::new(),
            ended,
            stop: Arc::clone(&stop),
        };
        for &partition in &options.shards {
            let parts = ShardParts {
                application: Arc::clone(application),
                log: KafkaLog::new(&options.connection, &options.prefix, partition)
                    .map_err(|source| LedgerError::Client { shard: partition, source })?,
                store: open_store(&**application, options, partition)?,
                clock: clock.clone(),
                governor: Arc::clone(&governor),
                journal: Topic::Journal.name(&options.prefix),
                partition,
                stop: Arc::clone(&stop),
                feed: feed.map_or_else(Feed::nowhere, |source| source.of(partition)),
            };
            ledger.spawn(Shard::new(parts), partition, report.clone())?;
        }
        Ok(ledger)
    }

    fn spawn<A: Application>(
        &mut self,
        shard: Shard<A, KafkaLog, RocksStore, SystemClock>,
        partition: Partition,
        report: mpsc::Sender<ShardEnded>,
    ) -> Result<(), LedgerError> {
        self.statuses.push(shard.status());
        let run = move || {
            let reason = match catch_unwind(AssertUnwindSafe(|| block_on(shard.run()))) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a bug: it panicked, and the log above says where".to_owned(),
            };
            // Nobody listens any more when the process ends anyway.
            let _ = report.try_send(ShardEnded { shard: partition, reason });
        };
        let thread = thread::Builder::new()
            .name(format!("shard-{partition}"))
            .spawn(run)
            .map_err(|source| LedgerError::Thread { shard: partition, source })?;
        self.threads.push(thread);
        Ok(())
    }

    /// What the shards say about themselves.
    pub fn statuses(&self) -> &[Arc<ShardStatus>] {
        &self.statuses
    }

    /// What paces their Kafka transactions.
    pub fn governor(&self) -> &Arc<Governor> {
        &self.governor
    }

    /// Waits until a shard ends without being asked to. Pending for ever when none does.
    pub async fn ended(&mut self) -> ShardEnded {
        match self.ended.recv().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Asks every shard to stop after its batch, and waits for their threads. Blocks.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.stop.raise();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("The thread of a shard panicked.");
            }
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.halt();
    }
}

fn open_store<A: Application>(
    application: &A,
    options: &LedgerOptions,
    partition: Partition,
) -> Result<RocksStore, StoreError> {
    let identity = StoreIdentity {
        journal: Topic::Journal.name(&options.prefix),
        partition,
        format: format!("{ENGINE_FORMAT}.{}", application.state_version()),
    };
    let directory = options.directory.join(&format!("shard-{partition}"));
    RocksStore::open(&directory, identity, application.columns(), &options.memory)
}
