//! The admin API: how the simulator behaves, outages, and what it charged.
//!
//! For tests and people; whoever may call it may do anything to the gateway, which is why it
//! listens on loopback unless told otherwise.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answers;
use super::audit::{Audit, audit as audit_of};
use super::behaviour::Behaviour;
use super::charge_book::{ChargeBook, Found, digest};
use super::charges::storage_failed;
use super::desk::Desk;
use super::ground_truth::{Charge, ChargeStatus};
use super::outage::{LONGEST_OUTAGE_SECONDS, OutageKind};

/// Most charges in one answer.
const MAX_LISTED: usize = 1000;
/// As many when nothing is said.
const LISTED: usize = 100;

/// Body of `POST /admin/outage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutageWish {
    kind: OutageKind,
    seconds: f64,
}

/// Query of `GET /admin/charges`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChargesQuery {
    idempotency_key: Option<String>,
    reference: Option<String>,
    status: Option<ChargeStatus>,
    limit: Option<usize>,
}

/// A charge and how often it was asked for since the start.
#[derive(Debug, Serialize)]
struct ListedCharge {
    #[serde(flatten)]
    charge: Charge,
    submissions: u32,
}

#[derive(Debug, Serialize)]
struct ListedCharges {
    charges: Vec<ListedCharge>,
    /// Whether there are more.
    truncated: bool,
}

/// `GET /admin/behaviour`.
pub(super) async fn behaviour(State(desk): State<Arc<Desk>>) -> Response {
    shown(&*desk.behaviour())
}

/// `PUT /admin/behaviour`: in the place of the one before, whole.
pub(super) async fn behave(
    State(desk): State<Arc<Desk>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(body) = body else { return refused("The body is too long or was cut.") };
    match Behaviour::parse(&body, desk.behaviour().seed) {
        Ok(behaviour) => {
            tracing::info!(behaviour = %json!(behaviour), "The simulator behaves otherwise.");
            desk.behave(behaviour);
            shown(&*desk.behaviour())
        }
        Err(error) => refused(&error.to_string()),
    }
}

/// `DELETE /admin/behaviour`: as at the start.
pub(super) async fn behave_as_at_the_start(State(desk): State<Arc<Desk>>) -> Response {
    desk.behave_as_at_the_start();
    shown(&*desk.behaviour())
}

/// `GET /admin/outage`.
pub(super) async fn outage(State(desk): State<Arc<Desk>>) -> Response {
    let outage = desk.outages.current();
    shown(&json!({
        "kind": outage.map(|outage| outage.kind),
        "seconds": outage.map_or(0.0, |outage| outage.left().as_secs_f64()),
    }))
}

/// `POST /admin/outage`: in the place of the one before.
pub(super) async fn begin_outage(
    State(desk): State<Arc<Desk>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(body) = body else { return refused("The body is too long or was cut.") };
    let mut body = serde_json::Deserializer::from_slice(&body);
    let wish: OutageWish = match serde_path_to_error::deserialize(&mut body) {
        Ok(wish) => wish,
        Err(error) => return refused(&format!("{}: {}", error.path(), error.inner())),
    };
    let lasts = Duration::try_from_secs_f64(wish.seconds).ok();
    let Some(lasts) = lasts.filter(|_| wish.seconds <= LONGEST_OUTAGE_SECONDS) else {
        return refused(&format!("seconds: must be 0 to {LONGEST_OUTAGE_SECONDS}"));
    };
    tracing::info!(kind = ?wish.kind, seconds = wish.seconds, "An outage begins.");
    desk.outages.begin(wish.kind, lasts);
    outage(State(desk)).await
}

/// `DELETE /admin/outage`.
pub(super) async fn end_outage(State(desk): State<Arc<Desk>>) -> Response {
    desk.outages.end();
    outage(State(desk)).await
}

/// `GET /admin/audit`.
pub(super) async fn audit(State(desk): State<Arc<Desk>>) -> Response {
    let (book, refunds) = (desk.book.clone(), desk.refunds.book().clone());
    let audited = tokio::task::spawn_blocking(move || {
        Ok((audit_of(&book)?, audit_of(&refunds)?, book.submissions()))
    });
    let (audit, refunds, submissions): (Audit, Audit, _) =
        match audited.await.map_err(io::Error::other) {
            Ok(Ok(audited)) => audited,
            Ok(Err(failure)) | Err(failure) => return storage_failed(&failure),
        };
    shown(&json!({
        "audit": audit,
        "refunds": {
            "refunds": refunds.charges,
            "succeeded": refunds.succeeded,
            "declined": refunds.declined,
            "amounts": refunds.amounts,
            "keys_refunded_twice": refunds.keys_charged_twice,
        },
        "since_start": {
            "submissions": desk.submissions.load(Ordering::Relaxed),
            "inquiries": desk.inquiries.load(Ordering::Relaxed),
            "keys_by_submissions": submissions.keys,
        },
    }))
}

/// Query of `DELETE /admin/keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyQuery {
    idempotency_key: String,
}

/// `DELETE /admin/keys`: forgets a key, as after its retention.
pub(super) async fn prune(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<KeyQuery>, QueryRejection>,
) -> Response {
    let key = match query {
        Ok(Query(query)) => digest(&query.idempotency_key),
        Err(rejection) => return refused(&rejection.body_text()),
    };
    let (charge, refund) = (desk.book.prune(key), desk.refunds.book().prune(key));
    shown(&json!({ "forgotten": charge || refund }))
}

/// `GET /admin/charges`: oldest first.
pub(super) async fn charges(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<ChargesQuery>, QueryRejection>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refused(&rejection.body_text()),
    };
    let limit = query.limit.unwrap_or(LISTED);
    if !(1..=MAX_LISTED).contains(&limit) {
        return refused(&format!("limit: must be 1 to {MAX_LISTED}"));
    }
    let book = desk.book.clone();
    let listed = tokio::task::spawn_blocking(move || list(&book, &query, limit));
    match listed.await.map_err(io::Error::other) {
        Ok(Ok(listed)) => shown(&listed),
        Ok(Err(failure)) | Err(failure) => storage_failed(&failure),
    }
}

fn list(book: &ChargeBook, query: &ChargesQuery, limit: usize) -> io::Result<ListedCharges> {
    let mut listed = ListedCharges { charges: Vec::new(), truncated: false };
    let mut take = |charge: Charge| {
        let is_asked_for = query.reference.as_ref().is_none_or(|asked| *asked == charge.reference)
            && query.status.is_none_or(|asked| asked == charge.status);
        if !is_asked_for {
            return true;
        }
        if listed.charges.len() == limit {
            listed.truncated = true;
            return false;
        }
        let submissions = book.submissions_of(digest(&charge.idempotency_key));
        listed.charges.push(ListedCharge { charge, submissions });
        true
    };
    if let Some(key) = &query.idempotency_key {
        if let Found::Charge(charge) = book.find(digest(key))? {
            take(*charge);
        }
        return Ok(listed);
    }
    for charge in book.read_all() {
        if !take(charge?) {
            break;
        }
    }
    Ok(listed)
}

fn shown(body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => answers::json_response(StatusCode::OK, text),
        Err(failure) => storage_failed(&failure.into()),
    }
}

fn refused(message: &str) -> Response {
    let body = json!({ "error": { "code": "invalid_request", "message": message } });
    answers::json_response(StatusCode::BAD_REQUEST, body.to_string()).into_response()
}
