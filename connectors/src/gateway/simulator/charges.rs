//! Charges and inquiries: the hot path, where plans are made and carried out.
//!
//! A request is led through no router, parsed in place, booked with one write, and answered with
//! the line that was written: the simulator shares a machine with what it is there to test.
//! Everything else goes to [`super::routes`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Method, Request, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use tower::ServiceExt;
use tracing::error;

use super::answers::{self, Refusal};
use super::behaviour::{Behaviour, LONGEST_PAUSE};
use super::charge_book::{Claim, Found, KeyDigest, KeyState, charge_id, digest};
use super::desk::Desk;
use super::ground_truth::{Charge, ChargeStatus};
use super::magic::{Booking, MagicAmount, Manner, Plan, Verdict};
use super::outage::OutageKind;
use super::severable::Lever;

/// Longest request body: a charge has some 250 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest idempotency key, reference and attempt id, in characters.
const MAX_TEXT_CHARS: usize = 255;
/// Largest amount in minor units: what a JSON number can hold exactly everywhere.
const MAX_AMOUNT_MINOR: i64 = (1 << 53) - 1;

const CHARGES: &str = "/v1/charges";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Body of `POST /v1/charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChargeRequest {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reference: String,
    pub(super) attempt_id: String,
}

/// Query of `GET /v1/charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InquiryQuery {
    idempotency_key: String,
}

/// A request that is a charge.
pub(super) struct Submission {
    pub(super) key: String,
    pub(super) digest: KeyDigest,
    pub(super) request: ChargeRequest,
}

/// A charge with the line that the file has of it.
struct Booked {
    charge: Charge,
    line: String,
}

