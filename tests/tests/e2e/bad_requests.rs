//! What a caller can get wrong: the status and the code that it is told, and that nothing comes of
//! it.

use reqwest::Method;
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::Installation;

const PAYMENTS: &str = "/api/v1/payments";
const NOBODY: &str = "6f0c1d1e-6a57-5f0e-9d2c-3f1f6a1b2c3d";

/// One request, and the refusal that it gets.
struct Row {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    refusal: (u16, &'static str),
}

impl Row {
    fn get(path: &str, refusal: (u16, &'static str)) -> Self {
        let (path, body) = (path.to_owned(), String::new());
        Self { method: Method::GET, path, headers: Vec::new(), body, refusal }
    }

    fn post(path: &str, body: impl Into<String>, refusal: (u16, &'static str)) -> Self {
        let row = Self { method: Method::POST, body: body.into(), ..Self::get(path, refusal) };
        row.header("Content-Type", "application/json").header("Idempotency-Key", &new_key())
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A payment of the wallet's user whose field is this JSON.
fn with(wallet: &Wallet, field: &str, json: &str) -> String {
    let user = format!("\"{}\"", wallet.user);
    let mut fields = vec![("user_id", user.as_str()), ("amount", "100"), ("currency", "\"USD\"")];
    fields.retain(|(name, _)| *name != field);
    fields.push((field, json));
    let fields: Vec<_> = fields.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// 400: what cannot be understood.
fn malformed(wallet: &Wallet) -> Vec<Row> {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies = [
        with(wallet, "colour", "\"red\""),
        with(wallet, "amount", "\"100\""),
        with(wallet, "amount", "1.5"),
        with(wallet, "amount", "null"),
        with(wallet, "amount", "[100]"),
        with(wallet, "user_id", "7"),
        with(wallet, "currency", "{}"),
        with(wallet, "metadata", "\"text\""),
        with(wallet, "metadata", &format!("{{\"a\":{deep}}}")),
        "{\"amount\":1,\"currency\":\"USD\"}".to_owned(),
        "{\"amount\":1,".to_owned(),
        "{\"amount\":1} {}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
        "\0".to_owned(),
        deep,
        "{\"a\":".repeat(10_000),
        " ".repeat(64 << 10),
    ];
    let mut rows: Vec<_> =
        bodies.map(|body| Row::post(PAYMENTS, body, (400, "invalid_request"))).into();
    let invalid = (400, "invalid_request");
    rows.push(Row::post("/api/v1/wallets", "{\"user_id\":\"u\"}", invalid));
    rows.push(Row::post("/api/v1/wallets", "{\"balance\":5}", invalid));
    rows.push(Row::get(&format!("{PAYMENTS}?order=asc"), invalid));
    rows.push(Row::get(PAYMENTS, invalid).header("Holdfast-Position", "first"));
    let good = with(wallet, "amount", "100");
    for key in ["two words", &"k".repeat(256)] {
        let row = Row::post(PAYMENTS, good.as_str(), (400, "idempotency_key_invalid"));
        rows.push(row.header("Idempotency-Key", key));
    }
    rows
}

/// 413, 415, 422, 404, 405: what is understood, and cannot be.
fn wrong(wallet: &Wallet) -> Vec<Row> {
    let pay =
        |field: &str, json: &str, refusal| Row::post(PAYMENTS, with(wallet, field, json), refusal);
    let too_large = with(wallet, "description", &format!("\"{}\"", "x".repeat(64 << 10)));
    let deposits = |id: &str| format!("/api/v1/wallets/{id}/deposits");
    let good = with(wallet, "amount", "100");
    vec![
        pay("amount", "0", (422, "amount_not_positive")),
        pay("amount", "-1", (422, "amount_not_positive")),
        pay("amount", "9007199254740992", (422, "amount_too_large")),
        pay("amount", "9223372036854775808", (422, "amount_too_large")),
        pay("amount", "1e30", (422, "amount_too_large")),
        pay("currency", "\"XYZ\"", (422, "currency_unknown")),
        pay("currency", "\"usd\"", (422, "currency_unknown")),
        pay("gateway", "\"nobody\"", (422, "gateway_unknown")),
        pay("wallet_id", &format!("\"{NOBODY}\""), (422, "wallet_mismatch")),
        pay("user_id", "\"nobody-here\"", (404, "wallet_not_found")),
        pay("currency", "\"EUR\"", (404, "wallet_not_found")),
        pay("user_id", "\"a b\"", (422, "field_invalid")),
        pay("description", &format!("\"{}\"", "x".repeat(1025)), (422, "field_invalid")),
        Row::post(PAYMENTS, too_large, (413, "payload_too_large")),
        Row::post(PAYMENTS, " ".repeat((64 << 10) + 1), (413, "payload_too_large")),
        Row::post(PAYMENTS, good.as_str(), (415, "unsupported_media_type"))
            .header("Content-Type", "text/plain"),
        Row::post(&deposits(&wallet.id), "{\"amount\":0}", (422, "amount_not_positive")),
        Row::post(&deposits(NOBODY), "{\"amount\":1}", (404, "wallet_not_found")),
        Row::get(&format!("{PAYMENTS}/{NOBODY}"), (404, "payment_not_found")),
        Row::get(&format!("/api/v1/wallets/{NOBODY}"), (404, "wallet_not_found")),
        Row::get(&format!("{PAYMENTS}?cursor=garbage"), (422, "cursor_invalid")),
        Row::get(&format!("{PAYMENTS}/{NOBODY}/events"), (404, "payment_not_found")),
        Row::get(&format!("/api/v1/sagas/{NOBODY}"), (404, "payment_not_found")),
        Row::get("/api/v1/sagas/x", (422, "field_invalid")),
        Row::get(
            &format!("{PAYMENTS}/{NOBODY}?min_position=0-9999999"),
            (409, "position_not_reached"),
        ),
        Row::get("/api/v1/nothing", (404, "not_found")),
        Row::get("/api/v1/wallets", (405, "method_not_allowed")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_gets_wrong_is_refused_by_name_and_changes_nothing() {
    let installation = Installation::start("bad-requests").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;
    for row in malformed(&wallet).into_iter().chain(wrong(&wallet)) {
        check(&caller, row).await;
    }
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(5_000));
    caller.pay(&wallet, 5_000, &new_key()).await.expect(201);
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.requested, 1, "nothing else became a payment");
}

async fn check(caller: &Caller, row: Row) {
    let shown: String = row.body.chars().take(120).collect();
    let name = format!("{} {} {:?} {shown}", row.method, row.path, row.headers);
    let headers: Vec<_> = row.headers.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let answer = caller.send(row.method, &row.path, &headers, row.body.into_bytes()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    assert_eq!((answer.status, answer.code()), row.refusal, "{name}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
    assert_eq!(answer.body["status"], row.refusal.0, "{name}: {answer:?}");
    let request_id = answer.header("request-id").expect("every answer has one");
    assert_eq!(answer.body["request_id"], request_id, "{name}");
    for field in ["type", "title", "detail", "doc_url"] {
        assert!(!answer.text(field).is_empty(), "{name}: {field}");
    }
}
