//! `holdfast explain` beside a running installation: where something stands, how that is known, and
//! what it waits for.

use std::time::Duration;

use serde_json::{Value, json};
use tests::caller::{Caller, Wallet, new_key, payment};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::wait::eventually;

const PAYMENTS: &str = "/api/v1/payments";
const BOUND: Duration = Duration::from_mins(1);
/// Longer than the test: nothing heals while it lasts.
const OUTAGE_SECONDS: f64 = 600.0;

/// What the story of something must say.
struct Row<'a> {
    kind: &'a str,
    id: &'a str,
    headline: String,
    evidence: &'a str,
    waits_for: &'a str,
}

/// Told to people and to programs, by its kind and by its id alone.
fn check(installation: &Installation, row: &Row<'_>) {
    let Row { kind, id, headline, evidence, waits_for } = row;
    let told = installation.says(&["explain", id]);
    let first = told.lines().next().unwrap_or_default();
    let name = kind[..1].to_uppercase() + &kind[1..];
    assert_eq!(first, format!("{name} {id} {headline}"), "{told}");
    assert!(told.contains(evidence), "{evidence}: {told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("It waits for ") && last.contains(waits_for), "{waits_for}: {told}");

    let json = &installation.says_json(&["explain", kind, id, "--json"])[0];
    assert_eq!((&json["kind"], &json["id"]), (&json!(kind), &json!(id)), "{json}");
    assert_eq!(json["headline"], first, "{json}");
    assert!(json["steps"].to_string().replace('\\', "").contains(evidence), "{evidence}: {json}");
    match &json["waits_for"] {
        Value::Null => assert_eq!(*waits_for, "nothing", "{json}"),
        waits => assert!(waits.to_string().contains(waits_for), "{waits_for}: {json}"),
    }
}

/// Asks for a payment and waits until it has this status; gives its id.
async fn paid_until(caller: &Caller, wallet: &Wallet, amount: i64, status: &str) -> String {
    let asked = caller.post(PAYMENTS, &payment(wallet, amount), &[]).await;
    has_status(caller, &format!("{PAYMENTS}/{}", asked.payment_id()), status).await;
    asked.payment_id().to_owned()
}

async fn has_status(caller: &Caller, path: &str, status: &str) {
    eventually(BOUND, &format!("{path} is {status}"), async || {
        let shown = caller.get(path).await.expect(200).body;
        if shown["status"] == status { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_says_the_state_the_evidence_and_what_is_waited_for() {
    let installation = Installation::start_with("explanations", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(10_000).await;
    let done = caller.pay(&wallet, 500, &new_key()).await.expect(201).payment_id().to_owned();
    admin.behave(&json!({"deceit_percent": {"charged_other_currency": 100}})).await;
    let review = paid_until(&caller, &wallet, 300, "needs_review").await;
    admin.begin_outage("hang", OUTAGE_SECONDS).await;
    let doubt = paid_until(&caller, &wallet, 200, "in_doubt").await;
    let refunds = format!("{PAYMENTS}/{done}/refunds");
    let refund = caller.post(&refunds, &json!({"amount": 40}), &[]).await.expect(202);
    let refund = refund.text("id").to_owned();
    has_status(&caller, &format!("/api/v1/refunds/{refund}"), "in_doubt").await;

    let of = |amount: &str, state: &str| format!("of {amount} from wallet {}: {state}.", wallet.id);
    let row =
        |kind, id, headline, evidence, waits_for| Row { kind, id, headline, evidence, waits_for };
    let resolve = format!("/api/v1/payments/{review}/resolve");
    let refunded = format!("of 0.40 USD of payment {done}: in doubt.");
    let opened = format!("in USD of {} (main): active.", wallet.user);
    let silence = "no answer within 500 ms";
    let asked = "simulator";
    for row in [
        row("payment", &done, of("5.00 USD", "completed"), "charge_id", "nothing"),
        row("payment", &review, of("3.00 USD", "in review"), "\"currency\":\"EUR\"", &resolve),
        row("payment", &doubt, of("2.00 USD", "in doubt"), silence, asked),
        row("refund", &refund, refunded, silence, asked),
        row("wallet", &wallet.id, opened, silence, "nothing"),
    ] {
        check(&installation, &row);
    }

    // What a person knows is evidence, too.
    let resolution = json!({
        "outcome": "succeeded", "evidence": "Their support says yes.", "actor": "ada",
        "gateway_reference": "by-hand",
    });
    caller.post(&resolve, &resolution, &[]).await.expect(202);
    let completed = of("3.00 USD", "completed");
    check(&installation, &row("payment", &review, completed, "Their support says yes.", "nothing"));
    admin.behave_well().await;
    admin.end_outage().await;
    has_status(&caller, &format!("{PAYMENTS}/{doubt}"), "completed").await;
    installation.assert_clean_audit().await;
}
