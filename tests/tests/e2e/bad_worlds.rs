//! Gateways that show a charge late, or forget one: what is not proven stays in doubt, and what a
//! broken promise has done is found.

use std::time::Duration;

use connectors::gateway::simulator::magic::MagicAmount;
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, payment};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::wait::eventually;

const PAYMENTS: &str = "/api/v1/payments";
const DEPOSIT: i64 = 100_000;
const BOUND: Duration = Duration::from_mins(2);

async fn has_status(caller: &Caller, path: &str, status: &str) -> Value {
    eventually(BOUND, &format!("{path} is {status}"), async || {
        let shown = caller.get(path).await.expect(200).body;
        if shown["status"] == status { Ok(shown) } else { Err(shown) }
    })
    .await
}

/// The answers that said "not found", with what each proved.
async fn not_found(caller: &Caller, path: &str) -> Vec<Value> {
    let timeline = caller.get(&format!("{path}/events?limit=100")).await.expect(200).body;
    let entries = timeline["data"].as_array().expect("a list").iter();
    let said = entries.filter(|entry| entry["input"]["outcome"]["type"] == "not_found");
    said.map(|entry| entry["events"][0]["proof"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn not_found_inside_the_ingestion_window_proves_nothing() {
    let mut settings = QUICK_GATEWAY.to_vec();
    // Longer than the charge is hidden, and both long enough that an inquiry comes in between.
    settings.push(("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "10000"));
    let installation = Installation::start_with("ingestion", &settings).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    admin.behave(&json!({"ingestion_ms": 8_000})).await;
    // Charged, and never answered.
    let amount = MagicAmount::TimeoutAfterCharging.ending();
    let asked = caller.post(PAYMENTS, &payment(&wallet, amount), &[]).await;
    let path = format!("{PAYMENTS}/{}", asked.payment_id());
    eventually(BOUND, "the gateway says that it knows of no charge", async || {
        let said = not_found(&caller, &path).await;
        if said.is_empty() { Err(()) } else { Ok(()) }
    })
    .await;
    let shown = caller.get(&path).await.expect(200).body;
    assert_eq!(shown["status"], "in_doubt", "it is no failure: {shown}");
    assert_eq!(caller.numbers(&wallet).await.pending_debits, amount);

    has_status(&caller, &path, "completed").await;
    assert_eq!(not_found(&caller, &path).await, [json!("nothing")]);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - amount));
    let charges = admin.charges_for(asked.payment_id()).await;
    assert_eq!(charges.len(), 1, "{charges:?}");
    assert_eq!(charges[0]["submissions"], 1, "it was never sent again: {charges:?}");
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_its_gateway_forgot_is_made_again_and_the_audit_finds_it() {
    let installation = Installation::start_with("forgetful", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    // Charged at once, and answered when nobody waits any more.
    admin.behave(&json!({"latency": {"fixed_ms": 5_000}})).await;
    let asked = caller.post(PAYMENTS, &payment(&wallet, 100), &[]).await;
    let path = format!("{PAYMENTS}/{}", asked.payment_id());
    has_status(&caller, &path, "in_doubt").await;
    let charges = admin.charges_for(asked.payment_id()).await;
    let [charge] = charges.as_slice() else { panic!("{charges:?}") };
    // A day before its time.
    admin.forget(charge["idempotency_key"].as_str().expect("a key")).await;
    admin.behave_well().await;

    has_status(&caller, &path, "completed").await;
    assert!(not_found(&caller, &path).await.contains(&json!("never_received")));
    // The wallet pays once; that the gateway took it twice, only its own record tells.
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - 100));
    let report = installation.audit(&[]).await;
    let violated = report.checks.iter().filter(|check| check.violations > 0);
    let violated: Vec<_> = violated.map(|check| check.name).collect();
    assert_eq!(violated, ["charged_once"], "{report:#?}");
}
