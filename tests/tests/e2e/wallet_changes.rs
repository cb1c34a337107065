//! What an operator does to a wallet, and what its past was: frozen, bounded, emptied and closed;
//! money recorded in and out, and taken back.

use reqwest::Method;
use serde_json::{Value, json};
use tests::caller::{Answer, Caller, Numbers, Wallet, new_key, payment};
use tests::installation::Installation;

const PAYMENTS: &str = "/api/v1/payments";

async fn change(caller: &Caller, wallet: &Wallet, what: &str) -> Answer {
    caller.post(&format!("/api/v1/wallets/{}/{what}", wallet.id), &json!({}), &[]).await
}

async fn limit(caller: &Caller, wallet: &Wallet, limits: &Value) -> Answer {
    let path = format!("/api/v1/wallets/{}/limits", wallet.id);
    let headers = [("Content-Type", "application/json")];
    let body = limits.to_string().into_bytes();
    caller.send(Method::PUT, &path, &headers, body).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_frozen_bounded_and_closed() {
    let installation = Installation::start("changes").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000).await;

    assert_eq!(change(&caller, &wallet, "freeze").await.expect(200).text("status"), "frozen");
    assert!(change(&caller, &wallet, "freeze").await.expect(200).is_replayed());
    let key = new_key();
    let frozen = caller.pay(&wallet, 100, &key).await.expect_refusal(423, "wallet_frozen");
    // Money still comes in, and a failure stays one when the wallet thaws.
    caller.deposit(&wallet, 500).await.expect(201);
    assert_eq!(change(&caller, &wallet, "unfreeze").await.expect(200).text("status"), "active");
    let again = caller.pay(&wallet, 100, &key).await.expect_refusal(423, "wallet_frozen");
    assert_eq!((again.payment_id(), again.is_replayed()), (frozen.payment_id(), true));

    let limits = json!({"per_payment": 200, "per_day": 350});
    let bound = limit(&caller, &wallet, &limits).await.expect(200);
    assert_eq!(
        bound.body["limits"],
        json!({"per_payment": 200, "per_day": 350, "in_flight": null})
    );
    caller.pay(&wallet, 201, &new_key()).await.expect_refusal(422, "limit_exceeded");
    caller.pay(&wallet, 200, &new_key()).await.expect(201);
    caller.pay(&wallet, 200, &new_key()).await.expect_refusal(422, "limit_exceeded");
    limit(&caller, &wallet, &json!({})).await.expect(200);
    caller.pay(&wallet, 200, &new_key()).await.expect(201);

    change(&caller, &wallet, "close").await.expect_refusal(409, "wallet_not_empty");
    caller.pay(&wallet, 1_100, &new_key()).await.expect(201);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(0));
    assert_eq!(change(&caller, &wallet, "close").await.expect(200).text("status"), "closed");
    caller.pay(&wallet, 1, &new_key()).await.expect_refusal(423, "wallet_closed");
    change(&caller, &wallet, "freeze").await.expect_refusal(423, "wallet_closed");
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_was_recorded_is_taken_back_and_the_past_stays() {
    let installation = Installation::start("rails").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(0).await;
    let path = format!("/api/v1/wallets/{}", wallet.id);
    let fact = |name: &str, amount| json!({"amount": amount, "rail": "sepa", "reference": name});
    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str())];
    let deposits = format!("{path}/deposits");
    let deposit = caller.post(&deposits, &fact("in-1", 1_000_i64), &headers).await.expect(201);
    let withdrawals = format!("{path}/withdrawals");
    let withdrawal = caller.post(&withdrawals, &fact("out-1", 400), &headers).await.expect(201);
    assert_eq!(withdrawal.body["balance_after"], 600);
    let replay = caller.post(&withdrawals, &fact("out-1", 400), &headers).await.expect(201);
    assert_eq!((replay.is_replayed(), &replay.body), (true, &withdrawal.body));
    let other = caller.post(&withdrawals, &fact("out-1", 401), &headers).await;
    other.expect_refusal(422, "idempotency_key_reused");
    let taken = caller.post(&withdrawals, &fact("in-1", 1), &[]).await;
    taken.expect_refusal(409, "reference_already_recorded");
    let poor = caller.post(&withdrawals, &fact("out-2", 601), &[]).await;
    poor.expect_refusal(402, "insufficient_funds");

    let back = format!("/api/v1/withdrawals/{}/reverse", withdrawal.text("id"));
    let reversed = caller.post(&back, &json!({"reason": "returned"}), &[]).await.expect(201);
    assert_eq!(reversed.text("status"), "reversed");
    assert!(caller.post(&back, &json!({}), &[]).await.expect(201).is_replayed());
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(1_000));
    // The wallet has less than nothing after that, and pays nothing.
    caller.pay(&wallet, 300, &new_key()).await.expect(201);
    let recalled = format!("/api/v1/deposits/{}/reverse", deposit.text("id"));
    caller.post(&recalled, &json!({}), &[]).await.expect(201);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(-300));
    let refused = caller.post(PAYMENTS, &payment(&wallet, 1), &[]).await;
    refused.expect_refusal(402, "insufficient_funds");

    let statement = caller.get(&format!("{path}/transactions")).await.expect(200);
    let lines = statement.body["data"].as_array().expect("a list");
    let shown: Vec<_> = lines
        .iter()
        .map(|line| {
            let number = |field: &str| line[field].as_i64().expect("a number");
            (line["type"].as_str().expect("a text"), number("amount"), number("balance_after"))
        })
        .collect();
    let expected = [
        ("deposit_reversal", 1_000, -300),
        ("payment", 300, 700),
        ("withdrawal_reversal", 400, 1_000),
        ("withdrawal", 400, 600),
        ("deposit", 1_000, 1_000),
    ];
    assert_eq!(shown, expected);
    // What each line says was so is what the past says.
    for line in lines {
        for as_of in ["position", "created_at"] {
            let as_of = line[as_of].as_str().expect("a text");
            let past = caller.get(&format!("{path}?as_of={as_of}")).await.expect(200);
            assert_eq!(past.body["balance"]["posted"], line["balance_after"], "{past:?}");
            assert_eq!(past.body["position"], line["position"]);
        }
    }
    let future = caller.get(&format!("{path}?as_of=2999-01-01T00:00:00Z")).await;
    future.expect_refusal(422, "as_of_in_future");
    let before = caller.get(&format!("{path}?as_of=2020-01-01T00:00:00Z")).await;
    before.expect_refusal(404, "wallet_not_found");
    let statement = caller.get("/api/v1/suspense").await.expect(200);
    assert_eq!(statement.body["data"], json!([]));
    installation.assert_clean_audit().await;
}
