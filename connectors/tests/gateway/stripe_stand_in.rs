//! A stand-in for Stripe: answers what it was told to, in order, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use connectors::gateway::operation::{OperationKind, OperationRequest};
use connectors::gateway::secret::Secret;
use connectors::gateway::stripe::{StripeGateway, StripeOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::submit;

pub const KEY: &str = "sk_test_hidden";
pub const INTENT: &str = "pi_3MtwBwLkdIwHu7ix";

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

/// What to do with a request.
pub enum Told {
    /// Answer with this status and body, and perhaps a header more.
    Answer(u16, String, Option<(&'static str, &'static str)>),
    /// Never answer.
    Silence,
}

#[derive(Default)]
struct Desk {
    told: Mutex<VecDeque<Told>>,
    seen: Mutex<Vec<Seen>>,
}

pub struct StandIn {
    url: String,
    desk: Arc<Desk>,
    server: JoinHandle<()>,
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let desk = Arc::new(Desk::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, desk, server }
    }

    pub fn gateway(&self) -> StripeGateway {
        client(&self.url)
    }

    /// The next request is treated so.
    pub fn tell(&self, told: Told) {
        self.desk.told.lock().unwrap().push_back(told);
    }

    pub fn tell_json(&self, status: u16, body: &Value) {
        self.tell(Told::Answer(status, body.to_string(), None));
    }

    /// What it was asked since it was last looked at.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.desk.seen.lock().unwrap())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The names and values of its form, or of its query.
    pub fn form(&self) -> Vec<(String, String)> {
        let text = if self.body.is_empty() { self.uri.query().unwrap_or("") } else { &self.body };
        let url = reqwest::Url::parse(&format!("http://form/?{text}")).unwrap();
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    desk.seen.lock().unwrap().push(Seen { method, uri, headers, body });
    let told = desk.told.lock().unwrap().pop_front().unwrap();
    match told {
        Told::Answer(status, body, header) => {
            let mut response = Response::builder().status(status).header("request-id", "req_1");
            if let Some((name, value)) = header {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Told::Silence => std::future::pending().await,
    }
}

/// A client of what stands in for Stripe at this URL.
pub fn client(url: &str) -> StripeGateway {
    let options = StripeOptions::new(Secret::new(KEY).unwrap(), "pm_card_visa");
    StripeGateway::new(StripeOptions { base_url: url.to_owned(), ..options }).unwrap()
}

/// A submission of 10.99 USD.
pub fn charge() -> OperationRequest {
    submit(1_099)
}

/// A refund of 5.00 USD of a charge.
pub fn refund() -> OperationRequest {
    let charge_reference = Some(INTENT.to_owned());
    OperationRequest { kind: OperationKind::Refund, charge_reference, ..submit(500) }
}

pub fn about(operation: &OperationRequest, kind: OperationKind) -> OperationRequest {
    OperationRequest { kind, ..operation.clone() }
}

/// A `PaymentIntent` of a submission.
pub fn intent(operation: &OperationRequest, status: &str) -> Value {
    let received = if status == "succeeded" { operation.amount_minor } else { 0 };
    json!({
        "id": INTENT, "object": "payment_intent", "status": status, "amount": 1_099,
        "amount_received": received, "currency": "usd", "last_payment_error": null,
        "client_secret": "pi_3_secret_hidden", "latest_charge": "ch_1", "livemode": false,
        "metadata": {
            "holdfast_payment_id": operation.payment_id,
            "holdfast_attempt_id": operation.attempt_id,
        },
    })
}

/// A refund as Stripe tells it.
pub fn refunded(operation: &OperationRequest, status: &str) -> Value {
    json!({
        "id": "re_1", "object": "refund", "status": status, "amount": operation.amount_minor,
        "currency": "usd", "payment_intent": INTENT, "failure_reason": null,
        "metadata": {
            "holdfast_payment_id": operation.payment_id,
            "holdfast_refund_id": operation.attempt_id,
        },
    })
}

/// `object`, with `fields` in it in the place of its own.
pub fn with(mut object: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("{fields}") };
    object.as_object_mut().unwrap().extend(fields);
    object
}

pub fn page(object: &str, data: &[Value], has_more: bool) -> Value {
    json!({"object": object, "url": "/v1/x", "has_more": has_more, "data": data})
}

pub fn failure(kind: &str, code: Option<&str>) -> Value {
    json!({"error": {"type": kind, "code": code, "message": "Told by the stand-in."}})
}

/// Short, for answers that never come.
pub fn hurried(operation: &OperationRequest) -> OperationRequest {
    OperationRequest {
        call_timeout: Duration::from_millis(300),
        ..crate::harness::again(operation)
    }
}
