//! The table of refusals: one row for each thing that a caller, the ledger or the load can make the
//! API refuse, with the code and the field that the caller is told.
//!
//! The rows stand in `bad_input` and `refusals`; here is what a row is, how it is checked, and that
//! every route of the router and every code that a route can give has one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use connectors::http::{ApiOptions, Profile};
use schemas::ErrorCode;
use schemas::ErrorCode as E;
use serde_json::{Value, json};

use crate::caller::{Caller, PATIENT, payment, until};
use crate::contract::{Operation, operations, path_of};
use crate::ledger::Reply;
use crate::{bad_input, changes, demo, gateways, refusals};

/// One wrong request, or a right one in a wrong world.
#[derive(Clone)]
pub struct Row {
    world: World,
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    code: ErrorCode,
    param: Option<String>,
}

/// What a request meets. In each of them there is what [`Caller::with_demo`] asks for.
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

    /// With a body of JSON.
    pub fn sent(method: Method, path: &str, body: impl Into<Vec<u8>>, code: ErrorCode) -> Self {
        Self { method, ..Self::post(path, body, code) }
    }

    /// The same request in a world that refuses it so.
    pub fn refused(mut self, code: ErrorCode) -> Self {
        self.code = code;
        self
    }

    /// The same request with this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request with more at the end of its path.
    pub fn query(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
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
        let caller = Caller::with(options).with_demo().await;
        match self {
            Self::Says(reply) => caller.ledger.reply(reply.clone()),
            Self::KeyUsed => {
                caller.pay(77, "used").await;
                let of_wallet = |what| format!("/api/v1/wallets/{}/{what}", demo::wallet());
                let to = json!({
                    "from_wallet_id": demo::wallet(), "to_wallet_id": demo::other(), "amount": 77,
                });
                for (path, body) in [
                    (of_wallet("deposits"), json!({ "amount": 77 })),
                    (of_wallet("withdrawals"), json!({ "amount": 77 })),
                    (format!("/api/v1/payments/{}/refunds", demo::payment()), json!({})),
                    ("/api/v1/transfers".to_owned(), to),
                ] {
                    caller.post(&path, &body, &[("Idempotency-Key", "used")]).await;
                }
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
    let of_demo = plain.ledger.appended().len();
    for row in rows {
        if let World::Plain = row.world {
            row.check(&plain).await;
        } else {
            row.check(&row.world.caller().await).await;
        }
    }
    assert_eq!(plain.ledger.appended().len(), of_demo, "nothing got through");
}

/// Codes that only those see who write to the topics themselves.
const IN_THE_JOURNAL_ALONE: [ErrorCode; 6] = [
    ErrorCode::Unreadable,
    ErrorCode::IdMismatch,
    ErrorCode::Misrouted,
    ErrorCode::UnknownOperation,
    ErrorCode::UnknownTransfer,
    ErrorCode::TooManyOrphans,
];

fn table() -> Vec<Row> {
    let mut rows = bad_input::rows();
    rows.extend(refusals::rows());
    rows.extend(changes::rows());
    rows.extend(gateways::rows());
    rows
}

#[tokio::test]
async fn every_route_is_told_the_methods_that_it_has() {
    let caller = Caller::new(Profile::Dev);
    let mut routes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Operation { method, path, .. } in operations() {
        let methods = match method {
            "get" => &["GET", "HEAD"][..],
            "post" => &["POST"],
            "put" => &["PUT"],
            other => panic!("{other} {path}"),
        };
        routes.entry(path).or_default().extend(methods);
    }
    routes.insert("/api/v1/payments/", routes["/api/v1/payments"].clone());
    for (path, methods) in routes {
        let request = Request::delete(path).body(Body::empty()).unwrap();
        let answer = caller.send(request).await;
        answer.assert_refused(ErrorCode::MethodNotAllowed);
        let allowed: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        assert_eq!(allowed, methods, "{path}");
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

/// What each operation can refuse stands in the document, which has it from
/// connectors/src/http/openapi/refusals.rs. A route that learns a refusal gets it there, and a row
/// here.
#[test]
fn every_route_has_a_row_for_each_refusal_that_it_can_give() {
    let mut given = BTreeSet::new();
    for row in table() {
        match row.code {
            E::NotFound => assert_eq!(path_of(&row.path), None, "{}", row.name()),
            E::MethodNotAllowed => assert!(path_of(&row.path).is_some(), "{}", row.name()),
            code => {
                let operation = Operation::of(&row.method, &row.path);
                let Operation { method, path, .. } = operation.unwrap();
                given.insert((method, path, code));
            }
        }
    }
    let mut expected = BTreeSet::new();
    for operation in operations() {
        let Operation { method, path, .. } = operation;
        expected.extend(operation.codes().into_iter().map(|code| (method, path, code)));
    }
    // A defect can be met anywhere; one row stands for all.
    let is_defect = |(_, _, code): &(&str, &str, E)| *code == E::Internal;
    assert!(given.iter().any(is_defect));
    expected.retain(|row| !is_defect(row));
    given.retain(|row| !is_defect(row));
    let missing: Vec<_> = expected.difference(&given).collect();
    let more: Vec<_> = given.difference(&expected).collect();
    assert!(missing.is_empty() && more.is_empty(), "no row: {missing:#?}; new: {more:#?}");
}
