//! A pause of a topic and a takeover: librdkafka remembers the one beyond the other.

use std::time::{Duration, Instant};

use futures::executor::block_on;
use schemas::{Offset, Topic};
use topology::engine::kafka::log::KafkaLog;
use topology::engine::log::{Log, LogError, LogRecord};

use super::tally::record;
use super::{House, SOON, shard, take_over};

/// A shard that is taken over again knows nothing of what it had paused before.
pub fn a_pause_ends_with_a_takeover(house: &House) {
    house.prepare();
    let mut log = house.log();
    let inputs = [(Topic::Commands, Offset::ZERO)];
    let ingress = house.ingress();
    let command = record("key", "add:1");
    block_on(ingress.send(Topic::Commands, shard(0), &command)).expect("acknowledged");
    // Until a record came the client may not know the partition, which then forgets its pause.
    block_on(take_over(&mut log));
    block_on(log.read_inputs(&inputs)).expect("reads");
    read_input(&mut log);
    log.pause(Topic::Commands).expect("paused");
    block_on(take_over(&mut log));
    block_on(log.read_inputs(&inputs)).expect("reads");
    read_input(&mut log);
}

fn read_input(log: &mut KafkaLog) {
    let deadline = Instant::now() + SOON;
    loop {
        match block_on(log.poll(Duration::from_millis(100))) {
            Ok(Some(LogRecord::Input(_))) => return,
            Ok(_) | Err(LogError::Retry(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "no input arrives: the topic stays paused");
    }
}
