//! What happened to a payment, as anyone may read it: its entries, and where its saga stands.

use connectors::gateway::simulator::magic::MagicAmount;
use schemas::Topic;
use serde_json::{Value, json};
use tests::caller::{Answer, Caller, PATIENT, new_key, payment};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::wait::eventually;

const WAIT_BOUND: std::time::Duration = std::time::Duration::from_mins(1);

fn rows(list: &Answer) -> &Vec<Value> {
    list.body["data"].as_array().unwrap_or_else(|| panic!("no list: {list:?}"))
}

/// The events of an entry by their names.
fn events(row: &Value) -> Vec<&str> {
    let events = row["events"].as_array().expect("a list");
    events.iter().map(|event| event["type"].as_str().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_tells_its_story_entry_by_entry() {
    let installation = Installation::start_with("timeline", &QUICK_GATEWAY).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    let key = new_key();
    // Silence, charged; the first two inquiries fail.
    let amount = MagicAmount::TimeoutThenInquiriesFail.ending();
    let headers = [("Idempotency-Key", key.as_str()), ("X-Correlation-Id", "story-1")];
    let begun = caller.post("/api/v1/payments", &payment(&wallet, amount), &headers).await;
    let id = begun.expect(202).payment_id().to_owned();

    let saga = doubted(&caller, &id).await;
    assert_eq!(saga.body["hold"], json!({"amount": amount, "currency": "USD", "state": "held"}));
    let waits_for = saga.body["waits_for"]["what"].as_str().expect("it waits");
    assert!(matches!(waits_for, "inquiry" | "gateway_answer"), "{saga:?}");
    assert_eq!(saga.body["waits_for"]["until"], saga.body["timer"]["due"], "{saga:?}");
    let holds = format!("/api/v1/wallets/{}/holds", wallet.id);
    let held = caller.get(&holds).await.expect(200);
    assert_eq!((rows(&held).len(), &rows(&held)[0]["payment_id"]), (1, &json!(id)), "{held:?}");

    assert_eq!(caller.settled(&id).await["status"], "completed");
    assert_eq!(caller.get(&holds).await.expect(200).body["data"], json!([]));
    let path = format!("/api/v1/payments/{id}/events");
    let list = caller.get(&format!("{path}?limit=100")).await.expect(200);
    let rows = rows(&list);
    let first = ["payment_requested", "hold_placed", "attempt_started"];
    assert_eq!(events(&rows[0])[..3], first, "{list:?}");
    assert_eq!(rows[0]["input"]["source"]["topic"], "commands");
    let doubt = ["gateway_operation_answered", "payment_in_doubt"];
    assert_eq!(events(&rows[1]), doubt, "{list:?}");
    assert_eq!(rows[1]["input"]["outcome"]["type"], "outcome_unknown");
    assert!(rows[1]["input"]["evidence"].is_object(), "{list:?}");
    let ending = rows.last().expect("several");
    let end = ["gateway_operation_answered", "hold_posted", "payment_completed"];
    assert_eq!(events(ending), end, "{list:?}");
    assert!(rows.iter().all(|row| row["correlation_id"] == "story-1"), "{list:?}");
    check_against_the_journal(&installation, rows).await;
    check_pages(&caller, &path, rows).await;

    let saga = caller.get(&format!("/api/v1/sagas/{id}")).await.expect(200);
    assert_eq!(saga.body["state"], "completed", "{saga:?}");
    assert_eq!((&saga.body["timer"], &saga.body["waits_for"]), (&json!(null), &json!(null)));
    assert_eq!(saga.body["position"], ending["position"], "{saga:?}");
    let operations = saga.body["attempts"][0]["operations"].as_array().expect("a list");
    assert!(operations.len() >= 4, "a charge and three inquiries: {saga:?}");
    assert!(operations.iter().all(|operation| operation["outcome"].is_object()), "{saga:?}");

    declined(&caller, &wallet).await;
    installation.assert_clean_audit().await;
}

/// The saga while the outcome is in doubt.
async fn doubted(caller: &Caller, id: &str) -> Answer {
    let path = format!("/api/v1/sagas/{id}");
    eventually(WAIT_BOUND, "the saga is in doubt", async || {
        let saga = caller.get(&path).await.expect(200);
        if saga.body["state"] == "in_doubt" { Ok(saga) } else { Err(saga) }
    })
    .await
}

/// Every row is an entry of the journal, in its order, with its time and its source.
async fn check_against_the_journal(installation: &Installation, rows: &[Value]) {
    let entries = journal::entries(installation).await;
    let mut seqs = Vec::new();
    for row in rows {
        let entry = entries.iter().find(|entry| {
            let names_it = entry.events.iter().any(|event| processors::payment_of(event).is_some());
            names_it && row["seq"] == entry.seq && row["at"] == entry.at.to_string()
        });
        let entry = entry.unwrap_or_else(|| panic!("no entry is {row}"));
        assert_eq!(entry.events.len(), events(row).len(), "{row}");
        if row["input"]["type"] == "gateway_result" {
            assert_eq!(row["input"]["source"]["topic"], Topic::GatewayResults.label());
        }
        seqs.push(entry.seq);
    }
    assert!(seqs.is_sorted(), "{seqs:?}");
}

async fn check_pages(caller: &Caller, path: &str, all: &[Value]) {
    let mut shown = Vec::new();
    let mut next = format!("{path}?limit=2");
    loop {
        let page = caller.get(&next).await.expect(200);
        shown.extend(rows(&page).iter().cloned());
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        next = format!("{path}?limit=2&cursor={cursor}");
    }
    assert_eq!(shown, all);
}

/// What was undone is a compensation; what was demanded of the view is waited for.
async fn declined(caller: &Caller, wallet: &tests::caller::Wallet) {
    let amount = MagicAmount::DeclineDoNotHonor.ending();
    let refused = caller.post("/api/v1/payments", &payment(wallet, amount), &[PATIENT]).await;
    let refused = refused.expect_refusal(402, "payment_declined");
    let position = refused.header("holdfast-position").expect("a position").to_owned();
    let path = format!("/api/v1/sagas/{}", refused.payment_id());
    let saga = caller.get_with(&path, &[("Holdfast-Position", &position)]).await.expect(200);
    assert_eq!(saga.body["state"], "failed", "{saga:?}");
    assert_eq!(saga.body["hold"]["state"], "voided", "{saga:?}");
    let compensation = &saga.body["compensations"][0];
    assert_eq!(
        (&compensation["type"], &compensation["amount"]),
        (&json!("hold_voided"), &json!(amount))
    );
    assert_eq!(compensation["position"], position.as_str());
    let poor = caller.post("/api/v1/payments", &payment(wallet, 99_999), &[PATIENT]).await;
    let poor = poor.expect_refusal(402, "insufficient_funds");
    let list = caller.get(&format!("/api/v1/payments/{}/events", poor.payment_id())).await;
    assert_eq!(events(&rows(&list.expect(200))[0]), ["payment_requested", "payment_failed"]);
}
