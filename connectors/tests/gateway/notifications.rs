//! What the simulator says unasked: who is told what, when, and whether it can be believed.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use connectors::gateway::notification::{Notification, Subject};
use connectors::gateway::operation::{OperationKind, OperationRequest, Outcome};
use connectors::gateway::secret::Secret;
use connectors::gateway::signature::{SIMULATOR_SIGNATURE, SignatureInvalid, TOLERANCE, verify};
use connectors::gateway::simulator_client::notification::read;
use schemas::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::harness::{Class, PATIENT, Running, class, raw_client, submit};

const SECRET: &str = "simulators_secret";

type Heard = (String, Bytes);

/// Somebody who is told, and answers the first few with 503.
struct Listener {
    url: String,
    heard: mpsc::UnboundedReceiver<Heard>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Ear {
    heard: mpsc::UnboundedSender<Heard>,
    unavailable: Arc<Mutex<u32>>,
}

impl Listener {
    async fn start(unavailable: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks/simulator", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::unbounded_channel();
        let ear = Ear { heard: sender, unavailable: Arc::new(Mutex::new(unavailable)) };
        let router =
            Router::new().route("/hooks/simulator", axum::routing::post(hear)).with_state(ear);
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, heard, server }
    }

    async fn next(&mut self) -> Heard {
        let heard = tokio::time::timeout(PATIENT, self.heard.recv()).await;
        heard.expect("a notification in time").unwrap()
    }

    async fn next_believed(&mut self) -> Notification {
        let (signature, body) = self.next().await;
        check(&signature, &body).unwrap();
        read(&body).unwrap()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers[SIMULATOR_SIGNATURE].to_str().unwrap().to_owned();
    let mut unavailable = ear.unavailable.lock().unwrap();
    if *unavailable > 0 {
        *unavailable -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    ear.heard.send((signature, body)).unwrap();
    StatusCode::OK
}

fn check(signature: &str, body: &[u8]) -> Result<(), SignatureInvalid> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap());
    // A loaded machine may take its time.
    verify(signature, body, &[Secret::new(SECRET).unwrap()], now, TOLERANCE + PATIENT)
}

async fn told(listener: &Listener, running: &Running, course: &str) {
    let notifications = json!({"url": listener.url, "secret": SECRET, "percent": {course: 100}});
    let behaviour = json!({"notifications": notifications}).to_string();
    let request = raw_client().put(running.url("/admin/behaviour")).body(behaviour);
    let shown = request.send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("hooks") && !shown.contains(SECRET), "{shown}");
}

fn is_success(notification: &Notification, charge: &OperationRequest) -> bool {
    let Subject::Charge { payment_id, attempt_id, outcome } = &notification.subject else {
        panic!("{notification:?}");
    };
    assert_eq!((*payment_id, *attempt_id), (charge.payment_id, charge.attempt_id));
    matches!(outcome, Outcome::Success { amount_minor: 1_000, .. })
}

#[tokio::test]
async fn it_is_told_before_after_twice_and_out_of_order() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let mut listener = Listener::start(0).await;

    told(&listener, &running, "before").await;
    let charge = submit(1_000);
    assert_eq!(class(&gateway.perform(&charge).await), Class::Success);
    // It was there before the answer was.
    let (signature, body) = listener.heard.try_recv().unwrap();
    check(&signature, &body).unwrap();
    assert!(is_success(&read(&body).unwrap(), &charge));

    told(&listener, &running, "after").await;
    let charge = submit(1_000);
    gateway.perform(&charge).await;
    assert!(is_success(&listener.next_believed().await, &charge));

    told(&listener, &running, "duplicated").await;
    let charge = submit(1_000);
    gateway.perform(&charge).await;
    let (first, second) = (listener.next_believed().await, listener.next_believed().await);
    assert!(is_success(&first, &charge));
    assert_eq!(first, second);

    told(&listener, &running, "out_of_order").await;
    let charge = submit(1_000);
    gateway.perform(&charge).await;
    let (first, second) = (listener.next_believed().await, listener.next_believed().await);
    assert!(is_success(&first, &charge) && !is_success(&second, &charge));
    assert!(second.occurred_at < first.occurred_at);
    assert_ne!(first.event_id, second.event_id);
    running.stop().await;
}

#[tokio::test]
async fn lies_are_told_apart_by_their_signature_or_by_what_they_contradict() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let mut listener = Listener::start(0).await;

    told(&listener, &running, "forged").await;
    gateway.perform(&submit(1_000)).await;
    let (signature, body) = listener.next().await;
    assert_eq!(check(&signature, &body), Err(SignatureInvalid::Forged));

    told(&listener, &running, "contradicting").await;
    let charge = submit(1_000);
    gateway.perform(&charge).await;
    let (first, second) = (listener.next_believed().await, listener.next_believed().await);
    assert!(is_success(&first, &charge));
    let Subject::Charge { outcome: Outcome::Decline { .. }, .. } = second.subject else {
        panic!("{second:?}");
    };
    running.stop().await;
}

#[tokio::test]
async fn a_refund_is_told_of_and_what_is_not_taken_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path()).await;
    let gateway = running.gateway();
    let charge = submit(1_000);
    let Outcome::Success { gateway_reference, .. } = gateway.perform(&charge).await.outcome else {
        panic!("it is charged")
    };
    let mut listener = Listener::start(2).await;
    told(&listener, &running, "after").await;
    let refund = OperationRequest {
        kind: OperationKind::Refund,
        payment_id: charge.payment_id,
        charge_reference: Some(gateway_reference),
        ..submit(400)
    };
    assert_eq!(class(&gateway.perform(&refund).await), Class::Success);
    let notification = listener.next_believed().await;
    let Subject::Refund { payment_id, refund_id, outcome } = notification.subject else {
        panic!("{notification:?}");
    };
    assert_eq!((payment_id, refund_id), (refund.payment_id, refund.attempt_id));
    assert!(matches!(outcome, Outcome::Success { amount_minor: 400, .. }), "{outcome:?}");
    running.stop().await;
}

#[test]
fn bytes_that_are_no_notification_are_refused() {
    let charge = json!({
        "id": "ch_1", "status": "succeeded", "amount": 1, "currency": "USD", "idempotency_key": "k",
        "reference": "somebody", "attempt_id": "else",
    });
    let event = |fields: serde_json::Value| {
        let mut event = json!({"id": "evt_1", "type": "charge.succeeded", "created": 1});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event.to_string()
    };
    let rows = [
        String::new(),
        "{}".to_owned(),
        event(json!({})),
        event(json!({"charge": charge, "refund": charge})),
        event(json!({"refund": charge})),
        event(json!({"id": "", "charge": charge})),
        event(json!({"charge": {"id": "ch_1"}})),
    ];
    for body in rows {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
    // Whoever charges there without our ids.
    let other = read(event(json!({"charge": charge})).as_bytes()).unwrap();
    assert_eq!(other.subject, Subject::Other { kind: "charge.succeeded".to_owned() });
}
