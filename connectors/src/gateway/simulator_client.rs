//! The client of a gateway of kind `simulator`.
//!
//! Invariants: one operation is one HTTP exchange, tried once (`exchange`); the call's time covers
//! connecting, sending and reading the answer. What came back is described here and judged by the
//! one table in [`super::classification`].
//!
//! It deliberately does not know whether the operation may still be sent (`not_after`), whether it
//! was tried before, or what happens next.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use super::classification::{AnswerKind, BodyReading, OperationKind, OutcomeClass, classify};
use super::evidence::{Evidence, EvidenceFields};
use super::exchange::{Answer, MAX_ANSWER_BYTES, Peer, Unanswered};
use super::operation::{OperationAnswer, OperationRequest, Outcome};

/// Longest gateway reference, in characters.
const MAX_REFERENCE_CHARS: usize = 128;
/// Longest decline code, in characters.
const MAX_CODE_CHARS: usize = 64;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Why a client cannot be made.
#[derive(Debug, Error)]
pub enum GatewayClientError {
    /// The base URL is not one of http or https with a host.
    #[error("{url:?} is not the base URL of a gateway: {reason}")]
    BaseUrl {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be set up, for want of TLS roots for instance.
    #[error("the HTTP client of the gateway cannot be set up: {0}")]
    Client(String),
}

/// Client of one gateway of kind `simulator`; clones share its connections.
#[derive(Debug, Clone)]
pub struct SimulatorGateway {
    peer: Peer,
    host: HeaderValue,
    charges: Uri,
    health: Uri,
}

/// Body of a submission.
#[derive(Serialize)]
struct Submission<'a> {
    amount: i64,
    currency: &'a str,
    reference: Uuid,
    attempt_id: Uuid,
}

/// A charge as the gateway tells it; fields that are not needed are ignored.
#[derive(Debug, Deserialize)]
struct ChargeBody<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    status: ChargeBodyStatus,
    #[serde(borrow)]
    decline_code: Option<Cow<'a, str>>,
    amount: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    attempt_id: Cow<'a, str>,
    #[serde(borrow)]
    idempotency_key: Cow<'a, str>,
    /// A charge that is an error as well contradicts itself.
    error: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChargeBodyStatus {
    Succeeded,
    Declined,
}

/// Answer to an inquiry.
#[derive(Debug, Deserialize)]
struct InquiryBody<'a> {
    found: bool,
    #[serde(borrow)]
    idempotency_key: Cow<'a, str>,
    #[serde(borrow)]
    charge: Option<ChargeBody<'a>>,
    error: Option<IgnoredAny>,
}

/// The gateway's error body.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
    processed: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    code: String,
}

/// What was recognised in a body.
enum Recognised<'a> {
    Charge(ChargeBody<'a>),
    NothingFound,
    Error(ErrorBody),
    Nothing,
}

/// One call as it was seen, before it is judged.
struct Observation<'a> {
    answer: AnswerKind,
    recognised: Recognised<'a>,
    /// What a person would say of it.
    reason: String,
    evidence: Evidence,
}

impl SimulatorGateway {
    /// A client of the gateway at `base_url`, such as `http://127.0.0.1:8090`.
    pub fn new(base_url: &str) -> Result<Self, GatewayClientError> {
        let refused = |reason: &str| GatewayClientError::BaseUrl {
            // Whatever stands before an @ is a password and must not reach a log.
            url: base_url.rsplit('@').next().unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        };
        let base: Uri = base_url.parse().map_err(|_| refused("it is not a URL"))?;
        let authority = base.authority().filter(|authority| !authority.host().is_empty());
        let is_http = matches!(base.scheme_str(), Some("http" | "https"));
        let (true, Some(authority)) = (is_http, authority) else {
            return Err(refused("it must start with http:// or https:// and name a host"));
        };
        if authority.as_str().contains('@') || base.query().is_some() {
            return Err(refused("it must not have credentials or a query"));
        }
        let host = HeaderValue::try_from(authority.as_str())
            .map_err(|_| refused("its host cannot be sent"))?;
        let path = base.path().trim_end_matches('/');
        let under = |name: &str| {
            let uri = format!("{path}/{name}").parse::<Uri>();
            uri.map_err(|_| refused("its path cannot be sent"))
        };
        let (charges, health) = (under("v1/charges")?, under("health")?);
        let peer = Peer::new(base).map_err(GatewayClientError::Client)?;
        Ok(Self { peer, host, charges, health })
    }

