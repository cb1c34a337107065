//! Changes to a store that are not in it yet.
//!
//! [`Changes`] collects what one Kafka transaction does to the state, as bytes; it is dropped with
//! an abort and written as one batch after the commit is confirmed. What a single entry changes is
//! kept apart until it is accepted, so that an entry that fails leaves no trace. [`Overlay`] reads
//! through: entry, then transaction, then store.

use super::application::{ReadState, StateError, WriteState};
use super::rows::{Change, Key, Rows};
use super::store::Store;

/// The changes of the entries accepted so far, and of the one under way.
#[derive(Debug, Default)]
pub struct Changes {
    accepted: Rows,
    /// An entry touches about ten keys: searching a list from its end beats hashing.
    entry: Vec<(&'static str, Key, Change)>,
}

impl Changes {
    /// Keeps what the entry under way changed.
    pub fn accept(&mut self) {
        for (column, key, change) in self.entry.drain(..) {
            self.accepted.insert_key(column, key, change);
        }
    }

    /// Forgets what the entry under way changed.
    pub fn discard_entry(&mut self) {
        self.entry.clear();
    }

    /// Bytes of keys and values accepted, roughly: the bound of a restore's chunk.
    pub fn weight(&self) -> usize {
        self.accepted.weight()
    }

    /// Whether nothing was accepted.
    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty()
    }

    /// Sets a key, outside of any entry.
    pub fn put(&mut self, column: &'static str, key: &[u8], value: Vec<u8>) {
        self.accepted.insert(column, key, Some(value));
    }

    /// Removes a key, outside of any entry.
    pub fn delete(&mut self, column: &'static str, key: &[u8]) {
        self.accepted.insert(column, key, None);
    }

    /// What was accepted, for the store to write.
    pub fn into_rows(self) -> Rows {
        self.accepted
    }

    fn find(&self, column: &'static str, key: &[u8]) -> Option<&Change> {
        // Keys differ in length, mostly: they are told apart faster than columns.
        let of_entry = self.entry.iter().rev().find(|(c, k, _)| k[..] == *key && *c == column);
        of_entry.map(|(_, _, change)| change).or_else(|| self.accepted.get(column, key))
    }
}

/// A store seen through changes.
pub struct Overlay<'a, S> {
    store: &'a S,
    changes: &'a mut Changes,
}

impl<'a, S: Store> Overlay<'a, S> {
    /// The store, with these changes on top; writes go to the entry under way.
    pub fn new(store: &'a S, changes: &'a mut Changes) -> Self {
        Self { store, changes }
    }

    /// Keeps what the entry under way changed.
    pub fn accept(&mut self) {
        self.changes.accept();
    }
}

impl<S: Store> ReadState for Overlay<'_, S> {
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.changes.find(column, key) {
            Some(change) => Ok(change.clone()),
            None => self.store.get(column, key),
        }
    }
}

impl<S: Store> WriteState for Overlay<'_, S> {
    fn put(&mut self, column: &'static str, key: &[u8], value: Vec<u8>) {
        self.changes.entry.push((column, Key::from_slice(key), Some(value)));
    }

    fn delete(&mut self, column: &'static str, key: &[u8]) {
        self.changes.entry.push((column, Key::from_slice(key), None));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::memory_store::MemoryStore;

    const COLUMN: &str = "counters";

    #[test]
    fn an_entry_shows_through_until_it_is_discarded() {
        let store = MemoryStore::new(&[COLUMN]);
        let mut changes = Changes::default();
        changes.put(COLUMN, b"a", b"1".to_vec());
        let mut overlay = Overlay::new(&store, &mut changes);
        overlay.put(COLUMN, b"a", b"2".to_vec());
        overlay.delete(COLUMN, b"b");
        assert_eq!(overlay.get(COLUMN, b"a"), Ok(Some(b"2".to_vec())));
        changes.discard_entry();
        let overlay = Overlay::new(&store, &mut changes);
        assert_eq!(overlay.get(COLUMN, b"a"), Ok(Some(b"1".to_vec())));
        assert_eq!(overlay.get(COLUMN, b"c"), Ok(None));
    }

    #[test]
    fn a_deletion_hides_what_the_store_has() {
        let store = MemoryStore::new(&[COLUMN]);
        let mut first = Changes::default();
        first.put(COLUMN, b"a", b"1".to_vec());
        store.write(first).expect("memory never fails");
        let mut changes = Changes::default();
        let mut overlay = Overlay::new(&store, &mut changes);
        overlay.delete(COLUMN, b"a");
        overlay.accept();
        assert_eq!(overlay.get(COLUMN, b"a"), Ok(None));
        store.write(changes).expect("memory never fails");
        assert_eq!(store.get(COLUMN, b"a"), Ok(None));
    }
}
