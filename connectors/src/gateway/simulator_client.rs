//! The HTTP client of a gateway of kind `simulator`.
//!
//! Invariants: one operation is one HTTP exchange, tried once: redirects, the client's own retries
//! and proxies of the environment are off; the call's time covers connecting, sending and reading
//! the answer; an answer is read up to a limit. What came back is described here and judged by the
//! one table in [`super::classification`].
//!
//! Connections are kept and used again. A kept connection that turns out closed before the request
//! was handed to it is replaced (no byte was sent); one that breaks later is a lost connection.
//!
//! It deliberately does not know whether the operation may still be sent (`not_after`), whether it
//! was tried before, or what happens next.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use super::classification::{AnswerKind, BodyReading, OperationKind, OutcomeClass, classify};
use super::evidence::{Evidence, EvidenceFields};
use super::operation::{OperationAnswer, OperationRequest, Outcome};

/// Longest answer that is read: a charge has some 400 bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Longest time for making a connection. Shorter than a call, so that a host that is not there is
/// told apart from a gateway that does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept: shorter than the minute after which middle boxes forget.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(45);
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
    Client(#[from] reqwest::Error),
}

/// Client of one gateway of kind `simulator`; clones share its connections.
#[derive(Debug, Clone)]
pub struct SimulatorGateway {
    client: Client,
    charges: Url,
    health: Url,
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
struct ChargeBody {
    id: String,
    status: ChargeBodyStatus,
    decline_code: Option<String>,
    amount: i64,
    currency: String,
    reference: String,
    attempt_id: String,
    idempotency_key: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChargeBodyStatus {
    Succeeded,
    Declined,
}

/// Answer to an inquiry.
#[derive(Debug, Deserialize)]
struct InquiryBody {
    found: bool,
    idempotency_key: String,
    charge: Option<ChargeBody>,
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
enum Recognised {
    Charge(ChargeBody),
    NothingFound,
    Error(ErrorBody),
    Nothing,
}

/// One call as it was seen, before it is judged.
struct Observation {
    answer: AnswerKind,
    recognised: Recognised,
    /// What a person would say of it.
    reason: String,
    evidence: Evidence,
}

impl SimulatorGateway {
    /// A client of the gateway at `base_url`, such as `http://127.0.0.1:8090`.
    pub fn new(base_url: &str) -> Result<Self, GatewayClientError> {
        let refused = |reason: String| GatewayClientError::BaseUrl {
            // Whatever stands before an @ is a password and must not reach a log.
            url: base_url.rsplit('@').next().unwrap_or_default().to_owned(),
            reason,
        };
        let mut charges = Url::parse(base_url).map_err(|error| refused(error.to_string()))?;
        if !matches!(charges.scheme(), "http" | "https") || !charges.has_host() {
            return Err(refused("it must start with http:// or https:// and name a host".into()));
        }
        charges
            .path_segments_mut()
            .map_err(|()| refused("it cannot have a path".into()))?
            .pop_if_empty()
            .extend(["v1", "charges"]);
        let client = Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .build()?;
        let mut health = charges.clone();
        if let Ok(mut path) = health.path_segments_mut() {
            path.pop().pop().push("health");
        }
        Ok(Self { client, charges, health })
    }

    /// Asks whether it is there, without charging anybody.
    ///
    /// # Errors
    /// Why it does not answer well.
    pub async fn probe(&self, at_most: Duration) -> Result<(), String> {
        let answer = self.client.get(self.health.clone()).timeout(at_most).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
            Err(error) => Err(root_cause(&error)),
        }
    }

    /// Tries `operation` once and says what became of it. Dropping the future before it completes
    /// leaves the outcome unknown.
    pub async fn perform(&self, operation: &OperationRequest) -> OperationAnswer {
        let observation = self.call(operation).await;
        judge(operation.kind, observation)
    }

