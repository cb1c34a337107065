//! The HTTP routes of the simulator: requests in, plans carried out, answers out.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tracing::error;
use uuid::Uuid;

use super::Pace;
use super::answers::{self, Refusal};
use super::charge_book::{ChargeBook, Claim, Found, KeyState, charge_id};
use super::ground_truth::{Charge, ChargeStatus};
use super::magic::{Booking, MagicAmount, Manner, Plan, Verdict};
use super::severable::Lever;

/// Longest request body: a charge has some 250 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest idempotency key, reference and attempt id, in characters.
const MAX_TEXT_CHARS: usize = 255;
/// Largest amount in minor units: what a JSON number can hold exactly everywhere.
const MAX_AMOUNT_MINOR: i64 = (1 << 53) - 1;
/// Longest silence: callers have given up long before; then the connection is reset.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);
/// Block of the ground truth that is read and sent at a time.
const STREAMED_BLOCK_BYTES: u64 = 64 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What every handler needs.
pub struct Desk {
    pub(super) book: ChargeBook,
    pub(super) pace: Pace,
    /// Becomes true when the simulator stops: every pause ends at once.
    pub(super) stopping: watch::Receiver<bool>,
}

/// Body of `POST /v1/charges`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargeRequest {
    pub amount: i64,
    pub currency: String,
    pub reference: String,
    pub attempt_id: String,
}

/// Query of `GET /v1/charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InquiryQuery {
    idempotency_key: String,
}

/// The routes, with a `Request-Id` on every answer.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/charges", get(inquire).post(submit))
        .route("/v1/ground-truth", get(ground_truth))
        .route("/health", get(health))
        .fallback(async || Refusal::UnknownPath)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(map_response(with_request_id))
        .with_state(desk)
}

async fn with_request_id(mut response: Response) -> Response {
    let id = format!("req_{}", Uuid::new_v4().simple());
    let value = HeaderValue::try_from(id).expect("hexadecimal digits are a header value");
    response.headers_mut().insert(REQUEST_ID, value);
    response
}

async fn submit(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(lever): ConnectInfo<Lever>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (key, request) = match read_submission(&headers, body) {
        Ok(submission) => submission,
        Err(refusal) => return refusal.into_response(),
    };
    let claim = match desk.book.claim(&key) {
        Ok(KeyState::Free(claim)) => claim,
        Ok(KeyState::InUse) => return Refusal::KeyInUse.into_response(),
        Ok(KeyState::Settled(charge)) if request.asks_for(&charge) => {
            return answers::replayed(&charge);
        }
        Ok(KeyState::Settled(_)) => return Refusal::KeyReused.into_response(),
        Ok(KeyState::Full) => return Refusal::Unavailable.into_response(),
        Err(failure) => return storage_failed(&failure),
    };
    let plan = match MagicAmount::of(request.amount) {
        Some(magic) => magic.plan(claim.attempt),
        None => Plan::ORDINARY,
    };
    match desk.carry_out(plan.booking, claim, key, request).await {
        Ok(charge) => desk.answer(plan.manner, charge.as_ref(), &lever).await,
        Err(failure) => storage_failed(&failure),
    }
}

async fn inquire(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<InquiryQuery>, QueryRejection>,
) -> Response {
    let Ok(Query(InquiryQuery { idempotency_key })) = query else {
        let what = "The query must be idempotency_key=<key>.";
        return Refusal::InvalidRequest(what).into_response();
    };
    match desk.book.find(&idempotency_key) {
        Ok(Found::Charge(charge)) => {
            let failing = MagicAmount::of(charge.amount).map_or(0, MagicAmount::failing_inquiries);
            if failing > 0 && desk.book.fail_inquiry(&idempotency_key, failing) {
                return Refusal::Unavailable.into_response();
            }
            answers::inquiry(&idempotency_key, Some(&charge))
        }
        Ok(Found::InUse) => Refusal::KeyInUse.into_response(),
        Ok(Found::Nothing) => answers::inquiry(&idempotency_key, None),
        Err(failure) => storage_failed(&failure),
    }
}

async fn health(State(desk): State<Arc<Desk>>) -> Response {
    let body = serde_json::json!({ "status": "ok", "charges": desk.book.charges() });
    answers::json_response(StatusCode::OK, body.to_string())
}

/// Streams the file as it is now; charges booked while it streams are not in it.
async fn ground_truth(State(desk): State<Arc<Desk>>) -> Response {
    let end = desk.book.readable_bytes();
    let blocks = stream::try_unfold(0_u64, move |offset| {
        let book = desk.book.clone();
        async move {
            if offset >= end {
                return Ok::<_, io::Error>(None);
            }
            let next = end.min(offset + STREAMED_BLOCK_BYTES);
            let length = usize::try_from(next - offset).map_err(io::Error::other)?;
            // The file may be larger than the page cache, so its reads leave the async threads.
            let block = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; length];
                book.read_block(&mut block, offset).map(|()| block)
            });
            Ok(Some((block.await.map_err(io::Error::other)??, next)))
        }
    });
    let json_lines = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    (json_lines, Body::from_stream(blocks)).into_response()
}

