//! The shard loop with its store on disk: restarts, deleted stores, journals made anew.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use schemas::{Partition, Topic};

use super::tally::{COUNTERS, Tally, record};
use crate::engine::clock::ManualClock;
use crate::engine::feed::Feed;
use crate::engine::governor::Governor;
use crate::engine::memory_broker::{Fault, MemoryBroker};
use crate::engine::memory_log::MemoryLog;
use crate::engine::rocks_options::StoreMemory;
use crate::engine::rocks_store::RocksStore;
use crate::engine::shard::{Shard, ShardParts, Step, StopSignal};
use crate::engine::store::{StoreDigest, StoreIdentity, digest};

pub(super) type DiskShard = Shard<Tally, MemoryLog, RocksStore, Arc<ManualClock>>;

const START_MS: i64 = 1_700_000_000_000;

pub(super) fn start(broker: &MemoryBroker, directory: &Path) -> DiskShard {
    let partition = Partition::new(0).expect("valid");
    let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
    let clock = Arc::new(ManualClock::at_ms(START_MS));
    let identity = StoreIdentity { journal: journal.clone(), partition, format: "1".to_owned() };
    let memory = StoreMemory::of_bytes(8 << 20);
    Shard::new(ShardParts {
        application: Arc::new(Tally::default()),
        log: MemoryLog::new(broker.clone(), partition, Arc::clone(&clock)),
        store: RocksStore::open(directory, identity, &[COUNTERS], &memory).expect("opens"),
        clock,
        governor: Arc::new(Governor::unlimited()),
        journal,
        partition,
        stop: Arc::new(StopSignal::default()),
        feed: Feed::nowhere(),
    })
}

pub(super) fn settle(shard: &mut DiskShard) {
    let mut idle = 0;
    while idle < 3 {
        match block_on(shard.step()).expect("runs") {
            Step::Idle => idle += 1,
            Step::TookOver | Step::Handled(_) | Step::FellBack => idle = 0,
        }
    }
}

pub(super) fn pipe(broker: &MemoryBroker, count: usize) {
    for number in 0..count {
        let key = format!("{}", number % 5);
        let partition = Partition::new(0).expect("valid");
        broker.produce(Topic::Commands, partition, record(&key, &format!("add:{number}")));
    }
    let timer = record("t", &format!("set:{}", START_MS + 1_000_000));
    broker.produce(Topic::Commands, Partition::new(0).expect("valid"), timer);
}

pub(super) fn digest_of(shard: &DiskShard) -> StoreDigest {
    digest(shard.store()).expect("readable")
}

#[test]
fn a_restart_goes_on_from_the_store() {
    let (root, broker) = (tempfile::tempdir().expect("a directory"), MemoryBroker::default());
    pipe(&broker, 100);
    let mut first = start(&broker, root.path());
    settle(&mut first);
    let before = digest_of(&first);
    drop(first);
    let mut second = start(&broker, root.path());
    settle(&mut second);
    assert_eq!(digest_of(&second), before);
    assert_eq!(second.status().snapshot().restored, 0);
    pipe(&broker, 100);
    settle(&mut second);
    assert_eq!(second.status().snapshot().seq, 202);
    assert_eq!(second.status().snapshot().timers, 1);
}

#[test]
fn a_deleted_store_comes_back_with_the_same_bytes() {
    let (root, broker) = (tempfile::tempdir().expect("a directory"), MemoryBroker::default());
    let directory = root.path().join("shard");
    pipe(&broker, 1000);
    let mut first = start(&broker, &directory);
    settle(&mut first);
    let before = digest_of(&first);
    drop(first);
    fs::remove_dir_all(&directory).expect("removable");
    let mut second = start(&broker, &directory);
    settle(&mut second);
    assert_eq!(digest_of(&second), before);
    assert_eq!(second.status().snapshot().restored, 1001);
}

#[test]
fn a_commit_that_the_store_never_learned_of_is_restored() {
    let (root, broker) = (tempfile::tempdir().expect("a directory"), MemoryBroker::default());
    let mut first = start(&broker, root.path());
    settle(&mut first);
    pipe(&broker, 10);
    broker.inject(Partition::new(0).expect("valid"), Fault::CommitAnswerLost);
    assert_eq!(block_on(first.step()).expect("falls back"), Step::FellBack);
    // The process dies here: the journal has the entries, the store does not.
    drop(first);
    let mut second = start(&broker, root.path());
    settle(&mut second);
    assert_eq!(second.status().snapshot().restored, 11);
    assert_eq!(broker.records(Topic::Journal, Partition::new(0).expect("valid")).len(), 11);
}

#[test]
fn a_journal_made_anew_replaces_the_store() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("shard");
    let old = MemoryBroker::default();
    pipe(&old, 10);
    settle(&mut start(&old, &directory));
    for entries in [0, 3, 100] {
        let new = MemoryBroker::default();
        pipe(&new, entries);
        let mut shard = start(&new, &directory);
        settle(&mut shard);
        assert_eq!(shard.status().snapshot().seq, entries as u64 + 1);
        assert!(root.path().join("shard.aside").is_dir());
    }
}
