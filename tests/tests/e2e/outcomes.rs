//! What gateways answer late, wrongly or never, until the payment has an outcome that a person can
//! read: one test for each way in which a saga ends otherwise than by a plain answer.

use std::time::Duration;

use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, PATIENT, Wallet, new_key, payment};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::wait::eventually;

const PAYMENTS: &str = "/api/v1/payments";
const EXPOSURE: &str = "/api/v1/gateways/simulator/exposure";
const DEPOSIT: i64 = 100_000;
/// Eight tries with a back-off that doubles take most of a minute.
const BOUND: Duration = Duration::from_mins(2);
/// Longer than any test: nothing heals while it lasts.
const OUTAGE_SECONDS: f64 = 600.0;
const SECRET: &str = "the-simulators-secret";

/// An installation that gives a payment up, or asks a person, after seconds.
async fn impatient(name: &str) -> Installation {
    let mut settings = QUICK_GATEWAY.to_vec();
    settings.push(("HOLDFAST_PAYMENT_DEADLINE_MS", "2000"));
    settings.push(("HOLDFAST_REFUND_DEADLINE_MS", "2000"));
    settings.push(("HOLDFAST_REVIEW_AFTER_MS", "3000"));
    settings.push(("HOLDFAST_GATEWAY_WEBHOOK_SECRET", "env:E2E_WEBHOOK_SECRET"));
    settings.push(("E2E_WEBHOOK_SECRET", SECRET));
    Installation::start_with(name, &settings).await
}

/// Waits until a payment, or whatever else is there, has this status.
async fn has_status(caller: &Caller, path: &str, status: &str) -> Value {
    eventually(BOUND, &format!("{path} is {status}"), async || {
        let shown = caller.get(path).await.expect(200).body;
        if shown["status"] == status { Ok(shown) } else { Err(shown) }
    })
    .await
}

