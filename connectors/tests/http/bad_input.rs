//! What a caller can get wrong, row by row: the code and the field that it is told, and that
//! nothing of it reaches the log.

use axum::http::Method;
use connectors::http::Profile;
use schemas::ErrorCode::{
    AmountNotPositive, AmountTooLarge, CurrencyUnknown, CursorInvalid, FieldInvalid,
    GatewayUnknown, IdempotencyKeyInvalid, InvalidRequest, MethodNotAllowed, NotFound,
    PayloadTooLarge, PaymentNotFound, UnsupportedMediaType, WalletMismatch, WalletNotFound,
};

use crate::caller::{Caller, USER};
use crate::demo::wallet;
use crate::error_table::{Row, check};

const PAYMENTS: &str = "/api/v1/payments";
const WALLETS: &str = "/api/v1/wallets";
const SAGAS: &str = "/api/v1/sagas";
const ID: &str = "6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d";

/// A payment whose field is this text of JSON.
fn with(field: &str, json: &str) -> String {
    let mut fields = vec![("user_id", format!("\"{USER}\"")), ("amount", "1".to_owned())];
    fields.push(("currency", "\"USD\"".to_owned()));
    fields.retain(|(name, _)| *name != field);
    fields.push((field, json.to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// Every row.
pub fn rows() -> Vec<Row> {
    [bodies(), values(), deposits(), headers(), paths_and_queries()].into_iter().flatten().collect()
}

#[tokio::test]
async fn what_a_caller_gets_wrong_is_refused_by_name() {
    check(rows()).await;
}

fn bodies() -> Vec<Row> {
    let pay = |body: &str| Row::post(PAYMENTS, body, InvalidRequest);
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let objects = "{\"a\":".repeat(10_000);
    let too_large = with("description", &format!("\"{}\"", "x".repeat(64 << 10)));
    vec![
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
        Row::post(WALLETS, vec![b' '; (64 << 10) + 1], PayloadTooLarge),
        Row::post(WALLETS, "[]", InvalidRequest),
    ]
}

fn values() -> Vec<Row> {
    let pay = |field: &'static str, json: &str, code| {
        Row::post(PAYMENTS, with(field, json), code).param(field)
    };
    let long = |length: usize| format!("\"{}\"", "x".repeat(length));
    let metadata = format!("{{\"a\":{}}}", long(16 << 10));
    vec![
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
        pay("wallet_id", &format!("\"{ID}\""), WalletMismatch),
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
    ]
}

fn deposits() -> Vec<Row> {
    let path = format!("{WALLETS}/{}/deposits", wallet());
    let deposit = |body: &str, code| Row::post(&path, body, code);
    let reference = format!(r#"{{"amount":1,"reference":"{}"}}"#, "x".repeat(256));
    vec![
        deposit(r#"{"amount":0}"#, AmountNotPositive).param("amount"),
        deposit(r#"{"amount":9007199254740992}"#, AmountTooLarge).param("amount"),
        deposit("{}", InvalidRequest).param("amount"),
        deposit(r#"{"amount":1,"currency":"USD"}"#, InvalidRequest).param("currency"),
        deposit(r#"{"amount":1,"rail":"S E P A"}"#, FieldInvalid).param("rail"),
        deposit(r#"{"amount":1,"reference":""}"#, FieldInvalid).param("reference"),
        deposit(&reference, FieldInvalid).param("reference"),
        deposit(&" ".repeat((64 << 10) + 1), PayloadTooLarge),
        deposit("", InvalidRequest),
        deposit(r#"{"amount":1}"#, UnsupportedMediaType).header("content-type", "text/csv"),
        deposit(r#"{"amount":1}"#, IdempotencyKeyInvalid).header("idempotency-key", "a b"),
        Row::post(&format!("{WALLETS}/{ID}/deposits"), r#"{"amount":1}"#, WalletNotFound),
        Row::post(&format!("{WALLETS}/x/deposits"), r#"{"amount":1}"#, FieldInvalid)
            .param("wallet_id"),
    ]
}

fn headers() -> Vec<Row> {
    let good = with("amount", "1");
    let pay = |code| Row::post(PAYMENTS, good.as_str(), code);
    let get = |code| Row::get(PAYMENTS, code);
    vec![
        pay(UnsupportedMediaType).header("content-type", "text/plain"),
        pay(UnsupportedMediaType).header("content-type", "application/x-www-form-urlencoded"),
        pay(UnsupportedMediaType).header("content-type", ""),
        pay(UnsupportedMediaType).without_headers(),
        Row::post(WALLETS, "{}", UnsupportedMediaType).header("content-type", "text/plain"),
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
    ]
}

fn paths_and_queries() -> Vec<Row> {
    let list = |query: &str, code| Row::get(&format!("{PAYMENTS}?{query}"), code);
    let long = format!("{}…", "x".repeat(100));
    vec![
        Row::get("/", NotFound),
        Row::get("/api/v1", NotFound),
        Row::get("/api/v1/nothing", NotFound),
        Row::get("/api/v2/payments", NotFound),
        Row::get("/api/v1/payments/a/b", NotFound),
        Row::get(WALLETS, MethodNotAllowed),
        Row::new(Method::DELETE, PAYMENTS, MethodNotAllowed),
        Row::post("/health", "{}", MethodNotAllowed),
        Row::get(&format!("{PAYMENTS}/{ID}"), PaymentNotFound),
        Row::get(&format!("{PAYMENTS}/{ID}/events"), PaymentNotFound),
        Row::get(&format!("{PAYMENTS}/x/events"), FieldInvalid).param("payment_id"),
        Row::get(&format!("{PAYMENTS}/{ID}/events?limit=101"), FieldInvalid).param("limit"),
        Row::get(&format!("{PAYMENTS}/{ID}/events?cursor=x"), CursorInvalid).param("cursor"),
        Row::get(&format!("{PAYMENTS}/{ID}/nothing"), NotFound),
        Row::get(&format!("{SAGAS}/{ID}"), PaymentNotFound),
        Row::get(&format!("{SAGAS}/x"), FieldInvalid).param("payment_id"),
        Row::get(&format!("{SAGAS}/%ff"), InvalidRequest),
        Row::get(SAGAS, NotFound),
        Row::post(&format!("{SAGAS}/{ID}"), "{}", MethodNotAllowed),
        Row::get(&format!("{PAYMENTS}/x"), FieldInvalid).param("payment_id"),
        Row::get(&format!("{PAYMENTS}/%ff"), InvalidRequest),
        Row::get(&format!("{PAYMENTS}/{ID}?as_of=1"), InvalidRequest).param("as_of"),
        Row::get(&format!("{WALLETS}/x"), FieldInvalid).param("wallet_id"),
        Row::get(&format!("{WALLETS}/{ID}"), WalletNotFound),
        Row::get(&format!("{WALLETS}/{ID}/transactions"), WalletNotFound),
        Row::get(&format!("{WALLETS}/{ID}/holds"), WalletNotFound),
        Row::get(&format!("{WALLETS}/x/holds"), FieldInvalid).param("wallet_id"),
        Row::get(&format!("{WALLETS}/{ID}/holds?cursor=x"), CursorInvalid).param("cursor"),
        Row::get(&format!("{WALLETS}/x/transactions"), FieldInvalid).param("wallet_id"),
        Row::get(&format!("{WALLETS}/{ID}/transactions?cursor=x"), CursorInvalid).param("cursor"),
        Row::get(&format!("{WALLETS}/{USER}/USD/transactions?cursor=x"), CursorInvalid)
            .param("cursor"),
        Row::get(&format!("{WALLETS}/{USER}/USD/transactions?limit=0"), FieldInvalid)
            .param("limit"),
        Row::get(&format!("{WALLETS}/{USER}/xyz/transactions"), CurrencyUnknown).param("currency"),
        Row::get(&format!("{WALLETS}/{USER}/EUR/transactions"), WalletNotFound),
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
    ]
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
    for accept in ["text/plain", "application/xml;q=1", "*/*", "nonsense"] {
        let answer = caller.get(PAYMENTS, &[("Accept", accept)]).await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
    }
    for correlation_id in ["", "two words", &"x".repeat(129)] {
        let answer = caller.post(PAYMENTS, &body, &[("X-Correlation-Id", correlation_id)]).await;
        assert_eq!(answer.status, 202);
        let minted = answer.header("x-correlation-id").unwrap();
        assert_eq!(minted, answer.header("request-id").unwrap());
        assert_eq!(minted, answer.text("correlation_id"));
    }
}
