//! Refusals of requests that change something that exists: payments, refunds, wallets, facts of
//! rails; and of transfers. Each is told what any request is told, and what is its own.

use axum::http::Method;
use schemas::ErrorCode::{
    self, AmountNotPositive, AmountTooLarge, AsOfInFuture, CurrencyMismatch, CursorInvalid,
    DeadlineExceeded, DepositNotFound, FieldInvalid, GatewayUnavailable, IdempotencyKeyInvalid,
    IdempotencyKeyRequired, IdempotencyKeyReused, InsufficientFunds, InvalidRequest, NotInReview,
    PayloadTooLarge, PaymentNotCancellable, PaymentNotFound, PaymentNotRefundable,
    PositionNotReached, ReferenceAlreadyRecorded, RefundDeclined, RefundExceedsCaptured,
    RefundNotFound, ResolutionConflicts, ResolvedAsFailed, SameWallet, TransferNotFound,
    UnsupportedMediaType, WalletClosed, WalletFrozen, WalletHasOpenOperations, WalletNotEmpty,
    WalletNotFound, WithdrawalNotFound,
};

use crate::caller::USER;
use crate::demo;
use crate::error_table::{Row, World, check};
use crate::ledger::Reply;

const ID: &str = "6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d";
const RESOLUTION: &str = r#"{"outcome":"failed","evidence":"They said so.","actor":"ada"}"#;

/// A route: its path with its id, what it calls the id, a body that is right, and what it says of
/// an id that nobody knows.
struct Route {
    path: String,
    param: &'static str,
    method: Method,
    body: String,
    unknown: ErrorCode,
}

impl Route {
    fn new(path: &str, id: &impl ToString, param: &'static str, unknown: ErrorCode) -> Self {
        let path = path.replace("{}", &id.to_string());
        Self { path, param, method: Method::POST, body: "{}".to_owned(), unknown }
    }

    fn body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    fn put(self) -> Self {
        Self { method: Method::PUT, ..self }
    }

    fn row(&self, code: ErrorCode) -> Row {
        Row::sent(self.method.clone(), &self.path, self.body.as_str(), code)
    }

    fn with_id(&self, id: &str, code: ErrorCode) -> Row {
        let (path, _) = self.path.rsplit_once('/').unwrap();
        let (path, _) = path.rsplit_once('/').unwrap();
        let (_, last) = self.path.rsplit_once('/').unwrap();
        Row::sent(self.method.clone(), &format!("{path}/{id}/{last}"), self.body.as_str(), code)
    }
}

fn cancel() -> Route {
    Route::new("/api/v1/payments/{}/cancel", &demo::payment(), "payment_id", PaymentNotFound)
}

fn refund() -> Route {
    Route::new("/api/v1/payments/{}/refunds", &demo::payment(), "payment_id", PaymentNotFound)
}

fn resolve_payment() -> Route {
    let route =
        Route::new("/api/v1/payments/{}/resolve", &demo::payment(), "payment_id", PaymentNotFound);
    route.body(RESOLUTION)
}

fn resolve_refund() -> Route {
    let route =
        Route::new("/api/v1/refunds/{}/resolve", &demo::refund(), "refund_id", RefundNotFound);
    route.body(RESOLUTION)
}

