//! The admin API: behaviour, outages, and the simulator's audit of itself.

use connectors::gateway::operation::{OperationAnswer, OperationRequest, Outcome};
use connectors::gateway::simulator::SimulatorOptions;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    Class, IMPATIENT, PATIENT, Running, again, class, inquiry, options, raw_client, submit, until,
};

async fn admin(running: &Running, method: Method, path: &str, body: &str) -> (u16, Value) {
    let url = running.url(&format!("/admin/{path}"));
    let request = raw_client().request(method, url).body(body.to_owned());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn behave(running: &Running, behaviour: &Value) {
    let (status, shown) = admin(running, Method::PUT, "behaviour", &behaviour.to_string()).await;
    assert_eq!(status, 200, "{shown}");
}

#[tokio::test]
async fn a_behaviour_is_shown_as_it_was_put_until_it_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let good = json!({"seed": 1, "latency": null, "percent": {}});
    assert_eq!(admin(&running, Method::GET, "behaviour", "").await, (200, good.clone()));
    let latency = json!({"uniform_ms": {"from": 1.0, "to": 2.0}});
    let wished = json!({"seed": 5, "latency": latency, "percent": {"slow": 1.5}});
    let put = admin(&running, Method::PUT, "behaviour", &wished.to_string()).await;
    assert_eq!(put, (200, wished.clone()));
    assert_eq!(admin(&running, Method::GET, "behaviour", "").await, (200, wished));
    // Without a seed, the one in force stays.
    let put = admin(&running, Method::PUT, "behaviour", "{}").await;
    assert_eq!(put, (200, json!({"seed": 5, "latency": null, "percent": {}})));
    assert_eq!(admin(&running, Method::DELETE, "behaviour", "").await, (200, good));
    running.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let before = admin(&running, Method::GET, "behaviour", "").await;
    let rows = [
        (Method::PUT, "behaviour", r#"{"latnecy": null}"#, "latnecy"),
        (Method::PUT, "behaviour", r#"{"percent": {"sluggish": 1}}"#, "sluggish"),
        (Method::PUT, "behaviour", r#"{"percent": {"slow": 60, "malformed_body": 41}}"#, "percent"),
        (Method::PUT, "behaviour", "", "EOF"),
        (Method::POST, "outage", r#"{"kind": "flood", "seconds": 1}"#, "flood"),
        (Method::POST, "outage", r#"{"kind": "hang"}"#, "seconds"),
        (Method::POST, "outage", r#"{"kind": "hang", "seconds": 3601}"#, "seconds"),
        (Method::POST, "outage", r#"{"kind": "hang", "seconds": -1}"#, "seconds"),
        (Method::POST, "outage", r#"{"kind": "hang", "seconds": 1, "how": 1}"#, "how"),
        (Method::GET, "charges?status=lost", "", "lost"),
        (Method::GET, "charges?limit=0", "", "limit"),
        (Method::GET, "charges?colour=red", "", "colour"),
    ];
    for (method, path, body, named) in rows {
        let (status, refusal) = admin(&running, method, path, body).await;
        assert_eq!(status, 400, "{path} {body}");
        let message = refusal["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{path} {body}: {message}");
    }
    assert_eq!(admin(&running, Method::GET, "behaviour", "").await, before);
    assert_eq!(admin(&running, Method::GET, "outage", "").await.1["kind"], Value::Null);
    running.stop().await;
}

#[tokio::test]
async fn a_share_of_the_keys_misbehaves_and_heals_and_magic_goes_first() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    behave(&running, &json!({"percent": {"unavailable_once": 100}})).await;
    let operation = submit(10_000);
    for expected in [Class::Unknown, Class::Success, Class::Success] {
        assert_eq!(class(&gateway.perform(&again(&operation)).await), expected);
    }
    let magic = gateway.perform(&submit(10_000 + 4_003)).await;
    assert!(matches!(&magic.outcome, Outcome::Decline { code, .. } if code == "do_not_honor"));

    behave(&running, &json!({"percent": {"timeout_then_inquiries_fail": 100}})).await;
    let operation = submit(10_000);
    let silent = OperationRequest { call_timeout: IMPATIENT, ..operation.clone() };
    assert_eq!(class(&gateway.perform(&silent).await), Class::Unknown);
    for expected in [Class::Unknown, Class::Unknown, Class::Success] {
        assert_eq!(class(&gateway.perform(&inquiry(&operation)).await), expected);
    }

    behave(&running, &json!({"percent": {"decline_expired_card": 50}})).await;
    let mut declined = 0;
    for _ in 0..200 {
        declined += i32::from(class(&gateway.perform(&submit(100)).await) == Class::Decline);
    }
    assert!((50..150).contains(&declined), "{declined} of 200");
    running.stop().await;
}

#[tokio::test]
async fn latency_holds_back_the_answer_to_a_charge_that_is_booked() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    behave(&running, &json!({"latency": {"fixed_ms": 120_000}})).await;
    let operation = submit(10_000);
    let waiting = tokio::spawn({
        let (gateway, operation) = (gateway.clone(), operation.clone());
        async move { gateway.perform(&operation).await }
    });
    let path = format!("charges?reference={}", operation.payment_id);
    let listed = async || {
        let listed = admin(&running, Method::GET, &path, "").await.1;
        listed["charges"].as_array().unwrap().clone()
    };
    let deadline = tokio::time::Instant::now() + PATIENT;
    while listed().await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it is not booked");
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    assert_eq!(listed().await[0]["submissions"], 1);
    waiting.abort();
    admin(&running, Method::DELETE, "behaviour", "").await;
    assert_eq!(class(&gateway.perform(&again(&operation)).await), Class::Success);
    assert_eq!(listed().await[0]["submissions"], 2);
    running.stop().await;
}

#[tokio::test]
async fn an_outage_charges_nobody_and_is_over_when_it_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    for (kind, failed) in [("hang", Class::Unknown), ("5xx", Class::Unknown)] {
        let wish = json!({"kind": kind, "seconds": 600}).to_string();
        let (_, begun) = admin(&running, Method::POST, "outage", &wish).await;
        assert_eq!(begun["kind"], kind);
        assert!(begun["seconds"].as_f64().unwrap() > 500.0, "{begun}");
        let operation = submit(10_000);
        let impatient = OperationRequest { call_timeout: IMPATIENT, ..operation.clone() };
        assert_eq!(class(&gateway.perform(&impatient).await), failed, "{kind}");
        let inquired = OperationRequest { call_timeout: IMPATIENT, ..inquiry(&operation) };
        assert_eq!(class(&gateway.perform(&inquired).await), Class::Unknown, "{kind}");
        admin(&running, Method::DELETE, "outage", "").await;
        let asked = gateway.perform(&inquiry(&operation)).await;
        assert_eq!(asked.outcome, Outcome::NotFound, "{kind}");
        assert_eq!(class(&gateway.perform(&again(&operation)).await), Class::Success, "{kind}");
    }
    running.stop().await;
}

#[tokio::test]
async fn refused_connections_were_not_sent_and_the_same_address_answers_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    // A connection that is kept, and closed by the outage while nobody looks.
    assert_eq!(class(&gateway.perform(&submit(100)).await), Class::Success);
    let wish = json!({"kind": "refuse", "seconds": 1.0}).to_string();
    admin(&running, Method::POST, "outage", &wish).await;
    let refused = |answer: &OperationAnswer| class(answer) == Class::NotSent;
    let operation = submit(100);
    let answer = until(&gateway, &operation, refused).await;
    assert!(refused(&answer), "{answer:?}");
    let over = |answer: &OperationAnswer| class(answer) == Class::Success;
    until(&gateway, &operation, over).await;
    assert_eq!(running.charges_of(&operation).await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_stop_ends_latency_and_outages_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let behaviour = r#"{"latency": {"fixed_ms": 120000}}"#.parse().unwrap();
    let running = Running::serve(SimulatorOptions { behaviour, ..options(directory.path()) }).await;
    let waiting = tokio::spawn({
        let gateway = running.gateway();
        async move { gateway.perform(&submit(100)).await }
    });
    let deadline = tokio::time::Instant::now() + PATIENT;
    while running.ground_truth().await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "it is not booked");
        tokio::task::yield_now().await;
    }
    running.stop().await;
    // What was under way is finished.
    assert_eq!(class(&waiting.await.unwrap()), Class::Success);
    let running = Running::start(directory.path()).await;
    let wish = json!({"kind": "refuse", "seconds": 600}).to_string();
    admin(&running, Method::POST, "outage", &wish).await;
    running.stop().await;
}

#[tokio::test]
async fn the_audit_counts_charges_amounts_and_submissions() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let twice = submit(1_000);
    for operation in [submit(250), submit(4_001), again(&twice), again(&twice), inquiry(&twice)] {
        gateway.perform(&operation).await;
    }
    let (status, audit) = admin(&running, Method::GET, "audit", "").await;
    let expected = json!({
        "audit": {
            "charges": 3, "succeeded": 2, "declined": 1, "amounts": {"USD": 1250}, "keys": 3,
            "keys_charged_twice": 0, "payments_charged_twice": 0, "named": [],
        },
        "refunds": {
            "refunds": 0, "succeeded": 0, "declined": 0, "amounts": {}, "keys_refunded_twice": 0,
        },
        "since_start": {
            "submissions": 4, "inquiries": 1, "keys_by_submissions": {"1": 2, "2": 1},
        },
    });
    assert_eq!((status, audit), (200, expected));

    let (_, declined) = admin(&running, Method::GET, "charges?status=declined", "").await;
    assert_eq!(declined["charges"].as_array().unwrap().len(), 1, "{declined}");
    let (_, first) = admin(&running, Method::GET, "charges?limit=1", "").await;
    assert_eq!(first["truncated"], true, "{first}");
    let key = format!("charges?idempotency_key={}", twice.idempotency_key);
    let (_, of_key) = admin(&running, Method::GET, &key, "").await;
    assert_eq!(of_key["charges"][0]["submissions"], 2, "{of_key}");
    assert_eq!(of_key["charges"][0]["reference"], twice.payment_id.to_string());
    running.stop().await;
}
