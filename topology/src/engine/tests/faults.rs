//! What a shard does when the log fails: no entry is lost, none is there twice, and the state is
//! always what the journal folds to.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use schemas::{Offset, Partition, Topic};

use super::tally::{Tally, record};
use crate::engine::clock::ManualClock;
use crate::engine::failure::ShardError;
use crate::engine::feed::Feed;
use crate::engine::governor::Governor;
use crate::engine::memory_broker::{Fault, MemoryBroker};
use crate::engine::memory_log::MemoryLog;
use crate::engine::memory_store::MemoryStore;
use crate::engine::shard::{Shard, ShardParts, Step, StopSignal};
use crate::engine::test_driver::TestDriver;

const START_MS: i64 = 1_700_000_000_000;
const INPUTS: i64 = 20;

fn offset(number: i64) -> Offset {
    Offset::new(number).expect("not negative")
}

fn shard_zero() -> Partition {
    Partition::new(0).expect("valid")
}

fn pipe_some(driver: &TestDriver<Tally>) {
    for number in 0..INPUTS {
        driver.pipe(Topic::Commands, record(&format!("{}", number % 3), "add:1"));
    }
}

/// Every input has exactly one entry, and the state is what the journal folds to.
fn check_exactly_once(driver: &TestDriver<Tally>, inputs: i64) {
    let entries = driver.entries().expect("readable");
    let sum: i64 = entries.iter().map(|entry| entry.added).sum();
    assert_eq!((i64::try_from(entries.len()).expect("small"), sum), (inputs, inputs));
    let folded = driver.fold_digest().expect("the journal folds");
    assert_eq!(folded, driver.digest().expect("readable"));
}

#[test]
fn whatever_becomes_of_a_commit_each_input_has_one_entry() {
    for (fault, rebuilds) in [
        (Fault::AbortOnCommit, 0),
        (Fault::CommitAnswerLost, 1),
        (Fault::CommitLost, 1),
        (Fault::CommitSilentlyAborted, 1),
        (Fault::CommitTorn, 1),
        (Fault::Fence, 1),
        (Fault::RefuseEntry, 0),
    ] {
        let mut driver = TestDriver::new(Tally::default(), START_MS);
        driver.broker().inject(shard_zero(), fault);
        pipe_some(&driver);
        driver.settle().expect("recovers");
        check_exactly_once(&driver, INPUTS);
        assert_eq!(driver.status().snapshot().rebuilds, rebuilds, "{fault:?}");
        // The same again, with a state that is not empty.
        driver.broker().inject(shard_zero(), fault);
        pipe_some(&driver);
        driver.settle().expect("recovers");
        check_exactly_once(&driver, 2 * INPUTS);
        pipe_some(&driver);
        driver.settle().expect("runs");
        check_exactly_once(&driver, 3 * INPUTS);
        assert_eq!(driver.status().snapshot().last_error, None, "{fault:?}");
    }
}

/// Random inputs, timers, faults and pauses: every input has one entry, and the fold is the state.
#[test]
fn random_histories_keep_every_input_once() {
    const FAULTS: [Fault; 6] = [
        Fault::AbortOnCommit,
        Fault::CommitAnswerLost,
        Fault::CommitLost,
        Fault::CommitSilentlyAborted,
        Fault::CommitTorn,
        Fault::Fence,
    ];
    for seed in 1..=60_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |bound: u64| {
            // xorshift64: enough to wander, and the same on every machine.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let mut driver = TestDriver::new(Tally::default(), START_MS);
        let mut inputs = 0;
        for _ in 0..40 {
            for _ in 0..below(30) {
                let topic = Topic::INPUTS[usize::try_from(below(4)).expect("small")];
                let value = match below(8) {
                    0 => format!("set:{}:{}", START_MS + i64_of(below(600_000)), below(5)),
                    1 => "cancel".to_owned(),
                    2 => "garbage".to_owned(),
                    3 => "panic".to_owned(),
                    _ => "add:1".to_owned(),
                };
                driver.pipe(topic, record(&format!("{}", below(9)), &value));
                inputs += 1;
            }
            if below(3) == 0 {
                let fault = FAULTS[usize::try_from(below(6)).expect("small")];
                driver.broker().inject(shard_zero(), fault);
            }
            // More than a minute, so that fences do not add up to a rival.
            driver.advance(Duration::from_secs(61 + below(60))).expect("recovers");
        }
        let entries = driver.entries().expect("readable");
        let of_timers = entries.iter().filter(|entry| entry.is_of_timer()).count();
        assert_eq!(entries.len() - of_timers, inputs, "seed {seed}");
        assert!(of_timers > 0, "seed {seed}");
        let folded = driver.fold_digest().expect("the journal folds");
        assert_eq!(folded, driver.digest().expect("readable"), "seed {seed}");
    }
}

