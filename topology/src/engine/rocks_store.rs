//! A store on disk: one `RocksDB`.
//!
//! The newest rows are in memory and go to disk together, so that a row that changes often is
//! written once: what is on disk is a whole prefix of the journal, at most some batches old. A kill
//! loses those, and restoring reads them again; an orderly end writes them. Block cache and write
//! buffers are shared by all stores of a process. A directory that cannot be read, that belongs to
//! something else, or that is not whole, is moved aside and replaced by an empty one: the journal
//! is the truth.
//!
//! Whole means: no column is behind another, and none lacks something from the middle. `RocksDB`
//! notices a wrong byte, except in the length of a record: it takes that for the end of a log, and
//! may then lose the newest files of one column and keep those of the others. So every column says
//! itself, in a row that visitors are not shown, up to which entry it was written
//! ([`super::marks`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME, Direction, ErrorKind,
    IteratorMode, Options, WriteBatch,
};

use super::application::StateError;
use super::marks::{MARK_PREFIX, Mark, agreed};
use super::overlay::Changes;
use super::rocks_options::{StoreMemory, column_options, database_options};
use super::rows::{RecentBounds, RecentRows};
use super::store::{
    GoOn, Head, META, Reading, Start, Store, StoreError, StoreIdentity, Visitor, all_columns,
};
use super::verification::read_whole;

const IDENTITY_KEY: &[u8] = b"identity";
const ASIDE_SUFFIX: &str = "aside";

/// What may be in memory only, of one store: what a kill makes it read again from the journal. Some
/// 600 ms under load.
const RECENT: RecentBounds = RecentBounds { weight: 16 << 20, writes: 32 };
/// A store on disk.
pub struct RocksStore {
    directory: PathBuf,
    identity: StoreIdentity,
    columns: Vec<&'static str>,
    memory: StoreMemory,
    /// Taken only while a reset replaces it.
    open: Option<DB>,
    recent: RefCell<RecentRows>,
    /// Columns with rows on disk: others need not be asked. Of some there is hardly ever a row.
    filled: RefCell<BTreeSet<&'static str>>,
    /// What every column has on disk.
    mark: Cell<Option<Mark>>,
    /// Whether it was read since it was opened.
    is_read: Cell<bool>,
}

/// Why what stands in a directory cannot be used.
#[derive(Debug)]
enum Unfit {
    /// Another release wrote it, in another form: that is what an upgrade does.
    OtherRelease(String),
    /// It is damaged, or belongs to something else.
    Wrong(String),
}

/// What `RocksDB` says when another process, or this one, has the files open. Its errors name
/// paths too, so a word alone would not do.
pub fn is_lock_held(reason: &str) -> bool {
    reason.contains("While lock file") || reason.contains("lock hold by")
}

