//! The gateway follower keeps its promises on real processes that are killed and stopped around a
//! call: nobody is charged twice, and "not sent" is said only by who knows.

use std::time::Duration;

use futures::future::join_all;
use nix::sys::signal::Signal;
use schemas::entry::InputBody;
use schemas::event::{Event, GatewayOperationRequested, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayResult};
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::gateway_admin::GatewayAdmin;
use tests::installation::{Installation, LENIENT_GATEWAY, QUICK_GATEWAY};
use tests::journal;
use tests::wait::{eventually, past};

use crate::load::Load;

const DEPOSIT: i64 = 100_000;
const AMOUNT: i64 = 1_000;
/// From a payment to the gateway's charge, and from there to anything else that is waited for.
const BOUND: Duration = Duration::from_mins(1);

/// Calls that nobody gives up, and operations that may be sent after a restart.
const PATIENT_GATEWAY: [(&str, &str); 3] = [
    ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "60000"),
    ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "120000"),
    ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
];

/// A gateway that charges, and answers when nobody waits any more.
fn silent() -> Value {
    json!({"latency": {"fixed_ms": 120_000}})
}

/// A payment whose charge is booked and whose answer is held back.
struct InCall {
    installation: Installation,
    admin: GatewayAdmin,
    caller: Caller,
    wallet: Wallet,
    payment_id: String,
}

impl InCall {
    async fn begin(name: &str, settings: &[(&str, &str)]) -> Self {
        let installation = Installation::start_with(name, settings).await;
        let (admin, caller) = (installation.gateway_admin(), installation.caller());
        let wallet = caller.wallet_with(DEPOSIT).await;
        admin.behave(&silent()).await;
        let accepted = caller.try_pay(&wallet, AMOUNT, &new_key()).await.expect("answered");
        let payment_id = accepted.expect(202).payment_id().to_owned();
        eventually(BOUND, "the gateway has charged", async || {
            let charges = admin.charges_for(&payment_id).await;
            if charges.is_empty() { Err(charges) } else { Ok(()) }
        })
        .await;
        Self { installation, admin, caller, wallet, payment_id }
    }

    /// The operations that the ledger asked for, oldest first.
    async fn operations(&self) -> Vec<GatewayOperationRequested> {
        operations(&self.installation, &self.payment_id).await
    }

    async fn is_doubted(&self) -> bool {
        let events = journal::events(&self.installation).await;
        events.iter().any(|event| matches!(event, Event::PaymentInDoubt(_)))
    }

    /// Completed, charged once, submitted so often, and every audit is clean.
    async fn completes(&self, submissions: u64) {
        let payment = self.caller.settled(&self.payment_id).await;
        assert_eq!(payment["status"], "completed", "{payment}");
        assert_eq!(payment["attempts"], 1, "{payment}");
        let charges = self.admin.charges_for(&self.payment_id).await;
        assert_eq!(charges.len(), 1, "{charges:?}");
        assert_eq!(charges[0]["submissions"], submissions, "{charges:?}");
        let numbers = self.caller.numbers(&self.wallet).await;
        assert_eq!(numbers, Numbers::settled(DEPOSIT - AMOUNT));
        self.installation.assert_clean_audit().await;
        self.admin.assert_nobody_charged_twice().await;
    }
}

async fn operations(
    installation: &Installation,
    payment_id: &str,
) -> Vec<GatewayOperationRequested> {
    let events = journal::events(installation).await.into_iter();
    let requested = events.filter_map(|event| {
        let Event::GatewayOperationRequested(requested) = event else { return None };
        Some(requested)
    });
    requested.filter(|requested| requested.payment_id.to_string() == payment_id).collect()
}

/// What the answers to a payment's operations proved, in their order.
async fn proofs(installation: &Installation, payment_id: &str) -> Vec<(i32, Proof)> {
    let events = journal::events(installation).await.into_iter();
    let answered = events.filter_map(|event| {
        let Event::GatewayOperationAnswered(answered) = event else { return None };
        Some(answered)
    });
    answered
        .filter(|answered| answered.payment_id.to_string() == payment_id)
        .map(|answered| (answered.operation_seq, answered.proof))
        .collect()
}

