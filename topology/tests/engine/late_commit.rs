//! The end of a Kafka transaction that comes late, or whose answer is lost, across a connection
//! that was cut: the client library asks again by itself and says that all is well. It is not
//! believed: the shard takes over again, so that what comes late meets a newer epoch.

use std::sync::Arc;
use std::time::Instant;

use futures::executor::block_on;
use schemas::Topic;
use topology::engine::clock::SystemClock;
use topology::engine::kafka::log::KafkaLog;
use topology::engine::memory_store::MemoryStore;
use topology::engine::shard::{Shard, Step};
use topology::engine::store::digest;

use super::meddler::{Meddler, Trick};
use super::tally::{Tally, record};
use super::{House, SOON, shard, step_until};

type Owner = Shard<Tally, KafkaLog, MemoryStore, SystemClock>;

/// Inputs before, during and after the trick.
const SOME: u64 = 40;

/// No gap, nothing twice, the same state for whoever comes next.
pub async fn a_late_end_of_a_kafka_transaction_is_refused(address: &str) {
    for (trick, name) in [(Trick::Late, "late"), (Trick::AnswerLost, "lost")] {
        let mut meddler = Meddler::before(address).await;
        let (direct, meddled) =
            (Arc::new(House::new(address, name)), House::new(&meddler.address(), name));
        let (owner, rounds) = (meddled.shard(), Arc::clone(&direct));
        direct.prepare();
        let owner = handle(owner, rounds.clone(), SOME).await;
        assert_eq!(owner.status().snapshot().rebuilds, 0, "nothing was disturbed yet");
        meddler.play(trick);
        let owner = handle(owner, rounds.clone(), 2 * SOME).await;
        assert!(meddler.has_played());
        assert!(owner.status().snapshot().rebuilds > 0, "{name}: the commit was believed");
        let owner = handle(owner, rounds, 3 * SOME).await;
        if trick == Trick::Late {
            let code = meddler.late_answer().expect("the late end has reached the broker");
            assert_ne!(code, 0, "the broker let a late end of a Kafka transaction end another");
        }
        check(owner, direct).await;
    }
}

/// Writes inputs and steps the owner until it has handled so many in all.
async fn handle(mut owner: Owner, house: Arc<House>, until: u64) -> Owner {
    let run = move || {
        let ingress = house.ingress();
        let before = owner.status().snapshot().seq;
        // One by one, each a Kafka transaction of its own.
        for seq in before + 1..=until {
            let command = record("a", "add:1");
            block_on(ingress.send(Topic::Commands, shard(0), &command)).expect("acknowledged");
            step_until(&mut owner, seq);
        }
        owner
    };
    tokio::task::spawn_blocking(run).await.expect("it does not panic")
}

/// An heir folds the journal to the same state: every entry is there once, in order.
async fn check(owner: Owner, house: Arc<House>) {
    let run = move || {
        let mut heir = house.shard();
        let deadline = Instant::now() + SOON;
        while block_on(heir.step()).expect("goes on") != Step::TookOver {
            assert!(Instant::now() < deadline, "{:?}", heir.status().snapshot());
        }
        let status = heir.status().snapshot();
        assert_eq!((status.seq, status.restored), (3 * SOME, 3 * SOME), "each input once");
        let digests = (digest(owner.store()), digest(heir.store()));
        assert_eq!(digests.0.expect("readable"), digests.1.expect("readable"));
    };
    tokio::task::spawn_blocking(run).await.expect("it does not panic");
}
