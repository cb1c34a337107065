//! What a gateway says unasked, over real HTTP: before its answer, twice, forged, contradicting
//! itself, and long after everybody had given up.

use std::time::Duration;

use reqwest::Method;
use schemas::entry::{InputBody, Verdict};
use schemas::event::{Event, RefundCause};
use schemas::inputs::{
    Cancel, Command, CommandBody, Envelope, GatewayOperationKind, GatewayOutcome, GatewayResult,
};
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::journal;
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

use crate::bad_records::Shards;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 1_000;
const BOUND: Duration = Duration::from_mins(1);
const SECRET: &str = "the-simulators-secret";
const PATH: &str = "/api/v1/gateways/simulator/notifications";

/// An installation whose simulator can tell it things.
async fn installation(name: &str) -> Installation {
    let mut settings = QUICK_GATEWAY.to_vec();
    settings.push(("HOLDFAST_GATEWAY_WEBHOOK_SECRET", "env:E2E_WEBHOOK_SECRET"));
    settings.push(("E2E_WEBHOOK_SECRET", SECRET));
    Installation::start_with(name, &settings).await
}

fn told(installation: &Installation, course: &str) -> Value {
    let url = format!("{}{PATH}", installation.api_url());
    json!({"url": url, "secret": SECRET, "percent": {course: 100}})
}

/// What the gateway said unasked of a payment, with what the ledger made of it.
async fn heard(installation: &Installation, payment_id: &str) -> Vec<(GatewayResult, Verdict)> {
    let entries = journal::entries(installation).await.into_iter();
    let heard = entries.filter_map(|entry| {
        let InputBody::GatewayResult(result) = entry.input.body else { return None };
        let is_unasked = result.operation == GatewayOperationKind::Notify;
        (is_unasked && result.payment_id.to_string() == payment_id)
            .then_some((result, entry.decision.verdict))
    });
    heard.collect()
}