fn i64_of(number: u64) -> i64 {
    i64::try_from(number).expect("small")
}

#[test]
fn an_aborted_batch_gives_the_same_entries_again() {
    let run = |faults: usize| {
        let mut driver = TestDriver::new(Tally::default(), START_MS);
        for _ in 0..faults {
            driver.broker().inject(shard_zero(), Fault::AbortOnCommit);
        }
        pipe_some(&driver);
        driver.settle().expect("recovers");
        assert_eq!(driver.status().snapshot().aborts, faults as u64);
        driver.journal().into_iter().map(|journal| journal.record).collect::<Vec<_>>()
    };
    let undisturbed = run(0);
    assert_eq!(run(1), undisturbed);
    assert_eq!(run(6), undisturbed, "more aborts than one batch is tried");
}

#[test]
fn an_entry_that_the_log_refuses_is_found_and_set_aside() {
    let mut driver = TestDriver::new(Tally::default(), START_MS);
    for _ in 0..2 {
        // Once in the batch, once alone: the first input of the batch is at fault.
        driver.broker().inject(shard_zero(), Fault::RefuseEntry);
    }
    pipe_some(&driver);
    driver.settle().expect("recovers");
    let entries = driver.entries().expect("readable");
    assert_eq!(entries.len(), usize::try_from(INPUTS).expect("small"));
    assert!(entries[0].note.contains("refuses"), "{:?}", entries[0]);
    assert!(entries[1..].iter().all(|entry| entry.added == 1));
}

#[test]
fn two_owners_in_turn_end_with_a_named_error() {
    let mut driver = TestDriver::new(Tally::default(), START_MS);
    for _ in 0..3 {
        driver.broker().inject(shard_zero(), Fault::Fence);
    }
    pipe_some(&driver);
    let ended = driver.settle();
    assert!(matches!(ended, Err(ShardError::FencedRepeatedly { times: 3 })), "{ended:?}");
}

type MemoryShard = Shard<Tally, MemoryLog, MemoryStore, Arc<ManualClock>>;

fn shard_on(broker: &MemoryBroker, clock: &Arc<ManualClock>) -> MemoryShard {
    Shard::new(ShardParts {
        application: Arc::new(Tally::default()),
        log: MemoryLog::new(broker.clone(), shard_zero(), Arc::clone(clock)),
        store: MemoryStore::new(&["counters"]),
        clock: Arc::clone(clock),
        governor: Arc::new(Governor::unlimited()),
        journal: Topic::Journal.name(&"payments".parse().expect("valid")),
        partition: shard_zero(),
        stop: Arc::new(StopSignal::default()),
        feed: Feed::nowhere(),
    })
}

#[test]
fn two_owners_that_have_nothing_to_do_end_with_a_named_error() {
    let broker = MemoryBroker::default();
    let clock = Arc::new(ManualClock::at_ms(START_MS));
    let (mut older, mut newer) = (shard_on(&broker, &clock), shard_on(&broker, &clock));
    assert_eq!(block_on(older.step()).expect("runs"), Step::TookOver);
    assert_eq!(block_on(newer.step()).expect("runs"), Step::TookOver);
    let ended = loop {
        if let Err(ended) = block_on(older.step()) {
            break ended;
        }
        block_on(newer.step()).expect("it was taken over less often");
    };
    assert!(matches!(ended, ShardError::FencedRepeatedly { times: 3 }), "{ended:?}");
    assert_eq!(newer.status().snapshot().fences, 2);
    broker.produce(Topic::Commands, shard_zero(), record("a", "add:1"));
    while block_on(newer.step()).expect("it goes on") != Step::Handled(1) {}
    assert_eq!(broker.records(Topic::Journal, shard_zero()).len(), 1);
}

