//! Where the rows are kept: one `RocksDB` for each version of the view.
//!
//! There is no write-ahead log: the journal is one. All columns are flushed together, so that rows
//! and heads always belong together; after a kill the follower reads on from the last flush, which
//! is at most one set of write buffers ago, and after an orderly stop nothing is read again. All
//! rows are read when they are opened: what is damaged is built again, and not found when somebody
//! asks for it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use processors::{decode_row, encode_row};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, ErrorKind, IteratorMode, Options,
    WriteBatch,
};
use schemas::{EntryHash, Offset, Partition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::rocks_options::{COMPRESSION, MEMTABLE_BLOOM, MergePace, MergedInto};
use crate::engine::rocks_store::is_lock_held;
use crate::engine::rows::{RecentBounds, RecentRows, Rows};
use crate::engine::store::Reading;
use crate::engine::verification::read_whole;

/// The version of the rows and their keys. A new one is built beside the old.
pub const VIEW_VERSION: u32 = 9;

/// Shared by all columns: reads of the API are mostly of recent rows.
const CACHE_BYTES: usize = 64 << 20;
/// The write buffer of one column.
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// All write buffers together: what a kill makes this process read again from the journal, and a
/// few hundred thousand rows to be written in one go.
const WRITE_BUFFERS_BYTES: usize = 96 << 20;
/// What may be in memory only: some 150 ms under load, in which most payments end, so that their
/// rows are written once.
const RECENT: RecentBounds = RecentBounds { weight: 16 << 20, writes: 16 };
/// The longest that reading all rows may take: HTTP does not answer yet.
const VERIFY_BOUND: Duration = Duration::from_secs(10);
/// Most rows are written once and looked up seldom.
const MERGES: MergePace =
    MergePace { files: 24, into: MergedInto::LikeSizes, bytes_per_core: 32 << 20 };

pub(super) const META: &str = "meta";
pub(super) const PAYMENTS: &str = "payments";
pub(super) const PAYMENT_INDEX: &str = "payment_index";
pub(super) const WALLETS: &str = "wallets";
pub(super) const DEPOSITS: &str = "deposits";
pub(super) const MOVEMENTS: &str = "movements";
pub(super) const TIMELINE: &str = "timeline";
pub(super) const REFUNDS: &str = "refunds";
pub(super) const TRANSFERS: &str = "transfers";
/// Transfers that hold money of their senders: no values, the key says it all.
pub(super) const TRANSFER_HOLDS: &str = "transfer_holds";
pub(super) const TRANSFER_CREDITS: &str = "transfer_credits";
pub(super) const WITHDRAWALS: &str = "withdrawals";
pub(super) const SUSPENSE: &str = "suspense";

const COLUMNS: [&str; 13] = [
    META,
    PAYMENTS,
    PAYMENT_INDEX,
    WALLETS,
    DEPOSITS,
    MOVEMENTS,
    TIMELINE,
    REFUNDS,
    TRANSFERS,
    TRANSFER_HOLDS,
    TRANSFER_CREDITS,
    WITHDRAWALS,
    SUSPENSE,
];

/// The last entry of a partition that the rows show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewHead {
    /// Where it stands.
    pub offset: Offset,
    /// Its sequence.
    pub seq: i64,
    /// Its hash: the next entry must name it.
    pub hash: EntryHash,
}

/// A view that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ViewStoreError {
    /// The disk or the files.
    #[error("the view in {path} failed: {reason}")]
    Failed {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The rows are not a fold of this journal.
    #[error(
        "the view in {path} is not of this journal ({reason}); it is rebuilt at the next start"
    )]
    Diverged {
        /// Which.
        path: PathBuf,
        /// How it is known.
        reason: String,
    },
}

/// The rows.
pub struct ViewStore {
    db: DB,
    path: PathBuf,
    recent: RwLock<RecentRows>,
}

