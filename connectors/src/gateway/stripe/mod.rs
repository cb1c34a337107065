//! The client of a gateway of kind `stripe`: payments and refunds of Stripe's API, version 1.
//!
//! # What is sent
//!
//! - submit: `POST /v1/payment_intents`, created and confirmed in one request
//! - inquire: `GET /v1/payment_intents/{id}` when an earlier answer gave the id, else
//!   `GET /v1/payment_intents/search` by the attempt id in the metadata
//! - refund: `POST /v1/refunds` of the `PaymentIntent`
//! - inquire about a refund: `GET /v1/refunds` of the `PaymentIntent`, newest first
//!
//! # What its answers are worth
//!
//! - Search is eventually consistent: Stripe says that it must not be used to read what was just
//!   written, that data is there within a minute as a rule, and later during an outage. So "nothing
//!   found" by search is advisory, never a proof; what it does find is a fact.
//! - Lists and retrieval are not subject to that delay: "nothing found" in the list of all refunds
//!   of a `PaymentIntent` is authoritative.
//! - Idempotency keys are kept for 24 hours at least. The first answer to a key is saved, a 500
//!   too, and repeated: the same submission again within that time is the surest question there is,
//!   but it is a submission, and the ledger's to decide.
//! - 400 (Stripe found the request unacceptable), 401 and 403 (the key), and 429 of a rate limiter
//!   are given before anything is processed, if they carry Stripe's own error body. A 429
//!   `lock_timeout` and a 409 tell of another request at work: unknown.
//!
//! # Invariants
//!
//! One operation is one HTTP request, sent at most once. What came back is described here
//! ([`reading`]) and judged by the one table in [`super::classification`]. The secret key is in no
//! log line and no debug output. Amounts are in Stripe's units on the wire only ([`units`]).
//!
//! It deliberately does not know whether the operation was tried before, or what happens next.

pub mod notification;
mod objects;
mod reading;
mod requests;
mod units;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, HOST, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::Full;
use tokio::time::Instant;
use tracing::error;

use super::base_url::{BaseUrl, GatewayClientError};
use super::classification::AnswerKind;
use super::exchange::{CONNECT_TIMEOUT, Peer, Unanswered};
use super::operation::{OperationAnswer, OperationRequest};
use super::secret::Secret;
use reading::Reading;
use requests::Asked;

/// Where Stripe is.
pub const BASE_URL: &str = "https://api.stripe.com";
/// The version of the API whose objects are understood here; the account's own would do otherwise.
const API_VERSION: HeaderValue = HeaderValue::from_static("2025-03-31.basil");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("holdfast/", env!("CARGO_PKG_VERSION")));

/// What a client of Stripe needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeOptions {
    /// [`BASE_URL`], or where a stand-in for Stripe is.
    pub base_url: String,
    /// The longest that connecting may take.
    pub connect_timeout: Duration,
    /// The secret or restricted key: `PaymentIntents` and refunds to write, charges to read.
    pub secret_key: Secret,
    /// What is charged: the id of a `PaymentMethod`.
    pub payment_method: String,
    /// Whose it is: the id of a `Customer`.
    pub customer: Option<String>,
}

/// Client of Stripe; clones share its connections.
#[derive(Debug, Clone)]
pub struct StripeGateway {
    peer: Peer,
    host: HeaderValue,
    /// Its debug output hides it.
    authorization: HeaderValue,
    payment_method: String,
    customer: Option<String>,
    intents: Uri,
    refunds: Uri,
    balance: Uri,
}

impl StripeOptions {
    /// Stripe itself, with this key and this payment method.
    pub fn new(secret_key: Secret, payment_method: impl Into<String>) -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            secret_key,
            payment_method: payment_method.into(),
            customer: None,
        }
    }
}

impl StripeGateway {
    /// A client of Stripe.
    ///
    /// # Errors
    /// [`GatewayClientError`], also for a base URL on the way to which the key could be read.
    pub fn new(options: StripeOptions) -> Result<Self, GatewayClientError> {
        let base = BaseUrl::parse(&options.base_url)?;
        if base.is_overheard() {
            return Err(GatewayClientError::BaseUrl {
                url: options.base_url,
                reason: "the secret key must not go over plain HTTP: use https://".to_owned(),
            });
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", options.secret_key.expose()))
                .map_err(|_| GatewayClientError::Setting { setting: "secret key" })?;
        authorization.set_sensitive(true);
        let intents = base.under("v1/payment_intents")?;
        let (refunds, balance) = (base.under("v1/refunds")?, base.under("v1/balance")?);
        let (host, peer) = (base.host(), base.peer(options.connect_timeout)?);
        let StripeOptions { payment_method, customer, .. } = options;
        Ok(Self { peer, host, authorization, payment_method, customer, intents, refunds, balance })
    }

    /// Asks whether Stripe is there and takes the key, without charging anybody.
    ///
    /// # Errors
    /// Why it does not answer well.
    pub async fn probe(&self, at_most: Duration) -> Result<(), String> {
        let asked = Asked::get(self.balance.clone());
        let request = self.request(asked).map_err(|error| error.to_string())?;
        match self.peer.exchange(request, Instant::now() + at_most).await {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(format!("HTTP {}", answer.status)),
            Err(Unanswered::NotConnected(reason) | Unanswered::Lost(reason)) => Err(reason),
            Err(Unanswered::TimedOut) => {
                Err(format!("no answer within {} ms", at_most.as_millis()))
            }
        }
    }

    /// Tries `operation` once and says what became of it. Dropping the future before it completes
    /// leaves the outcome unknown.
    pub async fn perform(&self, operation: &OperationRequest) -> OperationAnswer {
        let asked = self.asked(operation);
        let request = asked.and_then(|asked| self.request(asked).map_err(|e| e.to_string()));
        let request = match request {
            Ok(request) => request,
            // A request that cannot be built is not sent.
            Err(reason) => {
                return Reading::unanswered(AnswerKind::NotBuilt, reason).judge(operation);
            }
        };
        let until = operation.begun + operation.call_timeout;
        let reading = match self.peer.exchange(request, until).await {
            Ok(answer) => reading::read(operation, &answer),
            Err(Unanswered::NotConnected(reason)) => {
                Reading::unanswered(AnswerKind::NotConnected, reason)
            }
            Err(Unanswered::Lost(reason)) => {
                Reading::unanswered(AnswerKind::ConnectionLost, reason)
            }
            Err(Unanswered::TimedOut) => {
                let waited = operation.call_timeout.as_millis();
                let reason = format!("no answer within {waited} ms");
                Reading::unanswered(AnswerKind::TimedOut, reason)
            }
        };
        if matches!(reading.answer, AnswerKind::Unauthorized(_)) {
            error!(
                reason = reading.reason,
                "Stripe refuses the key of this gateway: nothing is charged until it is replaced."
            );
        }
        reading.judge(operation)
    }

    fn request(&self, asked: Asked) -> Result<Request<Full<Bytes>>, axum::http::Error> {
        let mut request = Request::builder().method(asked.method).uri(asked.target);
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        request
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(STRIPE_VERSION, API_VERSION)
            .header(USER_AGENT, AGENT)
            .body(asked.body)
    }
}
