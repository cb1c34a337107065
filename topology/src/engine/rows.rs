//! Rows in memory: what a set of changes does to columns of keys and values.
//!
//! [`Rows`] is one set. [`RecentRows`] stands before a database: it keeps what was changed and is
//! not written yet, so that a row that changes often is written once, and what was written last or
//! read since, so that it need not be read. Rows that are written once and hardly ever read are
//! *appended*: they are not found by key before they are in the database. Neither knows what the
//! bytes mean.

use std::collections::HashMap;
use std::mem;

use smallvec::SmallVec;

/// A key. Most are short: they stand where they are looked up, without an allocation of their own.
pub type Key = SmallVec<[u8; 48]>;

/// What a set of changes holds for a key: a value, or that the key is gone.
pub type Change = Option<Vec<u8>>;

/// A key and what became of it.
pub type Row<'a> = (&'a [u8], Option<&'a [u8]>);

#[derive(Debug, Default)]
struct Column {
    name: &'static str,
    changed: HashMap<Key, Change, foldhash::fast::RandomState>,
    appended: Vec<(Key, Vec<u8>)>,
}

/// Changed rows, by column.
#[derive(Debug, Default)]
pub struct Rows {
    /// About ten: a list is searched faster than a map.
    columns: Vec<Column>,
    weight: usize,
}

impl Rows {
    /// Sets a key, or removes it.
    pub fn insert(&mut self, column: &'static str, key: &[u8], change: Change) {
        self.insert_key(column, Key::from_slice(key), change);
    }

    /// Sets a key, or removes it.
    pub(super) fn insert_key(&mut self, column: &'static str, key: Key, change: Change) {
        self.weight += key.len() + change.as_ref().map_or(0, Vec::len);
        self.column(column).changed.insert(key, change);
    }

    /// Sets a key that is set this once, and not found by [`Self::get`].
    pub fn append(&mut self, column: &'static str, key: &[u8], value: Vec<u8>) {
        self.weight += key.len() + value.len();
        self.column(column).appended.push((Key::from_slice(key), value));
    }

    /// What is known of a key; `None` when nothing is.
    pub fn get(&self, column: &str, key: &[u8]) -> Option<&Change> {
        self.columns.iter().find(|known| known.name == column)?.changed.get(key)
    }

    /// Bytes of keys and values, roughly: a key that changes twice counts twice.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(|column| column.changed.is_empty() && column.appended.is_empty())
    }

    /// Takes over what `newer` knows.
    pub fn absorb(&mut self, newer: Self) {
        self.weight += newer.weight;
        for newer in newer.columns {
            let column = self.column(newer.name);
            column.changed.extend(newer.changed);
            column.appended.extend(newer.appended);
        }
    }

    /// Forgets everything, but not how much room it took.
    fn clear(&mut self) {
        for column in &mut self.columns {
            column.changed.clear();
            column.appended.clear();
        }
        self.weight = 0;
    }

    /// All rows, column by column, in the order of their keys: a database takes them fastest so.
    pub fn sorted(&self) -> impl Iterator<Item = (&'static str, Vec<Row<'_>>)> {
        self.columns.iter().map(|Column { name, changed, appended }| {
            let mut sorted: Vec<Row<'_>> = Vec::with_capacity(changed.len() + appended.len());
            sorted.extend(changed.iter().map(|(key, change)| (key.as_slice(), change.as_deref())));
            sorted.extend(appended.iter().map(|(key, value)| (&key[..], Some(&value[..]))));
            sorted.sort_unstable_by_key(|(key, _)| *key);
            (*name, sorted)
        })
    }

    fn column(&mut self, name: &'static str) -> &mut Column {
        let index = self.columns.iter().position(|known| known.name == name);
        let index = index.unwrap_or_else(|| {
            self.columns.push(Column { name, ..Column::default() });
            self.columns.len() - 1
        });
        &mut self.columns[index]
    }
}

/// How much may be unwritten.
#[derive(Debug, Clone, Copy)]
pub struct RecentBounds {
    /// Bytes.
    pub weight: usize,
    /// Sets of changes.
    pub writes: u32,
}