/// What followers have said of a payment's operations, in the order of the journal.
async fn results(installation: &Installation, payment_id: &str) -> Vec<GatewayResult> {
    let entries = journal::entries(installation).await.into_iter();
    let results = entries.filter_map(|entry| {
        let InputBody::GatewayResult(result) = entry.input.body else { return None };
        Some(result)
    });
    results.filter(|result| result.payment_id.to_string() == payment_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_call_and_result_it_sends_the_same_key_again_and_charges_once() {
    let mut call = InCall::begin("follower-kill", &PATIENT_GATEWAY).await;
    call.installation.kill().await;
    call.admin.behave_well().await;
    call.installation.run().await;
    call.completes(2).await;
    assert!(!call.is_doubted().await, "the gateway's answer to the repeated key is its answer");
    assert_eq!(call.operations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn resumed_after_its_time_it_asks_instead_of_sending_again() {
    let settings = [
        ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "60000"),
        ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "1000"),
        ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
    ];
    let mut call = InCall::begin("follower-late", &settings).await;
    call.installation.kill().await;
    call.admin.behave_well().await;
    past(call.operations().await[0].not_after).await;
    call.installation.run().await;
    call.completes(1).await;
    assert!(call.is_doubted().await, "nobody knew whether it had been sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_heir_says_nothing_of_what_its_predecessor_may_have_sent_and_asks_later() {
    // The kill comes within the call; the heir starts before the operation's last moment.
    let settings = [
        ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "10000"),
        ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "10000"),
        ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
    ];
    let mut call = InCall::begin("follower-heir", &settings).await;
    call.installation.kill().await;
    call.installation.kill_gateway().await;
    let early = results(&call.installation, &call.payment_id).await;
    assert!(early.is_empty(), "it was killed in the call: {early:?}");
    // Nothing but the log tells the heir of the call, and its claim stands behind it.
    call.installation.forget_state();
    call.installation.run().await;
    let asked = eventually(BOUND, "the heir has asked what became of it, in vain", async || {
        let results = results(&call.installation, &call.payment_id).await;
        if results.is_empty() { Err(call.operations().await) } else { Ok(results) }
    })
    .await;
    assert!(asked.iter().all(|result| result.operation_seq > 1), "{asked:?}");
    assert!(call.is_doubted().await);
    let numbers = call.caller.numbers(&call.wallet).await;
    let held = Numbers {
        pending_debits: AMOUNT,
        available: DEPOSIT - AMOUNT,
        ..Numbers::settled(DEPOSIT)
    };
    assert_eq!(numbers, held, "nobody knows yet whether the money is gone");
    call.installation.run_gateway().await;
    // The restarted simulator has counted no submission: the heir only asked.
    call.completes(0).await;
    let results = results(&call.installation, &call.payment_id).await;
    let inquiries = |operation| operation == GatewayOperationKind::Inquire;
    assert!(results.iter().all(|result| inquiries(result.operation)), "{results:?}");
    let submits = call.operations().await.into_iter().filter(|asked| !inquiries(asked.operation));
    assert_eq!(submits.count(), 1);
    let proofs = proofs(&call.installation, &call.payment_id).await;
    assert!(proofs.iter().all(|(_, proof)| *proof == Proof::Nothing), "{proofs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_a_call_and_woken_after_its_time_it_asks_and_does_not_send() {
    let settings = [
        ("HOLDFAST_GATEWAY_CALL_TIMEOUT_MS", "5000"),
        ("HOLDFAST_GATEWAY_OPERATION_WINDOW_MS", "1000"),
        ("HOLDFAST_GATEWAY_INGESTION_WINDOW_MS", "100"),
        ("HOLDFAST_GATEWAY_CONCURRENCY", "1"),
    ];
    let call = InCall::begin("follower-stop", &settings).await;
    // A second one waits for its turn behind the first.
    let waiting = call.caller.try_pay(&call.wallet, AMOUNT, &new_key()).await.expect("answered");
    let waiting = waiting.expect(202).payment_id().to_owned();
    call.installation.signal(Signal::SIGSTOP);
    let asked = operations(&call.installation, &waiting).await;
    let last_answer = asked[0].conclusive_after.max(call.operations().await[0].conclusive_after);
    past(last_answer).await;
    call.admin.behave_well().await;
    call.installation.signal(Signal::SIGCONT);

    for payment_id in [&call.payment_id, &waiting] {
        let payment = call.caller.settled(payment_id).await;
        assert_eq!(payment["status"], "completed", "{payment}");
        let charges = call.admin.charges_for(payment_id).await;
        assert_eq!(charges.len(), 1, "{charges:?}");
        assert_eq!(charges[0]["submissions"], 1, "{charges:?}");
    }
    let of_call = proofs(&call.installation, &call.payment_id).await;
    assert_eq!(of_call[0], (1, Proof::Nothing), "it was sent");
    let of_waiting = proofs(&call.installation, &waiting).await;
    assert_eq!(of_waiting[0], (1, Proof::NotSent), "its turn never came in time");
    let numbers = call.caller.numbers(&call.wallet).await;
    assert_eq!(numbers, Numbers::settled(DEPOSIT - 2 * AMOUNT));
    call.installation.assert_clean_audit().await;
    call.admin.assert_nobody_charged_twice().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_during_calls_agrees_with_the_ledger_in_the_end() {
    let mut installation = Installation::start_with("gateway-kills", &LENIENT_GATEWAY).await;
    let load = Load::on(&installation).await;
    load.while_doing(async {
        for more in [20, 40, 30] {
            load.accepts(more).await;
            installation.kill_gateway().await;
            load.accepts(10).await;
            installation.run_gateway().await;
        }
        load.accepts(20).await;
    })
    .await;
    load.check(&installation, &[]).await;
    installation.gateway_admin().assert_nobody_charged_twice().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_of_every_kind_end_with_every_payment_settled() {
    const SECONDS: f64 = 1.5;
    const REST: Duration = Duration::from_millis(100);
    let installation = Installation::start_with("gateway-outages", &LENIENT_GATEWAY).await;
    let admin = installation.gateway_admin();
    let load = Load::on(&installation).await.resting(REST);
    load.while_doing(async {
        for kind in ["refuse", "hang", "5xx"] {
            load.accepts(15).await;
            admin.begin_outage(kind, SECONDS).await;
            load.accepts(30).await;
            installation.gateway_answers().await;
        }
        load.accepts(15).await;
    })
    .await;
    load.check(&installation, &[]).await;
    admin.assert_nobody_charged_twice().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_misbehaviour_settles_as_magic_amounts_do() {
    const PAYMENTS: i64 = 60;
    let installation = Installation::start_with("gateway-shares", &QUICK_GATEWAY).await;
    let (admin, caller) = (installation.gateway_admin(), installation.caller());
    let wallet = caller.wallet_with(DEPOSIT).await;
    let percent = json!({
        "decline_do_not_honor": 20, "timeout_after_charging": 20, "reset_before_charging": 20,
        "unavailable_once": 20, "rate_limited_once": 10,
    });
    let latency = json!({"lognormal_ms": {"median": 5, "p99": 100}});
    admin.behave(&json!({"seed": 1, "latency": latency, "percent": percent})).await;
    let keys: Vec<_> = (0..PAYMENTS).map(|_| new_key()).collect();
    let accepted = join_all(keys.iter().map(|key| caller.try_pay(&wallet, AMOUNT, key))).await;
    let mut completed = 0;
    for answer in accepted {
        let answer = answer.expect("answered").expect(202);
        let payment = caller.settled(answer.payment_id()).await;
        completed += i64::from(payment["status"] == "completed");
    }
    assert!(completed > 0 && completed < PAYMENTS, "{completed} of {PAYMENTS}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(DEPOSIT - completed * AMOUNT));
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, completed.unsigned_abs());
    let audit = admin.assert_nobody_charged_twice().await;
    assert_eq!(audit["audit"]["succeeded"], completed, "{audit}");
}
