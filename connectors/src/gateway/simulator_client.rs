//! The client of a gateway of kind `simulator`.
//!
//! Invariants: one operation is one HTTP exchange, tried once (`exchange`); the call's time covers
//! connecting, sending and reading the answer. What came back is described here and judged by the
//! one table in [`super::classification`].
//!
//! It deliberately does not know whether the operation may still be sent (`not_after`), whether it
//! was tried before, or what happens next.

mod bodies;
pub mod notification;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use tokio::time::Instant;

pub use super::base_url::GatewayClientError;
use super::base_url::{BaseUrl, percent_encoded};
use super::classification::{AnswerKind, BodyReading, OperationKind, OutcomeClass, classify};
use super::evidence::{Evidence, EvidenceFields};
use super::exchange::{Answer, CONNECT_TIMEOUT, MAX_ANSWER_BYTES, Peer, Unanswered};
use super::operation::{OperationAnswer, OperationRequest, Outcome};
pub(super) use bodies::decline_message;
use bodies::{ChargeBody, ChargeBodyStatus, ErrorBody, InquiryBody, Submission};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Client of one gateway of kind `simulator`; clones share its connections.
#[derive(Debug, Clone)]
pub struct SimulatorGateway {
    peer: Peer,
    host: HeaderValue,
    charges: Uri,
    refunds: Uri,
    health: Uri,
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
        Self::connecting_within(base_url, CONNECT_TIMEOUT)
    }

    /// The same, with its own bound on making a connection.
    pub fn connecting_within(
        base_url: &str,
        connect_timeout: Duration,
    ) -> Result<Self, GatewayClientError> {
        let base = BaseUrl::parse(base_url)?;
        let (charges, refunds) = (base.under("v1/charges")?, base.under("v1/refunds")?);
        let health = base.under("health")?;
        let (host, peer) = (base.host(), base.peer(connect_timeout)?);
        Ok(Self { peer, host, charges, refunds, health })
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
                let observation = unanswered(AnswerKind::NotBuilt, error.to_string());
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
            OperationKind::Submit => submission(request, &self.charges, operation, None),
            OperationKind::Refund => {
                let charge = operation.charge_reference.as_deref();
                submission(request, &self.refunds, operation, charge)
            }
            OperationKind::Inquire => inquiry(request, &self.charges, key),
            OperationKind::InquireRefund => inquiry(request, &self.refunds, key),
        }
    }
}

fn submission(
    request: axum::http::request::Builder,
    target: &Uri,
    operation: &OperationRequest,
    charge: Option<&str>,
) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    let body = serde_json::to_vec(&Submission {
        amount: operation.amount_minor,
        currency: &operation.currency,
        reference: operation.payment_id,
        attempt_id: operation.attempt_id,
        charge,
    });
    let body = body.expect("a submission has only strings and integers");
    request
        .method(Method::POST)
        .uri(target.clone())
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(IDEMPOTENCY_KEY, &operation.idempotency_key)
        .body(Full::from(body))
}

fn inquiry(
    request: axum::http::request::Builder,
    target: &Uri,
    key: &str,
) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    let uri = format!("{target}?idempotency_key={}", percent_encoded(key));
    request.method(Method::GET).uri(uri).body(Full::default())
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
            ChargeBodyStatus::Pending => BodyReading::ChargePending,
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
        OperationKind::Submit | OperationKind::Refund => {
            match serde_json::from_slice::<ChargeBody<'_>>(body) {
                Ok(charge) if charge.error.is_none() => Some(charge),
                Ok(_) | Err(_) => None,
            }
        }
        OperationKind::Inquire | OperationKind::InquireRefund => {
            match serde_json::from_slice::<InquiryBody<'_>>(body) {
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
            }
        }
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

/// The outcome of an observation: the class from the table, the facts from the body.
fn judge(operation: OperationKind, observation: Observation<'_>) -> OperationAnswer {
    let Observation { answer, recognised, reason, evidence } = observation;
    let outcome = match (classify(operation, answer), recognised) {
        (OutcomeClass::Success | OutcomeClass::Decline, Recognised::Charge(charge)) => {
            charge.into_outcome()
        }
        (OutcomeClass::NotSent, _) => Outcome::NotSent { reason },
        (OutcomeClass::NotFound, _) => Outcome::NotFound,
        // Success and decline without a charge cannot be: the table gives them for charges only.
        (OutcomeClass::Success | OutcomeClass::Decline | OutcomeClass::Unknown, _) => {
            Outcome::Unknown { reason }
        }
    };
    OperationAnswer { outcome, evidence, health: answer.health() }
}