impl ViewStore {
    /// Opens the view below this directory; one that cannot be opened is thrown away and built
    /// again.
    pub fn open(directory: &Path) -> Result<Self, ViewStoreError> {
        let path = directory.join(format!("payments-v{VIEW_VERSION}"));
        let failed = |reason: String| ViewStoreError::Failed { path: path.clone(), reason };
        let tombstone = directory.join("diverged");
        if tombstone.exists() {
            remove(&path).map_err(failed)?;
            std::fs::remove_file(&tombstone).map_err(|error| failed(error.to_string()))?;
        }
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let db = match open_whole(&path) {
            Ok(db) => db,
            // Another process holds it: deleting its files would not help.
            Err(error) if is_held_by_another(&error) => {
                return Err(failed(error.to_string()));
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "A view is unreadable; rebuilding.");
                remove(&path).map_err(failed)?;
                open(&path).map_err(|error| failed(error.to_string()))?
            }
        };
        Ok(Self { db, path, recent: RwLock::new(RecentRows::new(RECENT)) })
    }

    /// The error that stops the follower; the next [`ViewStore::open`] starts from nothing.
    pub(super) fn diverged(&self, reason: String) -> ViewStoreError {
        if let Some(directory) = self.path.parent()
            && let Err(error) = std::fs::write(directory.join("diverged"), &reason)
        {
            return self.failed(error);
        }
        ViewStoreError::Diverged { path: self.path.clone(), reason }
    }

    pub(super) fn failed(&self, error: impl std::fmt::Display) -> ViewStoreError {
        ViewStoreError::Failed { path: self.path.clone(), reason: error.to_string() }
    }

    /// What `RocksDB` says: files that do not add up are built anew at the next start.
    pub(super) fn judged(&self, error: &rocksdb::Error) -> ViewStoreError {
        match error.kind() {
            ErrorKind::Corruption => self.diverged(error.to_string()),
            _ => self.failed(error),
        }
    }

    /// The last entry of every partition that the rows show.
    pub fn heads(&self) -> Result<BTreeMap<Partition, ViewHead>, ViewStoreError> {
        let unreadable = || self.diverged("its heads are unreadable".to_owned());
        let mut heads = BTreeMap::new();
        for row in self.scan(META, IteratorMode::Start)? {
            let (key, value) = row.map_err(|error| self.judged(&error))?;
            let number: [u8; 4] = (*key).try_into().map_err(|_| unreadable())?;
            let partition = Partition::new(i32::from_be_bytes(number)).ok_or_else(unreadable)?;
            heads.insert(partition, decode_row(&value).map_err(|_| unreadable())?);
        }
        Ok(heads)
    }

    pub(super) fn column(&self, name: &str) -> &rocksdb::ColumnFamily {
        self.db.cf_handle(name).expect("every column is opened with the database")
    }

    pub(super) fn row<T: DeserializeOwned>(
        &self,
        column: &str,
        key: &[u8],
    ) -> Result<Option<T>, ViewStoreError> {
        if let Some(known) = self.recent().get(column, key) {
            let row = known.as_deref().map(decode_row).transpose();
            return row.map_err(|error| self.diverged(error.to_string()));
        }
        self.written_row(column, key)
    }

    /// A row of a column to which rows are only appended.
    pub(super) fn appended_row<T: DeserializeOwned>(
        &self,
        column: &str,
        key: &[u8],
    ) -> Result<Option<T>, ViewStoreError> {
        self.write_all()?;
        self.written_row(column, key)
    }

    fn written_row<T: DeserializeOwned>(
        &self,
        column: &str,
        key: &[u8],
    ) -> Result<Option<T>, ViewStoreError> {
        let bytes = self.db.get_pinned_cf(self.column(column), key);
        let bytes = bytes.map_err(|error| self.judged(&error))?;
        let row = bytes.map(|bytes| decode_row(&bytes)).transpose();
        row.map_err(|error| self.diverged(error.to_string()))
    }

    /// Writes what is in memory only, if there is anything.
    fn write_all(&self) -> Result<(), ViewStoreError> {
        if self.recent().unwritten().is_empty() { Ok(()) } else { self.flush() }
    }

    /// Shows a set of changes, all at once.
    pub(super) fn write(&self, rows: Rows) -> Result<(), ViewStoreError> {
        let is_full = self.recent.write().unwrap_or_else(PoisonError::into_inner).absorb(rows);
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Writes what is in memory only.
    fn flush(&self) -> Result<(), ViewStoreError> {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        let mut batch = WriteBatch::with_capacity_bytes(recent.unwritten().weight());
        for (column, rows) in recent.unwritten().sorted() {
            let column = self.column(column);
            for (key, change) in rows {
                match change {
                    Some(value) => batch.put_cf(column, key, value),
                    None => batch.delete_cf(column, key),
                }
            }
        }
        self.db.write_without_wal(batch).map_err(|error| self.judged(&error))?;
        recent.note_written();
        Ok(())
    }

    fn recent(&self) -> RwLockReadGuard<'_, RecentRows> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All rows of a column in the order of their keys, from a key on.
    pub(super) fn scan<'a>(
        &'a self,
        column: &str,
        mode: IteratorMode<'_>,
    ) -> Result<impl Iterator<Item = Scanned> + use<'a>, ViewStoreError> {
        self.write_all()?;
        Ok(self.db.iterator_cf(self.column(column), mode))
    }

    /// BLAKE3 over every column, key and value in order: equal for equal rows.
    pub fn digest(&self) -> Result<EntryHash, ViewStoreError> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        };
        for column in COLUMNS {
            add(column.as_bytes());
            for row in self.scan(column, IteratorMode::Start)? {
                let (key, value) = row.map_err(|error| self.judged(&error))?;
                add(&key);
                add(&value);
            }
        }
        Ok(EntryHash::from(*hasher.finalize().as_bytes()))
    }
}

impl Drop for ViewStore {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "A view is a little behind; the journal has the rest.");
        }
    }
}

/// A row of a column, or why it cannot be read.
pub(super) type Scanned = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>;

/// The row of a partition's head: its key and its value.
pub(super) fn head_row(partition: Partition, head: &ViewHead) -> (Vec<u8>, Vec<u8>) {
    (partition.number().to_be_bytes().to_vec(), encode_row(head))
}

/// Opens the rows and reads them, as far as there is time.
fn open_whole(path: &Path) -> Result<DB, rocksdb::Error> {
    let db = open(path)?;
    let began = Instant::now();
    let mut go_on = || {
        if began.elapsed() < VERIFY_BOUND {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let Reading { rows, is_whole } = read_whole(&db, &COLUMNS, &mut go_on)?;
    tracing::info!(rows, is_whole, millis = began.elapsed().as_millis(), "A view was read.");
    Ok(db)
}

fn open(path: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Without a write-ahead log only this keeps rows and heads together.
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    MERGES.limit(&mut options);
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let columns = COLUMNS.map(|name| {
        let mut column = Options::default();
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&cache);
        table.set_bloom_filter(10.0, false);
        column.set_block_based_table_factory(&table);
        column.set_write_buffer_size(WRITE_BUFFER_BYTES);
        MERGES.spread(&mut column);
        column.set_compression_per_level(&COMPRESSION);
        column.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM);
        column.set_memtable_whole_key_filtering(true);
        ColumnFamilyDescriptor::new(name, column)
    });
    DB::open_cf_descriptors(&options, path, columns)
}

/// `RocksDB` says that another process has the files open by an IO error about its lock file.
fn is_held_by_another(error: &rocksdb::Error) -> bool {
    error.kind() == ErrorKind::IOError && is_lock_held(error.as_ref())
}

fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}
