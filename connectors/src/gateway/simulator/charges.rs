//! Charges and inquiries: the hot path, where plans are made and carried out.
//!
//! A request is led through no router, parsed in place, booked with one write, and answered with
//! the line that was written: the simulator shares a machine with what it is there to test.
//! Everything else goes to [`super::routes`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Method, Request, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tracing::error;

use super::answers::{self, Refusal};
use super::behaviour::{Behaviour, LONGEST_PAUSE};
use super::charge_book::{ChargeBook, Claim, Found, KeyDigest, KeyState, digest};
use super::deceit::Deceit;
use super::desk::Desk;
use super::ground_truth::Charge;
use super::magic::{Booking, MagicAmount, Manner, Plan, Verdict};
use super::outage::OutageKind;
use super::refunds::Refunds;
use super::severable::Lever;
use super::submission::{ChargeRequest, Subject, Submission, read_submission, unix_millis};

/// Longest request body: a charge has some 250 bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;
const CHARGES: &str = "/v1/charges";
const REFUNDS: &str = "/v1/refunds";
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Query of `GET /v1/charges`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InquiryQuery {
    idempotency_key: String,
}

/// A submission, and what bears on its verdict.
#[derive(Clone)]
struct Case {
    submission: Submission,
    /// What a refund gives back.
    charged: Option<Charge>,
    deceit: Option<Deceit>,
    behaviour: Arc<Behaviour>,
}

/// A charge with the line that the file has of it.
struct Booked {
    charge: Charge,
    line: String,
    /// A notification that goes before the answer.
    told: Option<JoinHandle<()>>,
}

/// The answer to any request, with its `Request-Id`.
pub(super) async fn answer(
    desk: Arc<Desk>,
    lever: Lever,
    router: Router,
    request: Request<Incoming>,
) -> Response {
    let id = desk.request_id();
    let subject = match request.uri().path() {
        CHARGES => Some(Subject::Charge),
        REFUNDS => Some(Subject::Refund),
        _ => None,
    };
    let mut response = if let Some(subject) = subject {
        exchange(&desk, &lever, subject, request).await
    } else {
        // Its error type has no values.
        router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})
    };
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The answer to a submission or an inquiry, unless the gateway is away.
async fn exchange(
    desk: &Arc<Desk>,
    lever: &Lever,
    subject: Subject,
    request: Request<Incoming>,
) -> Response {
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
        submit((desk, lever), subject, &head.headers, body.ok()).await
    } else if request.method() == Method::GET {
        desk.inquiries.fetch_add(1, Ordering::Relaxed);
        inquire(desk, subject, request.uri()).await
    } else {
        Refusal::InvalidRequest("Charges and refunds are made with POST and asked about with GET.")
            .into_response()
    }
}

