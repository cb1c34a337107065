//! The table of refusals: one row for each thing that a caller, the ledger or the load can make the
//! API refuse, with the code and the field that the caller is told.
//!
//! The rows stand in `bad_input` and `refusals`; here is what a row is, how it is checked, and that
//! every route of the router and every code that a route can give has one.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use connectors::http::{ApiOptions, Profile};
use schemas::ErrorCode;
use schemas::ErrorCode as E;
use serde_json::{Value, json};

use crate::caller::{Caller, PATIENT, USER, payment, until};
use crate::ledger::Reply;
use crate::{bad_input, refusals};

/// One wrong request, or a right one in a wrong world.
pub struct Row {
    world: World,
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    code: ErrorCode,
    param: Option<String>,
}

/// What a request meets. In each of them the demo wallet is open.
#[derive(Debug, Clone)]
pub enum World {
    /// A ledger that would accept it, in profile dev, and views that nobody waits for.
    Plain,
    /// The same in profile production.
    Production,
    /// A ledger, or a log, that says this.
    Says(Reply),
    /// The same key was used for another request.
    KeyUsed,
    /// One request of the wallet, and one that opens another, are as many as there may be.
    WalletFull,
    /// Requests wait this long.
    Queued(Duration),
    /// Somebody waits for a decision behind the only door, for ever.
    DoorTaken,
}

impl Row {
    pub fn new(method: Method, path: &str, code: ErrorCode) -> Self {
        let (world, path, body) = (World::Plain, path.to_owned(), Vec::new());
        Self { world, method, path, headers: Vec::new(), body, code, param: None }
    }

    pub fn get(path: &str, code: ErrorCode) -> Self {
        Self::new(Method::GET, path, code)
    }

    pub fn post(path: &str, body: impl Into<Vec<u8>>, code: ErrorCode) -> Self {
        let row = Self { body: body.into(), ..Self::new(Method::POST, path, code) };
        row.header("content-type", "application/json")
    }