    /// Asks whether it is there, without charging anybody.
    ///
    /// # Errors
    /// Why it does not answer well.
    pub async fn probe(&self, at_most: Duration) -> Result<(), String> {
        let request = Request::get(self.health.clone()).header(HOST, self.host.clone());
        let request = request.body(Full::default()).map_err(|error| error.to_string())?;
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
        let request = match self.request(operation) {
            Ok(request) => request,
            // A request that cannot be built is not sent.
            Err(error) => {
                let observation = unanswered(AnswerKind::NotConnected, error.to_string());
                return judge(operation.kind, observation);
            }
        };
        let until = operation.begun + operation.call_timeout;
        match self.peer.exchange(request, until).await {
            Ok(answer) => judge(operation.kind, observe(operation, &answer)),
            Err(failure) => judge(operation.kind, observe_failure(operation, failure)),
        }
    }

    fn request(
        &self,
        operation: &OperationRequest,
    ) -> Result<Request<Full<Bytes>>, axum::http::Error> {
        let key = &operation.idempotency_key;
        let mut request = Request::builder().header(HOST, self.host.clone());
        if let Some(traceparent) = &operation.traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        match operation.kind {
            OperationKind::Submit => {
                let body = serde_json::to_vec(&Submission {
                    amount: operation.amount_minor,
                    currency: &operation.currency,
                    reference: operation.payment_id,
                    attempt_id: operation.attempt_id,
                });
                let body = body.expect("a submission has only strings and integers");
                request
                    .method(Method::POST)
                    .uri(self.charges.clone())
                    .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                    .header(IDEMPOTENCY_KEY, key)
                    .body(Full::from(body))
            }
            OperationKind::Inquire => {
                let uri = format!("{}?idempotency_key={}", self.charges, percent_encoded(key));
                request.method(Method::GET).uri(uri).body(Full::default())
            }
        }
    }
}

/// Everything but unreserved characters as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What a failure of the exchange says about the bytes of the request.
fn observe_failure(operation: &OperationRequest, failure: Unanswered) -> Observation<'static> {
    match failure {
        Unanswered::NotConnected(reason) => unanswered(AnswerKind::NotConnected, reason),
        Unanswered::Lost(reason) => unanswered(AnswerKind::ConnectionLost, reason),
        Unanswered::TimedOut => {
            let waited = operation.call_timeout.as_millis();
            unanswered(AnswerKind::TimedOut, format!("no answer within {waited} ms"))
        }
    }
}

fn unanswered(answer: AnswerKind, reason: String) -> Observation<'static> {
    let mut fields = EvidenceFields::default();
    fields.text("failure", &reason);
    Observation { answer, recognised: Recognised::Nothing, reason, evidence: fields.finish() }
}

fn observe<'a>(operation: &OperationRequest, answer: &'a Answer) -> Observation<'a> {
    let recognised = recognise(operation, &answer.body);
    let reading = match &recognised {
        Recognised::Charge(charge) if !charge.is_of(operation) => BodyReading::ChargeOfAnother,
        Recognised::Charge(charge) => match charge.status {
            ChargeBodyStatus::Succeeded => BodyReading::ChargeSucceeded,
            ChargeBodyStatus::Declined => BodyReading::ChargeDeclined,
        },
        Recognised::NothingFound => BodyReading::NothingFound,
        Recognised::Error(error) if error.processed == Some(false) => {
            BodyReading::RefusedUnprocessed
        }
        Recognised::Error(_) => BodyReading::Refused,
        Recognised::Nothing => BodyReading::Unrecognised,
    };
    let evidence = evidence_of(answer, &recognised);
    let reason = match &recognised {
        Recognised::Error(error) => format!("HTTP {}, {}", answer.status, error.code()),
        Recognised::Charge(_) if reading == BodyReading::ChargeOfAnother => {
            format!("HTTP {}, a charge that is not ours", answer.status)
        }
        Recognised::Charge(_) | Recognised::NothingFound => format!("HTTP {}", answer.status),
        Recognised::Nothing => format!("HTTP {}, body not understood", answer.status),
    };
    let answer = AnswerKind::describe(answer.status, reading);
    Observation { answer, recognised, reason, evidence }
}