fn storage_failed(failure: &io::Error) -> Response {
    error!(%failure, "The ground truth cannot be used.");
    Refusal::Internal.into_response()
}

fn read_submission(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(String, ChargeRequest), Refusal> {
    let key = headers
        .get(IDEMPOTENCY_KEY)
        .and_then(|value| value.to_str().ok())
        .filter(|key| is_short_text(key))
        .ok_or(Refusal::InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII."))?;
    let body = body.map_err(|_| Refusal::InvalidRequest("The body is too long or was cut."))?;
    let request: ChargeRequest = serde_json::from_slice(&body).map_err(|_| {
        Refusal::InvalidRequest("The body must be amount, currency, reference, attempt_id.")
    })?;
    if !(1..=MAX_AMOUNT_MINOR).contains(&request.amount) {
        return Err(Refusal::InvalidRequest("amount must be 1 to 9007199254740991."));
    }
    if request.currency.len() != 3 || !request.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Refusal::InvalidRequest("currency must be three upper-case letters."));
    }
    if !is_short_text(&request.reference) || !is_short_text(&request.attempt_id) {
        return Err(Refusal::InvalidRequest("reference and attempt_id: 1 to 255 visible ASCII."));
    }
    Ok((key.to_owned(), request))
}

fn is_short_text(text: &str) -> bool {
    (1..=MAX_TEXT_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

impl ChargeRequest {
    pub(super) fn asks_for(&self, charge: &Charge) -> bool {
        self.amount == charge.amount
            && self.currency == charge.currency
            && self.reference == charge.reference
            && self.attempt_id == charge.attempt_id
    }

    pub(super) fn decided(self, idempotency_key: String, verdict: Verdict) -> Charge {
        let (status, decline_code) = match verdict {
            Verdict::Succeeded => (ChargeStatus::Succeeded, None),
            Verdict::Declined(code) => (ChargeStatus::Declined, Some(code.to_owned())),
        };
        Charge {
            id: charge_id(&idempotency_key),
            idempotency_key,
            reference: self.reference,
            attempt_id: self.attempt_id,
            amount: self.amount,
            currency: self.currency,
            status,
            decline_code,
            created: unix_millis(),
        }
    }
}

impl Desk {
    /// Books what is to be booked; without a booking the claim ends here, before any silence.
    async fn carry_out(
        self: &Arc<Self>,
        booking: Booking,
        claim: Claim,
        key: String,
        request: ChargeRequest,
    ) -> io::Result<Option<Charge>> {
        match booking {
            Booking::None => Ok(None),
            Booking::Now(verdict) => {
                let charge = request.decided(key, verdict);
                self.book.book(claim, &charge).await?;
                Ok(Some(charge))
            }
            Booking::Late(verdict) => {
                let desk = Arc::clone(self);
                // A task of its own: the caller's hanging up does not stop a gateway from charging.
                let late = tokio::spawn(async move {
                    desk.pause(desk.pace.long).await;
                    let charge = request.decided(key, verdict);
                    desk.book.book(claim, &charge).await?;
                    Ok(Some(charge))
                });
                late.await.map_err(io::Error::other)?
            }
        }
    }

    async fn answer(&self, manner: Manner, charge: Option<&Charge>, lever: &Lever) -> Response {
        use Manner as M;
        match (manner, charge) {
            (M::Honest, Some(charge)) => answers::charge(charge),
            (M::Slowly, Some(charge)) => {
                self.pause(self.pace.short).await;
                answers::charge(charge)
            }
            (M::HalfBody, Some(charge)) => answers::half_body(charge),
            (M::ForeignCharge, Some(charge)) => answers::foreign_charge(charge),
            (M::Silence, _) => {
                self.pause(LONGEST_SILENCE).await;
                reset(lever)
            }
            (M::Reset, _) => reset(lever),
            (M::Unavailable, _) => Refusal::Unavailable.into_response(),
            (M::ProxyNotFoundPage, _) => answers::proxy_page(StatusCode::NOT_FOUND),
            (M::RateLimited, _) => Refusal::RateLimited.into_response(),
            (M::ProxyRateLimitPage, _) => answers::proxy_page(StatusCode::TOO_MANY_REQUESTS),
            (M::Unauthorized, _) => Refusal::Unauthorized.into_response(),
            // The table of magic amounts has no row that answers with a charge it did not book.
            (M::InternalError, _)
            | (M::Honest | M::Slowly | M::HalfBody | M::ForeignCharge, None) => {
                Refusal::Internal.into_response()
            }
        }
    }

    /// Waits for `duration`, or until the simulator stops.
    async fn pause(&self, duration: Duration) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            // A sender that is gone has stopped as well.
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }
}

/// Resets the connection: the answer itself is never written.
fn reset(lever: &Lever) -> Response {
    lever.pull();
    Refusal::Internal.into_response()
}

fn unix_millis() -> i64 {
    // A clock before 1970 is wrong by so much that zero is as good.
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}