    pub fn param(mut self, name: &str) -> Self {
        self.param = Some(name.to_owned());
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(known, _)| *known != name || name == "idempotency-key");
        self.headers.push((name, value.into()));
        self
    }

    pub fn without_headers(mut self) -> Self {
        self.headers.clear();
        self
    }

    pub fn world(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// What the row says of itself when it fails.
    fn name(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(120).collect();
        format!("{:?}: {} {} {:?} {body}", self.world, self.method, self.path, self.headers)
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        for (header, value) in &self.headers {
            request = request.header(*header, value.as_slice());
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }

    async fn check(&self, caller: &Caller) {
        let name = self.name();
        let answer = caller.send(self.request()).await;
        assert_eq!(answer.body["code"], self.code.code(), "{name}: {answer:?}");
        answer.assert_refused(self.code);
        let param = answer.body.get("param").and_then(|param| param.as_str());
        assert_eq!(param, self.param.as_deref(), "{name}");
        assert!(answer.text("detail").len() < 600, "{name}");
    }
}

impl World {
    async fn caller(&self) -> Caller {
        let mut options = ApiOptions::new(Profile::Dev);
        options.decision_timeout = Duration::from_millis(20);
        options.view_timeout = Duration::from_millis(20);
        match self {
            Self::Production => options.profile = Profile::Production,
            Self::WalletFull => {
                options.wallet_in_flight_limit = 1;
                options.decision_timeout = PATIENT;
            }
            Self::DoorTaken => {
                options.in_flight_limit = 1;
                options.decision_timeout = PATIENT;
            }
            Self::Plain | Self::Says(_) | Self::KeyUsed | Self::Queued(_) => {}
        }
        let caller = Caller::with(options).with_wallet().await;
        match self {
            Self::Says(reply) => caller.ledger.reply(reply.clone()),
            Self::KeyUsed => {
                caller.pay(77, "used").await;
                let id = caller.get(&format!("/api/v1/wallets/{USER}/USD"), &[]).await;
                let path = format!("/api/v1/wallets/{}/deposits", id.text("id"));
                let body = json!({ "amount": 77 });
                caller.post(&path, &body, &[("Idempotency-Key", "used")]).await;
            }
            Self::Queued(wait) => caller.ledger.set_expected_wait(*wait),
            Self::DoorTaken => wait_for_ever(&caller, "/api/v1/payments", payment(1), 1).await,
            Self::WalletFull => {
                wait_for_ever(&caller, "/api/v1/payments", payment(1), 1).await;
                let opening = json!({ "user_id": "new", "currency": "EUR" });
                wait_for_ever(&caller, "/api/v1/wallets", opening, 2).await;
            }
            Self::Plain | Self::Production => {}
        }
        caller
    }
}

/// One request more that nobody decides; then so many wait.
async fn wait_for_ever(caller: &Caller, path: &'static str, body: Value, waiters: usize) {
    caller.ledger.reply(Reply::Silence);
    let waiting = caller.clone();
    tokio::spawn(async move { waiting.post(path, &body, &[]).await });
    until(|| caller.ledger.waiters() == waiters).await;
}

/// Checks rows: those of the plain world against one API, which must not have let anything through;
/// the others each against one of its own.
pub async fn check(rows: Vec<Row>) {
    let plain = World::Plain.caller().await;
    for row in rows {
        if let World::Plain = row.world {
            row.check(&plain).await;
        } else {
            row.check(&row.world.caller().await).await;
        }
    }
    assert_eq!(plain.ledger.appended().len(), 1, "only the demo wallet's opening");
}

/// Every route, and the methods that it has.
const ROUTES: [(&str, &str); 16] = [
    ("/api/v1/payments", "GET,HEAD,POST"),
    ("/api/v1/payments/", "GET,HEAD,POST"),
    ("/api/v1/payments/{payment_id}", "GET,HEAD"),
    ("/api/v1/payments/{payment_id}/events", "GET,HEAD"),
    ("/api/v1/sagas/{payment_id}", "GET,HEAD"),
    ("/api/v1/wallets", "POST"),
    ("/api/v1/wallets/{wallet_id}", "GET,HEAD"),
    ("/api/v1/wallets/{wallet_id}/deposits", "POST"),
    ("/api/v1/wallets/{wallet_id}/holds", "GET,HEAD"),
    ("/api/v1/wallets/{wallet_id}/transactions", "GET,HEAD"),
    ("/api/v1/wallets/{user_id}/{currency}", "GET,HEAD"),
    ("/api/v1/wallets/{user_id}/{currency}/transactions", "GET,HEAD"),
    ("/live", "GET,HEAD"),
    ("/ready", "GET,HEAD"),
    ("/health", "GET,HEAD"),
    ("/healthz", "GET,HEAD"),
];

/// Pages of text, which can refuse nothing but a method.
const PAGES: [&str; 1] = ["/docs/errors"];

/// Codes that only those see who write to the topics themselves.
const IN_THE_JOURNAL_ALONE: [ErrorCode; 5] = [
    ErrorCode::Unreadable,
    ErrorCode::IdMismatch,
    ErrorCode::Misrouted,
    ErrorCode::UnknownOperation,
    ErrorCode::TooManyOrphans,
];

fn table() -> Vec<Row> {
    let mut rows = bad_input::rows();
    rows.extend(refusals::rows());
    rows
}

/// The route that a path leads to, the one with the fewest blanks as the router has it.
fn route_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (given, wanted): (Vec<_>, Vec<_>) =
            (path.split('/').collect(), template.split('/').collect());
        let same = |(given, wanted): (&&str, &&str)| wanted.starts_with('{') || given == wanted;
        given.len() == wanted.len() && given.iter().zip(&wanted).all(same)
    };
    let blanks = |template: &&str| template.matches('{').count();
    ROUTES.iter().map(|(template, _)| *template).filter(|route| fits(route)).min_by_key(blanks)
}

#[test]
fn the_routes_are_those_of_the_router() {
    let source = include_str!("../../src/http/router.rs");
    let (base, rest) = source.split_once(".route_layer(").unwrap();
    let paths = |text: &str, prefix: &str| -> Vec<String> {
        let found = text.split(".route(").skip(1).filter_map(|route| route.split('"').nth(1));
        found.map(|path| format!("{prefix}{path}")).collect()
    };
    let mut declared = paths(base, "/api/v1");
    declared.extend(paths(&rest.replace("ERRORS_PATH", "\"/docs/errors\""), ""));
    let mut known: Vec<_> = ROUTES.iter().map(|(path, _)| (*path).to_owned()).collect();
    known.extend(PAGES.map(str::to_owned));
    assert_eq!(declared, known);
}

