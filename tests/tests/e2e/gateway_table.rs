//! Several gateways: one that is dead costs its own payments time and nobody else's, and what it
//! provably never got is charged at the next one.

use std::fs;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, PATIENT, new_key, payment};
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY, new_port};
use tests::process::Process;
use tests::wait::eventually;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 1_000;
/// More than the failures that open a breaker.
const PAYMENTS: i64 = 12;
const BOUND: Duration = Duration::from_mins(2);

/// A gateway that nobody listens for, and then the simulator.
fn table(installation: &Installation) -> String {
    let gateway = |name: &str, url: &str| {
        format!(
            "[[gateway]]\nname = \"{name}\"\nkind = \"simulator\"\nbase_url = \"{url}\"\n\
             call_timeout_ms = 500\nconnect_timeout_ms = 500\nmaximum_call_time_ms = 1500\n\
             inquiry = \"authoritative\"\nrefund_inquiry = \"authoritative\"\n\
             ingestion_window_ms = 100\n\n"
        )
    };
    let away = format!("http://127.0.0.1:{}", new_port());
    gateway("away", &away) + &gateway("simulator", &installation.gateway_url())
}

async fn gateway(caller: &Caller, name: &str) -> Value {
    let answer = caller.get("/api/v1/gateways").await.expect(200);
    let gateways = answer.body["data"].as_array().expect("a list").clone();
    gateways.into_iter().find(|gateway| gateway["name"] == name).expect("it is in the table")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_gateway_is_left_alone_and_its_payments_are_charged_at_the_next_one() {
    let installation =
        Installation::prepare_on(Cluster::shared(), "gateway-table", &QUICK_GATEWAY).await;
    let file = installation.directory().join("gateways.toml");
    fs::write(&file, table(&installation)).expect("a table");
    let file = file.display().to_string();
    let mut process = Process::of(&installation, "all", &[("HOLDFAST_GATEWAYS_FILE", &file)]);
    process.run().await;
    let caller = process.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;

    let keys: Vec<_> = (0..PAYMENTS).map(|_| new_key()).collect();
    let accepted = join_all(keys.iter().map(|key| caller.try_pay(&wallet, AMOUNT, key))).await;
    let accepted: Vec<_> =
        accepted.into_iter().map(|answer| answer.expect("answered").expect(202)).collect();
    eventually(BOUND, "the dead gateway is left alone", async || {
        let away = gateway(&caller, "away").await;
        if away["breaker"]["state"] == "closed" { Err(away) } else { Ok(()) }
    })
    .await;
    // Meanwhile the other one works as ever.
    let mut named = payment(&wallet, AMOUNT);
    named["gateway"] = json!("simulator");
    let headers = [("Idempotency-Key", new_key()), (PATIENT.0, PATIENT.1.to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let paid = caller.post("/api/v1/payments", &named, &headers).await.expect(201);
    assert_eq!((&paid.body["gateway"], &paid.body["attempts"]), (&json!("simulator"), &json!(1)));
    let simulator = gateway(&caller, "simulator").await;
    assert_eq!(simulator["breaker"]["state"], "closed", "{simulator}");
    assert_eq!(simulator["promises"]["inquiry"], "authoritative", "{simulator}");

    for answer in &accepted {
        let payment = caller.settled(answer.payment_id()).await;
        assert_eq!(payment["status"], "completed", "{payment}");
        assert_eq!(payment["gateway"], "simulator", "{payment}");
        assert_eq!(payment["attempts"], 2, "{payment}");
        assert_eq!(installation.charges_of(answer.payment_id()).await.len(), 1);
    }
    let spent = (PAYMENTS + 1) * AMOUNT;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - spent));
    let exposure = caller.get("/api/v1/gateways/away/exposure").await.expect(200);
    assert_eq!(exposure.body["in_doubt"], json!([]), "nothing is in doubt at a host not reached");
    let metrics = caller.get("/metrics").await.expect(200);
    let text = metrics.body.as_str().expect("a text");
    assert!(text.contains("holdfast_gateway_breaker_state{gateway=\"away\","), "{text}");
    installation.assert_clean_audit().await;
    process.stop().await;
}
