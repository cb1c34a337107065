//! Two owners of one shard: the later one has it, and the earlier one learns that.

use futures::executor::block_on;
use schemas::{Offset, Topic};
use topology::engine::log::{Log, LogError, LogRecord};

use super::{House, SOON, entry, take_over};

pub fn a_zombie_is_fenced(house: &House) {
    house.prepare();
    let (mut zombie, mut heir) = (house.log(), house.log());
    block_on(async {
        take_over(&mut zombie).await;
        zombie.begin().await.expect("begins");
        zombie.append(&entry("zombie")).await.expect("appends");
        take_over(&mut heir).await;
        let refused = zombie.commit().await.expect_err("it is a zombie");
        assert!(matches!(refused, LogError::Fenced(_) | LogError::Unknown(_)), "{refused}");
        heir.read_journal(Offset::ZERO).await.expect("reads");
        heir.begin().await.expect("begins");
        heir.append(&entry("heir")).await.expect("appends");
        heir.commit().await.expect("commits");
        let Some(LogRecord::Journal(shown)) = heir.poll(SOON).await.expect("polls") else {
            panic!("the entry does not show");
        };
        assert_eq!(shown.record.value.as_deref(), Some(&b"heir"[..]));
    });
}

/// Nothing is lost when it does not; but who asks whether it works shall not be told a tale.
pub fn an_owner_that_writes_nothing_learns_that_it_is_none(house: &House) {
    house.prepare();
    let positions = Topic::INPUTS.map(|topic| (topic, Offset::ZERO));
    let (mut older, mut newer) = (house.log(), house.log());
    block_on(async {
        take_over(&mut older).await;
        older.prove(&positions).await.expect("it is the owner");
        older.prove(&positions).await.expect("still");
        take_over(&mut newer).await;
        let refused = older.prove(&positions).await.expect_err("it is not");
        assert!(matches!(refused, LogError::Fenced(_)), "{refused}");
        newer.prove(&positions).await.expect("it is the owner");
        let committed = newer.committed(&Topic::INPUTS).await.expect("answers");
        assert_eq!(committed, [Some(Offset::ZERO); 4]);
    });
}