fn recognise<'a>(operation: &OperationRequest, body: &'a [u8]) -> Recognised<'a> {
    if body.len() > MAX_ANSWER_BYTES {
        return Recognised::Nothing;
    }
    let charge = match operation.kind {
        OperationKind::Submit => match serde_json::from_slice::<ChargeBody<'_>>(body) {
            Ok(charge) if charge.error.is_none() => Some(charge),
            Ok(_) | Err(_) => None,
        },
        OperationKind::Inquire => match serde_json::from_slice::<InquiryBody<'_>>(body) {
            Ok(InquiryBody { error: Some(_), .. }) => None,
            Ok(InquiryBody { found: true, charge, .. }) => charge,
            Ok(inquiry) if inquiry.idempotency_key == operation.idempotency_key => {
                return match inquiry.charge {
                    None => Recognised::NothingFound,
                    // "Not found" with a charge contradicts itself.
                    Some(_) => Recognised::Nothing,
                };
            }
            Ok(_) | Err(_) => None,
        },
    };
    match charge {
        Some(charge) if charge.is_plausible() => Recognised::Charge(charge),
        Some(_) => Recognised::Nothing,
        None => serde_json::from_slice(body).map_or(Recognised::Nothing, Recognised::Error),
    }
}

fn evidence_of(answer: &Answer, recognised: &Recognised<'_>) -> Evidence {
    let mut fields = EvidenceFields::default();
    fields.number("http_status", i64::from(answer.status));
    let headers = [("request_id", &REQUEST_ID), ("retry_after", &RETRY_AFTER)];
    for (name, header) in headers {
        if let Some(value) = answer.headers.get(header) {
            fields.text(name, &String::from_utf8_lossy(value.as_bytes()));
        }
    }
    match recognised {
        Recognised::Charge(charge) => {
            fields.text("charge_id", &charge.id);
            fields.text("reference", &charge.reference);
            fields.number("amount", charge.amount);
            fields.text("currency", &charge.currency);
            if let Some(code) = &charge.decline_code {
                fields.text("decline_code", code);
            }
        }
        Recognised::NothingFound => fields.text("found", "false"),
        Recognised::Error(error) => {
            fields.text("error_code", error.code());
            if let Some(processed) = error.processed {
                fields.text("processed", if processed { "true" } else { "false" });
            }
        }
        Recognised::Nothing => fields.extract("body_extract", &answer.body),
    }
    fields.finish()
}

impl ChargeBody<'_> {
    fn is_of(&self, operation: &OperationRequest) -> bool {
        self.idempotency_key == operation.idempotency_key
            && Uuid::parse_str(&self.reference) == Ok(operation.payment_id)
            && Uuid::parse_str(&self.attempt_id) == Ok(operation.attempt_id)
    }

    /// Whether its fields are what the documentation says, so that they may be taken over.
    fn is_plausible(&self) -> bool {
        let reference = (1..=MAX_REFERENCE_CHARS).contains(&self.id.len())
            && self.id.bytes().all(|byte| byte.is_ascii_graphic());
        let currency =
            self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        let code = |code: &Cow<'_, str>| {
            (1..=MAX_CODE_CHARS).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let verdict = match self.status {
            ChargeBodyStatus::Succeeded => self.decline_code.is_none(),
            ChargeBodyStatus::Declined => self.decline_code.as_ref().is_some_and(code),
        };
        reference && currency && verdict && self.amount > 0
    }
}

impl ErrorBody {
    /// The code, or what stands for one that is not a code.
    fn code(&self) -> &str {
        let is_code = (1..=MAX_CODE_CHARS).contains(&self.error.code.len())
            && self.error.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_code { &self.error.code } else { "unreadable_code" }
    }
}

/// The outcome of an observation: the class from the table, the facts from the body.
fn judge(operation: OperationKind, observation: Observation<'_>) -> OperationAnswer {
    let Observation { answer, recognised, reason, evidence } = observation;
    let outcome = match (classify(operation, answer), recognised) {
        (OutcomeClass::Success, Recognised::Charge(charge)) => Outcome::Success {
            gateway_reference: charge.id.into_owned(),
            amount_minor: charge.amount,
            currency: charge.currency.into_owned(),
        },
        (OutcomeClass::Decline, Recognised::Charge(charge)) => {
            let code = charge.decline_code.unwrap_or_default().into_owned();
            Outcome::Decline { message: decline_message(&code).to_owned(), code }
        }
        (OutcomeClass::NotSent, _) => Outcome::NotSent { reason },
        (OutcomeClass::NotFound, _) => Outcome::NotFound,
        // Success and decline without a charge cannot be: the table gives them for charges only.
        (OutcomeClass::Success | OutcomeClass::Decline | OutcomeClass::Unknown, _) => {
            Outcome::Unknown { reason }
        }
    };
    OperationAnswer { outcome, evidence }
}

/// What the gateway's documentation says of a decline code.
pub(super) fn decline_message(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "The payment method does not have enough funds.",
        "expired_card" => "The card has expired.",
        "do_not_honor" => "The issuer declined without giving a reason.",
        _ => "The gateway declined the charge.",
    }
}
