//! A store in memory: for the test driver and for folds that nobody keeps.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::application::StateError;
use super::overlay::Changes;
use super::store::{GoOn, Reading, Start, Store, StoreError, Visitor, all_columns};

type Columns = BTreeMap<&'static str, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Sorted maps, one for each column.
#[derive(Debug)]
pub struct MemoryStore {
    columns: Vec<&'static str>,
    content: Mutex<Columns>,
}

impl MemoryStore {
    /// An empty store with the engine's columns and these.
    pub fn new(application_columns: &[&'static str]) -> Self {
        let columns = all_columns(application_columns);
        let content = Mutex::new(empty(&columns));
        Self { columns, content }
    }

    fn lock(&self) -> MutexGuard<'_, Columns> {
        // A visitor that panicked has changed nothing.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty(columns: &[&'static str]) -> Columns {
    columns.iter().map(|&column| (column, BTreeMap::new())).collect()
}

fn no_such(column: &str) -> StateError {
    StateError::Unreadable(format!("there is no column {column}"))
}

impl Store for MemoryStore {
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let content = self.lock();
        Ok(content.get(column).ok_or_else(|| no_such(column))?.get(key).cloned())
    }

    fn visit(
        &self,
        column: &'static str,
        start: Start<'_>,
        visitor: &mut Visitor<'_>,
    ) -> Result<(), StateError> {
        let content = self.lock();
        let rows = content.get(column).ok_or_else(|| no_such(column))?;
        let mut go = |(key, value): (&Vec<u8>, &Vec<u8>)| visitor(key, value);
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = match start {
            Start::First => rows.iter().try_for_each(&mut go),
            Start::At(key) => rows
                .range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
                .try_for_each(&mut go),
            Start::Last => rows.iter().rev().try_for_each(&mut go),
            Start::DownFrom(key) => rows
                .range::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
                .rev()
                .try_for_each(&mut go),
        };
        Ok(())
    }

    fn write(&self, changes: Changes) -> Result<(), StateError> {
        let mut content = self.lock();
        for (column, changed) in changes.into_rows().sorted() {
            let rows = content.get_mut(column).ok_or_else(|| no_such(column))?;
            for (key, change) in changed {
                match change {
                    Some(value) => rows.insert(key.to_vec(), value.to_vec()),
                    None => rows.remove(key),
                };
            }
        }
        Ok(())
    }

    fn verify(&self, _go_on: &mut GoOn<'_>) -> Result<Option<Reading>, StateError> {
        Ok(None)
    }

    fn reset(&mut self, reason: &str) -> Result<(), StoreError> {
        tracing::warn!(reason, "A store in memory starts over.");
        *self.lock() = empty(&self.columns);
        Ok(())
    }

    fn columns(&self) -> &[&'static str] {
        &self.columns
    }
}