impl RocksStore {
    /// Opens the store in this directory, or makes an empty one. What stands there and cannot be
    /// read, or belongs to something else, is moved aside.
    ///
    /// # Errors
    /// [`StoreError`] when another process has it open or the directory cannot be used.
    pub fn open(
        directory: &Path,
        identity: StoreIdentity,
        application_columns: &[&'static str],
        memory: &StoreMemory,
    ) -> Result<Self, StoreError> {
        let mut store = Self::unopened(directory, identity, application_columns, memory);
        match store.open_existing()? {
            Ok(()) => {}
            Err(unfit) => store.replace(&unfit)?,
        }
        Ok(store)
    }

    fn unopened(
        directory: &Path,
        identity: StoreIdentity,
        application_columns: &[&'static str],
        memory: &StoreMemory,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            identity,
            columns: all_columns(application_columns),
            memory: memory.clone(),
            open: None,
            recent: RefCell::new(RecentRows::new(RECENT)),
            filled: RefCell::default(),
            mark: Cell::new(None),
            is_read: Cell::new(false),
        }
    }

    /// Opens what is there. The inner error says why it must not be used.
    fn open_existing(&mut self) -> Result<Result<(), Unfit>, StoreError> {
        fs::create_dir_all(&self.directory).map_err(|error| self.unusable(&error))?;
        if let Some(unknown) = self.unknown_columns() {
            let reason = format!("it has columns that this release does not know: {unknown}");
            return Ok(Err(Unfit::OtherRelease(reason)));
        }
        let opened = DB::open_cf_descriptors(
            &database_options(&self.memory),
            &self.directory,
            self.columns
                .iter()
                .map(|&column| ColumnFamilyDescriptor::new(column, column_options(&self.memory))),
        );
        let database = match opened {
            Ok(database) => database,
            Err(error) => return self.judge(&error).map(|reason| Err(Unfit::Wrong(reason))),
        };
        self.open = Some(database);
        self.is_read.set(false);
        Ok(self.check())
    }

    /// The columns that stand there and are not of this store, if there are any.
    fn unknown_columns(&self) -> Option<String> {
        // What cannot be listed is judged when it is opened.
        let found = DB::list_cf(&Options::default(), &self.directory).unwrap_or_default();
        let is_unknown = |column: &&String| {
            *column != DEFAULT_COLUMN_FAMILY_NAME && !self.columns.contains(&column.as_str())
        };
        let unknown: Vec<&str> = found.iter().filter(is_unknown).map(String::as_str).collect();
        (!unknown.is_empty()).then(|| unknown.join(", "))
    }

    /// Whether what was opened is this store, and whole; a new one is made this store. Otherwise
    /// why not.
    fn check(&self) -> Result<(), Unfit> {
        let text = |error: StateError| Unfit::Wrong(error.to_string());
        let wrong = |reason: &str| Err(Unfit::Wrong(reason.to_owned()));
        self.filled.replace(self.filled_columns().map_err(text)?);
        let wanted = self.identity.text();
        let found = self.get(META, IDENTITY_KEY).map_err(text)?;
        let found = found.map(|found| String::from_utf8_lossy(&found).into_owned());
        if let Some(found) = found.as_ref().filter(|found| **found != wanted) {
            let reason = format!("it is the store of {found}, not of {wanted}");
            let is_same = self.identity.is_of_same_journal(found);
            return Err(if is_same { Unfit::OtherRelease } else { Unfit::Wrong }(reason));
        }
        self.mark.set(agreed(&self.marks().map_err(text)?).map_err(Unfit::Wrong)?);
        match (found, self.mark.get()) {
            (Some(_), Some(_)) => Ok(()),
            (Some(_), None) => wrong("it does not say how far it was written"),
            (None, Some(_)) => wrong("it does not say whose it is"),
            (None, None) => {
                let mut changes = Changes::default();
                changes.put(META, IDENTITY_KEY, wanted.into_bytes());
                self.write(changes).and_then(|()| self.flush()).map_err(text)
            }
        }
    }

    /// The columns with a row that is no mark.
    fn filled_columns(&self) -> Result<BTreeSet<&'static str>, StateError> {
        let database = self.database()?;
        let mut filled = BTreeSet::new();
        for &column in &self.columns {
            for row in database.iterator_cf(Self::column(database, column)?, IteratorMode::Start) {
                let (key, _) = row.map_err(|error| unreadable(&error))?;
                if Mark::parse(&key).is_none() {
                    filled.insert(column);
                    break;
                }
            }
        }
        Ok(filled)
    }

    /// The marks of every column.
    fn marks(&self) -> Result<Vec<(&'static str, Vec<Mark>)>, StateError> {
        let database = self.database()?;
        let from = IteratorMode::From(MARK_PREFIX, Direction::Forward);
        let mut all = Vec::with_capacity(self.columns.len());
        for &column in &self.columns {
            let mut marks = Vec::new();
            for row in database.iterator_cf(Self::column(database, column)?, from) {
                let (key, _) = row.map_err(|error| unreadable(&error))?;
                match Mark::parse(&key) {
                    Some(mark) => marks.push(mark),
                    None => break,
                }
            }
            all.push((column, marks));
        }
        Ok(all)
    }

    /// Whether an error on opening condemns the bytes, or only says that now is not the time.
    fn judge(&self, error: &rocksdb::Error) -> Result<String, StoreError> {
        let path = self.directory.display().to_string();
        let reason = error.to_string();
        match error.kind() {
            ErrorKind::IOError if is_lock_held(&reason) => Err(StoreError::InUse { path, reason }),
            ErrorKind::IOError if !reason.contains("No such file") => {
                Err(StoreError::Unusable { path, reason })
            }
            _ => Ok(reason),
        }
    }

