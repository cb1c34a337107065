//! What a shard says about itself while it runs: read by /ready, /health, metrics and the status
//! command. Written by the shard's thread alone; readers never make it wait.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemas::{Offset, Partition, Topic};

use super::store::Head;

/// The life cycle of a shard.
///
/// ```text
/// CREATED ──▶ INITIALIZING ──▶ RESTORING ──▶ RUNNING ──▶ CLOSED
///                  ▲               │            │           ▲
///                  │               ▼            ▼           │
///                  └─────────── REBUILDING ◀────┘           │
///                                   │                       │
///                                   └── named error ────────┘
/// ```
///
/// INITIALIZING fences the predecessor, RESTORING brings the store to the end of the journal,
/// RUNNING handles inputs. Any fatal or unknown outcome leads to REBUILDING, which throws producer
/// and overlay away, waits, and takes over again. CLOSED is the end, by request or with a named
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ShardState {
    /// Nothing was done yet.
    Created,
    /// The predecessor is being fenced.
    Initializing,
    /// The store is brought to the end of the journal.
    Restoring,
    /// Inputs are handled.
    Running,
    /// Something failed; the shard waits to take over again.
    Rebuilding,
    /// The end.
    Closed,
}

impl ShardState {
    /// All states, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Initializing,
        Self::Restoring,
        Self::Running,
        Self::Rebuilding,
        Self::Closed,
    ];

    /// The name in answers and labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Initializing => "initializing",
            Self::Restoring => "restoring",
            Self::Running => "running",
            Self::Rebuilding => "rebuilding",
            Self::Closed => "closed",
        }
    }
}

/// The phases of one Kafka transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Begin, and the positions of the inputs.
    Begin,
    /// Deciding, evolving and appending.
    Decide,
    /// Draining the acknowledgements, and the commit.
    Commit,
    /// Waiting for the owner's own tail.
    Confirm,
    /// The batch into the store.
    Store,
}

impl Phase {
    /// All phases, in their order.
    pub const ALL: [Self; 5] =
        [Self::Begin, Self::Decide, Self::Commit, Self::Confirm, Self::Store];

    /// The name in labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Decide => "decide",
            Self::Commit => "commit",
            Self::Confirm => "confirm",
            Self::Store => "store",
        }
    }
}

/// Nothing applied yet.
const NO_OFFSET: i64 = -1;

/// What a shard says about itself. Share it in an `Arc`.
#[derive(Debug)]
pub struct ShardStatus {
    partition: Partition,
    state: AtomicU8,
    applied: AtomicI64,
    seq: AtomicU64,
    /// By input topic, in the order of [`Topic::INPUTS`].
    lags: [AtomicU64; Topic::INPUTS.len()],
    turned_at_ms: AtomicI64,
    timers: AtomicU64,
    timers_suspended: AtomicBool,
    inputs_waiting: AtomicBool,
    transactions: AtomicU64,
    entries: AtomicU64,
    aborts: AtomicU64,
    poisoned: AtomicU64,
    rebuilds: AtomicU64,
    fences: AtomicU64,
    restored: AtomicU64,
    phase_nanos: [AtomicU64; Phase::ALL.len()],
    last_error: Mutex<Option<String>>,
}

/// A copy of a status, for whoever prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSnapshot {
    /// The shard.
    pub partition: Partition,
    /// Where it is in its life cycle.
    pub state: ShardState,
    /// The last journal offset in its store.
    pub applied: Option<Offset>,
    /// The sequence of that entry.
    pub seq: u64,
    /// Records of input topics that are not handled yet, as of some seconds ago.
    pub lag: u64,
    /// The same by topic.
    pub lags: Vec<(Topic, u64)>,
    /// When the shard last turned, wall clock, milliseconds since the epoch; 0 before it ran.
    pub turned_at_ms: i64,
    /// Timers that are set.
    pub timers: u64,
    /// Whether timers are suspended because the clock jumped.
    pub timers_suspended: bool,
    /// Whether an input partition waits for the schema registry.
    pub inputs_waiting: bool,
    /// Kafka transactions committed and confirmed.
    pub transactions: u64,
    /// Entries in them.
    pub entries: u64,
    /// Kafka transactions aborted and decided again.
    pub aborts: u64,
    /// Inputs that could not be handled and became entries of their own kind.
    pub poisoned: u64,
    /// Takeovers after a failure.
    pub rebuilds: u64,
    /// Takeovers by another owner.
    pub fences: u64,
    /// Entries folded while restoring.
    pub restored: u64,
    /// Time spent in each phase since the start.
    pub phases: Vec<(Phase, Duration)>,
    /// What failed last; `None` once a batch was handled since.
    pub last_error: Option<String>,
}

