//! Gateways that break their promises: what the simulator does then, and what a client sees.

use std::time::Duration;

use connectors::gateway::operation::{OperationRequest, Outcome};
use connectors::gateway::simulator::{Pace, SimulatorOptions};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{
    Class, IMPATIENT, PATIENT, Running, again, class, inquiry, options, raw_client, submit,
};

async fn behave(running: &Running, behaviour: &Value) {
    let request = raw_client().put(running.url("/admin/behaviour"));
    let response = request.body(behaviour.to_string()).send().await.unwrap();
    assert_eq!(response.status(), 200, "{:?}", response.text().await);
}

async fn deceive(running: &Running, deceit: &str) {
    behave(running, &json!({"deceit_percent": {deceit: 100}})).await;
}

fn taken(outcome: &Outcome) -> (i64, &str) {
    let Outcome::Success { amount_minor, currency, .. } = outcome else { panic!("{outcome:?}") };
    (*amount_minor, currency)
}

#[tokio::test]
async fn another_amount_or_currency_is_charged_and_told_of_whenever_it_is_asked_about() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let rows = [
        ("charged_less", (500, "USD")),
        ("charged_more", (2_000, "USD")),
        ("charged_other_currency", (1_000, "EUR")),
    ];
    for (deceit, expected) in rows {
        deceive(&running, deceit).await;
        let charge = submit(1_000);
        for operation in [charge.clone(), again(&charge), inquiry(&charge)] {
            let answer = gateway.perform(&operation).await;
            assert_eq!(taken(&answer.outcome), expected, "{deceit} {:?}", operation.kind);
        }
        let altered = OperationRequest { amount_minor: expected.0 + 1, ..again(&charge) };
        assert_eq!(class(&gateway.perform(&altered).await), Class::Unknown, "{deceit}");
    }
    // Magic amounts go first.
    let magic = gateway.perform(&submit(4_001)).await;
    assert_eq!(class(&magic), Class::Decline);
    running.stop().await;
}

#[tokio::test]
async fn it_swears_that_it_did_nothing_and_has_charged() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    deceive(&running, "refused_but_charged").await;
    let charge = submit(1_000);
    assert_eq!(class(&gateway.perform(&charge).await), Class::NotSent);
    assert_eq!(running.charges_of(&charge).await.len(), 1);
    assert_eq!(class(&gateway.perform(&again(&charge)).await), Class::Success);
    assert_eq!(running.charges_of(&charge).await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn it_knows_nothing_of_a_charge_and_makes_it_later() {
    let directory = tempfile::tempdir().unwrap();
    let pace = Pace { long: Duration::from_millis(50), ..options(directory.path()).pace };
    let running = Running::serve(SimulatorOptions { pace, ..options(directory.path()) }).await;
    let gateway = running.gateway();
    deceive(&running, "charged_late").await;
    let charge = submit(1_000);
    let impatient = OperationRequest { call_timeout: IMPATIENT, ..again(&charge) };
    // Whether the charge is made while the caller waits or afterwards, it is not answered.
    assert_eq!(class(&gateway.perform(&impatient).await), Class::Unknown);
    let deadline = Instant::now() + PATIENT;
    loop {
        match gateway.perform(&inquiry(&charge)).await.outcome {
            Outcome::NotFound => assert!(Instant::now() < deadline, "it is never charged"),
            found => break assert_eq!(taken(&found), (1_000, "USD")),
        }
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_late_charge_is_not_found_and_its_key_is_free_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    deceive(&running, "charged_late").await;
    let charge = submit(1_000);
    let impatient = OperationRequest { call_timeout: IMPATIENT, ..again(&charge) };
    assert_eq!(class(&gateway.perform(&impatient).await), Class::Unknown);
    assert_eq!(gateway.perform(&inquiry(&charge)).await.outcome, Outcome::NotFound);
    // Sent again it is charged, once: the late one finds its key taken. A stop ends its pause.
    assert_eq!(class(&gateway.perform(&again(&charge)).await), Class::Success);
    running.stop().await;
    let running = Running::start(directory.path()).await;
    assert_eq!(running.charges_of(&charge).await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn inside_the_ingestion_window_a_charge_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    behave(&running, &json!({"ingestion_ms": 120_000})).await;
    let charge = submit(1_000);
    assert_eq!(class(&gateway.perform(&charge).await), Class::Success);
    assert_eq!(gateway.perform(&inquiry(&charge)).await.outcome, Outcome::NotFound);
    // The key knows all the same.
    assert_eq!(class(&gateway.perform(&again(&charge)).await), Class::Success);
    assert_eq!(running.charges_of(&charge).await.len(), 1);
    behave(&running, &json!({})).await;
    assert_eq!(class(&gateway.perform(&inquiry(&charge)).await), Class::Success);
    running.stop().await;
}

#[tokio::test]
async fn a_key_that_was_pruned_charges_again() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let charge = submit(1_000);
    gateway.perform(&charge).await;
    let prune = async |expected: bool| {
        let url = format!("/admin/keys?idempotency_key={}", charge.idempotency_key);
        let request = raw_client().request(Method::DELETE, running.url(&url));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer, json!({"forgotten": expected}));
    };
    prune(true).await;
    prune(false).await;
    assert_eq!(gateway.perform(&inquiry(&charge)).await.outcome, Outcome::NotFound);
    assert_eq!(class(&gateway.perform(&again(&charge)).await), Class::Success);
    assert_eq!(running.charges_of(&charge).await.len(), 2);
    let audit = raw_client().get(running.url("/admin/audit")).send().await.unwrap();
    let audit: Value = audit.json().await.unwrap();
    assert_eq!(audit["audit"]["keys_charged_twice"], 1);
    running.stop().await;
}