#[test]
fn a_zombie_cannot_write_and_learns_that_it_is_one() {
    let broker = MemoryBroker::default();
    let clock = Arc::new(ManualClock::at_ms(START_MS));
    let (mut zombie, mut heir) = (shard_on(&broker, &clock), shard_on(&broker, &clock));
    assert_eq!(block_on(zombie.step()).expect("runs"), Step::TookOver);
    assert_eq!(block_on(heir.step()).expect("runs"), Step::TookOver);
    broker.produce(Topic::Commands, shard_zero(), record("a", "add:1"));
    assert_eq!(block_on(zombie.step()).expect("falls back"), Step::FellBack);
    assert_eq!(block_on(heir.step()).expect("runs"), Step::Handled(1));
    assert_eq!(broker.records(Topic::Journal, shard_zero()).len(), 1);
    // The zombie takes over again, and finds the entry that the heir wrote.
    assert_eq!(block_on(zombie.step()).expect("runs"), Step::TookOver);
    assert_eq!(block_on(zombie.step()).expect("runs"), Step::Idle);
    assert_eq!(zombie.status().snapshot().seq, 1);
    assert_eq!(broker.records(Topic::Journal, shard_zero()).len(), 1);
}

#[test]
fn a_journal_that_does_not_add_up_is_corrupted() {
    let mut driver = TestDriver::new(Tally::default(), START_MS);
    pipe_some(&driver);
    driver.settle().expect("runs");
    driver.broker().flip_byte(Topic::Journal, shard_zero(), offset(7));
    driver.broker().inject(shard_zero(), Fault::CommitLost);
    pipe_some(&driver);
    // The store is beyond the flipped byte: only a fold from the beginning finds it.
    driver.settle().expect("the store is right");
    assert!(driver.fold_digest().is_err());
    driver.broker().flip_byte(Topic::Journal, shard_zero(), offset(INPUTS - 1));
    driver.broker().flip_byte(Topic::Journal, shard_zero(), last_offset(&driver));
    driver.broker().inject(shard_zero(), Fault::CommitLost);
    pipe_some(&driver);
    let ended = driver.settle();
    assert!(matches!(ended, Err(ShardError::Corrupted { .. })), "{ended:?}");
}

fn last_offset(driver: &TestDriver<Tally>) -> Offset {
    driver.journal().last().expect("not empty").position.offset
}

#[test]
fn a_foreign_entry_in_the_journal_is_noticed() {
    let mut driver = TestDriver::new(Tally::default(), START_MS);
    pipe_some(&driver);
    driver.settle().expect("runs");
    driver.broker().produce(Topic::Journal, shard_zero(), record("x", "not an entry"));
    let ended = driver.settle();
    assert!(matches!(ended, Err(ShardError::Corrupted { .. })), "{ended:?}");
}

#[test]
fn inputs_that_were_lost_are_never_skipped() {
    let mut first_start = TestDriver::new(Tally::default(), START_MS);
    pipe_some(&first_start);
    first_start.broker().delete_below(Topic::Commands, shard_zero(), offset(1));
    let ended = first_start.settle();
    assert!(matches!(ended, Err(ShardError::InputsLost { .. })), "{ended:?}");

    let mut later = TestDriver::new(Tally::default(), START_MS);
    pipe_some(&later);
    later.settle().expect("runs");
    later.broker().delete_below(Topic::Commands, shard_zero(), offset(INPUTS));
    later.broker().inject(shard_zero(), Fault::CommitLost);
    pipe_some(&later);
    later.settle().expect("everything below was handled");
    check_exactly_once(&later, 2 * INPUTS);
    later.broker().delete_below(Topic::Journal, shard_zero(), offset(1));
    later.broker().inject(shard_zero(), Fault::CommitLost);
    pipe_some(&later);
    let ended = later.settle();
    assert!(matches!(ended, Err(ShardError::JournalLost { .. })), "{ended:?}");
}

#[test]
fn an_entry_of_a_newer_version_refuses_the_shard() {
    let mut writer = TestDriver::new(Tally::default(), START_MS);
    pipe_some(&writer);
    writer.settle().expect("runs");
    let mut reader = TestDriver::new(Tally { newer: true, ..Tally::default() }, START_MS);
    for journal in writer.journal() {
        reader.broker().produce(Topic::Journal, shard_zero(), journal.record);
    }
    let ended = reader.settle();
    assert!(matches!(ended, Err(ShardError::NewerEntry { .. })), "{ended:?}");
}