    fn unusable(&self, error: &io::Error) -> StoreError {
        let path = self.directory.display().to_string();
        StoreError::Unusable { path, reason: error.to_string() }
    }

    /// Moves it aside and opens an empty one.
    fn replace(&mut self, unfit: &Unfit) -> Result<(), StoreError> {
        self.open = None;
        self.recent.borrow_mut().clear();
        self.mark.set(None);
        let aside = self.move_aside().map_err(|error| self.unusable(&error))?;
        let (store, aside) = (self.directory.display(), aside.display());
        match unfit {
            Unfit::OtherRelease(reason) => tracing::warn!(
                %store, %aside, reason,
                "A store is of another release: it is moved aside and rebuilt from the journal."
            ),
            Unfit::Wrong(reason) => tracing::error!(
                %store, %aside, reason,
                "A store is moved aside and rebuilt from the journal."
            ),
        }
        match self.open_existing()? {
            Ok(()) => Ok(()),
            Err(Unfit::OtherRelease(reason) | Unfit::Wrong(reason)) => {
                let path = self.directory.display().to_string();
                Err(StoreError::Unusable { path, reason })
            }
        }
    }

    /// Moves the directory aside. Only the newest one is kept: a disk must not fill with them.
    fn move_aside(&self) -> io::Result<PathBuf> {
        let mut aside = self.directory.clone().into_os_string();
        aside.push(".");
        aside.push(ASIDE_SUFFIX);
        let aside = PathBuf::from(aside);
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::rename(&self.directory, &aside)?,
        }
        Ok(aside)
    }

    /// Writes what is in memory only.
    fn flush(&self) -> Result<(), StateError> {
        if self.recent.borrow().unwritten().is_empty() {
            return Ok(());
        }
        let mark = Mark::of(Head::of(self)?.as_ref());
        let mut recent = self.recent.borrow_mut();
        let database = self.database()?;
        let mut batch = WriteBatch::with_capacity_bytes(recent.unwritten().weight());
        for (name, rows) in recent.unwritten().sorted() {
            let column = Self::column(database, name)?;
            self.filled.borrow_mut().insert(name);
            for (key, change) in rows {
                match change {
                    Some(value) => batch.put_cf(column, key, value),
                    None => batch.delete_cf(column, key),
                }
            }
        }
        for name in &self.columns {
            let column = Self::column(database, name)?;
            if let Some(before) = self.mark.get().filter(|before| *before != mark) {
                batch.delete_cf(column, before.key());
            }
            batch.put_cf(column, mark.key(), []);
        }
        database.write(batch).map_err(|error| unreadable(&error))?;
        recent.note_written();
        self.mark.set(Some(mark));
        Ok(())
    }

    fn database(&self) -> Result<&DB, StateError> {
        self.open.as_ref().ok_or_else(|| StateError::Unreadable("the store is closed".to_owned()))
    }

    fn column<'a>(database: &'a DB, column: &str) -> Result<&'a ColumnFamily, StateError> {
        database
            .cf_handle(column)
            .ok_or_else(|| StateError::Unreadable(format!("there is no column {column}")))
    }
}

impl Drop for RocksStore {
    fn drop(&mut self) {
        if self.open.is_some()
            && let Err(error) = self.flush()
        {
            tracing::warn!(%error, "A store is a little behind; the journal has the rest.");
        }
    }
}

fn unreadable(error: &rocksdb::Error) -> StateError {
    StateError::Unreadable(error.to_string())
}

