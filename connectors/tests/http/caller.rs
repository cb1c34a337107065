//! A caller of the API: requests, answers, and what every refusal must look like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use connectors::http::{ApiOptions, Ports, Profile, router};
use schemas::ErrorCode;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::ledger::{Ledger, clock};
use crate::{contract, demo, gateways};

/// The owner of the demo wallet.
pub const USER: &str = "123e4567-e89b-12d3-a456-426614174000";

/// Longer than any loaded machine takes for what comes.
pub const PATIENT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct Caller {
    pub router: Router,
    pub ledger: Arc<Ledger>,
    /// Holds every answer against the OpenAPI document, or lets it pass.
    pub faults: fn((&Method, &str), StatusCode, &HeaderMap, &Value) -> Vec<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Caller {
    pub fn new(profile: Profile) -> Self {
        let mut options = ApiOptions::new(profile);
        options.decision_timeout = PATIENT;
        options.view_timeout = PATIENT;
        Self::with(options)
    }

    /// One whose API gives up waiting at once.
    pub fn impatient() -> Self {
        let mut options = ApiOptions::new(Profile::Dev);
        options.decision_timeout = Duration::from_millis(20);
        options.view_timeout = Duration::from_millis(20);
        Self::with(options)
    }

    pub fn with(options: ApiOptions) -> Self {
        let ledger = Arc::new(Ledger::new());
        let ports = Ports {
            log: Arc::<Ledger>::clone(&ledger),
            views: Arc::<Ledger>::clone(&ledger),
            health: Arc::<Ledger>::clone(&ledger),
            gateways: gateways::desk(&ledger),
            now: clock,
        };
        Self { router: router(options, ports), ledger, faults: contract::faults }
    }

    /// With the demo wallet opened.
    pub async fn with_wallet(self) -> Self {
        let wallet = json!({ "user_id": USER, "currency": "USD" });
        assert_eq!(self.post("/api/v1/wallets", &wallet, &[]).await.status, 201);
        self
    }

    /// With one of everything, each asked with the key `demo`; as any profile takes it.
    pub async fn with_demo(self) -> Self {
        let caller = self.with_wallet().await;
        let other = json!({ "user_id": "other", "currency": "USD" });
        assert_eq!(caller.post("/api/v1/wallets", &other, &[]).await.status, 201);
        let of_wallet = |what: &str| format!("/api/v1/wallets/{}/{what}", demo::wallet());
        let fact = |reference| json!({ "amount": 500, "rail": "sepa", "reference": reference });
        let transfer = json!({
            "from_wallet_id": demo::wallet(), "to_wallet_id": demo::other(), "amount": 1,
        });
        let payment = json!({ "user_id": USER, "amount": 100, "currency": "USD" });
        let refund = json!({ "amount": 10 });
        for (path, body, status) in [
            (of_wallet("deposits"), fact("in"), 201),
            (of_wallet("withdrawals"), fact("out"), 201),
            ("/api/v1/payments".to_owned(), payment, 202),
            (format!("/api/v1/payments/{}/refunds", demo::payment()), refund, 202),
            ("/api/v1/transfers".to_owned(), transfer, 202),
        ] {
            let answer = caller.post(&path, &body, &[("Idempotency-Key", "demo")]).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
        }
        caller
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| {
            // A page is a text.
            Value::String(String::from_utf8(body.to_vec()).unwrap())
        });
        let faults = (self.faults)((&method, uri.path()), parts.status, &parts.headers, &body);
        assert!(faults.is_empty(), "{method} {uri}: the document does not say: {faults:#?}");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Pays from the demo wallet.
    pub async fn pay(&self, amount: i64, key: &str) -> Answer {
        self.post("/api/v1/payments", &payment(amount), &[("Idempotency-Key", key)]).await
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("{field} of {self:?}"))
    }

    /// A refusal with this code, in the form that every refusal has.
    pub fn assert_refused(&self, code: ErrorCode) {
        let expected = json!({
            "type": format!("/docs/errors#{}", code.code()),
            "title": code.meaning(),
            "status": code.status(),
            "code": code.code(),
            "request_id": self.header("request-id"),
            "retryable": code.is_retryable(),
            "doc_url": format!("/docs/errors#{}", code.code()),
        });
        assert_eq!(self.status.as_u16(), code.status(), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(self.body[field], *value, "{field} of {self:?}");
        }
        assert!(!self.text("detail").is_empty());
        assert!(self.header("x-correlation-id").is_some());
        let may_tell = code.is_retryable() && matches!(code.status(), 409 | 429 | 503);
        let told = self.header("retry-after").map(|seconds| seconds.parse().unwrap());
        assert_eq!(told.is_some(), may_tell, "{self:?}");
        assert!(told.is_none_or(|seconds: u64| (1..=30).contains(&seconds)), "{self:?}");
    }
}

/// The body of a payment from the demo wallet.
pub fn payment(amount: i64) -> Value {
    json!({ "user_id": USER, "amount": amount, "currency": "USD", "description": "Order 1" })
}

/// Lets other tasks run until the condition holds.
pub async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENT;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition never held");
        tokio::task::yield_now().await;
    }
}
