//! Two gateways charge for one payment: the first was given up on proof that nothing had reached
//! it, and something had. What the second one charged counts; the other charge is given back.

use std::fs;
use std::time::Duration;

use schemas::event::{Event, RefundCause};
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, new_key};
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::process::Process;
use tests::wait::eventually;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 1_000;
const BOUND: Duration = Duration::from_mins(2);
const SECRET: &str = "the-simulators-secret";

/// Two gateways, in the order in which they are tried.
fn table(urls: [(&str, String); 2]) -> String {
    let gateway = |(name, url): (&str, String)| {
        format!(
            "[[gateway]]\nname = \"{name}\"\nkind = \"simulator\"\nbase_url = \"{url}\"\n\
             webhook_secrets = [{{ env = \"E2E_WEBHOOK_SECRET\" }}]\n\
             call_timeout_ms = 500\nconnect_timeout_ms = 500\nmaximum_call_time_ms = 1500\n\
             breaker_percent = 100\ninquiry = \"authoritative\"\n\
             refund_inquiry = \"authoritative\"\ningestion_window_ms = 100\n\n"
        )
    };
    urls.map(gateway).concat()
}

/// A payment that completed at its second gateway, for nobody listened at the first.
async fn failed_over(caller: &Caller, wallet: &tests::caller::Wallet) -> Value {
    let asked = caller.try_pay(wallet, AMOUNT, &new_key()).await.expect("answered").expect(202);
    let payment = caller.settled(asked.payment_id()).await;
    assert_eq!(payment["status"], "completed", "{payment}");
    let by = (&payment["gateway"], &payment["attempts"]);
    assert_eq!(by, (&json!("simulator"), &json!(2)), "{payment}");
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charge_of_an_attempt_that_was_given_up_is_given_back() {
    let installation =
        Installation::prepare_on(Cluster::shared(), "second-success", &QUICK_GATEWAY).await;
    // Only its gateway is of interest.
    let mut first = Installation::prepare_on(Cluster::shared(), "second-success-first", &[]).await;
    first.kill_gateway().await;
    let urls = [("first", first.gateway_url()), ("simulator", installation.gateway_url())];
    let file = installation.directory().join("gateways.toml");
    fs::write(&file, table(urls)).expect("a table");
    let file = file.display().to_string();
    let settings = [("HOLDFAST_GATEWAYS_FILE", file.as_str()), ("E2E_WEBHOOK_SECRET", SECRET)];
    let mut process = Process::of(&installation, "all", &settings);
    process.run().await;
    let caller = process.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;
    let payment = failed_over(&caller, &wallet).await;
    let id = payment["id"].as_str().expect("an id");
    let path = format!("/api/v1/payments/{id}");
    let saga = caller.get(&format!("/api/v1/sagas/{id}")).await.expect(200).body;
    let attempt = saga["attempts"][0]["attempt_id"].as_str().expect("it has an id").to_owned();

    // On the way to the first gateway, something had kept what was refused, and brings it now.
    first.run_gateway().await;
    let url = format!("{}/api/v1/gateways/first/notifications", caller.base());
    let told = json!({"url": url, "secret": SECRET, "percent": {"after": 100}});
    first.gateway_admin().behave(&json!({"notifications": told})).await;
    let charge = json!({
        "amount": AMOUNT, "currency": "USD", "reference": id, "attempt_id": attempt,
    });
    let at_first = Caller::new(first.gateway_url());
    at_first.post("/v1/charges", &charge, &[("Idempotency-Key", &attempt)]).await.expect(201);

    let refund = eventually(BOUND, "what was charged twice is given back", async || {
        let refunds = caller.get(&format!("{path}/refunds")).await.expect(200).body;
        let refund = &refunds["data"][0];
        if refund["status"] == "succeeded" { Ok(refund.clone()) } else { Err(refunds) }
    })
    .await;
    assert_eq!((&refund["gateway"], &refund["amount"]), (&json!("first"), &json!(AMOUNT)));
    let given_back = at_first.get("/v1/ground-truth/refunds").await.expect(200).body;
    assert_eq!((&given_back["attempt_id"], &given_back["amount"]), (&refund["id"], &json!(AMOUNT)));

    let shown = caller.get(&path).await.expect(200).body;
    let discrepancy = "success_of_abandoned_attempt";
    assert!(shown["discrepancies"].to_string().contains(discrepancy), "{shown}");
    for same in ["status", "gateway", "gateway_reference", "captured_amount", "refunded_amount"] {
        assert_eq!(shown[same], payment[same], "{same}: {shown}");
    }
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - AMOUNT));
    let events = journal::events(&installation).await;
    let booked = events.iter().filter(|event| matches!(event, Event::SuspenseBooked(_))).count();
    assert_eq!(booked, 2, "into suspense, and out of it again: {events:#?}");
    let unwanted = |event: &&Event| {
        let Event::RefundRequested(refund) = event else { return false };
        refund.cause == RefundCause::UnwantedCharge
    };
    assert_eq!(events.iter().filter(unwanted).count(), 1, "nobody asked for it");
    let report = installation.assert_clean_audit_with(&[first.gateway_url()]).await;
    assert_eq!(report.totals.ground_truth.expect("it looked").succeeded, 2);
    process.stop().await;
}
