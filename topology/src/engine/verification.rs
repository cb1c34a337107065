//! Reading a database whole when it is opened, so that damage is found before it is in the way.
//!
//! Each block of a table file has a checksum, which is compared whenever the block is read from
//! disk: a damaged one is an error and never a wrong row. But a block that nobody reads is not
//! looked at, and its error would come in the middle of the work, years later. Reading every row
//! looks at every block of rows and at the index of every file; footers and properties are looked
//! at when a file is opened. The filters are not: one that is damaged counts as one that says
//! "perhaps". (`RocksDB` can compare checksums without making rows of the blocks, but its Rust API
//! does not offer it.)
//!
//! The time that it may take is bounded: what a very large store holds beyond it is compared as it
//! is read.

use std::ops::ControlFlow;
use std::time::Duration;

use rocksdb::{DB, ReadOptions};

use super::application::Application;
use super::clock::Clock;
use super::failure::Setback;
use super::log::Log;
use super::shard::Shard;
use super::store::{GoOn, Reading, Store};

/// The longest that reading its store may keep a shard from its work.
const VERIFY_BOUND: Duration = Duration::from_secs(30);
/// Rows between two looks at the clock.
const ROWS_AT_A_TIME: u64 = 4096;
/// What is asked of the disk at once, in bytes.
const READAHEAD_BYTES: usize = 2 << 20;

/// Reads every row of these columns from disk, past the cache. Asks now and then whether to go on,
/// and breaks off when not.
///
/// # Errors
/// What `RocksDB` says of the first block that it cannot read.
pub fn read_whole(
    database: &DB,
    columns: &[&str],
    go_on: &mut GoOn<'_>,
) -> Result<Reading, rocksdb::Error> {
    let mut rows = 0_u64;
    for column in columns {
        let column = database.cf_handle(column).expect("it is opened with all of its columns");
        let mut options = ReadOptions::default();
        options.set_verify_checksums(true);
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        let mut iterator = database.raw_iterator_cf_opt(column, options);
        iterator.seek_to_first();
        while iterator.valid() {
            iterator.next();
            rows += 1;
            if rows.is_multiple_of(ROWS_AT_A_TIME) && go_on().is_break() {
                return Ok(Reading { rows, is_whole: false });
            }
        }
        iterator.status()?;
    }
    Ok(Reading { rows, is_whole: true })
}

impl<A: Application, L: Log, S: Store, C: Clock> Shard<A, L, S, C> {
    /// Reads the store, the first time after it was opened: before anybody else is kept from the
    /// shard, and before anything is decided by it.
    pub(super) fn verify_store(&self) -> Result<(), Setback> {
        let (shard, stop, clock) = (self.parts.partition, &self.parts.stop, &self.parts.clock);
        let began = clock.monotonic();
        let mut go_on = || {
            if stop.is_raised() || clock.monotonic() >= began + VERIFY_BOUND {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        if let Some(Reading { rows, is_whole }) = self.parts.store.verify(&mut go_on)? {
            let millis = (clock.monotonic() - began).as_millis();
            tracing::info!(%shard, rows, is_whole, millis, "A store was read.");
        }
        if stop.is_raised() {
            return Err(Setback::Rebuild("the process stops".to_owned()));
        }
        Ok(())
    }
}
