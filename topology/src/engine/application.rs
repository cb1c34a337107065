//! What the engine asks of the product: one trait, and the values that cross it.
//!
//! The engine owns the log, the store, time, sequence and hash; the application owns the meaning of
//! bytes. `decide` and `evolve` see no clock, no randomness and no environment: all they need comes
//! with the input, the context or the state. The engine never looks into an `Input` or an `Entry`
//! except through [`Application::header`].

use bytes::Bytes;
use compact_str::CompactString;
use schemas::{EntryHash, Offset, Partition, Position, Topic};

/// The product, as the engine sees it. One value serves all shards of a process.
pub trait Application: Send + Sync + 'static {
    /// What one input means.
    type Input;
    /// What one input decided: becomes exactly one record of the journal.
    type Entry: Send + Sync + 'static;

    /// The column families of the state, besides the engine's own `meta`, `timers`, `positions`.
    fn columns(&self) -> &'static [&'static str];

    /// The version of the state's byte format. A store of another version is rebuilt.
    fn state_version(&self) -> u32;

    /// Reads an input record. Total: bytes that cannot be read are an input of their own kind,
    /// which is refused by an entry.
    ///
    /// # Errors
    /// [`DecodeWait`] when the schema registry must be asked and is away: this input's partition
    /// waits and is tried again, other inputs and timers go on.
    fn decode(&self, record: &InputRecord) -> Result<Self::Input, DecodeWait>;

    /// The input that a due timer is.
    fn timer(&self, timer: &DueTimer) -> Self::Input;

    /// The input that stands for one that could not be handled: it must be decided into an entry
    /// that keeps its trace (refused or quarantined). When this fails too, the shard stops.
    fn poisoned(&self, origin: Origin<'_>, reason: &str) -> Self::Input;

    /// Decides. Never mutates; may refuse, which is an entry as well.
    ///
    /// # Errors
    /// [`DecideError::State`] when the state cannot be read (the shard rebuilds),
    /// [`DecideError::Poison`] when this input alone is at fault (see [`Application::poisoned`]).
    fn decide(
        &self,
        state: &dyn ReadState,
        input: Self::Input,
        ctx: &DecideContext,
    ) -> Result<Self::Entry, DecideError>;

    /// Applies an entry: total, dumb, the only thing that changes state. Recorded balances are
    /// assertions.
    ///
    /// # Errors
    /// [`StateError::Contradiction`] when an assertion does not hold.
    fn evolve(&self, state: &mut dyn WriteState, entry: &Self::Entry) -> Result<(), StateError>;

    /// A shard was taken over, and this is its state before it handles anything. For who wants to
    /// know; nothing depends on it.
    fn taken_over(&self, _partition: Partition, _state: &dyn ReadState) {}

    /// What the engine needs to know of an entry.
    fn header(&self, entry: &Self::Entry) -> EntryHeader;

    /// The record of an entry, framed. The same entry always gives the same bytes.
    ///
    /// # Errors
    /// [`EncodeError`] when the entry exceeds its bounds; the input is then poison.
    fn encode(&self, entry: &Self::Entry) -> Result<EntryRecord, EncodeError>;

    /// Reads a journal record back.
    ///
    /// # Errors
    /// [`EntryDecodeError::Newer`] when `min_reader` is above what this binary knows (the shard is
    /// refused), [`EntryDecodeError::Undecodable`] for bytes that are no entry.
    fn decode_entry(&self, record: &JournalRecord) -> Result<Self::Entry, EntryDecodeError>;
}

/// The header that an entry takes over from the input that it decides: W3C Trace Context. The
/// engine carries it and does not look into it.
pub const CARRIED_HEADER: &str = "traceparent";

/// The bytes of one record, detached from the client's fetch buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The broker's time stamp, milliseconds since the epoch; 0 when it has none.
    pub timestamp_ms: i64,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value, framing included; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers in their order.
    pub headers: Vec<RecordHeader>,
}

impl Record {
    /// The value of the first header with this name; `None` when absent or null.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.headers.iter().find(|header| header.name == name)?;
        header.value.as_deref()
    }

    /// The value of [`CARRIED_HEADER`].
    pub fn carried(&self) -> Option<&Bytes> {
        let header = self.headers.iter().find(|header| header.name == CARRIED_HEADER)?;
        header.value.as_ref()
    }

    /// What the record weighs against the bounds of batches and queues, in bytes.
    pub fn weight(&self) -> usize {
        let part = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize =
            self.headers.iter().map(|header| header.name.len() + part(&header.value)).sum();
        part(&self.key) + part(&self.value) + headers
    }
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// The name.
    pub name: CompactString,
    /// The value; `None` is null.
    pub value: Option<Bytes>,
}

