//! What a shard does when nothing goes wrong with the log: entries, timers, poison.

use std::sync::atomic::Ordering;
use std::time::Duration;

use schemas::{Offset, Topic};

use super::tally::{TIMER_ADDS, Tally, counter, record};
use crate::engine::application::{ReadState, StateError};
use crate::engine::failure::ShardError;
use crate::engine::fold::Positions;
use crate::engine::status::ShardState;
use crate::engine::store::Store;
use crate::engine::test_driver::TestDriver;

const START_MS: i64 = 1_700_000_000_000;

fn driver() -> TestDriver<Tally> {
    TestDriver::new(Tally::default(), START_MS)
}

struct Reader<'a, S>(&'a S);

impl<S: Store> ReadState for Reader<'_, S> {
    fn get(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(column, key)
    }
}

fn value_of(driver: &TestDriver<Tally>, key: &str) -> i64 {
    counter(&Reader(driver.store()), key).expect("readable")
}

fn notes(driver: &TestDriver<Tally>) -> Vec<String> {
    let entries = driver.entries().expect("readable");
    entries.into_iter().map(|entry| entry.note).collect()
}

fn check_fold(driver: &TestDriver<Tally>) {
    let folded = driver.fold_digest().expect("the journal folds");
    assert_eq!(folded, driver.digest().expect("readable"));
}

#[test]
fn every_input_becomes_one_entry() {
    let mut driver = driver();
    for number in 1..=1500 {
        driver.pipe(Topic::Commands, record("a", &format!("add:{number}")));
    }
    driver.settle().expect("runs");
    assert_eq!(driver.entries().expect("readable").len(), 1500);
    assert_eq!(value_of(&driver, "a"), 1500 * 1501 / 2);
    driver.advance(Duration::from_secs(6)).expect("runs");
    let status = driver.status().snapshot();
    assert_eq!((status.entries, status.transactions, status.rebuilds), (1500, 3, 0));
    assert_eq!((status.state, status.lag), (ShardState::Running, 0));
    check_fold(&driver);
}

#[test]
fn results_are_decided_before_commands() {
    let mut driver = driver();
    driver.pipe(Topic::Commands, record("command", "add:1"));
    driver.pipe(Topic::Operations, record("operation", "add:1"));
    driver.pipe(Topic::GatewayResults, record("result", "add:1"));
    driver.settle().expect("runs");
    let entries = driver.entries().expect("readable");
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["result", "operation", "command"]);
}

#[test]
fn what_cannot_be_handled_is_an_entry_and_leaves_no_other_trace() {
    for (value, note) in [
        ("garbage", "unreadable"),
        ("", "unreadable"),
        ("poison", "asked to"),
        ("panic", "a panic: asked to"),
        ("large", "the entry cannot be written: asked to"),
        ("contradict", "0 is not 0"),
    ] {
        let mut driver = driver();
        driver.pipe(Topic::Commands, record("a", "add:1"));
        driver.pipe(Topic::Commands, record("b", value));
        driver.pipe(Topic::Commands, record("a", "add:2"));
        driver.settle().expect("runs");
        assert_eq!(notes(&driver), ["", note, ""], "{value}");
        assert_eq!((value_of(&driver, "a"), value_of(&driver, "b")), (3, 0), "{value}");
        check_fold(&driver);
    }
}

#[test]
fn an_input_that_cannot_even_be_set_aside_ends_the_shard() {
    let mut driver = driver();
    driver.pipe(Topic::Commands, record("a", "fail"));
    let ended = driver.settle();
    assert!(matches!(ended, Err(ShardError::PoisonRepeated { .. })), "{ended:?}");
    assert_eq!(driver.status().state(), ShardState::Closed);
    assert_eq!(driver.journal(), []);
}

#[test]
fn an_input_that_waits_for_the_registry_holds_up_its_topic_only() {
    let tally = Tally::default();
    tally.registry_away.store(true, Ordering::Relaxed);
    let registry = std::sync::Arc::new(tally);
    let mut driver = TestDriver::of(std::sync::Arc::clone(&registry), START_MS);
    driver.pipe(Topic::Commands, record("first", "add:1"));
    driver.pipe(Topic::Commands, record("second", "registry"));
    driver.pipe(Topic::Commands, record("third", "add:1"));
    driver.pipe(Topic::Operations, record("timed", &format!("set:{}", START_MS + 10)));
    driver.settle().expect("runs");
    driver.advance(Duration::from_millis(10)).expect("runs");
    driver.pipe_and_settle(Topic::GatewayResults, record("result", "add:1")).expect("runs");
    let keys = |driver: &TestDriver<Tally>| -> Vec<String> {
        driver.entries().expect("readable").into_iter().map(|entry| entry.key).collect()
    };
    assert_eq!(keys(&driver), ["timed", "first", "timed", "result"]);
    assert!(driver.status().snapshot().inputs_waiting);
    registry.registry_away.store(false, Ordering::Relaxed);
    driver.settle().expect("runs");
    assert_eq!(keys(&driver)[4..], ["second", "third"]);
    assert!(!driver.status().snapshot().inputs_waiting);
    check_fold(&driver);
}

