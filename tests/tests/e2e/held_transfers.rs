//! A transfer whose receiver's shard is away: held, asked for again and again, credited once.

use std::time::Duration;

use schemas::entry::{Entry, InputBody, Verdict};
use schemas::event::Event;
use schemas::inputs::LegBody;
use schemas::{Partition, TransferId};
use serde_json::json;
use tests::caller::{Numbers, new_key};
use tests::cluster::Cluster;
use tests::installation::Installation;
use tests::journal;
use tests::wait::eventually;

use crate::roles::{process, run_all};
use crate::transfers::wallet_on;

const BOUND: Duration = Duration::from_mins(1);
/// As often as the receiver is asked while its shard is away.
const ASKED: usize = 3;

/// How often the receiver was asked for a transfer.
fn asked(entries: &[Entry], id: TransferId) -> usize {
    let events = entries.iter().flat_map(|entry| &entry.events);
    let is_asked = |event: &&Event| {
        matches!(event, Event::TransferLegRequested(it)
            if it.leg.transfer_id == id && it.leg.body == LegBody::CreditAsked {})
    };
    events.filter(is_asked).count()
}

/// What became of each time that the receiver was asked.
fn heard(entries: &[Entry], id: TransferId) -> Vec<Verdict> {
    let heard = entries.iter().filter(|entry| {
        matches!(&entry.input.body, InputBody::TransferLeg(leg)
            if leg.transfer_id == id && leg.body == LegBody::CreditAsked {})
    });
    heard.map(|entry| entry.decision.verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_asked_often_is_credited_once_though_its_sender_is_frozen() {
    let installation = Installation::prepare_on(Cluster::shared(), "held-transfers", &[]).await;
    let processes = [
        process(&installation, "api", "api", "all"),
        process(&installation, "of-the-sender", "ledger", "0"),
        process(&installation, "of-the-receiver", "ledger", "1"),
    ];
    let [api, _sender, mut receiving] = run_all(processes).await;
    let caller = api.caller();
    let [first, second] = [0, 1].map(|number| Partition::new(number).expect("a partition"));
    let sender = wallet_on(&caller, first, 1_000).await;
    let receiver = wallet_on(&caller, second, 0).await;
    receiving.kill().await;

    let body = json!({
        "from_wallet_id": sender.id, "to_wallet_id": receiver.id, "amount": 100,
    });
    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str())];
    let held = caller.post("/api/v1/transfers", &body, &headers).await.expect(202);
    let path = format!("/api/v1/transfers/{}", held.text("id"));
    let id: TransferId = held.text("id").parse().expect("a transfer id");
    eventually(BOUND, "the receiver is asked again", async || {
        let often = asked(&journal::entries(&installation).await, id);
        if often >= ASKED { Ok(()) } else { Err(often) }
    })
    .await;
    assert_eq!(caller.get(&path).await.expect(200).text("status"), "held");
    let wallet = format!("/api/v1/wallets/{}", sender.id);
    let close = caller.post(&format!("{wallet}/close"), &json!({}), &[]).await;
    close.expect_refusal(409, "wallet_has_open_operations");
    // That is for new debits: this one is under way.
    caller.post(&format!("{wallet}/freeze"), &json!({}), &[]).await.expect(200);
    let numbers = caller.numbers(&sender).await;
    assert_eq!((numbers.posted, numbers.pending_debits), (1_000, 100));

    receiving.run().await;
    eventually(BOUND, "the transfer is completed, and every leg was heard", async || {
        let shown = caller.get(&path).await.expect(200);
        let heard = heard(&journal::entries(&installation).await, id);
        let is_done = shown.text("status") == "completed" && heard.len() >= ASKED;
        if is_done { Ok(()) } else { Err((shown.body, heard)) }
    })
    .await;
    let entries = journal::entries(&installation).await;
    let credited = entries.iter().flat_map(|entry| &entry.events);
    let credited = credited.filter(|event| matches!(event, Event::TransferCredited(_))).count();
    assert_eq!(credited, 1);
    let heard = heard(&entries, id);
    let accepted = heard.iter().filter(|verdict| **verdict == Verdict::Accepted).count();
    assert!(accepted >= 1 && !heard.contains(&Verdict::Refused), "{heard:?}");
    assert_eq!(caller.numbers(&sender).await, Numbers::settled(900));
    assert_eq!(caller.numbers(&receiver).await, Numbers::settled(100));
    assert_eq!(caller.get(&wallet).await.expect(200).text("status"), "frozen");
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.transfers, 1);
}