#[tokio::test]
async fn every_route_is_told_the_methods_that_it_has() {
    let caller = Caller::new(Profile::Dev);
    for (path, allow) in ROUTES {
        let request = Request::delete(path).body(Body::empty()).unwrap();
        let answer = caller.send(request).await;
        answer.assert_refused(ErrorCode::MethodNotAllowed);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[test]
fn every_code_that_a_route_can_give_has_a_row() {
    let given: BTreeSet<_> = table().iter().map(|row| row.code).collect();
    let mut possible: BTreeSet<_> = ErrorCode::ALL.iter().copied().collect();
    for code in IN_THE_JOURNAL_ALONE {
        assert!(possible.remove(&code));
    }
    assert_eq!(given, possible);
}

const READ: &[E] = &[E::InvalidRequest, E::PositionNotReached, E::Overloaded];
const ONE: &[E] = &[E::FieldInvalid, E::PaymentNotFound];
const OF_WALLET: &[E] = &[E::FieldInvalid, E::WalletNotFound];
const PAGED: &[E] = &[E::CursorInvalid];
const SENT: &[E] = &[
    E::InvalidRequest,
    E::PayloadTooLarge,
    E::UnsupportedMediaType,
    E::FieldInvalid,
    E::TooManyInFlight,
    E::LogUnavailable,
    E::NotReady,
    E::Overloaded,
];
const KEYED: &[E] = &[E::IdempotencyKeyRequired, E::IdempotencyKeyInvalid, E::IdempotencyKeyReused];
const OF_AMOUNT: &[E] = &[E::AmountNotPositive, E::AmountTooLarge];
const PAID: &[E] = &[
    E::InsufficientFunds,
    E::PaymentDeclined,
    E::GatewayUnavailable,
    E::DeadlineExceeded,
    E::WalletNotFound,
    E::WalletMismatch,
    E::CurrencyUnknown,
    E::CurrencyMismatch,
    E::GatewayUnknown,
    E::Internal,
];
const DEPOSITED: &[E] = &[E::WalletNotFound, E::PositionNotReached, E::ReferenceAlreadyRecorded];

/// What each method of each route can say no with, besides 405. A route that learns a refusal gets
/// it here, and a row.
const CAN_REFUSE: [(&str, &str, &[&[E]]); 12] = [
    ("POST", "/api/v1/payments", &[SENT, KEYED, OF_AMOUNT, PAID]),
    ("GET", "/api/v1/payments", &[READ, PAGED, &[E::FieldInvalid]]),
    ("GET", "/api/v1/payments/{payment_id}", &[READ, ONE]),
    ("GET", "/api/v1/payments/{payment_id}/events", &[READ, ONE, PAGED]),
    ("GET", "/api/v1/sagas/{payment_id}", &[READ, ONE]),
    ("POST", "/api/v1/wallets", &[SENT, &[E::CurrencyUnknown]]),
    ("GET", "/api/v1/wallets/{wallet_id}", &[READ, OF_WALLET]),
    ("POST", "/api/v1/wallets/{wallet_id}/deposits", &[SENT, KEYED, OF_AMOUNT, DEPOSITED]),
    ("GET", "/api/v1/wallets/{wallet_id}/holds", &[READ, OF_WALLET, PAGED]),
    ("GET", "/api/v1/wallets/{wallet_id}/transactions", &[READ, OF_WALLET, PAGED]),
    ("GET", "/api/v1/wallets/{user_id}/{currency}", &[READ, OF_WALLET, &[E::CurrencyUnknown]]),
    (
        "GET",
        "/api/v1/wallets/{user_id}/{currency}/transactions",
        &[READ, OF_WALLET, PAGED, &[E::CurrencyUnknown]],
    ),
];

#[test]
fn every_route_has_a_row_for_each_refusal_that_it_can_give() {
    let mut given = BTreeSet::new();
    for row in table() {
        // A path with a slash at its end is the path without.
        let path = row.path.replace("/payments/?", "/payments?");
        match row.code {
            E::NotFound => assert_eq!(route_of(&path), None, "{}", row.name()),
            E::MethodNotAllowed => assert!(route_of(&path).is_some(), "{}", row.name()),
            code => {
                let route = route_of(&path).unwrap_or_else(|| panic!("{}", row.name()));
                given.insert((row.method.to_string(), route, code));
            }
        }
    }
    let mut expected = BTreeSet::new();
    for (method, route, codes) in CAN_REFUSE {
        let codes = codes.iter().copied().flatten();
        expected.extend(codes.map(|code| (method.to_owned(), route, *code)));
    }
    let missing: Vec<_> = expected.difference(&given).collect();
    let more: Vec<_> = given.difference(&expected).collect();
    assert!(missing.is_empty() && more.is_empty(), "no row: {missing:#?}; new: {more:#?}");
}
