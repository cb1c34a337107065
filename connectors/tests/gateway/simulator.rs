//! Idempotency, durability, the ground truth, refusals and stops of the simulator.

use std::collections::BTreeMap;

use connectors::gateway::operation::{OperationAnswer, OperationRequest, Outcome};
use connectors::gateway::simulator::ground_truth::{ChargeStatus, FILE_NAME};
use connectors::gateway::simulator::magic::MagicAmount;
use connectors::gateway::simulator::{Simulator, SimulatorError};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Class, Running, class, inquiry, options, raw_client, submit, until};

#[tokio::test]
async fn an_ordinary_charge_succeeds_and_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let operation = submit(10_000);
    assert_eq!(gateway.perform(&inquiry(&operation)).await.outcome, Outcome::NotFound);

    let charged = gateway.perform(&operation).await;
    let Outcome::Success { gateway_reference, amount_minor, currency } = &charged.outcome else {
        panic!("{charged:?}");
    };
    assert!(gateway_reference.starts_with("ch_"), "{gateway_reference}");
    assert_eq!((*amount_minor, currency.as_str()), (10_000, "USD"));
    assert_eq!(gateway.perform(&inquiry(&operation)).await.outcome, charged.outcome);
    let truth = running.ground_truth().await;
    assert_eq!(truth.len(), 1);
    assert_eq!(truth[0].reference, operation.payment_id.to_string());
    assert_eq!(truth[0].attempt_id, operation.attempt_id.to_string());
    let evidence: Value = serde_json::from_str(charged.evidence.as_str()).unwrap();
    assert_eq!(evidence["http_status"], 201);
    assert_eq!(evidence["charge_id"], gateway_reference.as_str());
    assert!(evidence["request_id"].as_str().unwrap().starts_with("req_"), "{evidence}");

    let declined = gateway.perform(&submit(MagicAmount::DeclineExpiredCard.ending())).await;
    let Outcome::Decline { code, .. } = &declined.outcome else { panic!("{declined:?}") };
    assert_eq!(code, "expired_card");
    running.stop().await;
}

#[tokio::test]
async fn one_key_charges_once_also_after_a_restart_and_a_torn_write() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let operation = submit(2_500);
    let first = running.gateway().perform(&operation).await;
    assert_eq!(class(&first), Class::Success);
    assert_eq!(running.gateway().perform(&operation).await.outcome, first.outcome);
    running.stop().await;

    let path = directory.path().join(FILE_NAME);
    let whole = std::fs::read(&path).unwrap();
    let torn = [whole.as_slice(), &whole[..whole.len() / 2]].concat();
    std::fs::write(&path, torn).unwrap();

    let running = Running::start(directory.path()).await;
    assert_eq!(running.gateway().perform(&operation).await.outcome, first.outcome);
    let altered = OperationRequest { amount_minor: 2_501, ..operation.clone() };
    assert_eq!(class(&running.gateway().perform(&altered).await), Class::Unknown);
    assert_eq!(class(&running.gateway().perform(&submit(100)).await), Class::Success);
    assert_eq!(running.charges_of(&operation).await, [ChargeStatus::Succeeded]);
    assert_eq!(running.ground_truth().await.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn the_replay_of_a_charge_says_that_it_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let client = raw_client();
    let body = json!({"amount": 100, "currency": "EUR", "reference": "p", "attempt_id": "a"});
    let mut answers = Vec::new();
    for body in [
        &body,
        &body,
        &json!({"amount": 101, "currency": "EUR", "reference": "p",
        "attempt_id": "a"}),
    ] {
        let request = client.post(running.url("/v1/charges")).header("Idempotency-Key", "k");
        let response = request.json(body).send().await.unwrap();
        let replayed = response.headers().contains_key("idempotent-replayed");
        let status = response.status().as_u16();
        answers.push((status, replayed, response.json::<Value>().await.unwrap()));
    }
    let charge = answers[0].2.clone();
    assert_eq!(answers[0], (201, false, charge.clone()));
    assert_eq!(answers[1], (201, true, charge));
    assert_eq!(answers[2].0, 422);
    assert_eq!(answers[2].2["error"]["code"], "idempotency_key_reused");
    assert_eq!(answers[2].2.get("processed"), None);
    running.stop().await;
}

