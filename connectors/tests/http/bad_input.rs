//! What a caller can get wrong, row by row: the code and the field that it is told, and that
//! nothing of it reaches the log.

use axum::body::Body;
use axum::http::{Method, Request, header};
use connectors::http::Profile;
use schemas::ErrorCode::{
    self, AmountNotPositive, AmountTooLarge, CurrencyUnknown, CursorInvalid, FieldInvalid,
    GatewayUnknown, IdempotencyKeyInvalid, InvalidRequest, MethodNotAllowed, NotFound,
    PayloadTooLarge, PaymentNotFound, UnsupportedMediaType, WalletNotFound,
};

use crate::caller::{Caller, USER};

const PAYMENTS: &str = "/api/v1/payments";
const WALLETS: &str = "/api/v1/wallets";
const ID: &str = "6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d";

/// One wrong request.
struct Row {
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    code: ErrorCode,
    param: Option<String>,
}

impl Row {
    fn new(method: Method, path: &str, code: ErrorCode) -> Self {
        let (path, body) = (path.to_owned(), Vec::new());
        Self { method, path, headers: Vec::new(), body, code, param: None }
    }

    fn get(path: &str, code: ErrorCode) -> Self {
        Self::new(Method::GET, path, code)
    }

    fn post(path: &str, body: impl Into<Vec<u8>>, code: ErrorCode) -> Self {
        let row = Self { body: body.into(), ..Self::new(Method::POST, path, code) };
        row.header("content-type", "application/json")
    }

    fn param(mut self, name: &str) -> Self {
        self.param = Some(name.to_owned());
        self
    }

    fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(known, _)| *known != name || name == "idempotency-key");
        self.headers.push((name, value.into()));
        self
    }

    /// What the row says of itself when it fails.
    fn name(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(120).collect();
        format!("{} {} {:?} {body}", self.method, self.path, self.headers)
    }
}

async fn check(rows: Vec<Row>) {
    let caller = Caller::impatient().with_wallet().await;
    for row in rows {
        let name = row.name();
        let mut request = Request::builder().method(row.method).uri(row.path);
        for (header, value) in row.headers {
            request = request.header(header, value);
        }
        let answer = caller.send(request.body(Body::from(row.body)).unwrap()).await;
        assert_eq!(answer.body["code"], row.code.code(), "{name}: {answer:?}");
        answer.assert_refused(row.code);
        assert_eq!(
            answer.body.get("param").and_then(|p| p.as_str()),
            row.param.as_deref(),
            "{name}"
        );
        assert!(answer.text("detail").len() < 600, "{name}");
    }
    assert_eq!(caller.ledger.appended().len(), 1, "only the demo wallet's opening");
}