/// Asks for a payment and waits until it has this status; gives its path.
async fn paid_until(caller: &Caller, wallet: &Wallet, amount: i64, status: &str) -> String {
    let asked = caller.post(PAYMENTS, &payment(wallet, amount), &[]).await;
    let path = format!("{PAYMENTS}/{}", asked.payment_id());
    has_status(caller, &path, status).await;
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_than_asked_for_is_posted_as_the_wallet_agreed_to() {
    let installation = Installation::start("other-amounts").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(1_000).await;
    for (deceit, captured, discrepancy, posted) in [
        ("charged_less", 50, "charged_less", 950),
        // What it took beyond is not the wallet's: it waits in suspense.
        ("charged_more", 100, "charged_more", 850),
    ] {
        admin.behave(&json!({"deceit_percent": {deceit: 100}})).await;
        let paid = caller.pay(&wallet, 100, &new_key()).await.expect(201);
        assert_eq!(paid.body["captured_amount"], captured, "{deceit}: {paid:?}");
        let discrepancies = paid.body["discrepancies"].to_string();
        assert!(discrepancies.contains(discrepancy), "{deceit}: {paid:?}");
        assert_eq!(caller.numbers(&wallet).await, Numbers::settled(posted), "{deceit}");
    }
    let suspense = caller.get("/api/v1/suspense").await.expect(200);
    assert_eq!(suspense.body["data"].as_array().map(Vec::len), Some(1), "{suspense:?}");
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_gateway_takes_in_time_fails_and_the_money_is_free() {
    let mut installation = impatient("unavailable").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;
    installation.kill_gateway().await;
    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str())];
    let asked = caller.post(PAYMENTS, &payment(&wallet, 100), &headers).await;
    let path = format!("{PAYMENTS}/{}", asked.payment_id());
    let failed = has_status(&caller, &path, "failed").await;
    assert_eq!(failed["failure"]["code"], "deadline_exceeded", "{failed}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));

    let again = caller.post(PAYMENTS, &payment(&wallet, 100), &headers).await;
    again.expect_refusal(422, "deadline_exceeded");
    let refund = caller.post(&format!("{path}/refunds"), &json!({}), &[]).await;
    refund.expect_refusal(409, "payment_not_refundable");
    installation.run_gateway().await;
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_gateway_takes_so_often_fails_before_its_deadline() {
    let mut installation = Installation::start_with("given-up", &QUICK_GATEWAY).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(DEPOSIT).await;
    installation.kill_gateway().await;
    let asked = caller.post(PAYMENTS, &payment(&wallet, 100), &[]).await;
    let path = format!("{PAYMENTS}/{}", asked.payment_id());
    let close = format!("/api/v1/wallets/{}/close", wallet.id);
    let close = caller.post(&close, &json!({}), &[]).await;
    close.expect_refusal(409, "wallet_has_open_operations");
    let resolution = json!({"outcome": "failed", "evidence": "None.", "actor": "ada"});
    let resolved = caller.post(&format!("{path}/resolve"), &resolution, &[]).await;
    resolved.expect_refusal(409, "not_in_review");
    let failed = has_status(&caller, &path, "failed").await;
    assert_eq!(failed["failure"]["code"], "gateway_unavailable", "{failed}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    installation.run_gateway().await;
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_in_time_and_the_gateway_may_still_answer() {
    let installation = impatient("reviews").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    admin.begin_outage("hang", OUTAGE_SECONDS).await;
    let by_hand = paid_until(&caller, &wallet, 100, "needs_review").await;
    let by_itself = paid_until(&caller, &wallet, 200, "needs_review").await;
    let resolution = json!({"outcome": "failed", "evidence": "Nothing arrived.", "actor": "ada"});
    let resolved = caller.post(&format!("{by_hand}/resolve"), &resolution, &[]).await.expect(202);
    assert_eq!(resolved.text("status"), "failed");
    assert_eq!(resolved.body["failure"]["code"], "resolved_as_failed", "{resolved:?}");
    // Nobody was charged while it hung: the gateway is asked while a person looks, and says so.
    admin.end_outage().await;
    has_status(&caller, &by_itself, "failed").await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_comes_too_late_changes_nothing() {
    let installation = Installation::start_with("too-late", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    // Charged at once, and answered when nobody waits any more.
    admin.behave(&json!({"latency": {"fixed_ms": 5_000}})).await;
    let path = paid_until(&caller, &wallet, 100, "in_doubt").await;
    let cancelled = caller.post(&format!("{path}/cancel"), &json!({}), &[]).await.expect(202);
    assert_eq!(cancelled.text("status"), "in_doubt");
    admin.behave_well().await;
    let shown = has_status(&caller, &path, "completed").await;
    assert_eq!(shown["cancel_requested"], true, "{shown}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - 100));
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decline_that_is_found_out_later_is_a_decline() {
    let installation = Installation::start_with("late-decline", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    // Decided at once, and answered when nobody waits any more.
    admin.behave(&json!({"latency": {"fixed_ms": 5_000}})).await;
    let path = paid_until(&caller, &wallet, 4_002, "in_doubt").await;
    admin.behave_well().await;
    let shown = has_status(&caller, &path, "failed").await;
    let failure = (&shown["failure"]["code"], &shown["failure"]["decline_code"]);
    assert_eq!(failure, (&json!("payment_declined"), &json!("expired_card")), "{shown}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_comes_after_the_failure_is_given_back() {
    let installation = impatient("late-charge").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let url = format!("{}/api/v1/gateways/simulator/notifications", installation.api_url());
    admin
        .behave(&json!({
            "deceit_percent": {"charged_late": 100},
            "notifications": {"url": url, "secret": SECRET, "percent": {"after": 100}},
        }))
        .await;
    let key = new_key();
    let headers = [("Idempotency-Key", key.as_str()), PATIENT];
    // It was never answered, and the gateway says that it does not know it.
    let refused = caller.post(PAYMENTS, &payment(&wallet, 100), &headers).await;
    let refused = refused.expect_refusal(422, "deadline_exceeded");
    let path = format!("{PAYMENTS}/{}", refused.payment_id());
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    // Against its own word it charges all the same, some seconds later, and says so.
    let shown = eventually(BOUND, "what was charged is given back", async || {
        let payment = caller.get(&path).await.expect(200).body;
        let refunds = caller.get(&format!("{path}/refunds")).await.expect(200).body;
        if refunds["data"][0]["status"] == "succeeded" {
            Ok(payment)
        } else {
            Err((payment, refunds))
        }
    })
    .await;
    assert_eq!(shown["status"], "failed", "{shown}");
    assert!(shown["discrepancies"].to_string().contains("success_after_failure"), "{shown}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    installation.assert_clean_audit().await;
}

/// Waits until the metrics have so many refunds in doubt, and so much money.
async fn measured(caller: &Caller, [refunds, money]: [&str; 2]) {
    let lines = [
        format!("holdfast_refunds_in_doubt{{currency=\"USD\"}} {refunds}"),
        format!("holdfast_refund_money_in_doubt{{currency=\"USD\"}} {money}"),
    ];
    eventually(BOUND, &format!("{lines:?}"), async || {
        let metrics = caller.get("/metrics").await.expect(200);
        let text = metrics.body.as_str().expect("a text").to_owned();
        let has = |wanted: &String| text.lines().any(|line| line == wanted);
        if lines.iter().all(has) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_the_gateway_declines_or_does_not_answer_has_an_outcome_too() {
    let installation = impatient("refund-outcomes").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let paid = caller.pay(&wallet, 50_000, &new_key()).await.expect(201);
    let refunds = format!("{PAYMENTS}/{}/refunds", paid.payment_id());
    let declined = caller.post(&refunds, &json!({"amount": 4_003}), &[PATIENT]).await;
    declined.expect_refusal(402, "refund_declined");

    admin.begin_outage("hang", OUTAGE_SECONDS).await;
    let mut asked = Vec::new();
    for amount in [100, 200, 300] {
        let answer = caller.post(&refunds, &json!({"amount": amount}), &[]).await.expect(202);
        asked.push(format!("/api/v1/refunds/{}", answer.text("id")));
    }
    for path in &asked {
        has_status(&caller, path, "needs_review").await;
    }
    let exposure = caller.get(EXPOSURE).await.expect(200).body;
    let in_doubt = &exposure["refunds_in_doubt"][0];
    assert_eq!((&in_doubt["refunds"], &in_doubt["amount"]), (&json!(3), &json!(600)), "{exposure}");
    assert_eq!(exposure["in_doubt"], json!([]), "{exposure}");
    measured(&caller, ["3", "600"]).await;
    // Open ones count: there is no more than 49,400 to give back.
    let beyond = caller.post(&refunds, &json!({"amount": 49_401}), &[]).await;
    beyond.expect_refusal(422, "refund_exceeds_captured");

    let failed = json!({"outcome": "failed", "evidence": "Nothing left.", "actor": "ada"});
    let succeeded = json!({"outcome": "succeeded", "evidence": "Their receipt.", "actor": "ada"});
    for (path, resolution, other, status) in
        [(&asked[0], &failed, &succeeded, "failed"), (&asked[1], &succeeded, &failed, "succeeded")]
    {
        let resolve = format!("{path}/resolve");
        let resolved = caller.post(&resolve, resolution, &[]).await.expect(202);
        assert_eq!(resolved.text("status"), status);
        assert!(caller.post(&resolve, resolution, &[]).await.expect(202).is_replayed());
        let conflict = caller.post(&resolve, other, &[]).await;
        conflict.expect_refusal(409, "resolution_conflicts");
    }
    admin.end_outage().await;
    // Nothing was given back while it hung, and the next inquiry says so.
    has_status(&caller, &asked[2], "failed").await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - 50_000 + 200));
    let exposure = caller.get(EXPOSURE).await.expect(200).body;
    assert_eq!(exposure["refunds_in_doubt"], json!([]), "{exposure}");
    measured(&caller, ["0", "0"]).await;
    installation.assert_clean_audit().await;
}