    async fn call(&self, operation: &OperationRequest) -> Observation {
        let exchange = async {
            let response = self.request(operation).send().await?;
            read_answer(response).await
        };
        // A process that was paused while it connected must not send when it wakes: the deadline is
        // looked at before the exchange is.
        let until = operation.begun + operation.call_timeout;
        let exchange = async {
            let mut exchange = pin!(exchange);
            poll_fn(|context| match exchange.as_mut() {
                _ if Instant::now() >= until => Poll::Ready(None),
                exchange => exchange.poll(context).map(Some),
            })
            .await
        };
        match tokio::time::timeout_at(until, exchange).await {
            Ok(Some(Ok(answer))) => observe(operation, &answer),
            Ok(Some(Err(failure))) => observe_failure(&failure),
            Ok(None) | Err(_) => {
                let waited = operation.call_timeout.as_millis();
                unanswered(AnswerKind::TimedOut, format!("no answer within {waited} ms"))
            }
        }
    }

    fn request(&self, operation: &OperationRequest) -> RequestBuilder {
        let request = match operation.kind {
            OperationKind::Submit => self
                .client
                .post(self.charges.clone())
                .header(IDEMPOTENCY_KEY, &operation.idempotency_key)
                .json(&Submission {
                    amount: operation.amount_minor,
                    currency: &operation.currency,
                    reference: operation.payment_id,
                    attempt_id: operation.attempt_id,
                }),
            OperationKind::Inquire => {
                let mut url = self.charges.clone();
                url.query_pairs_mut().append_pair("idempotency_key", &operation.idempotency_key);
                self.client.get(url)
            }
        };
        match &operation.traceparent {
            Some(traceparent) => request.header(TRACEPARENT, traceparent),
            None => request,
        }
    }
}

/// An answer that was received whole, or up to the limit.
struct Answer {
    status: u16,
    headers: HeaderMap,
    /// At most [`MAX_ANSWER_BYTES`] and one chunk.
    body: Vec<u8>,
}

async fn read_answer(mut response: Response) -> reqwest::Result<Answer> {
    let mut body = Vec::new();
    while body.len() <= MAX_ANSWER_BYTES {
        let Some(chunk) = response.chunk().await? else {
            break;
        };
        body.extend_from_slice(&chunk);
    }
    let headers = std::mem::take(response.headers_mut());
    Ok(Answer { status: response.status().as_u16(), headers, body })
}

/// What a failure of the HTTP client says about the bytes of the request.
fn observe_failure(failure: &reqwest::Error) -> Observation {
    // A request that cannot be built is not sent; connecting comes before sending. Everything else,
    // also what nobody thought of, may have sent bytes.
    let answer = if failure.is_builder() || failure.is_connect() {
        AnswerKind::NotConnected
    } else if failure.is_timeout() {
        AnswerKind::TimedOut
    } else {
        AnswerKind::ConnectionLost
    };
    unanswered(answer, root_cause(failure))
}

/// The innermost error: the outer ones repeat the URL.
fn root_cause(failure: &dyn std::error::Error) -> String {
    let mut cause = failure;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(MAX_REFERENCE_CHARS).collect()
}

fn unanswered(answer: AnswerKind, reason: String) -> Observation {
    let mut fields = EvidenceFields::default();
    fields.text("failure", &reason);
    Observation { answer, recognised: Recognised::Nothing, reason, evidence: fields.finish() }
}

fn observe(operation: &OperationRequest, answer: &Answer) -> Observation {
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

fn recognise(operation: &OperationRequest, body: &[u8]) -> Recognised {
    if body.len() > MAX_ANSWER_BYTES {
        return Recognised::Nothing;
    }
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(body) {
        return Recognised::Error(error);
    }
    let charge = match operation.kind {
        OperationKind::Submit => serde_json::from_slice(body).ok(),
        OperationKind::Inquire => match serde_json::from_slice::<InquiryBody>(body) {
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
        Some(charge) if ChargeBody::is_plausible(&charge) => Recognised::Charge(charge),
        Some(_) | None => Recognised::Nothing,
    }
}

fn evidence_of(answer: &Answer, recognised: &Recognised) -> Evidence {
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

impl ChargeBody {
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
        let code = |code: &String| {
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
fn judge(operation: OperationKind, observation: Observation) -> OperationAnswer {
    let Observation { answer, recognised, reason, evidence } = observation;
    let outcome = match (classify(operation, answer), recognised) {
        (OutcomeClass::Success, Recognised::Charge(charge)) => Outcome::Success {
            gateway_reference: charge.id,
            amount_minor: charge.amount,
            currency: charge.currency,
        },
        (OutcomeClass::Decline, Recognised::Charge(charge)) => {
            let code = charge.decline_code.unwrap_or_default();
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
