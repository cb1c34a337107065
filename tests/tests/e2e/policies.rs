//! Settings that change from one start to the next: the journal says which were in force when, and
//! what was promised under the earlier ones is kept.

use std::time::Duration;

use schemas::entry::Entry;
use schemas::event::Event;
use serde_json::Value;
use tests::caller::{Numbers, payment};
use tests::installation::{Installation, PARTITIONS, QUICK_GATEWAY};
use tests::journal;
use tests::wait::eventually;

const PAYMENTS: &str = "/api/v1/payments";
const DEPOSIT: i64 = 100_000;
const BOUND: Duration = Duration::from_mins(2);
/// Longer than the test: nothing heals while it lasts.
const OUTAGE_SECONDS: f64 = 600.0;
const SETTING: &str = "HOLDFAST_REVIEW_AFTER_MS";

/// The configurations that were adopted, shard after shard, each with its version.
fn adopted(entries: &[Entry]) -> Vec<(i64, Value)> {
    let events = entries.iter().flat_map(|entry| &entry.events);
    let adopted = events.filter_map(|event| match event {
        Event::PolicyAdopted(adopted) => Some(adopted),
        _ => None,
    });
    let read = |text: &str| serde_json::from_str(text).expect("a configuration is JSON");
    adopted.map(|one| (one.version, read(&one.configuration))).collect()
}

/// The version that a payment was begun under.
fn version_of(entries: &[Entry], payment_id: &str) -> i64 {
    let begins = |event: &Event| {
        let Event::PaymentRequested(begun) = event else { return false };
        begun.payment_id.to_string() == payment_id
    };
    let entry = entries.iter().find(|entry| entry.events.iter().any(begins));
    entry.expect("the journal has its beginning").policy_version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_setting_is_adopted_and_earlier_promises_are_kept() {
    let mut installation = Installation::start_with("policies", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let has_status = async |id: &str, status: &str| {
        eventually(BOUND, &format!("{id} is {status}"), async || {
            let shown = caller.get(&format!("{PAYMENTS}/{id}")).await.expect(200).body;
            if shown["status"] == status { Ok(()) } else { Err(shown) }
        })
        .await;
    };
    admin.begin_outage("hang", OUTAGE_SECONDS).await;
    let before = caller.post(PAYMENTS, &payment(&wallet, 100), &[]).await;
    has_status(before.payment_id(), "in_doubt").await;

    installation.stop().await;
    installation.set(SETTING, "2000");
    installation.run().await;
    let after = caller.post(PAYMENTS, &payment(&wallet, 200), &[]).await;
    has_status(after.payment_id(), "needs_review").await;
    // It is older, and was promised an hour.
    has_status(before.payment_id(), "in_doubt").await;

    // A start without a change is none.
    installation.stop().await;
    installation.run().await;
    admin.end_outage().await;
    // Nobody was charged while it hung: one is sent again, the other one is a person's no more.
    has_status(before.payment_id(), "completed").await;
    has_status(after.payment_id(), "failed").await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - 100));

    let entries = journal::entries(&installation).await;
    let adopted = adopted(&entries);
    let shards = usize::try_from(PARTITIONS).expect("a few");
    assert_eq!(adopted.len(), 2 * shards, "{adopted:#?}");
    let (old, new) = (&adopted[0], &adopted[1]);
    assert_ne!(old.0, new.0);
    assert!(adopted.chunks(2).all(|shard| shard[0] == *old && shard[1] == *new), "{adopted:#?}");
    assert_ne!(old.1["payment"]["review_after"], new.1["payment"]["review_after"]);
    let versions = [&before, &after].map(|paid| version_of(&entries, paid.payment_id()));
    assert_eq!(versions, [old.0, new.0]);
    let text = installation.says(&["journal", "--json"]);
    assert!(text.contains("PolicyAdopted") && text.contains(&new.0.to_string()), "{text}");
    installation.assert_clean_audit().await;
}