/// A record of one of the input topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRecord {
    /// The input topic.
    pub topic: Topic,
    /// The partition, which is the shard's.
    pub partition: Partition,
    /// The place in it.
    pub offset: Offset,
    /// The bytes.
    pub record: Record,
}

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRecord {
    /// Where it stands.
    pub position: Position,
    /// The bytes.
    pub record: Record,
}

/// An entry as it goes into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRecord {
    /// The key: UTF-8.
    pub key: Bytes,
    /// The value, framing included.
    pub value: Bytes,
    /// The headers; not part of the hash.
    pub headers: Vec<RecordHeader>,
}

/// Where an input came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A record of an input topic.
    Input {
        /// The input topic.
        topic: Topic,
        /// The partition, which is the shard's.
        partition: Partition,
        /// The place in it.
        offset: Offset,
    },
    /// A timer that fired.
    Timer {
        /// The timer's id, unique in the shard.
        id: String,
        /// Which setting of that timer.
        generation: u64,
        /// When it was due, milliseconds since the epoch.
        due_ms: i64,
    },
}

/// A timer whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimer {
    /// The timer's id, unique in the shard.
    pub id: String,
    /// Which setting of that timer.
    pub generation: u64,
    /// When it was due, milliseconds since the epoch.
    pub due_ms: i64,
}

/// A timer that an entry sets or cancels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerChange {
    /// The timer's id, unique in the shard.
    pub id: String,
    /// Which setting of that timer: grows with each.
    pub generation: u64,
    /// When it is due, milliseconds since the epoch; `None` cancels it.
    pub due_ms: Option<i64>,
}

/// What the engine needs to know of an entry.
///
/// A timer that is the source of an entry is gone with it, unless the entry sets it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryHeader {
    /// The place in the chain: 1 for the first entry of a partition, dense.
    pub seq: u64,
    /// The hash of the entry before.
    pub prev_hash: EntryHash,
    /// The oldest reader that understands the entry.
    pub min_reader: u32,
    /// Shard time, milliseconds since the epoch.
    pub at_ms: i64,
    /// The input that was handled.
    pub source: Source,
    /// The timers set and cancelled, applied in this order.
    pub timers: Vec<TimerChange>,
}

/// What comes with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecideContext {
    /// The shard.
    pub partition: Partition,
    /// Shard time, milliseconds since the epoch: never before the entry before.
    pub at_ms: i64,
    /// The sequence of the entry to be made.
    pub seq: u64,
    /// What it must name as the hash of its predecessor.
    pub prev_hash: EntryHash,
    /// Where the input came from.
    pub source: Source,
    /// The value of [`CARRIED_HEADER`], which decides nothing.
    pub carried: Option<Bytes>,
}

/// What a poisoned input was.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A record of an input topic.
    Record(&'a InputRecord),
    /// A timer.
    Timer(&'a DueTimer),
}

/// State, read only.
pub trait ReadState {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError`] when the store cannot be read.
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
}

/// State that an entry may change.
pub trait WriteState: ReadState {
    /// Sets the value of a key.
    fn put(&mut self, column: &'static str, key: &[u8], value: Vec<u8>);

    /// Removes a key; absent is fine.
    fn delete(&mut self, column: &'static str, key: &[u8]);
}

/// The state failed. None of these is the fault of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store could not be read or written.
    #[error("the store failed: {0}")]
    Unreadable(String),
    /// Stored bytes do not decode.
    #[error("the store holds bytes that are not state: {0}")]
    Undecodable(String),
    /// An entry asserts what the state does not show.
    #[error("an entry contradicts the state: {0}")]
    Contradiction(String),
}

/// Nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// The state failed: the shard rebuilds.
    #[error(transparent)]
    State(#[from] StateError),
    /// This input alone is at fault.
    #[error("the input cannot be handled: {0}")]
    Poison(String),
}

/// The schema registry must be asked and is away; the input partition waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the input waits for the schema registry: {reason}")]
pub struct DecodeWait {
    /// What was asked and what failed.
    pub reason: String,
}

/// An entry that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry cannot be written: {0}")]
pub struct EncodeError(pub String);

/// A journal record that is not an entry this binary can apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryDecodeError {
    /// A newer binary wrote it and says that older ones must not read it.
    #[error("the entry needs reader {min_reader}, this binary is reader {reader}: upgrade it")]
    Newer {
        /// What the entry asks for.
        min_reader: u32,
        /// What this binary is.
        reader: u32,
    },
    /// The bytes are no entry.
    #[error("the journal record is no entry: {0}")]
    Undecodable(String),
}
