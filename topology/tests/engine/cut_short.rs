//! Readers that are closed at any moment of a takeover, and a tail that changes its mind.
//!
//! The client library must survive it: otherwise it aborts the whole test.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use schemas::{Offset, Topic};
use topology::engine::kafka::log::KafkaLog;
use topology::engine::log::{Log, LogError};
use topology::engine::shard::Step;

use super::{House, follow_until, shard, step_until};

/// Enough: one in some of these aborted the process when partitions were assigned twice.
const READERS: usize = 100;
/// Whole takeovers take half a second each.
const TAKEOVERS: usize = 8;
/// For how long a tail is fed: some changes between feed and broker.
const FEEDING: Duration = Duration::from_secs(5);

/// The two steps of a takeover's reading, cut short after each of them.
pub fn a_takeover_may_end_at_any_moment(house: &House) {
    house.prepare();
    let ingress = house.ingress();
    block_on(house.pipe(&ingress, 200));
    let mut owner = house.shard();
    step_until(&mut owner, 100);
    drop(owner);
    let inputs = Topic::INPUTS.map(|topic| (topic, Offset::ZERO));
    for round in 0..READERS {
        let mut log = house.log();
        block_on(log.read_journal(Offset::ZERO)).expect("reads");
        poll(&mut log, round % 4);
        block_on(log.read_inputs(&inputs)).expect("reads");
        poll(&mut log, round % 3);
    }
    for _ in 0..TAKEOVERS {
        let mut shard = house.shard();
        assert_eq!(block_on(shard.step()).expect("takes over"), Step::TookOver);
    }
}

fn poll(log: &mut KafkaLog, times: usize) {
    for _ in 0..times {
        match block_on(log.poll(Duration::from_millis(5))) {
            Ok(_) | Err(LogError::Retry(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a reader was given once it does not take again: that is refused, and not tried.
pub fn a_partition_is_read_once_by_a_reader(house: &House) {
    house.prepare();
    let mut log = house.log();
    block_on(log.read_journal(Offset::ZERO)).expect("reads");
    let again = block_on(log.read_journal(Offset::ZERO)).expect_err("it reads it already");
    assert!(matches!(&again, LogError::Unknown(text) if text.contains("before")), "{again}");
}

/// A tail that is fed, and is told again and again that it may have missed something.
pub async fn a_tail_that_is_fed_now_and_then_misses_nothing(house: &House) {
    house.prepare();
    let (ingress, tail) = (house.ingress(), house.tail());
    let ledger = house.ledger(Some(tail.feed()));
    let gaps = [0, 1].map(|number| tail.feed().of(shard(number)));
    let mut follower = tail.follow("view", Vec::new(), 64);
    let mut seen = Vec::new();
    let until = Instant::now() + FEEDING;
    let mut rounds = 0;
    while Instant::now() < until {
        house.pipe(&ingress, 20).await;
        seen.extend(follow_until(&mut follower, 20).await);
        rounds += 1;
        for (gap, every) in gaps.iter().zip([5, 7]) {
            if rounds % every == 0 {
                gap.interrupt();
            }
        }
    }
    let mut late = tail.follow("late", Vec::new(), 64);
    let mut again = follow_until(&mut late, seen.len()).await;
    for entries in [&mut seen, &mut again] {
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(entries.len(), 20 * rounds, "an entry came twice");
    }
    assert_eq!(seen, again);
    drop(gaps);
    tokio::task::spawn_blocking(move || (ledger.stop(), tail.stop())).await.expect("stops");
}
