//! What a person says of a payment that needs review: all of it was charged, less, more, or it is
//! no answer at all.

use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::Installation;

const PAYMENTS: &str = "/api/v1/payments";
const DEPOSIT: i64 = 10_000;
const ASKED: i64 = 300;

/// The path of a payment that its gateway charged in a currency that nobody asked for.
async fn in_review(caller: &Caller, wallet: &Wallet) -> String {
    let asked = caller.pay(wallet, ASKED, &new_key()).await.expect(202);
    assert_eq!(asked.text("status"), "needs_review", "{asked:?}");
    format!("{PAYMENTS}/{}", asked.payment_id())
}

/// The entry of the timeline with the person's word.
async fn said(caller: &Caller, path: &str) -> Value {
    let timeline = caller.get(&format!("{path}/events?limit=100")).await.expect(200).body;
    let entries = timeline["data"].as_array().expect("a list");
    let said = entries.iter().find(|entry| {
        entry["events"].as_array().is_some_and(|events| events[0]["type"] == "payment_resolved")
    });
    said.unwrap_or_else(|| panic!("nobody said anything: {timeline}")).clone()
}

async fn refuses_what_is_no_resolution(caller: &Caller, path: &str) {
    let resolve = format!("{path}/resolve");
    let rows = [
        json!({"outcome": "succeeded", "actor": "ada"}),
        json!({"outcome": "perhaps", "evidence": "A dream.", "actor": "ada"}),
        json!({"outcome": "succeeded", "evidence": "Theirs.", "actor": "ada", "amount": 0}),
        json!({"outcome": "failed", "evidence": "Theirs.", "actor": "ada", "amount": ASKED}),
    ];
    for body in rows {
        let answer = caller.post(&resolve, &body, &[]).await;
        assert!(matches!(answer.status, 400 | 422), "{body}: {answer:?}");
        assert!(!answer.code().is_empty(), "{body}: {answer:?}");
    }
    assert_eq!(caller.get(path).await.expect(200).text("status"), "needs_review");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_that_all_less_or_more_was_charged() {
    let installation = Installation::start("resolutions").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    admin.behave(&json!({"deceit_percent": {"charged_other_currency": 100}})).await;
    let mut left = DEPOSIT;
    // What was charged, what the wallet pays, and what does not fit.
    for (told, captured, discrepancy) in [
        (None, ASKED, None),
        (Some(ASKED), ASKED, None),
        (Some(200), 200, Some("charged_less")),
        (Some(450), ASKED, Some("charged_more")),
    ] {
        let path = in_review(&caller, &wallet).await;
        refuses_what_is_no_resolution(&caller, &path).await;
        let evidence = format!("Their statement says {told:?}.");
        let mut resolution = json!({
            "outcome": "succeeded", "evidence": evidence, "actor": "ada",
            "gateway_reference": "by-hand",
        });
        if let Some(told) = told {
            resolution["amount"] = json!(told);
        }
        let resolved = caller.post(&format!("{path}/resolve"), &resolution, &[]).await.expect(202);
        let shown = caller.get(&path).await.expect(200).body;
        assert_eq!(shown, resolved.body, "{told:?}");
        assert_eq!(shown["status"], "completed", "{told:?}: {shown}");
        assert_eq!(shown["captured_amount"], captured, "{told:?}: {shown}");
        assert_eq!(shown["gateway_reference"], "by-hand", "{told:?}: {shown}");
        let found = shown["discrepancies"].to_string();
        for code in ["charged_less", "charged_more"] {
            assert_eq!(found.contains(code), discrepancy == Some(code), "{told:?}: {shown}");
        }
        let said = said(&caller, &path).await;
        let event = &said["events"][0];
        assert_eq!((&event["actor"], &event["outcome"]), (&json!("ada"), &json!("succeeded")));
        assert_eq!(event["amount"], told.unwrap_or(ASKED), "{said}");
        assert!(said.to_string().contains(&evidence), "{said}");
        left -= captured;
        assert_eq!(caller.numbers(&wallet).await, Numbers::settled(left), "{told:?}");
    }
    // What it took beyond is not the wallet's, and nobody's yet.
    let suspense = caller.get("/api/v1/suspense").await.expect(200).body;
    let rows = suspense["data"].as_array().expect("a list");
    assert_eq!(rows.len(), 1, "{suspense}");
    assert_eq!((&rows[0]["code"], &rows[0]["amount"]), (&json!("charged_more"), &json!(150)));
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.ground_truth.expect("it looked").by_hand, 4);
}