#[test]
fn a_timer_fires_once_and_not_before_its_time() {
    let mut driver = driver();
    let due = START_MS + 1000;
    driver.pipe_and_settle(Topic::Commands, record("a", &format!("set:{due}"))).expect("runs");
    driver.advance(Duration::from_millis(999)).expect("runs");
    assert_eq!(value_of(&driver, "a"), 0);
    driver.advance(Duration::from_millis(1)).expect("runs");
    assert_eq!(value_of(&driver, "a"), TIMER_ADDS);
    driver.advance(Duration::from_secs(30)).expect("runs");
    assert_eq!(value_of(&driver, "a"), TIMER_ADDS);
    assert_eq!(driver.status().snapshot().timers, 0);
    assert_eq!(driver.entries().expect("readable")[1].at_ms, due);
    check_fold(&driver);
}

#[test]
fn an_input_that_was_there_at_the_due_time_goes_first() {
    let mut driver = driver();
    let due = START_MS + 1000;
    driver.pipe_and_settle(Topic::Commands, record("a", &format!("set:{due}"))).expect("runs");
    driver.pipe_and_settle(Topic::Commands, record("b", &format!("set:{due}"))).expect("runs");
    // The shard was away while the input came and the timer became due.
    for _ in 0..1200 {
        driver.pipe(Topic::GatewayResults, record("noise", "add:1"));
    }
    driver.pipe(Topic::Commands, record("a", "cancel"));
    driver.broker().mark(Topic::Commands, driver.status().partition());
    driver.advance(Duration::from_secs(2)).expect("runs");
    assert_eq!(value_of(&driver, "a"), 0);
    assert_eq!(value_of(&driver, "b"), TIMER_ADDS);
    check_fold(&driver);
}

#[test]
fn a_timer_that_is_set_again_fires_as_the_new_one() {
    let mut driver = driver();
    let (first, second) = (START_MS + 1000, START_MS + 5000);
    driver.pipe_and_settle(Topic::Commands, record("a", &format!("set:{first}"))).expect("runs");
    driver.pipe(Topic::Commands, record("a", &format!("set:{second}:2")));
    driver.advance(Duration::from_secs(2)).expect("runs");
    assert_eq!(value_of(&driver, "a"), 0);
    driver.advance(Duration::from_secs(3)).expect("runs");
    assert_eq!(value_of(&driver, "a"), TIMER_ADDS);
}

#[test]
fn many_timers_fire_in_bounded_batches() {
    let mut driver = driver();
    for key in 0..200 {
        driver.pipe(Topic::Commands, record(&format!("{key:03}"), &format!("set:{START_MS}")));
    }
    driver.settle().expect("runs");
    assert_eq!(driver.entries().expect("readable").len(), 400);
    assert!(driver.status().snapshot().transactions >= 5);
    check_fold(&driver);
}

#[test]
fn a_clock_that_jumps_suspends_timers_and_nothing_else() {
    let mut driver = driver();
    let due = START_MS + 5_000;
    driver.pipe_and_settle(Topic::Commands, record("a", &format!("set:{due}"))).expect("runs");
    driver.clock().jump_ms(3_600_000);
    driver.pipe_and_settle(Topic::Commands, record("b", "add:1")).expect("runs");
    assert_eq!((value_of(&driver, "a"), value_of(&driver, "b")), (0, 1));
    assert!(driver.status().snapshot().timers_suspended);
    // Set right again: time of entries never goes back, and timers wait for the clock to catch up.
    driver.clock().jump_ms(-3_600_000);
    driver.advance(Duration::from_secs(10)).expect("runs");
    assert_eq!(value_of(&driver, "a"), 0);
    driver.advance(Duration::from_hours(1)).expect("runs");
    assert_eq!(value_of(&driver, "a"), TIMER_ADDS);
    let times: Vec<_> = driver.entries().expect("readable").iter().map(|e| e.at_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_flood_is_taken_in_bounded_bites_and_nothing_is_lost_by_pausing() {
    let mut driver = driver();
    for number in 0..9000 {
        driver.pipe(Topic::Commands, record(&format!("{}", number % 7), "add:1"));
    }
    driver.settle().expect("runs");
    let sum: i64 = (0..7).map(|key| value_of(&driver, &key.to_string())).sum();
    assert_eq!(sum, 9000);
    assert_eq!(driver.entries().expect("readable").len(), 9000);
    let positions = Positions::of(driver.store()).expect("readable");
    assert_eq!(Offset::new(9000), Some(positions.next(Topic::Commands)));
}
