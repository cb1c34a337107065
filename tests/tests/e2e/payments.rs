//! What a payment is to the one who pays: opened, paid, refused, looked up, listed.

use serde_json::json;
use tests::caller::{Caller, Numbers, PATIENT, Wallet, new_key, payment};
use tests::installation::Installation;

const PAYMENTS: &str = "/api/v1/payments";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_completes_and_everything_shows_it() {
    let installation = Installation::start("pay").await;
    let caller = installation.caller();
    let wallet = open_twice(&caller).await;

    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str()), PATIENT, ("X-Correlation-Id", "order-7")];
    let paid = caller.post(PAYMENTS, &payment(&wallet, 2_500), &headers).await.expect(201);
    assert_eq!(paid.header("preference-applied"), Some("wait=20"));
    assert_eq!(paid.header("x-correlation-id"), Some("order-7"));
    assert!(!paid.is_replayed());
    let id = paid.payment_id().to_owned();
    assert_eq!(paid.header("location"), Some(format!("{PAYMENTS}/{id}").as_str()));
    let fields = [
        ("status", json!("completed")),
        ("amount", json!(2_500)),
        ("currency", json!("USD")),
        ("user_id", json!(wallet.user)),
        ("wallet_id", json!(wallet.id)),
        ("description", json!("An end-to-end test")),
        ("gateway", json!("simulator")),
        ("captured_amount", json!(2_500)),
        ("failure", json!(null)),
        ("balance_after", json!(7_500)),
        ("correlation_id", json!("order-7")),
    ];
    for (field, value) in fields {
        assert_eq!(paid.body[field], value, "{field}");
    }
    let charges = installation.charges_of(&id).await;
    assert_eq!(charges.len(), 1);
    assert_eq!(paid.body["gateway_reference"], charges[0].id.as_str());

    // A position that was answered is one that can be demanded.
    let position = paid.header("holdfast-position").expect("a position").to_owned();
    let path = format!("{PAYMENTS}/{id}");
    let seen = caller.get_with(&path, &[("Holdfast-Position", &position)]).await.expect(200);
    assert_eq!(seen.body, paid.body);
    assert_eq!(seen.header("holdfast-position"), Some(position.as_str()));
    let (partition, _) = position.split_once('-').expect("partition-offset");
    let future = format!("{partition}-999999999");
    let early = caller.get_with(&path, &[("Holdfast-Position", &future)]).await;
    let early = early.expect_refusal(409, "position_not_reached");
    assert!(early.header("retry-after").is_some());

    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(7_500));
    check_statement(&caller, &wallet, &id).await;
    installation.assert_clean_audit().await;
}

/// Opening is idempotent by who owns what; the deposit is recorded once.
async fn open_twice(caller: &Caller) -> Wallet {
    let body = json!({"user_id": "somebody", "currency": "USD"});
    let opened = caller.post("/api/v1/wallets", &body, &[]).await.expect(201);
    let again = caller.post("/api/v1/wallets", &body, &[]).await.expect(200);
    assert_eq!(opened.body, again.body);
    let wallet = Wallet { user: "somebody".to_owned(), id: opened.text("id").to_owned() };
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(0));

    let deposit = caller.deposit(&wallet, 10_000).await.expect(201);
    assert_eq!(deposit.body["balance_after"], 10_000);
    let by_owner = caller.get("/api/v1/wallets/somebody/USD").await.expect(200);
    assert_eq!(by_owner.body["id"], wallet.id.as_str());
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(10_000));
    wallet
}

/// The posted money, newest first.
async fn check_statement(caller: &Caller, wallet: &Wallet, payment_id: &str) {
    let path = format!("/api/v1/wallets/{}/transactions", wallet.id);
    let statement = caller.get(&path).await.expect(200);
    let lines = statement.body["data"].as_array().expect("a list");
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let number = |field: &str| line[field].as_i64().expect("a number");
            let text = |field: &str| line[field].as_str().expect("a text");
            (text("type"), text("direction"), number("amount"), number("balance_after"))
        })
        .collect();
    let expected = [("payment", "debit", 2_500, 7_500), ("deposit", "credit", 10_000, 10_000)];
    assert_eq!(shown, expected);
    assert_eq!(lines[0]["payment_id"], payment_id);
    assert_eq!(statement.body["has_more"], false);
    let by_owner = caller.get("/api/v1/wallets/somebody/USD/transactions").await.expect(200);
    assert_eq!(by_owner.body, statement.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_paged_newest_first_and_a_trailing_slash_is_accepted() {
    let installation = Installation::start("lists").await;
    let caller = installation.caller();
    let (wallet, other) = (caller.wallet_with(10_000).await, caller.wallet_with(10_000).await);
    let mut ids = Vec::new();
    for amount in 101..=105 {
        let path = format!("{PAYMENTS}/");
        let answer = caller.post(&path, &payment(&wallet, amount), &[PATIENT]).await.expect(201);
        assert!(answer.header("idempotency-key").is_some(), "a minted key is told");
        ids.insert(0, answer.payment_id().to_owned());
    }
    caller.pay(&other, 100, &new_key()).await.expect(201);

    let mut listed = Vec::new();
    let mut path = format!("{PAYMENTS}?wallet_id={}&limit=2", wallet.id);
    for expected in [(2, true), (2, true), (1, false)] {
        let page = caller.get(&path).await.expect(200);
        let rows = page.body["data"].as_array().expect("a list");
        let has_more = page.body["has_more"].as_bool().expect("a flag");
        assert_eq!((rows.len(), has_more), expected, "{page:?}");
        listed.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        if let Some(cursor) = page.body["next_cursor"].as_str() {
            path = format!("{PAYMENTS}?wallet_id={}&limit=2&cursor={cursor}", wallet.id);
            // What is added meanwhile is newer than any later page.
            caller.pay(&wallet, 100, &new_key()).await.expect(201);
        }
    }
    assert_eq!(listed, ids);
    let failed = caller.get(&format!("{PAYMENTS}/?status=failed&user_id={}", other.user)).await;
    assert_eq!(failed.expect(200).body["data"], json!([]));
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paid_is_refused_and_the_money_stays_free() {
    let installation = Installation::start("refused").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;

    let poor = caller.pay(&wallet, 5_100, &new_key()).await;
    let poor = poor.expect_refusal(402, "insufficient_funds");
    let shown = caller.settled(poor.payment_id()).await;
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["failure"]["code"], "insufficient_funds");
    let charges = installation.charges().await;
    assert!(charges.is_empty(), "the gateway was asked: {charges:?}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(5_000));

    let declined = caller.pay(&wallet, 4_002, &new_key()).await;
    let declined = declined.expect_refusal(402, "payment_declined");
    assert_eq!(declined.body["decline_code"], "expired_card");
    let shown = caller.settled(declined.payment_id()).await;
    assert_eq!(shown["failure"]["decline_code"], "expired_card");
    assert_eq!(shown["captured_amount"], 0);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(5_000));

    // All of it can be spent by somebody whom the gateway likes.
    caller.pay(&wallet, 5_000, &new_key()).await.expect(201);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(0));
    let report = installation.assert_clean_audit().await;
    assert_eq!((report.totals.payments.completed, report.totals.payments.failed_in_all()), (1, 2));
}