/// The answer to any request, with its `Request-Id`.
pub(super) async fn answer(
    desk: Arc<Desk>,
    lever: Lever,
    router: Router,
    request: Request<Incoming>,
) -> Response {
    let id = desk.request_id();
    let mut response = if request.uri().path() == CHARGES {
        exchange(&desk, &lever, request).await
    } else {
        // Its error type has no values.
        router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
    };
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The answer to a charge or an inquiry, unless the gateway is away.
async fn exchange(desk: &Arc<Desk>, lever: &Lever, request: Request<Incoming>) -> Response {
    if let Some(outage) = desk.outages.current() {
        match outage.kind {
            OutageKind::ServerErrors => return Refusal::Unavailable.into_response(),
            // The connection is about to be closed, if it is refused.
            OutageKind::Hang | OutageKind::Refuse => {
                tokio::select! {
                    () = desk.outages.ends(outage.kind) => {}
                    () = super::connections::stopped(&desk.stopping) => {}
                }
                return reset(lever);
            }
        }
    }
    if request.method() == Method::POST {
        desk.submissions.fetch_add(1, Ordering::Relaxed);
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        submit(desk, lever, &head.headers, body.ok()).await
    } else if request.method() == Method::GET {
        desk.inquiries.fetch_add(1, Ordering::Relaxed);
        inquire(desk, request.uri()).await
    } else {
        Refusal::InvalidRequest("Charges are made with POST and asked about with GET.")
            .into_response()
    }
}

async fn submit(
    desk: &Arc<Desk>,
    lever: &Lever,
    headers: &HeaderMap,
    body: Option<Bytes>,
) -> Response {
    let submission = match read_submission(headers, body) {
        Ok(submission) => submission,
        Err(refusal) => return refusal.into_response(),
    };
    let behaviour = desk.behaviour();
    let claim = match desk.book.claim(submission.digest) {
        Ok(KeyState::Free(claim)) => claim,
        other => {
            desk.latency(&behaviour).await;
            return not_claimed(other, &submission.request);
        }
    };
    let plan = match misbehaviour(&behaviour, submission.request.amount, submission.digest) {
        Some(misbehaviour) => misbehaviour.plan(claim.attempt),
        None => Plan::ORDINARY,
    };
    let booked = carry_out(desk, plan.booking, claim, submission).await;
    desk.latency(&behaviour).await;
    match booked {
        Ok(booked) => respond(desk, plan.manner, booked, lever).await,
        Err(failure) => storage_failed(&failure),
    }
}

/// The answer to a submission whose key is not free.
fn not_claimed(state: io::Result<KeyState>, request: &ChargeRequest) -> Response {
    match state {
        Ok(KeyState::Settled(charge)) if request.asks_for(&charge) => answers::replayed(&charge),
        Ok(KeyState::Settled(_)) => Refusal::KeyReused.into_response(),
        Ok(KeyState::InUse) => Refusal::KeyInUse.into_response(),
        Ok(KeyState::Full | KeyState::Free(_)) => Refusal::Unavailable.into_response(),
        Err(failure) => storage_failed(&failure),
    }
}

async fn inquire(desk: &Desk, uri: &Uri) -> Response {
    let Ok(Query(InquiryQuery { idempotency_key })) = Query::try_from_uri(uri) else {
        let what = "The query must be idempotency_key=<key>.";
        return Refusal::InvalidRequest(what).into_response();
    };
    let key = digest(&idempotency_key);
    let behaviour = desk.behaviour();
    desk.latency(&behaviour).await;
    match desk.book.find(key) {
        Ok(Found::Charge(charge)) => {
            let failing = misbehaviour(&behaviour, charge.amount, key)
                .map_or(0, MagicAmount::failing_inquiries);
            if failing > 0 && desk.book.fail_inquiry(key, failing) {
                return Refusal::Unavailable.into_response();
            }
            answers::inquiry(&idempotency_key, Some(&charge))
        }
        Ok(Found::InUse) => Refusal::KeyInUse.into_response(),
        Ok(Found::Nothing) => answers::inquiry(&idempotency_key, None),
        Err(failure) => storage_failed(&failure),
    }
}

/// What is wrong with a charge of this amount under this key, if anything: magic goes first.
fn misbehaviour(behaviour: &Behaviour, amount: i64, key: KeyDigest) -> Option<MagicAmount> {
    MagicAmount::of(amount).or_else(|| behaviour.misbehaviour_of(key))
}

pub(super) fn storage_failed(failure: &io::Error) -> Response {
    error!(%failure, "The ground truth cannot be used.");
    Refusal::Internal.into_response()
}

fn read_submission(headers: &HeaderMap, body: Option<Bytes>) -> Result<Submission, Refusal> {
    let key = headers
        .get(IDEMPOTENCY_KEY)
        .and_then(|value| value.to_str().ok())
        .filter(|key| is_short_text(key))
        .ok_or(Refusal::InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII."))?;
    let body = body.ok_or(Refusal::InvalidRequest("The body is too long or was cut."))?;
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
    Ok(Submission { key: key.to_owned(), digest: digest(key), request })
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
}

impl Submission {
    pub(super) fn decided(self, verdict: Verdict) -> Charge {
        let (status, decline_code) = match verdict {
            Verdict::Succeeded => (ChargeStatus::Succeeded, None),
            Verdict::Declined(code) => (ChargeStatus::Declined, Some(code.to_owned())),
        };
        Charge {
            id: charge_id(self.digest),
            idempotency_key: self.key,
            reference: self.request.reference,
            attempt_id: self.request.attempt_id,
            amount: self.request.amount,
            currency: self.request.currency,
            status,
            decline_code,
            created: unix_millis(),
        }
    }
}

/// Books what is to be booked; without a booking the claim ends here, before any silence.
async fn carry_out(
    desk: &Arc<Desk>,
    booking: Booking,
    claim: Claim,
    submission: Submission,
) -> io::Result<Option<Booked>> {
    let book = |desk: &Desk, verdict| {
        let charge = submission.decided(verdict);
        let line = desk.book.book(claim, &charge)?;
        Ok(Some(Booked { charge, line }))
    };
    match booking {
        Booking::None => Ok(None),
        Booking::Now(verdict) => book(desk, verdict),
        Booking::Late(verdict) => {
            let desk = Arc::clone(desk);
            // A task of its own: the caller's hanging up does not stop a gateway from charging.
            let late = tokio::spawn(async move {
                desk.pause(desk.pace.long).await;
                book(&desk, verdict)
            });
            late.await.map_err(io::Error::other)?
        }
    }
}

async fn respond(desk: &Desk, manner: Manner, booked: Option<Booked>, lever: &Lever) -> Response {
    use Manner as M;
    match (manner, booked) {
        (M::Honest, Some(booked)) => answers::charge(booked.line),
        (M::Slowly, Some(booked)) => {
            desk.pause(desk.pace.short).await;
            answers::charge(booked.line)
        }
        (M::HalfBody, Some(booked)) => answers::half_body(booked.line),
        (M::ForeignCharge, Some(booked)) => answers::foreign_charge(&booked.charge),
        (M::Silence, _) => {
            desk.pause(LONGEST_PAUSE).await;
            reset(lever)
        }
        (M::Reset, _) => reset(lever),
        (M::Unavailable, _) => Refusal::Unavailable.into_response(),
        (M::ProxyNotFoundPage, _) => answers::proxy_page(axum::http::StatusCode::NOT_FOUND),
        (M::RateLimited, _) => Refusal::RateLimited.into_response(),
        (M::ProxyRateLimitPage, _) => {
            answers::proxy_page(axum::http::StatusCode::TOO_MANY_REQUESTS)
        }
        (M::Unauthorized, _) => Refusal::Unauthorized.into_response(),
        // The table of magic amounts has no row that answers with a charge it did not book.
        (M::InternalError, _) | (M::Honest | M::Slowly | M::HalfBody | M::ForeignCharge, None) => {
            Refusal::Internal.into_response()
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