async fn submit(
    (desk, lever): (&Arc<Desk>, &Lever),
    subject: Subject,
    headers: &HeaderMap,
    body: Option<Bytes>,
) -> Response {
    let submission = match read_submission(subject, headers, body) {
        Ok(submission) => submission,
        Err(refusal) => return refusal.into_response(),
    };
    let charged = match subject {
        Subject::Charge => None,
        Subject::Refund => match Refunds::charge_of(&desk.book, &submission.request) {
            Ok(Some(charge)) => Some(charge),
            Ok(None) => {
                let what = "There is no such charge of this payment in this currency.";
                return Refusal::InvalidRequest(what).into_response();
            }
            Err(failure) => return storage_failed(&failure),
        },
    };
    let behaviour = desk.behaviour();
    let claim = match subject.book(desk).claim(submission.digest) {
        Ok(KeyState::Free(claim)) => claim,
        other => {
            desk.latency(&behaviour).await;
            return not_claimed(other, &submission.request);
        }
    };
    let mut case = Case { submission, charged, deceit: None, behaviour };
    let plan = case.plan(desk, subject, claim.attempt);
    let behaviour = Arc::clone(&case.behaviour);
    let booked = carry_out(desk, subject, (plan.booking, claim), case).await;
    desk.latency(&behaviour).await;
    match booked {
        Ok(mut booked) => {
            if let Some(told) = booked.as_mut().and_then(|booked| booked.told.take()) {
                // Whether it was taken or not, it went first.
                let _ = told.await;
            }
            respond(desk, plan.manner, booked, lever).await
        }
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

async fn inquire(desk: &Desk, subject: Subject, uri: &Uri) -> Response {
    let Ok(Query(InquiryQuery { idempotency_key })) = Query::try_from_uri(uri) else {
        let what = "The query must be idempotency_key=<key>.";
        return Refusal::InvalidRequest(what).into_response();
    };
    let key = digest(&idempotency_key);
    let behaviour = desk.behaviour();
    desk.latency(&behaviour).await;
    let book = subject.book(desk);
    match book.find(key) {
        Ok(Found::Charge(charge)) => {
            let failing = misbehaviour(&behaviour, charge.amount, key)
                .map_or(0, MagicAmount::failing_inquiries);
            if failing > 0 && book.fail_inquiry(key, failing) {
                return Refusal::Unavailable.into_response();
            }
            let age = u64::try_from(unix_millis() - charge.created).unwrap_or_default();
            let is_visible = age >= behaviour.ingestion_ms;
            answers::inquiry(
                &idempotency_key,
                subject.name(),
                Some(&*charge).filter(|_| is_visible),
            )
        }
        Ok(Found::InUse) => Refusal::KeyInUse.into_response(),
        Ok(Found::Nothing) => answers::inquiry(&idempotency_key, subject.name(), None),
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

impl Subject {
    fn book(self, desk: &Desk) -> &ChargeBook {
        match self {
            Self::Charge => &desk.book,
            Self::Refund => desk.refunds.book(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Refund => "refund",
        }
    }
}

impl Case {
    /// What this try does; a deceit may change it.
    fn plan(&mut self, desk: &Arc<Desk>, subject: Subject, attempt: u32) -> Plan {
        let Submission { digest, request, .. } = &self.submission;
        if let Some(magic) = misbehaviour(&self.behaviour, request.amount, *digest) {
            return magic.plan(attempt);
        }
        let is_first = attempt == 1 && subject == Subject::Charge;
        self.deceit = self.behaviour.deceit_of(*digest).filter(|_| is_first);
        match self.deceit {
            Some(Deceit::RefusedButCharged) => {
                Plan { manner: Manner::RateLimited, ..Plan::ORDINARY }
            }
            Some(Deceit::ChargedLate) => {
                tokio::spawn(charge_late(Arc::clone(desk), self.clone()));
                Plan { booking: Booking::None, manner: Manner::Silence }
            }
            Some(Deceit::ChargedLess | Deceit::ChargedMore | Deceit::ChargedOtherCurrency)
            | None => Plan::ORDINARY,
        }
    }

    /// Books the verdict, and has it told. Blocks for one write to the page cache.
    fn book(
        self,
        desk: &Desk,
        subject: Subject,
        (claim, verdict): (Claim, Verdict),
    ) -> io::Result<Booked> {
        let (digest, amount) = (self.submission.digest, self.submission.request.amount);
        let verdict = match &self.charged {
            Some(charge) => desk.refunds.decide(charge, amount, verdict),
            None => verdict,
        };
        let charge = self.submission.decided_with(verdict, self.deceit);
        let booked = subject.book(desk).book(claim, &charge);
        if let (Err(_), Some(charged)) = (&booked, &self.charged) {
            desk.refunds.undo(charged, amount, verdict);
        }
        let line = booked?;
        let told = desk.notifier.tell(&self.behaviour, digest, &charge);
        Ok(Booked { charge, line, told })
    }
}

/// Charges after the long pause, unless something was charged under the key by then.
async fn charge_late(desk: Arc<Desk>, case: Case) {
    desk.pause(desk.pace.long).await;
    let booked = match desk.book.claim(case.submission.digest) {
        Ok(KeyState::Free(claim)) => {
            case.book(&desk, Subject::Charge, (claim, Verdict::Succeeded)).map(drop)
        }
        Ok(KeyState::InUse | KeyState::Settled(_) | KeyState::Full) => Ok(()),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = booked {
        error!(%failure, "A late charge cannot be booked.");
    }
}

/// Books what is to be booked; without a booking the claim ends here, before any silence.
async fn carry_out(
    desk: &Arc<Desk>,
    subject: Subject,
    (booking, claim): (Booking, Claim),
    case: Case,
) -> io::Result<Option<Booked>> {
    match booking {
        Booking::None => claim.fails().map(|()| None),
        Booking::Now(verdict) => case.book(desk, subject, (claim, verdict)).map(Some),
        Booking::Late(verdict) => {
            let desk = Arc::clone(desk);
            // A task of its own: the caller's hanging up does not stop a gateway from charging.
            let late = tokio::spawn(async move {
                desk.pause(desk.pace.long).await;
                case.book(&desk, subject, (claim, verdict)).map(Some)
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