/// Waits until so much was heard.
async fn heard_so_often(
    installation: &Installation,
    payment_id: &str,
    often: usize,
) -> Vec<(GatewayResult, Verdict)> {
    eventually(BOUND, &format!("{often} notifications of {payment_id}"), async || {
        let heard = heard(installation, payment_id).await;
        if heard.len() == often { Ok(heard) } else { Err(heard) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_before_twice_forged_and_contradicting_move_no_money_twice() {
    let installation = installation("notifications").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let pay = async |course: &str| {
        admin.behave(&json!({"notifications": told(&installation, course)})).await;
        let paid = caller.pay(&wallet, AMOUNT, &new_key()).await.expect(201);
        assert_eq!(paid.body["captured_amount"], AMOUNT, "{course}: {paid:?}");
        paid.payment_id().to_owned()
    };

    let before = pay("before").await;
    let said = heard_so_often(&installation, &before, 1).await;
    assert_eq!(said[0].1, Verdict::Accepted, "it completed the payment: {said:?}");
    assert!(!said[0].0.notification_id.is_empty());

    let twice = pay("duplicated").await;
    let said = heard_so_often(&installation, &twice, 2).await;
    assert_eq!(said[0].0.notification_id, said[1].0.notification_id, "one event");
    assert_eq!(said[1].1, Verdict::Replayed, "{said:?}");

    let late = pay("out_of_order").await;
    let said = heard_so_often(&installation, &late, 2).await;
    let pending = |it: &GatewayResult| matches!(it.outcome, GatewayOutcome::OutcomeUnknown { .. });
    let pending: Vec<_> = said.iter().filter(|(it, _)| pending(it)).collect();
    assert_eq!(pending.len(), 1, "the earlier state came later: {said:?}");
    assert_eq!(pending[0].1, Verdict::Replayed, "it changes nothing: {said:?}");
    let shown = caller.get(&format!("/api/v1/payments/{late}")).await.expect(200).body;
    assert_eq!((&shown["status"], &shown["discrepancies"]), (&json!("completed"), &json!([])));

    let contradicting = pay("contradicting").await;
    let said = heard_so_often(&installation, &contradicting, 2).await;
    assert!(said.iter().any(|(it, _)| matches!(it.outcome, GatewayOutcome::Declined { .. })));
    let path = format!("/api/v1/payments/{contradicting}");
    eventually(BOUND, "what does not fit is recorded", async || {
        let shown = caller.get(&path).await.expect(200).body;
        let is_there = shown["discrepancies"].to_string().contains("decline_after_success");
        if is_there && shown["status"] == "completed" { Ok(()) } else { Err(shown) }
    })
    .await;

    let forged = pay("forged").await;
    eventually(BOUND, "the forgery was not believed", async || {
        let log = installation.application_log();
        if log.contains("A notification was not believed.") { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert!(heard(&installation, &forged).await.is_empty(), "nothing of it is in the log");
    assert_forgeries_are_refused(&caller).await;

    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - 5 * AMOUNT));
    installation.assert_clean_audit().await;
    admin.assert_nobody_charged_twice().await;
}

async fn assert_forgeries_are_refused(caller: &Caller) {
    let body = br#"{"id": "evt_1"}"#.to_vec();
    for headers in [&[][..], &[("Simulator-Signature", "t=1,v1=00")]] {
        let answer = caller.send(Method::POST, PATH, headers, body.clone()).await;
        answer.expect("answered").expect_refusal(401, "signature_invalid");
    }
    let unknown = "/api/v1/gateways/nobody/notifications";
    let answer = caller.send(Method::POST, unknown, &[], body).await.expect("answered");
    answer.expect_refusal(404, "gateway_not_found");
}

/// A command as another service would write it.
fn cancel(wallet: &Wallet, payment_id: &str) -> Command {
    Command {
        envelope: Envelope {
            command_id: new_key(),
            tenant: String::new(),
            idempotency_key: new_key(),
            correlation_id: "a-cancellation".to_owned(),
            actor: "e2e".to_owned(),
            deadline: None,
        },
        body: CommandBody::Cancel(Cancel {
            payment_id: payment_id.to_owned(),
            wallet_id: wallet.id.clone(),
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn success_after_a_cancellation_goes_to_suspense_and_is_given_back() {
    let installation = installation("late-success").await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let late = json!({"charged_late": 100});
    let behaviour = json!({"deceit_percent": late, "notifications": told(&installation, "after")});
    admin.behave(&behaviour).await;
    let paid = caller.try_pay(&wallet, AMOUNT, &new_key()).await.expect("answered").expect(202);
    let payment_id = paid.payment_id().to_owned();
    let record = cancel(&wallet, &payment_id);
    let record = RawRecord::well_formed(Shards::of(&wallet).right, &wallet.id, &record);
    Producer::of(&installation).send(&record).await;
    let path = format!("/api/v1/payments/{payment_id}");
    eventually(BOUND, "the gateway knew nothing of it: it is cancelled", async || {
        let shown = caller.get(&path).await.body;
        if shown["status"] == "cancelled" { Ok(()) } else { Err(shown) }
    })
    .await;
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));

    // Against its own word it charges all the same, some seconds later, and says so.
    let events = eventually(BOUND, "what was charged is given back", async || {
        let events = journal::events(&installation).await;
        let is_back = events.iter().any(|event| matches!(event, Event::RefundSucceeded(_)));
        if is_back { Ok(events) } else { Err(events.len()) }
    })
    .await;
    let suspended = events.iter().any(|event| matches!(event, Event::SuspenseBooked(_)));
    assert!(suspended, "it was nobody's money in between");
    let unwanted = events.iter().any(|event| {
        matches!(event, Event::RefundRequested(it) if it.cause == RefundCause::UnwantedCharge)
    });
    assert!(unwanted, "nobody asked for the refund");
    let shown = caller.get(&path).await.expect(200).body;
    assert_eq!(shown["status"], "cancelled", "{shown}");
    assert!(shown["discrepancies"].to_string().contains("success_after_cancel"), "{shown}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT));
    installation.assert_clean_audit().await;
}