fn withdraw() -> Route {
    let path = "/api/v1/wallets/{}/withdrawals";
    Route::new(path, &demo::wallet(), "wallet_id", WalletNotFound).body(r#"{"amount":1}"#)
}

fn reverse_deposit() -> Route {
    let path = "/api/v1/deposits/{}/reverse";
    Route::new(path, &demo::deposit(), "deposit_id", DepositNotFound)
}

fn reverse_withdrawal() -> Route {
    let path = "/api/v1/withdrawals/{}/reverse";
    Route::new(path, &demo::withdrawal(), "withdrawal_id", WithdrawalNotFound)
}

fn of_wallet(path: &str) -> Route {
    let path = format!("/api/v1/wallets/{{}}/{path}");
    Route::new(&path, &demo::wallet(), "wallet_id", WalletNotFound)
}

/// All that have an id in their path.
fn routes() -> Vec<Route> {
    vec![
        cancel(),
        refund(),
        resolve_payment(),
        resolve_refund(),
        reverse_deposit(),
        reverse_withdrawal(),
        withdraw(),
        of_wallet("freeze"),
        of_wallet("unfreeze"),
        of_wallet("close"),
        of_wallet("limits").body(r#"{"per_payment":5}"#).put(),
    ]
}

fn transfer_body(from: &impl ToString, to: &impl ToString, amount: i64) -> String {
    let (from, to) = (from.to_string(), to.to_string());
    format!(r#"{{"from_wallet_id":"{from}","to_wallet_id":"{to}","amount":{amount}}}"#)
}

fn transfer(code: ErrorCode) -> Row {
    let body = transfer_body(&demo::wallet(), &demo::other(), 1);
    Row::post("/api/v1/transfers", body, code)
}

/// One right request for each route.
pub fn right() -> Vec<Row> {
    let unused = ErrorCode::Internal;
    let mut rows: Vec<_> = routes().iter().map(|route| route.row(unused)).collect();
    rows.push(transfer(unused));
    rows
}

/// Every row.
pub fn rows() -> Vec<Row> {
    [of_any(), keyed(), amounts(), of_ledger(), of_transfers(), resolutions(), looks()]
        .into_iter()
        .flatten()
        .collect()
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_by_name() {
    check(rows()).await;
}

/// What any request can get wrong, and a ledger that is late.
fn of_any() -> Vec<Row> {
    let late = World::Says(Reply::Refuse(DeadlineExceeded));
    let each = |change: &dyn Fn(Row) -> Row| right().into_iter().map(change).collect::<Vec<_>>();
    let mut rows = Vec::new();
    rows.extend(each(&|row| row.refused(InvalidRequest).body(r#"{"colour":1}"#).param("colour")));
    rows.extend(each(&|row| row.refused(InvalidRequest).body("[]")));
    rows.extend(each(&|row| row.refused(InvalidRequest).query("?colour=red").param("colour")));
    rows.extend(each(&|row| row.refused(PayloadTooLarge).body(vec![b' '; (64 << 10) + 1])));
    rows.extend(each(&|row| {
        row.refused(UnsupportedMediaType).header("content-type", "text/plain")
    }));
    rows.extend(each(&|row| row.refused(PositionNotReached).query("?min_position=7-7")));
    rows.extend(each(&|row| row.refused(DeadlineExceeded).world(late.clone())));
    let deposit = of_wallet("deposits").body(r#"{"amount":1}"#);
    rows.push(deposit.row(DeadlineExceeded).world(late));
    // More than an account can hold.
    let full = World::Says(Reply::Refuse(AmountTooLarge));
    rows.push(reverse_deposit().row(AmountTooLarge).world(full.clone()));
    rows.push(reverse_withdrawal().row(AmountTooLarge).world(full));
    for route in routes() {
        rows.push(route.with_id("x", FieldInvalid).param(route.param));
        rows.push(route.with_id(ID, route.unknown));
    }
    let limits = of_wallet("limits").put();
    for (field, value) in
        [("per_payment", "-1"), ("per_day", "9007199254740992"), ("in_flight", "4294967296")]
    {
        let body = format!(r#"{{"{field}":{value}}}"#);
        rows.push(limits.row(FieldInvalid).body(body).param(field));
    }
    rows
}

/// Who moves money names his request.
fn keyed() -> Vec<Row> {
    let mut rows = Vec::new();
    for row in
        [refund().row(InvalidRequest), withdraw().row(InvalidRequest), transfer(InvalidRequest)]
    {
        rows.push(row.clone().refused(IdempotencyKeyRequired).world(World::Production));
        rows.push(row.refused(IdempotencyKeyInvalid).header("idempotency-key", "a b"));
    }
    let used = |row: Row| row.world(World::KeyUsed).header("idempotency-key", "used");
    rows.push(used(refund().row(IdempotencyKeyReused).body(r#"{"amount":1}"#)));
    rows.push(used(withdraw().row(IdempotencyKeyReused)));
    rows.push(used(transfer(IdempotencyKeyReused)));
    rows.push(
        withdraw()
            .row(InvalidRequest)
            .world(World::Production)
            .header("idempotency-key", "k")
            .param("rail"),
    );
    rows
}

fn amounts() -> Vec<Row> {
    let succeeded = |amount: &str| {
        format!(r#"{{"outcome":"succeeded","evidence":"e","actor":"a","amount":{amount}}}"#)
    };
    let mut rows = Vec::new();
    for (amount, code) in [("0", AmountNotPositive), ("9007199254740992", AmountTooLarge)] {
        let plain = format!(r#"{{"amount":{amount}}}"#);
        rows.push(refund().row(code).body(plain.as_str()).param("amount"));
        rows.push(withdraw().row(code).body(plain.as_str()).param("amount"));
        rows.push(resolve_payment().row(code).body(succeeded(amount)).param("amount"));
        rows.push(resolve_refund().row(code).body(succeeded(amount)).param("amount"));
        let body = transfer_body(&demo::wallet(), &demo::other(), amount.parse().unwrap());
        rows.push(transfer(code).body(body).param("amount"));
    }
    rows
}

/// What the ledger refuses, or lets fail.
fn of_ledger() -> Vec<Row> {
    let refused = |route: Route, code| route.row(code).world(World::Says(Reply::Refuse(code)));
    let failed = |code| refund().row(code).world(World::Says(Reply::Fail(code, None)));
    let mut rows = vec![
        refused(cancel(), PaymentNotCancellable),
        refused(refund(), PaymentNotRefundable),
        refused(refund(), RefundExceedsCaptured),
        failed(RefundDeclined),
        failed(GatewayUnavailable),
        failed(ResolvedAsFailed),
        refused(of_wallet("close"), WalletNotEmpty),
        refused(of_wallet("close"), WalletHasOpenOperations),
        refused(of_wallet("freeze"), WalletClosed),
        refused(of_wallet("unfreeze"), WalletClosed),
        refused(of_wallet("limits").put(), WalletClosed),
    ];
    for code in [NotInReview, ResolutionConflicts] {
        rows.push(refused(resolve_payment(), code));
        rows.push(refused(resolve_refund(), code));
    }
    for code in [InsufficientFunds, WalletFrozen, WalletClosed, ReferenceAlreadyRecorded] {
        rows.push(refused(withdraw(), code));
    }
    rows
}

fn of_transfers() -> Vec<Row> {
    let (wallet, other) = (demo::wallet(), demo::other());
    let body = |body: String, code| transfer(code).body(body);
    let mut rows = vec![
        body(transfer_body(&"x", &other, 1), FieldInvalid).param("from_wallet_id"),
        body(transfer_body(&wallet, &"x", 1), FieldInvalid).param("to_wallet_id"),
        body(transfer_body(&wallet, &wallet, 1), SameWallet).param("to_wallet_id"),
        body(transfer_body(&ID, &other, 1), WalletNotFound),
        body(format!(r#"{{"from_wallet_id":"{wallet}","amount":1}}"#), InvalidRequest)
            .param("to_wallet_id"),
        body(format!(r#"{{"to_wallet_id":"{wallet}","amount":1}}"#), InvalidRequest)
            .param("from_wallet_id"),
        body(format!(r#"{{"to_wallet_id":"{wallet}"}}"#), InvalidRequest).param("amount"),
    ];
    for code in [InsufficientFunds, WalletFrozen, WalletClosed, WalletNotFound, CurrencyMismatch] {
        rows.push(transfer(code).world(World::Says(Reply::Fail(code, None))));
    }
    rows
}

fn resolutions() -> Vec<Row> {
    let with = |field: &str, value: &str| {
        let mut body: serde_json::Value = serde_json::from_str(RESOLUTION).unwrap();
        body[field] = value.into();
        body.to_string()
    };
    let long = |field: &str| with(field, &"x".repeat(5000));
    let mut rows = Vec::new();
    for route in [resolve_payment(), resolve_refund()] {
        for (body, code, param) in [
            (r#"{"evidence":"e","actor":"a"}"#.to_owned(), InvalidRequest, "outcome"),
            (r#"{"outcome":"failed","actor":"a"}"#.to_owned(), InvalidRequest, "evidence"),
            (r#"{"outcome":"failed","evidence":"e"}"#.to_owned(), InvalidRequest, "actor"),
            (RESOLUTION.replace("failed", "maybe"), FieldInvalid, "outcome"),
            (RESOLUTION.replace("They said so.", " "), FieldInvalid, "evidence"),
            (RESOLUTION.replace("ada", ""), FieldInvalid, "actor"),
            (RESOLUTION.replace('}', r#","amount":1}"#), FieldInvalid, "amount"),
            (long("evidence"), FieldInvalid, "evidence"),
            (long("actor"), FieldInvalid, "actor"),
            (long("gateway_reference"), FieldInvalid, "gateway_reference"),
        ] {
            rows.push(route.row(code).body(body).param(param));
        }
        let sealed = route.row(FieldInvalid).world(World::Production);
        rows.push(sealed.param("evidence"));
    }
    rows
}

fn looks() -> Vec<Row> {
    let refunds = format!("/api/v1/payments/{}/refunds", demo::payment());
    let wallet = format!("/api/v1/wallets/{}", demo::wallet());
    let elsewhere = 1 - demo::wallet().shard(crate::ledger::shards()).number();
    let mut rows = vec![
        Row::get("/api/v1/refunds/x", FieldInvalid).param("refund_id"),
        Row::get(&format!("/api/v1/refunds/{ID}"), RefundNotFound),
        Row::get("/api/v1/transfers/x", FieldInvalid).param("transfer_id"),
        Row::get(&format!("/api/v1/transfers/{ID}"), TransferNotFound),
        Row::get(&format!("{refunds}?cursor=x"), CursorInvalid).param("cursor"),
        Row::get(&format!("/api/v1/payments/{ID}/refunds"), PaymentNotFound),
        Row::get("/api/v1/payments/x/refunds", FieldInvalid).param("payment_id"),
        Row::get("/api/v1/suspense?cursor=x", CursorInvalid).param("cursor"),
        Row::get("/api/v1/suspense?wallet_id=x", FieldInvalid).param("wallet_id"),
        Row::get(&format!("{wallet}?as_of={elsewhere}-1"), FieldInvalid).param("as_of"),
        Row::get(&format!("{wallet}?as_of=2020-01-01T00:00:00Z"), WalletNotFound),
    ];
    for path in [wallet, format!("/api/v1/wallets/{USER}/USD")] {
        let shard = 1 - elsewhere;
        rows.push(Row::get(&format!("{path}?as_of=yesterday"), FieldInvalid).param("as_of"));
        for future in ["2999-01-01T00:00:00Z".to_owned(), format!("{shard}-999999")] {
            let row = Row::get(&format!("{path}?as_of={future}"), AsOfInFuture);
            rows.push(row.param("as_of"));
        }
    }
    rows
}