#[tokio::test]
async fn concurrent_submissions_with_one_key_are_one_charge() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let operation = submit(10_000);
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let (gateway, operation) = (gateway.clone(), operation.clone());
        calls.spawn(async move { class(&gateway.perform(&operation).await) });
    }
    let classes = calls.join_all().await;
    assert!(classes.contains(&Class::Success));
    // Whoever came while the first was under way got 409, which is unknown.
    assert!(classes.iter().all(|class| matches!(class, Class::Success | Class::Unknown)));
    assert_eq!(running.charges_of(&operation).await, [ChargeStatus::Succeeded]);
    running.stop().await;
}

#[tokio::test]
async fn the_ground_truth_has_every_charge_once() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let (gateway, operation) = (gateway.clone(), submit(100));
        calls.spawn(async move {
            let answer = gateway.perform(&operation).await;
            assert_eq!(class(&answer), Class::Success, "{answer:?}");
            operation.idempotency_key
        });
    }
    let mut expected = calls.join_all().await;
    expected.sort();
    let mut keys: Vec<_> =
        running.ground_truth().await.into_iter().map(|charge| charge.idempotency_key).collect();
    keys.sort();
    assert_eq!(keys, expected);
    let health = raw_client().get(running.url("/health")).send().await.unwrap();
    assert_eq!(health.json::<Value>().await.unwrap(), json!({"status": "ok", "charges": 1000}));
    running.stop().await;
}

#[tokio::test]
async fn a_stop_ends_silent_calls_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let operation = submit(MagicAmount::TimeoutAfterCharging.ending());
    let silent = tokio::spawn({
        let (gateway, operation) = (gateway.clone(), operation.clone());
        async move { gateway.perform(&operation).await }
    });
    let found = |answer: &OperationAnswer| class(answer) == Class::Success;
    until(&gateway, &inquiry(&operation), found).await;
    running.stop().await;
    assert_eq!(class(&silent.await.unwrap()), Class::Unknown);
    assert_eq!(class(&gateway.perform(&operation).await), Class::NotSent);
}

#[tokio::test]
async fn a_state_directory_serves_one_simulator() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let second = Simulator::bind(options(directory.path())).await;
    assert!(matches!(second, Err(SimulatorError::GroundTruth(_))), "{second:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_a_charge_is_refused_and_not_processed() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let good = json!({"amount": 100, "currency": "USD", "reference": "p", "attempt_id": "a"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body.to_string()
    };
    let bodies = BTreeMap::from([
        ("empty", String::new()),
        ("not JSON", "{".to_owned()),
        ("deep", "[".repeat(10_000)),
        ("zero", with("amount", json!(0))),
        ("negative", with("amount", json!(-1))),
        ("too large", with("amount", json!(9_007_199_254_740_992_i64))),
        ("a float", with("amount", json!(1.5))),
        ("lower-case currency", with("currency", json!("usd"))),
        ("empty reference", with("reference", json!(""))),
        ("unknown field", with("surprise", json!(1))),
        ("too long", with("reference", json!("x".repeat(20_000)))),
    ]);
    let client = raw_client();
    let url = running.url("/v1/charges");
    for (name, body) in bodies {
        let request = client.post(&url).header("Idempotency-Key", "k").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 400, "{name}");
        assert_eq!(response.json::<Value>().await.unwrap()["processed"], false, "{name}");
    }
    let keyless = client.post(&url).body(good.to_string()).send().await.unwrap();
    assert_eq!(keyless.status(), 400);
    let lost = client.get(running.url("/v2/charges")).send().await.unwrap();
    assert_eq!(lost.status(), 404);
    assert_eq!(running.ground_truth().await, []);
    running.stop().await;
}
