//! The stores and views of a stopped application, read byte by byte.
//!
//! It knows no layout: wherever a `RocksDB` is below the state directory, it is taken whole. So two
//! snapshots are equal only if every key and value of every store is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};

/// A row: its store (relative to the state directory), its column, its key.
pub type RowKey = (PathBuf, String, Vec<u8>);

/// Every row of every store.
pub type Rows = BTreeMap<RowKey, Vec<u8>>;

/// Reads every store below the state directory; nobody may have them open.
pub fn rows(state_directory: &Path) -> Rows {
    let mut rows = Rows::new();
    for store in stores(state_directory) {
        let options = Options::default();
        let columns = DB::list_cf(&options, &store).expect("a RocksDB");
        let descriptors =
            columns.iter().map(|name| ColumnFamilyDescriptor::new(name, Options::default()));
        let database = DB::open_cf_descriptors_read_only(&options, &store, descriptors, false);
        let database = database.expect("a store that nobody has open");
        let name = store.strip_prefix(state_directory).expect("below it").to_owned();
        for column in &columns {
            let handle = database.cf_handle(column).expect("it was opened");
            for row in database.iterator_cf(handle, IteratorMode::Start) {
                let (key, value) = row.expect("a readable row");
                rows.insert((name.clone(), column.clone(), key.into()), value.into());
            }
        }
    }
    rows
}

/// The directories of all stores below this one.
pub fn stores(directory: &Path) -> Vec<PathBuf> {
    if directory.join("CURRENT").is_file() {
        return vec![directory.to_owned()];
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut below: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    below.sort();
    below.iter().flat_map(|path| stores(path)).collect()
}

/// Fails unless both have the same rows; names the first that differ.
#[track_caller]
pub fn assert_same_rows(before: &Rows, after: &Rows) {
    let differs = |(row, value): &(&RowKey, &Vec<u8>)| after.get(*row) != Some(value);
    let lost = before.iter().filter(differs).map(|(row, _)| (row, after.get(row)));
    let added = after.keys().filter(|row| !before.contains_key(*row)).map(|row| (row, None));
    let different: Vec<_> = lost.chain(added).take(5).collect();
    assert!(different.is_empty(), "rows are not what they were, among them {different:?}");
}
