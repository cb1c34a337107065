//! How `RocksDB` is used here: memory that all stores of a process share, and the options of a
//! store and of its columns.

use std::num::NonZero;
use std::thread;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompactionStyle, DBCompressionType, Options,
    UniversalCompactOptions, WriteBufferManager,
};

/// A write buffer of one column family: small, for every store has about six of them.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// A store that starts has at most this much write-ahead log to read again, in bytes.
const MAX_WAL_BYTES: u64 = 64 << 20;
/// `RocksDB`'s own log: enough for a person to look at, bytes and files.
const INFO_LOG_BYTES: usize = 1 << 20;
const INFO_LOG_FILES: usize = 2;
/// Ten bits for each key: one lookup in a hundred of an absent key reads a block in vain.
const BLOOM_BITS: f64 = 10.0;

/// When the files of a column are merged, and how fast.
///
/// A merge writes the rows of a level again, whether few or many are added: the more come at once,
/// the less it costs for each. And it may take its time: at full speed it took half of a core from
/// those who decide, for seconds.
#[derive(Debug, Clone, Copy)]
pub struct MergePace {
    /// So many files wait for a merge. Whoever looks a row up asks the filter of each.
    pub files: i32,
    /// What they become.
    pub into: MergedInto,
    /// What flushes and merges of a database may write, in bytes per second and core of the
    /// machine. Flushes go first. 32 MiB of a merge are some 0.1 s of a core.
    pub bytes_per_core: i64,
}

/// What merged files become.
#[derive(Debug, Clone, Copy)]
pub enum MergedInto {
    /// Levels, each ten times as large as the one before: few files to look into, and each row is
    /// written again some ten times for each level.
    Levels {
        /// The first grows to so many bytes.
        first_bytes: u64,
    },
    /// One of files of a like size: each row is written again two or three times in its life. Some
    /// twice as many files as wait for a merge are there to look into.
    LikeSizes,
}

/// Merging all files into one drops what is outdated. Where rows come to stay there is little of
/// it: percent of the oldest file that the others come to before that is done.
const MAX_NEWER_PERCENT: i32 = 1000;

/// How often the limiter gives out what may be written: the smaller, the smoother.
const REFILL_MICROS: i64 = 10_000;
/// `RocksDB`'s own: merges get a turn at least this seldom while flushes wait.
const FAIRNESS: i32 = 10;

impl MergePace {
    /// Sets a database to it.
    pub fn limit(self, database: &mut Options) {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let cores = i64::try_from(cores).unwrap_or(1);
        database.set_ratelimiter(self.bytes_per_core * cores, REFILL_MICROS, FAIRNESS);
    }

    /// Sets a column to it. Writers are slowed down at the same distances as by default.
    pub fn spread(self, column: &mut Options) {
        column.set_level_zero_file_num_compaction_trigger(self.files);
        column.set_level_zero_slowdown_writes_trigger(self.files * 5);
        column.set_level_zero_stop_writes_trigger(self.files * 9);
        match self.into {
            MergedInto::Levels { first_bytes } => column.set_max_bytes_for_level_base(first_bytes),
            MergedInto::LikeSizes => {
                let mut sizes = UniversalCompactOptions::default();
                sizes.set_max_size_amplification_percent(MAX_NEWER_PERCENT);
                column.set_compaction_style(DBCompactionStyle::Universal);
                column.set_universal_compaction_options(&sizes);
            }
        }
    }
}

/// Of the stores: most rows are looked up, so fewer files than elsewhere.
const STORE_MERGES: MergePace = MergePace {
    files: 8,
    into: MergedInto::Levels { first_bytes: 512 << 20 },
    bytes_per_core: 16 << 20,
};

/// The share of a write buffer that its own filter takes: every new payment is looked up once in
/// vain, which costs a search of the buffer otherwise.
pub const MEMTABLE_BLOOM: f64 = 0.02;
/// What is young will be merged and written again soon: compressing it is for what stays.
pub const COMPRESSION: [DBCompressionType; 7] = [
    DBCompressionType::None,
    DBCompressionType::None,
    DBCompressionType::Lz4,
    DBCompressionType::Lz4,
    DBCompressionType::Lz4,
    DBCompressionType::Lz4,
    DBCompressionType::Lz4,
];

/// Block cache and write buffers shared by all stores of a process.
#[derive(Clone)]
pub struct StoreMemory {
    cache: Cache,
    buffers: WriteBufferManager,
}

impl StoreMemory {
    /// Memory for all stores together: the block cache, the write buffers counted within it.
    pub fn of_bytes(total: usize) -> Self {
        let cache = Cache::new_lru_cache(total);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            total / 2,
            false,
            cache.clone(),
        );
        Self { cache, buffers }
    }
}

/// Of a store.
pub(super) fn database_options(memory: &StoreMemory) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_write_buffer_manager(&memory.buffers);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_max_log_file_size(INFO_LOG_BYTES);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    options.set_paranoid_checks(true);
    STORE_MERGES.limit(&mut options);
    options
}

/// Of each of its columns.
pub(super) fn column_options(memory: &StoreMemory) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&memory.cache);
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_per_level(&COMPRESSION);
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM);
    options.set_memtable_whole_key_filtering(true);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    STORE_MERGES.spread(&mut options);
    options
}
