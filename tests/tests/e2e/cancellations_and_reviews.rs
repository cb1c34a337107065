//! Payments that end otherwise than by their gateways' answers: cancelled, or resolved by a person.

use serde_json::json;
use tests::caller::{Numbers, new_key, payment};
use tests::installation::Installation;
use tests::wait::eventually;

const PAYMENTS: &str = "/api/v1/payments";
const EXPOSURE: &str = "/api/v1/gateways/simulator/exposure";
const BOUND: std::time::Duration = std::time::Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_not_sent_is_cancelled_and_a_completed_one_is_not() {
    let installation = Installation::start("cancel").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000).await;
    let paid = caller.pay(&wallet, 100, &new_key()).await.expect(201);
    let late = format!("{PAYMENTS}/{}/cancel", paid.payment_id());
    let late = caller.post(&late, &json!({}), &[]).await;
    late.expect_refusal(409, "payment_not_cancellable");

    // Nobody listens: no byte of the charge can have arrived.
    installation.gateway_admin().begin_outage("refuse", 20.0).await;
    let waiting = caller.post(PAYMENTS, &payment(&wallet, 300), &[]).await.expect(202);
    let id = waiting.payment_id().to_owned();
    let resent = format!("{PAYMENTS}/{id}/events");
    eventually(BOUND, "the charge was not sent", async || {
        let events = caller.get(&resent).await.body.to_string();
        if events.contains("resend_scheduled") { Ok(()) } else { Err(events) }
    })
    .await;
    let cancel = format!("{PAYMENTS}/{id}/cancel");
    let cancelled = caller.post(&cancel, &json!({}), &[("Prefer", "wait=20")]).await.expect(201);
    assert_eq!(cancelled.text("status"), "cancelled");
    assert!(caller.post(&cancel, &json!({}), &[]).await.expect(201).is_replayed());
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(900));
    let saga = caller.get(&format!("/api/v1/sagas/{id}")).await.expect(200);
    assert_eq!(
        (&saga.body["state"], &saga.body["cancel_requested"]),
        (&json!("cancelled"), &json!(true))
    );
    let list = caller.get(&format!("{PAYMENTS}?status=cancelled")).await.expect(200);
    assert_eq!(list.body["data"][0]["id"], id.as_str());
    installation.gateway_answers().await;
    installation.assert_clean_audit().await;
}

/// The gateway charges euros where dollars were asked for: no rule says what that is worth.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_resolves_a_payment_that_needs_review() {
    let installation = Installation::start("review").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000).await;
    let deceit = json!({"deceit_percent": {"charged_other_currency": 100}});
    installation.gateway_admin().behave(&deceit).await;
    let asked = caller.pay(&wallet, 300, &new_key()).await.expect(202);
    assert_eq!(asked.text("status"), "needs_review");
    let id = asked.payment_id().to_owned();
    let list = caller.get(&format!("{PAYMENTS}?status=needs_review")).await.expect(200);
    assert_eq!(list.body["data"][0]["id"], id.as_str());
    let exposure = caller.get(EXPOSURE).await.expect(200);
    assert_eq!(exposure.body["in_doubt"][0]["amount"], 300, "{exposure:?}");
    let holds = caller.get(&format!("/api/v1/wallets/{}/holds", wallet.id)).await.expect(200);
    assert_eq!(holds.body["data"][0]["waits_for"]["what"], "review");
    let cancel = caller.post(&format!("{PAYMENTS}/{id}/cancel"), &json!({}), &[]).await;
    cancel.expect_refusal(409, "payment_not_cancellable");

    let resolve = format!("{PAYMENTS}/{id}/resolve");
    let resolution = json!({
        "outcome": "succeeded", "amount": 280, "evidence": "Their statement says 280 USD.",
        "gateway_reference": "by-hand", "actor": "ada",
    });
    let resolved = caller.post(&resolve, &resolution, &[]).await.expect(202);
    assert_eq!(resolved.text("status"), "completed");
    assert_eq!(resolved.body["captured_amount"], 280);
    assert_eq!(caller.get(EXPOSURE).await.expect(200).body["in_doubt"], json!([]));
    assert!(caller.post(&resolve, &resolution, &[]).await.expect(202).is_replayed());
    let other = json!({"outcome": "failed", "evidence": "No.", "actor": "eve"});
    let other = caller.post(&resolve, &other, &[]).await;
    other.expect_refusal(409, "resolution_conflicts");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(720));
    let events = caller.get(&format!("{PAYMENTS}/{id}/events")).await.expect(200);
    assert!(events.body.to_string().contains(r#""actor":"ada""#), "{events:?}");

    installation.gateway_admin().behave_well().await;
    let done = caller.pay(&wallet, 100, &new_key()).await.expect(201);
    let early = format!("{PAYMENTS}/{}/resolve", done.payment_id());
    let early = caller.post(&early, &resolution, &[]).await;
    early.expect_refusal(409, "resolution_conflicts");
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.ground_truth.expect("it looked").by_hand, 1);
}