impl ShardStatus {
    /// The status of a shard that was just created.
    pub fn new(partition: Partition) -> Self {
        Self {
            partition,
            state: AtomicU8::new(ShardState::Created as u8),
            applied: AtomicI64::new(NO_OFFSET),
            seq: AtomicU64::default(),
            lags: Default::default(),
            turned_at_ms: AtomicI64::default(),
            timers: AtomicU64::default(),
            timers_suspended: AtomicBool::default(),
            inputs_waiting: AtomicBool::default(),
            transactions: AtomicU64::default(),
            entries: AtomicU64::default(),
            aborts: AtomicU64::default(),
            poisoned: AtomicU64::default(),
            rebuilds: AtomicU64::default(),
            fences: AtomicU64::default(),
            restored: AtomicU64::default(),
            phase_nanos: Default::default(),
            last_error: Mutex::default(),
        }
    }

    /// The shard.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Where it is in its life cycle.
    pub fn state(&self) -> ShardState {
        let number = self.state.load(Ordering::Acquire);
        let known = ShardState::ALL.into_iter().find(|state| *state as u8 == number);
        known.expect("only the numbers of states are stored")
    }

    /// Everything at once. The numbers are read one after the other.
    pub fn snapshot(&self) -> ShardSnapshot {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let nanos = self.phase_nanos.iter().map(|nanos| Duration::from_nanos(load(nanos)));
        let lags: Vec<_> = Topic::INPUTS.into_iter().zip(self.lags.iter().map(load)).collect();
        let last_error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ShardSnapshot {
            partition: self.partition,
            state: self.state(),
            applied: Offset::new(self.applied.load(Ordering::Relaxed)),
            seq: load(&self.seq),
            lag: lags.iter().map(|(_, lag)| lag).sum(),
            lags,
            turned_at_ms: self.turned_at_ms.load(Ordering::Relaxed),
            timers: load(&self.timers),
            timers_suspended: self.timers_suspended.load(Ordering::Relaxed),
            inputs_waiting: self.inputs_waiting.load(Ordering::Relaxed),
            transactions: load(&self.transactions),
            entries: load(&self.entries),
            aborts: load(&self.aborts),
            poisoned: load(&self.poisoned),
            rebuilds: load(&self.rebuilds),
            fences: load(&self.fences),
            restored: load(&self.restored),
            phases: Phase::ALL.into_iter().zip(nanos).collect(),
            last_error,
        }
    }

    pub(super) fn enter(&self, state: ShardState) {
        self.state.store(state as u8, Ordering::Release);
        tracing::info!(shard = %self.partition, state = state.label(), "A shard changes state.");
    }

    pub(super) fn set_head(&self, head: &Head) {
        self.applied.store(head.applied.map_or(NO_OFFSET, Offset::number), Ordering::Relaxed);
        self.seq.store(head.seq, Ordering::Relaxed);
    }

    pub(super) fn set_turned(&self, wall_ms: i64) {
        self.turned_at_ms.store(wall_ms, Ordering::Relaxed);
    }

    pub(super) fn set_timers(&self, count: usize) {
        self.timers.store(count as u64, Ordering::Relaxed);
    }

    pub(super) fn set_timers_suspended(&self, suspended: bool) {
        self.timers_suspended.store(suspended, Ordering::Relaxed);
    }

    pub(super) fn set_inputs_waiting(&self, waiting: bool) {
        self.inputs_waiting.store(waiting, Ordering::Relaxed);
    }

    /// By input topic, in the order of [`Topic::INPUTS`].
    pub(super) fn set_lags(&self, lags: impl Iterator<Item = u64>) {
        for (stored, lag) in self.lags.iter().zip(lags) {
            stored.store(lag, Ordering::Relaxed);
        }
    }

    pub(super) fn count_transaction(&self, entries: usize) {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    pub(super) fn count_abort(&self) {
        self.aborts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_poisoned(&self) {
        self.poisoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_rebuild(&self) {
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_fence(&self) {
        self.fences.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_restored(&self, entries: u64) {
        self.restored.fetch_add(entries, Ordering::Relaxed);
    }

    /// A phase that began at `since` has ended; the next begins.
    pub(super) fn end_phase(&self, phase: Phase, since: &mut Duration, now: Duration) {
        let spent = now.saturating_sub(std::mem::replace(since, now));
        let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.phase_nanos[phase as usize].fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn set_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
