//! A caller of the HTTP API, as anyone outside would be.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::wait::eventually;

/// Longer than the longest `Prefer: wait`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);
/// Until a payment is terminal: the slowest magic amount takes 15 s to be charged.
const SETTLE_BOUND: Duration = Duration::from_secs(90);
/// The preference of a caller who wants to see the end.
pub const PATIENT: (&str, &str) = ("Prefer", "wait=20");

/// A caller of one application.
#[derive(Debug, Clone)]
pub struct Caller {
    client: Client,
    base: String,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; a string where it was not JSON.
    pub body: Value,
}

/// A wallet in USD.
#[derive(Debug, Clone)]
pub struct Wallet {
    /// Whose.
    pub user: String,
    /// Its id.
    pub id: String,
}

/// The numbers of a wallet, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// What is in it.
    pub posted: i64,
    /// What is held.
    pub pending_debits: i64,
    /// What is about to come.
    pub pending_credits: i64,
    /// What can be paid with.
    pub available: i64,
}

impl Numbers {
    /// Nothing is held or on its way.
    pub fn settled(posted: i64) -> Self {
        Self { posted, pending_debits: 0, pending_credits: 0, available: posted }
    }
}

/// An idempotency key that nobody has used.
pub fn new_key() -> String {
    Uuid::new_v4().to_string()
}

impl Answer {
    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("our headers are ASCII"))
    }

    /// A field that is a text.
    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_else(|| panic!("no text {field} in {self:?}"))
    }

    /// The code of a refusal; empty for any other answer.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Whether it says that an earlier request with the same key had done it.
    pub fn is_replayed(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// The payment that the answer is about, also when it refuses.
    pub fn payment_id(&self) -> &str {
        let is_payment = self.body["object"] == "payment";
        self.text(if is_payment { "id" } else { "payment_id" })
    }

    /// Fails unless the status is this one; gives the answer back.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Fails unless this is the refusal with this status and code.
    #[track_caller]
    pub fn expect_refusal(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.code()), (status, code), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self
    }
}

impl Caller {
    /// A caller of the API at this base, `http://127.0.0.1:8080`.
    pub fn new(base: String) -> Self {
        let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build();
        Self { client: client.expect("a client"), base }
    }

    /// The base of the API.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One request, as it stands.
    ///
    /// # Errors
    /// Nobody listens, or the connection ended before the answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    /// `GET`, which must be answered.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// `GET` with headers, which must be answered.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.send(Method::GET, path, headers, Vec::new()).await;
        answer.unwrap_or_else(|error| panic!("GET {path}: {error:?}"))
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// Nobody listens, or the connection ended before the answer.
    pub async fn try_post(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        self.send(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }

    /// `POST` of a JSON body, which must be answered.
    pub async fn post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let answer = self.try_post(path, body, headers).await;
        answer.unwrap_or_else(|error| panic!("POST {path} {body}: {error:?}"))
    }

    /// Pays from a wallet; the answer comes when the payment is decided.
    ///
    /// # Errors
    /// Nobody listens, or the connection ended before the answer.
    pub async fn try_pay(
        &self,
        wallet: &Wallet,
        amount: i64,
        key: &str,
    ) -> Result<Answer, reqwest::Error> {
        self.try_post("/api/v1/payments", &payment(wallet, amount), &[("Idempotency-Key", key)])
            .await
    }

    /// Pays from a wallet, and waits for the end of the payment.
    pub async fn pay(&self, wallet: &Wallet, amount: i64, key: &str) -> Answer {
        let headers = [("Idempotency-Key", key), PATIENT];
        self.post("/api/v1/payments", &payment(wallet, amount), &headers).await
    }

    /// A wallet of a new user with this much in it, minor units of USD.
    pub async fn wallet_with(&self, minor: i64) -> Wallet {
        let user = format!("user-{}", Uuid::new_v4());
        let body = json!({"user_id": user, "currency": "USD"});
        let opened = self.post("/api/v1/wallets", &body, &[]).await.expect(201);
        let wallet = Wallet { user, id: opened.text("id").to_owned() };
        if minor > 0 {
            self.deposit(&wallet, minor).await.expect(201);
        }
        wallet
    }

    /// Deposits into a wallet.
    pub async fn deposit(&self, wallet: &Wallet, minor: i64) -> Answer {
        let path = format!("/api/v1/wallets/{}/deposits", wallet.id);
        self.post(&path, &json!({"amount": minor}), &[("Idempotency-Key", &new_key())]).await
    }

    /// The numbers of a wallet.
    pub async fn numbers(&self, wallet: &Wallet) -> Numbers {
        let answer = self.get(&format!("/api/v1/wallets/{}", wallet.id)).await.expect(200);
        let number = |name: &str| answer.body["balance"][name].as_i64().expect("a number");
        Numbers {
            posted: number("posted"),
            pending_debits: number("pending_debits"),
            pending_credits: number("pending_credits"),
            available: number("available"),
        }
    }

    /// The payment once it has completed or failed.
    pub async fn settled(&self, payment_id: &str) -> Value {
        let path = format!("/api/v1/payments/{payment_id}");
        eventually(SETTLE_BOUND, &format!("payment {payment_id} is terminal"), async || {
            let answer = self.get(&path).await;
            let status = answer.body["status"].as_str();
            if matches!(status, Some("completed" | "failed")) {
                Ok(answer.body)
            } else {
                Err(answer)
            }
        })
        .await
    }
}

/// The body of a payment.
pub fn payment(wallet: &Wallet, amount: i64) -> Value {
    json!({
        "user_id": wallet.user,
        "amount": amount,
        "currency": "USD",
        "description": "An end-to-end test",
    })
}