impl Store for RocksStore {
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(known) = self.recent.borrow().get(column, key) {
            return Ok(known.clone());
        }
        let database = self.database()?;
        if !self.filled.borrow().contains(column) {
            return Ok(None);
        }
        let handle = Self::column(database, column)?;
        let found = database.get_cf(handle, key).map_err(|error| unreadable(&error))?;
        if let Some(value) = &found {
            self.recent.borrow_mut().note_read(column, key, value);
        }
        Ok(found)
    }

    fn visit(
        &self,
        column: &'static str,
        start: Start<'_>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StateError> {
        self.flush()?;
        let database = self.database()?;
        let column = Self::column(database, column)?;
        let mode = match start {
            Start::First => IteratorMode::Start,
            Start::At(key) => IteratorMode::From(key, Direction::Forward),
            Start::Last => IteratorMode::End,
            Start::DownFrom(key) => IteratorMode::From(key, Direction::Reverse),
        };
        for row in database.iterator_cf(column, mode) {
            let (key, value) = row.map_err(|error| unreadable(&error))?;
            if Mark::parse(&key).is_none() && visitor(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, changes: Changes) -> Result<(), StateError> {
        let is_full = self.recent.borrow_mut().absorb(changes.into_rows());
        if is_full { self.flush() } else { Ok(()) }
    }

    fn verify(&self, go_on: &mut GoOn<'_>) -> Result<Option<Reading>, StateError> {
        if self.is_read.replace(true) {
            return Ok(None);
        }
        let reading = read_whole(self.database()?, &self.columns, go_on);
        reading.map(Some).map_err(|error| unreadable(&error))
    }

    fn reset(&mut self, reason: &str) -> Result<(), StoreError> {
        self.replace(&Unfit::Wrong(reason.to_owned()))
    }

    fn columns(&self) -> &[&'static str] {
        &self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store::digest;
    use schemas::{Offset, Partition, Topic};
    use std::ops::ControlFlow;

    fn identity(partition: i32) -> StoreIdentity {
        StoreIdentity {
            journal: Topic::Journal.name(&"payments".parse().expect("valid")),
            partition: Partition::new(partition).expect("valid"),
            format: "1.1".to_owned(),
        }
    }

    fn open(directory: &Path, partition: i32) -> RocksStore {
        let memory = StoreMemory::of_bytes(8 << 20);
        RocksStore::open(directory, identity(partition), &["counters"], &memory).expect("opens")
    }

    fn put(store: &RocksStore, key: &str, value: &str) {
        let mut changes = Changes::default();
        changes.put("counters", key.as_bytes(), value.into());
        store.write(changes).expect("writes");
    }

    fn keys(store: &impl Store, start: Start<'_>) -> Vec<String> {
        let mut keys = Vec::new();
        let visited = store.visit("counters", start, &mut |key, _| {
            keys.push(String::from_utf8_lossy(key).into_owned());
            ControlFlow::Continue(())
        });
        visited.expect("readable");
        keys
    }

    #[test]
    fn a_store_survives_its_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let before = {
            let store = open(directory.path(), 0);
            put(&store, "a", "1");
            digest(&store).expect("readable")
        };
        let store = open(directory.path(), 0);
        assert_eq!(store.get("counters", b"a"), Ok(Some(b"1".to_vec())));
        assert_eq!(digest(&store).expect("readable"), before);
    }

    #[test]
    fn a_column_is_asked_once_it_has_a_row_on_disk() {
        let directory = tempfile::tempdir().expect("a directory");
        {
            let store = open(directory.path(), 0);
            assert_eq!(*store.filled.borrow(), BTreeSet::from([META]));
            assert_eq!(store.get("counters", b"a"), Ok(None));
            put(&store, "a", "1");
            store.flush().expect("writes");
            store.recent.borrow_mut().clear();
            assert_eq!(store.get("counters", b"a"), Ok(Some(b"1".to_vec())));
        }
        let store = open(directory.path(), 0);
        assert_eq!(*store.filled.borrow(), BTreeSet::from(["counters", META]));
    }

    #[test]
    fn a_store_of_another_shard_is_moved_aside() {
        let root = tempfile::tempdir().expect("a directory");
        let directory = root.path().join("shard");
        put(&open(&directory, 0), "a", "1");
        let store = open(&directory, 1);
        assert_eq!(store.get("counters", b"a"), Ok(None));
        assert!(root.path().join("shard.aside").is_dir());
    }

    #[test]
    fn a_store_that_is_not_whole_is_moved_aside_with_the_reason() {
        let mark = |seq| Mark::of(Some(&head(seq))).key().to_vec();
        for (column, lost, found, reason) in [
            ("timers", Some(mark(9)), Some(mark(4)), "column timers up to entry 4"),
            ("timers", None, Some(mark(4)), "column timers lacks something between"),
            ("timers", Some(mark(9)), None, "column timers up to no entry"),
            (META, Some(IDENTITY_KEY.to_vec()), None, "it does not say whose it is"),
        ] {
            let root = tempfile::tempdir().expect("a directory");
            let directory = root.path().join("shard");
            let mut changes = Changes::default();
            changes.put("counters", b"a", b"1".to_vec());
            head(9).put(&mut changes);
            open(&directory, 0).write(changes).expect("writes");
            alter(&directory, column, lost, found);
            let memory = StoreMemory::of_bytes(8 << 20);
            let mut store = RocksStore::unopened(&directory, identity(0), &["counters"], &memory);
            let refused = store.open_existing().expect("nobody has it open");
            let Err(Unfit::Wrong(refused)) = refused else {
                panic!("{refused:?}: it is not whole")
            };
            assert!(refused.contains(reason), "{refused:?} does not say {reason:?}");
            drop(store);
            assert_eq!(open(&directory, 0).get("counters", b"a"), Ok(None), "{reason}");
            assert!(root.path().join("shard.aside").is_dir(), "{reason}");
        }
    }

    #[test]
    fn a_store_of_another_release_is_told_from_a_damaged_one() {
        let memory = StoreMemory::of_bytes(8 << 20);
        let of_format = |format: &str| StoreIdentity { format: format.to_owned(), ..identity(0) };
        for (identity, columns, reason) in [
            (of_format("1.0"), ["counters"], "payments.journal.v1/0/1.0"),
            (identity(0), ["tallies"], "tallies"),
        ] {
            let root = tempfile::tempdir().expect("a directory");
            let directory = root.path().join("shard");
            drop(RocksStore::open(&directory, identity, &columns, &memory).expect("opens"));
            let mut store =
                RocksStore::unopened(&directory, self::identity(0), &["counters"], &memory);
            let refused = store.open_existing().expect("nobody has it open");
            let Err(Unfit::OtherRelease(refused)) = refused else { panic!("{refused:?}") };
            assert!(refused.contains(reason), "{refused:?} does not say {reason:?}");
            drop(store);
            put(&open(&directory, 0), "a", "1");
            assert!(root.path().join("shard.aside").is_dir(), "{reason}");
        }
    }

    /// Does to a column what no store does.
    fn alter(directory: &Path, column: &str, lost: Option<Vec<u8>>, found: Option<Vec<u8>>) {
        let database = DB::open_cf(&Options::default(), directory, all_columns(&["counters"]));
        let database = database.expect("nobody has it open");
        let column = database.cf_handle(column).expect("a column");
        if let Some(lost) = lost {
            database.delete_cf(column, lost).expect("writes");
        }
        if let Some(found) = found {
            database.put_cf(column, found, []).expect("writes");
        }
    }

    fn head(seq: u64) -> Head {
        let genesis = Head::genesis(&identity(0).journal, identity(0).partition);
        Head { applied: Some(Offset::ZERO), seq, ..genesis }
    }

    #[test]
    fn a_second_process_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let _first = open(directory.path(), 0);
        let memory = StoreMemory::of_bytes(8 << 20);
        let second = RocksStore::open(directory.path(), identity(0), &["counters"], &memory);
        assert!(matches!(second, Err(StoreError::InUse { .. })));
    }

    #[test]
    fn visits_go_both_ways_like_those_of_a_store_in_memory() {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = open(directory.path(), 0);
        let memory = crate::engine::memory_store::MemoryStore::new(&["counters"]);
        for key in ["a", "c", "e"] {
            put(&disk, key, "1");
            let mut changes = Changes::default();
            changes.put("counters", key.as_bytes(), b"1".to_vec());
            memory.write(changes).expect("writes");
        }
        for (start, wanted) in [
            (Start::First, vec!["a", "c", "e"]),
            (Start::At(b"b"), vec!["c", "e"]),
            (Start::Last, vec!["e", "c", "a"]),
            (Start::DownFrom(b"d"), vec!["c", "a"]),
            (Start::DownFrom(b"c"), vec!["c", "a"]),
        ] {
            assert_eq!(keys(&disk, start), wanted, "{start:?}");
            assert_eq!(keys(&memory, start), wanted, "{start:?}");
        }
    }
}
