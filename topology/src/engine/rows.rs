//! Rows in memory: what a set of changes does to columns of keys and values.
//!
//! [`Rows`] is one set. [`RecentRows`] stands before a database: it keeps what was changed and is
//! not written yet, so that a row that changes often is written once, and what was written last, so
//! that it need not be read. Neither knows what the bytes mean.

use std::collections::HashMap;
use std::mem;

/// What a set of changes holds for a key: a value, or that the key is gone.
pub type Change = Option<Vec<u8>>;

/// A key and what became of it.
pub type Row<'a> = (&'a [u8], Option<&'a [u8]>);

type Column = HashMap<Vec<u8>, Change, foldhash::fast::RandomState>;

/// Changed rows, by column.
#[derive(Debug, Default)]
pub struct Rows {
    /// About ten: a list is searched faster than a map.
    columns: Vec<(&'static str, Column)>,
    weight: usize,
}

impl Rows {
    /// Sets a key, or removes it.
    pub fn insert(&mut self, column: &'static str, key: Vec<u8>, change: Change) {
        self.weight += key.len() + change.as_ref().map_or(0, Vec::len);
        self.column(column).insert(key, change);
    }

    /// What is known of a key; `None` when nothing is.
    pub fn get(&self, column: &str, key: &[u8]) -> Option<&Change> {
        let (_, rows) = self.columns.iter().find(|(name, _)| *name == column)?;
        rows.get(key)
    }

    /// Bytes of keys and values, roughly: a key that changes twice counts twice.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Takes over what `newer` knows.
    pub fn absorb(&mut self, newer: Self) {
        self.weight += newer.weight;
        for (name, rows) in newer.columns {
            let column = self.column(name);
            if column.is_empty() {
                *column = rows;
            } else {
                column.extend(rows);
            }
        }
    }

    /// All rows, column by column, in the order of their keys: a database takes them fastest so.
    pub fn sorted(&self) -> impl Iterator<Item = (&'static str, Vec<Row<'_>>)> {
        self.columns.iter().map(|(name, rows)| {
            let mut sorted: Vec<Row<'_>> = Vec::with_capacity(rows.len());
            sorted.extend(rows.iter().map(|(key, change)| (key.as_slice(), change.as_deref())));
            sorted.sort_unstable_by_key(|(key, _)| *key);
            (*name, sorted)
        })
    }

    fn column(&mut self, name: &'static str) -> &mut Column {
        let index =
            self.columns.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                self.columns.push((name, Column::default()));
                self.columns.len() - 1
            });
        &mut self.columns[index].1
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

    /// What is not written yet.
    pub fn unwritten(&self) -> &Rows {
        &self.unwritten
    }

    /// It has been written.
    pub fn note_written(&mut self) {
        self.written = mem::take(&mut self.unwritten);
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
            rows.insert(COLUMN, key.as_bytes().to_vec(), change);
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
    fn what_was_written_is_known_until_the_next_write() {
        let mut recent = RecentRows::new(RecentBounds { weight: 100, writes: 2 });
        assert!(!recent.absorb(rows(&[("a", Some("1"))])));
        assert!(recent.absorb(rows(&[("a", Some("2"))])), "two writes");
        recent.note_written();
        assert!(recent.unwritten().is_empty());
        assert_eq!(recent.get(COLUMN, b"a"), Some(&Some(b"2".to_vec())));
        assert!(recent.absorb(rows(&[("b", Some(&"x".repeat(100)))])), "too heavy");
        recent.note_written();
        assert_eq!(recent.get(COLUMN, b"a"), None);
    }
}