/// A payment whose field is this text of JSON.
fn with(field: &str, json: &str) -> String {
    let mut fields = vec![("user_id", format!("\"{USER}\"")), ("amount", "1".to_owned())];
    fields.push(("currency", "\"USD\"".to_owned()));
    fields.retain(|(name, _)| *name != field);
    fields.push((field, json.to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[tokio::test]
async fn bodies() {
    let pay = |body: &str| Row::post(PAYMENTS, body, InvalidRequest);
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let objects = "{\"a\":".repeat(10_000);
    let too_large = with("description", &format!("\"{}\"", "x".repeat(64 << 10)));
    check(vec![
        pay(&with("colour", "1")).param("colour"),
        pay(&with("user_id", "7")).param("user_id"),
        pay(&with("currency", "[]")).param("currency"),
        pay(&with("description", "{}")).param("description"),
        pay(&with("metadata", "\"text\"")).param("metadata"),
        pay(&with("metadata", "[1]")).param("metadata"),
        pay(&with("user_id", "null")).param("user_id"),
        pay(&with("currency", "null")).param("currency"),
        pay(&with("amount", "null")).param("amount"),
        pay("{\"amount\":1,\"amount\":2}"),
        pay("{\"amount\":1,\"currency\":\"USD\"}").param("user_id"),
        pay(""),
        pay("  \n"),
        pay("null"),
        pay("7"),
        pay("\"text\""),
        pay(&format!("[\"{USER}\",1,\"USD\"]")),
        pay("{"),
        pay("{\"amount\":1,}"),
        pay("{\"amount\":01}"),
        pay("{\"amount\":1} {}"),
        pay("{'amount':1}"),
        pay("{\"amount\":NaN}"),
        pay("{\"user_id\":\"\\ud800\"}"),
        pay(&nested),
        pay(&objects).param("a"),
        Row::post(PAYMENTS, with("metadata", &format!("{{\"a\":{nested}}}")), InvalidRequest),
        Row::post(PAYMENTS, b"{\"user_id\":\"\xff\"}".to_vec(), InvalidRequest),
        Row::post(PAYMENTS, b"\xef\xbb\xbf{}".to_vec(), InvalidRequest),
        Row::post(PAYMENTS, b"\0\0\0\0".to_vec(), InvalidRequest),
        Row::post(PAYMENTS, too_large, PayloadTooLarge),
        Row::post(PAYMENTS, vec![b' '; (64 << 10) + 1], PayloadTooLarge),
        Row::post(PAYMENTS, vec![b' '; 64 << 10], InvalidRequest),
        Row::post(WALLETS, "{\"user_id\":\"u\"}", InvalidRequest).param("currency"),
        Row::post(WALLETS, "{\"currency\":\"USD\"}", InvalidRequest).param("user_id"),
        Row::post(WALLETS, "{\"balance\":5}", InvalidRequest).param("balance"),
    ])
    .await;
}

#[tokio::test]
async fn values() {
    let pay = |field: &'static str, json: &str, code| {
        Row::post(PAYMENTS, with(field, json), code).param(field)
    };
    let long = |length: usize| format!("\"{}\"", "x".repeat(length));
    let metadata = format!("{{\"a\":{}}}", long(16 << 10));
    check(vec![
        pay("amount", "0", AmountNotPositive),
        pay("amount", "-1", AmountNotPositive),
        pay("amount", "-9223372036854775809", AmountNotPositive),
        pay("amount", "9007199254740992", AmountTooLarge),
        pay("amount", "9223372036854775808", AmountTooLarge),
        pay("amount", "18446744073709551616", AmountTooLarge),
        pay("amount", "1.0", InvalidRequest),
        pay("amount", "0.5", InvalidRequest),
        pay("amount", "\"100\"", InvalidRequest),
        pay("amount", "true", InvalidRequest),
        pay("amount", "[1]", InvalidRequest),
        pay("currency", "\"usd\"", CurrencyUnknown),
        pay("currency", "\"XYZ\"", CurrencyUnknown),
        pay("currency", "\"\"", CurrencyUnknown),
        pay("user_id", "\"\"", FieldInvalid),
        pay("user_id", "\"a b\"", FieldInvalid),
        pay("user_id", &long(65), FieldInvalid),
        pay("user_id", "\"Zo\u{eb}\"", FieldInvalid),
        pay("label", "\"Main\"", FieldInvalid),
        pay("label", &long(33), FieldInvalid),
        pay("wallet_id", "\"x\"", FieldInvalid),
        pay("wallet_id", &format!("\"{}\"", ID.to_uppercase()), FieldInvalid),
        pay("gateway", "\"No Such\"", GatewayUnknown),
        pay("service_id", "\"\"", FieldInvalid),
        pay("service_id", &long(65), FieldInvalid),
        pay("service_id", "\"a\\u0000b\"", FieldInvalid),
        pay("description", &long(1025), FieldInvalid),
        pay("metadata", &metadata, FieldInvalid),
        Row::post(
            PAYMENTS,
            format!(r#"{{"wallet_id":"{ID}","label":"main","amount":1,"currency":"USD"}}"#),
            FieldInvalid,
        )
        .param("label"),
        Row::post(WALLETS, r#"{"user_id":"u!","currency":"USD"}"#, FieldInvalid).param("user_id"),
        Row::post(WALLETS, r#"{"user_id":"u","currency":"usd"}"#, CurrencyUnknown)
            .param("currency"),
        Row::post(WALLETS, r#"{"user_id":"u","currency":"USD","label":"A"}"#, FieldInvalid)
            .param("label"),
    ])
    .await;
}

#[tokio::test]
async fn deposits() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let wallet = caller.get(&format!("{WALLETS}/{USER}/USD"), &[]).await.text("id").to_owned();
    let path = format!("{WALLETS}/{wallet}/deposits");
    let deposit = |body: &str, code| Row::post(&path, body, code);
    let reference = format!(r#"{{"amount":1,"reference":"{}"}}"#, "x".repeat(256));
    check(vec![
        deposit(r#"{"amount":0}"#, AmountNotPositive).param("amount"),
        deposit(r#"{"amount":9007199254740992}"#, AmountTooLarge).param("amount"),
        deposit("{}", InvalidRequest).param("amount"),
        deposit(r#"{"amount":1,"currency":"USD"}"#, InvalidRequest).param("currency"),
        deposit(r#"{"amount":1,"rail":"S E P A"}"#, FieldInvalid).param("rail"),
        deposit(r#"{"amount":1,"reference":""}"#, FieldInvalid).param("reference"),
        deposit(&reference, FieldInvalid).param("reference"),
        Row::post(&format!("{WALLETS}/{ID}/deposits"), r#"{"amount":1}"#, WalletNotFound),
        Row::post(&format!("{WALLETS}/x/deposits"), r#"{"amount":1}"#, FieldInvalid)
            .param("wallet_id"),
    ])
    .await;
}

#[tokio::test]
async fn headers() {
    let good = with("amount", "1");
    let pay = |code| Row::post(PAYMENTS, good.as_str(), code);
    let get = |code| Row::get(PAYMENTS, code);
    check(vec![
        pay(UnsupportedMediaType).header("content-type", "text/plain"),
        pay(UnsupportedMediaType).header("content-type", "application/x-www-form-urlencoded"),
        pay(UnsupportedMediaType).header("content-type", ""),
        Row { headers: Vec::new(), ..pay(UnsupportedMediaType) },
        pay(IdempotencyKeyInvalid).header("idempotency-key", ""),
        pay(IdempotencyKeyInvalid).header("idempotency-key", "two words"),
        pay(IdempotencyKeyInvalid).header("idempotency-key", "k".repeat(256)),
        pay(IdempotencyKeyInvalid).header("idempotency-key", b"\xc3\xa9".to_vec()),
        pay(IdempotencyKeyInvalid).header("idempotency-key", "a").header("idempotency-key", "b"),
        get(InvalidRequest).header("holdfast-position", "first").param("Holdfast-Position"),
        get(InvalidRequest).header("holdfast-position", "1-2,").param("Holdfast-Position"),
        get(InvalidRequest)
            .header("holdfast-position", b"\xff".to_vec())
            .param("Holdfast-Position"),
        get(InvalidRequest)
            .header("holdfast-position", vec!["0-1"; 65].join(","))
            .param("Holdfast-Position"),
    ])
    .await;
}

#[tokio::test]
async fn paths_and_queries() {
    let list = |query: &str, code| Row::get(&format!("{PAYMENTS}?{query}"), code);
    let long = format!("{}…", "x".repeat(100));
    check(vec![
        Row::get("/", NotFound),
        Row::get("/api/v1", NotFound),
        Row::get("/api/v1/nothing", NotFound),
        Row::get("/api/v2/payments", NotFound),
        Row::get("/api/v1/payments/a/b", NotFound),
        Row::get(WALLETS, MethodNotAllowed),
        Row::new(Method::DELETE, PAYMENTS, MethodNotAllowed),
        Row::post("/health", "{}", MethodNotAllowed),
        Row::get(&format!("{PAYMENTS}/{ID}"), PaymentNotFound),
        Row::get(&format!("{PAYMENTS}/x"), FieldInvalid).param("payment_id"),
        Row::get(&format!("{PAYMENTS}/%ff"), InvalidRequest),
        Row::get(&format!("{PAYMENTS}/{ID}?as_of=1"), InvalidRequest).param("as_of"),
        Row::get(&format!("{WALLETS}/x"), FieldInvalid).param("wallet_id"),
        Row::get(&format!("{WALLETS}/{ID}"), WalletNotFound),
        Row::get(&format!("{WALLETS}/{ID}/transactions"), WalletNotFound),
        Row::get(&format!("{WALLETS}/{USER}/usd"), CurrencyUnknown).param("currency"),
        Row::get(&format!("{WALLETS}/a%20b/USD"), FieldInvalid).param("user_id"),
        Row::get(&format!("{WALLETS}/{USER}/USD?label=A"), FieldInvalid).param("label"),
        Row::get(&format!("{WALLETS}/{USER}/EUR"), WalletNotFound),
        list("limit=0", FieldInvalid).param("limit"),
        list("limit=101", FieldInvalid).param("limit"),
        list("limit=", InvalidRequest).param("limit"),
        list("limit=-1", InvalidRequest).param("limit"),
        list("limit=ten", InvalidRequest).param("limit"),
        list("limit=99999999999999999999999", InvalidRequest).param("limit"),
        list("limit=5&limit=6", InvalidRequest).param("limit"),
        list("cursor=garbage", CursorInvalid).param("cursor"),
        list("status=done", FieldInvalid).param("status"),
        list("wallet_id=x", FieldInvalid).param("wallet_id"),
        list("user_id=", FieldInvalid).param("user_id"),
        list("gateway=A", FieldInvalid).param("gateway"),
        list("created_from=yesterday", FieldInvalid).param("created_from"),
        list("created_to=2026-13-01T00:00:00Z", FieldInvalid).param("created_to"),
        list("min_position=x", InvalidRequest).param("min_position"),
        list("order=asc", InvalidRequest).param("order"),
        list("=", InvalidRequest).param(""),
        list("%00", InvalidRequest).param("\0"),
        list("%zz%ff", InvalidRequest).param("%zz\u{fffd}"),
        list(&format!("{}=1", "x".repeat(10_000)), InvalidRequest).param(&long),
    ])
    .await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let caller = Caller::new(Profile::Dev);
    let request = Request::delete(PAYMENTS).body(Body::empty()).unwrap();
    let answer = caller.send(request).await;
    answer.assert_refused(MethodNotAllowed);
    assert_eq!(answer.header(header::ALLOW.as_str()), Some("GET,HEAD,POST"));
}

/// What RFC 7240 and the contract say to ignore is ignored.
#[tokio::test]
async fn what_is_to_be_ignored_is_ignored() {
    let caller = Caller::new(Profile::Dev).with_wallet().await;
    let body: serde_json::Value = serde_json::from_str(&with("amount", "1")).unwrap();
    for prefer in ["wait=soon", "wait=-1", "handling=lenient", ";;,=", ""] {
        let answer = caller.post(PAYMENTS, &body, &[("Prefer", prefer)]).await;
        assert_eq!(answer.status, 202, "{prefer}");
        assert_eq!(answer.header("preference-applied"), None, "{prefer}");
    }
    for correlation_id in ["", "two words", &"x".repeat(129)] {
        let answer = caller.post(PAYMENTS, &body, &[("X-Correlation-Id", correlation_id)]).await;
        assert_eq!(answer.status, 202);
        let minted = answer.header("x-correlation-id").unwrap();
        assert_eq!(minted, answer.header("request-id").unwrap());
        assert_eq!(minted, answer.text("correlation_id"));
    }
}
