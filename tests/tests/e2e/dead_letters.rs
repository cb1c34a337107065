//! What nobody can read is set aside where people find it: listed, shown, and sent again.

use std::process::Output;
use std::time::Duration;

use schemas::entry::MAX_ORIGINAL_BYTES;
use schemas::{Partition, Topic};
use serde_json::Value;
use tests::installation::Installation;
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

/// From a record to its dead letter.
const SET_ASIDE: Duration = Duration::from_mins(1);

fn run(installation: &Installation, arguments: &[&str]) -> Output {
    installation.holdfast(&[&["dead-letters"], arguments].concat())
}

fn says(installation: &Installation, arguments: &[&str]) -> String {
    installation.says(&[&["dead-letters"], arguments].concat())
}

/// The letters, once there are so many.
pub async fn listed(installation: &Installation, count: usize) -> Vec<Value> {
    eventually(SET_ASIDE, &format!("{count} dead letters"), async || {
        let letters = installation.says_json(&["dead-letters", "list", "--json"]);
        if letters.len() == count { Ok(letters) } else { Err(letters) }
    })
    .await
}

fn garbage(partition: i32, value: &[u8]) -> RawRecord {
    RawRecord {
        topic: Topic::Commands,
        partition: Partition::new(partition).expect("a partition"),
        key: Some("a key".to_owned()),
        value: Some(value.to_vec()),
        schema: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_listed_shown_and_sent_again() {
    let mut installation = Installation::start("dead-letters").await;
    let producer = Producer::of(&installation);
    assert_eq!(says(&installation, &["list"]), "");
    let position = producer.send(&garbage(1, b"what is this?")).await;
    let letters = listed(&installation, 1).await;
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((&letter["topic"], &letter["partition"]), (&"commands".into(), &1.into()));
    assert_eq!(letter["offset"], position.offset.number());
    let id = letter["position"].as_str().expect("a position").to_owned();
    let shown = says(&installation, &["show", &id]);
    assert!(shown.contains("wire format") && shown.contains("what is this?"), "{shown}");

    // Nobody is there to confirm it, and nothing is written.
    let unconfirmed = run(&installation, &["redrive", &id]);
    assert!(!unconfirmed.status.success(), "{unconfirmed:?}");
    assert!(String::from_utf8_lossy(&unconfirmed.stderr).contains("--yes"), "{unconfirmed:?}");
    let said = says(&installation, &["redrive", &id, "--yes"]);
    let next = position.offset.number() + 1;
    assert!(said.contains(&format!("commands/1/{next}")), "{said}");
    let letters = listed(&installation, 2).await;
    let of = |offset: i64| letters.iter().find(|letter| letter["offset"] == offset);
    let (first, again) = (of(next - 1).expect("the first"), of(next).expect("the second"));
    assert_eq!(first["raw_hash"], again["raw_hash"], "the same bytes");

    // What was cut off cannot be sent again.
    producer.send(&garbage(0, &vec![7; MAX_ORIGINAL_BYTES + 1])).await;
    let letters = listed(&installation, 3).await;
    let cut = letters.iter().find(|letter| letter["is_whole"] == false).expect("one was long");
    let refused = run(&installation, &["redrive", cut["position"].as_str().expect("one"), "--yes"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cut off"), "{refused:?}");
    let missing = run(&installation, &["show", "1-999999"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");

    // What comes while the process is away is set aside when it is back.
    installation.kill().await;
    producer.send(&garbage(0, b"while it was away")).await;
    installation.run().await;
    listed(&installation, 4).await;
    installation.assert_clean_audit().await;
}
