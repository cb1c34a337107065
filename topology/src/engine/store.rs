//! The state of a shard as bytes: columns of keys and values, written in atomic batches.
//!
//! A store is disposable: it holds nothing that a replay of the journal would not give again, byte
//! for byte, which is what [`digest`] lets two stores be compared by. It says itself which journal
//! partition it belongs to and which entry it is consistent with. It knows no Kafka and no entries.

use std::fmt;
use std::ops::ControlFlow;

use schemas::{EntryHash, Offset, Partition, TopicName};

use super::application::StateError;
use super::overlay::Changes;

/// The column of the head and the identity.
pub const META: &str = "meta";
/// The column of the timers that are set.
pub const TIMERS: &str = "timers";
/// The column of the next offset of each input topic.
pub const POSITIONS: &str = "positions";

/// The columns that the engine keeps beside the application's.
pub const ENGINE_COLUMNS: [&str; 3] = [META, POSITIONS, TIMERS];

const HEAD_KEY: &[u8] = b"head";
const HEAD_LENGTH: usize = 8 + 8 + 8 + 32;

/// Is shown keys and values, until it breaks.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Is asked whether to go on.
pub type GoOn<'a> = dyn FnMut() -> ControlFlow<()> + 'a;

/// What was read of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// So many rows.
    pub rows: u64,
    /// Every one, or as many as there was time for.
    pub is_whole: bool,
}

/// Columns of keys and values.
pub trait Store {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StateError::Unreadable`] when the store is damaged or the column does not exist.
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Visits the keys of a column from a starting point on, until the visitor breaks.
    ///
    /// # Errors
    /// [`StateError::Unreadable`] as for [`Store::get`].
    fn visit(
        &self,
        column: &'static str,
        start: Start<'_>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StateError>;

    /// Writes all changes, or none of them.
    ///
    /// # Errors
    /// [`StateError::Unreadable`]; then it is not known which of the two happened.
    fn write(&self, changes: Changes) -> Result<(), StateError>;

    /// Reads all of it, once after it was opened; `None` when it has been read. Asks now and then
    /// whether to go on, and breaks off when not.
    ///
    /// # Errors
    /// [`StateError::Unreadable`] when the store is damaged.
    fn verify(&self, go_on: &mut GoOn<'_>) -> Result<Option<Reading>, StateError>;

    /// Starts over with nothing. What was there is kept aside for a person to look at.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be moved or created.
    fn reset(&mut self, reason: &str) -> Result<(), StoreError>;

    /// The columns, sorted by name.
    fn columns(&self) -> &[&'static str];
}

/// Where a visit begins, and in which direction it goes.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// At the first key, upwards.
    First,
    /// At this key or the next one, upwards.
    At(&'a [u8]),
    /// At the last key, downwards.
    Last,
    /// At this key or the one before, downwards.
    DownFrom(&'a [u8]),
}

/// The store could not be opened or replaced.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {path} is in use by another process: {reason}")]
    InUse {
        /// The directory of the store.
        path: String,
        /// What `RocksDB` says.
        reason: String,
    },
    /// The directory cannot be used.
    #[error("the store {path} cannot be used: {reason}")]
    Unusable {
        /// The directory of the store.
        path: String,
        /// What the operating system or `RocksDB` says.
        reason: String,
    },
}

/// What a store belongs to. A store that says otherwise is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreIdentity {
    /// The journal.
    pub journal: TopicName,
    /// The partition of the journal.
    pub partition: Partition,
    /// The version of the engine's own columns and the application's, as one text.
    pub format: String,
}

impl StoreIdentity {
    /// The text that stands in the store.
    pub fn text(&self) -> String {
        format!("{}/{}/{}", self.journal, self.partition, self.format)
    }

    /// Whether such a text is of the same partition, in whatever format.
    pub fn is_of_same_journal(&self, text: &str) -> bool {
        text.starts_with(&format!("{}/{}/", self.journal, self.partition))
    }
}

/// The entry that a store is consistent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The offset of the last entry applied; `None` before the first.
    pub applied: Option<Offset>,
    /// Its sequence; 0 before the first.
    pub seq: u64,
    /// Its hash; the genesis hash before the first.
    pub hash: EntryHash,
    /// Its time, milliseconds since the epoch; 0 before the first.
    pub at_ms: i64,
}

impl Head {
    /// The head of a journal partition without entries.
    pub fn genesis(journal: &TopicName, partition: Partition) -> Self {
        Self { applied: None, seq: 0, hash: EntryHash::genesis(journal, partition), at_ms: 0 }
    }

    /// The offset to go on reading the journal from.
    pub fn next_offset(&self) -> Offset {
        self.applied.map_or(Offset::ZERO, Offset::next)
    }

    /// Adds the head to the changes of its own batch.
    pub fn put(&self, changes: &mut Changes) {
        let Some(applied) = self.applied else { return };
        let mut value = Vec::with_capacity(HEAD_LENGTH);
        value.extend_from_slice(&applied.number().to_be_bytes());
        value.extend_from_slice(&self.seq.to_be_bytes());
        value.extend_from_slice(&self.at_ms.to_be_bytes());
        value.extend_from_slice(self.hash.as_bytes());
        changes.put(META, HEAD_KEY, value);
    }

    /// The head of a store; `None` when nothing was applied to it yet.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be read.
    pub fn of(store: &impl Store) -> Result<Option<Self>, StateError> {
        store.get(META, HEAD_KEY)?.map(|value| Self::parse(&value)).transpose()
    }

    fn parse(value: &[u8]) -> Result<Self, StateError> {
        let undecodable = || StateError::Undecodable("the head".to_owned());
        let (offset, rest) = value.split_first_chunk::<8>().ok_or_else(undecodable)?;
        let (seq, rest) = rest.split_first_chunk::<8>().ok_or_else(undecodable)?;
        let (at_ms, hash) = rest.split_first_chunk::<8>().ok_or_else(undecodable)?;
        let hash: [u8; 32] = hash.try_into().map_err(|_| undecodable())?;
        Ok(Self {
            applied: Some(Offset::new(i64::from_be_bytes(*offset)).ok_or_else(undecodable)?),
            seq: u64::from_be_bytes(*seq),
            hash: EntryHash::from(hash),
            at_ms: i64::from_be_bytes(*at_ms),
        })
    }
}

/// BLAKE3 over every column family, key and value of a store, sorted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreDigest([u8; 32]);

impl fmt::Display for StoreDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The digest of a store: equal for two stores that hold the same bytes.
///
/// # Errors
/// [`StateError::Unreadable`] when the store is damaged.
pub fn digest(store: &impl Store) -> Result<StoreDigest, StateError> {
    let mut hasher = blake3::Hasher::new();
    let mut update = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    };
    for &column in store.columns() {
        store.visit(column, Start::First, &mut |key, value| {
            update(column.as_bytes());
            update(key);
            update(value);
            ControlFlow::Continue(())
        })?;
    }
    Ok(StoreDigest(hasher.finalize().into()))
}

/// The engine's columns and the application's, sorted by name.
pub fn all_columns(application: &[&'static str]) -> Vec<&'static str> {
    let mut columns: Vec<_> = ENGINE_COLUMNS.iter().chain(application).copied().collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