/// Rows before a database.
#[derive(Debug)]
pub struct RecentRows {
    unwritten: Rows,
    writes: u32,
    written: Rows,
    bounds: RecentBounds,
}

impl RecentRows {
    /// Nothing yet.
    pub fn new(bounds: RecentBounds) -> Self {
        Self { unwritten: Rows::default(), writes: 0, written: Rows::default(), bounds }
    }

    /// What is known of a key without asking the database.
    pub fn get(&self, column: &str, key: &[u8]) -> Option<&Change> {
        self.unwritten.get(column, key).or_else(|| self.written.get(column, key))
    }

    /// Takes a set of changes. Whether they should be written now.
    pub fn absorb(&mut self, rows: Rows) -> bool {
        self.unwritten.absorb(rows);
        self.writes += 1;
        self.writes >= self.bounds.writes || self.unwritten.weight() >= self.bounds.weight
    }

    /// It was read from the database, and may be read again.
    pub fn note_read(&mut self, column: &'static str, key: &[u8], value: &[u8]) {
        self.written.insert(column, key, Some(value.to_vec()));
    }

    /// What is not written yet.
    pub fn unwritten(&self) -> &Rows {
        &self.unwritten
    }

    /// It has been written.
    pub fn note_written(&mut self) {
        mem::swap(&mut self.written, &mut self.unwritten);
        self.unwritten.clear();
        self.writes = 0;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.bounds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN: &str = "column";

    fn rows(of: &[(&str, Option<&str>)]) -> Rows {
        let mut rows = Rows::default();
        for (key, value) in of {
            let change = value.map(|value| value.as_bytes().to_vec());
            rows.insert(COLUMN, key.as_bytes(), change);
        }
        rows
    }

    #[test]
    fn the_newest_change_counts_and_rows_come_sorted() {
        let mut all = rows(&[("b", Some("1")), ("a", Some("1"))]);
        all.absorb(rows(&[("b", None), ("c", Some("2"))]));
        assert_eq!(all.get(COLUMN, b"b"), Some(&None));
        assert_eq!(all.get("other", b"b"), None);
        let sorted: Vec<_> = all.sorted().collect();
        let wanted: Vec<Row<'_>> = vec![(b"a", Some(b"1")), (b"b", None), (b"c", Some(b"2"))];
        assert_eq!(sorted, [(COLUMN, wanted)]);
    }

    #[test]
    fn what_is_appended_is_written_in_its_place_and_not_looked_up() {
        let mut all = rows(&[("b", Some("1"))]);
        all.append(COLUMN, b"c", b"2".to_vec());
        let mut newer = Rows::default();
        newer.append(COLUMN, b"a", b"3".to_vec());
        all.absorb(newer);
        assert_eq!(all.get(COLUMN, b"c"), None);
        let wanted: Vec<Row<'_>> = vec![(b"a", Some(b"3")), (b"b", Some(b"1")), (b"c", Some(b"2"))];
        assert_eq!(all.sorted().collect::<Vec<_>>(), [(COLUMN, wanted)]);
        assert_eq!(all.weight(), 6);
    }

    #[test]
    fn what_was_written_is_known_until_the_next_write() {
        let mut recent = RecentRows::new(RecentBounds { weight: 100, writes: 2 });
        assert!(!recent.absorb(rows(&[("a", Some("1"))])));
        assert!(recent.absorb(rows(&[("a", Some("2"))])), "two writes");
        recent.note_written();
        assert!(recent.unwritten().is_empty());
        assert_eq!(recent.get(COLUMN, b"a"), Some(&Some(b"2".to_vec())));
        recent.note_read(COLUMN, b"c", b"3");
        assert_eq!(recent.get(COLUMN, b"c"), Some(&Some(b"3".to_vec())));
        assert!(recent.absorb(rows(&[("b", Some(&"x".repeat(100)))])), "too heavy");
        recent.note_written();
        assert_eq!(recent.get(COLUMN, b"a"), None);
        assert_eq!(recent.get(COLUMN, b"c"), None);
    }
}
