//! Successes that nobody wants: late, second, or of an abandoned attempt.

use schemas::entry::{Entry, Verdict};
use schemas::event::GatewayOperationRequested;
use schemas::inputs::ResolvedOutcome;

use super::review::in_review;
use super::{FREE, PAID, proven_absent, submitted};
use crate::scenario::{
    Scenario, cancel, decline, gateway, names, not_sent, resolve, success, unknown, unwanted_of,
};

const UNWANTED: [&str; 4] =
    ["DiscrepancyRecorded", "SuspenseBooked", "RefundRequested", "RefundSubmitRequested"];

/// Failed, with an answer still outstanding.
fn failed() -> (Scenario, GatewayOperationRequested) {
    let mut scenario = submitted();
    let charge = scenario.asked();
    scenario.fire_next().expect("attempt timer");
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(decline());
    assert_eq!(scenario.numbers("user"), FREE);
    (scenario, charge)
}

fn assert_unwanted(scenario: &Scenario, entry: &Entry, taken: i64) {
    assert!(names(entry).ends_with(&UNWANTED), "{:?}", names(entry));
    assert_eq!(scenario.suspense(), -taken);
}

#[test]
fn success_after_failed_is_booked_and_refunded_at_its_gateway() {
    let (mut scenario, charge) = failed();
    let entry = scenario.answer(&charge, success(400));
    assert_unwanted(&scenario, &entry, 400);
    assert_eq!(scenario.numbers("user"), FREE);
    let refund = scenario.asked();
    assert_eq!(refund.gateway, charge.gateway);
    let of = refund.refund.clone().expect("a refund");
    assert_eq!(of.charge_operation_id, charge.operation_id);
    assert_eq!(of.refund_id, unwanted_of("user", "order", 1));
    // The same again, answered or said unasked, changes nothing.
    let entry = scenario.answer(&charge, success(400));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.notify(&charge, success(400));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    // The refund brings it out of suspense, and never into the wallet.
    let entry = scenario.answer(&refund, success(400));
    assert_eq!(names(&entry), ["Answered", "SuspenseBooked", "RefundSucceeded"]);
    assert_eq!((scenario.suspense(), scenario.numbers("user")), (0, FREE));
    assert!(scenario.timers.is_empty());
}

#[test]
fn a_refund_of_it_that_fails_leaves_it_in_suspense() {
    let (mut scenario, charge) = failed();
    scenario.answer(&charge, success(400));
    let entry = scenario.answer_latest(decline());
    assert_eq!(names(&entry), ["Answered", "RefundFailed"]);
    assert_eq!((scenario.suspense(), scenario.numbers("user")), (-400, FREE));
}

#[test]
fn success_after_cancelled() {
    let mut scenario = submitted();
    let charge = scenario.asked();
    scenario.command(cancel("user", "order"));
    scenario.answer(&charge, not_sent());
    let entry = scenario.notify(&charge, success(400));
    assert_eq!(names(&entry), UNWANTED);
    assert_unwanted(&scenario, &entry, 400);
    assert_eq!(scenario.numbers("user"), FREE);
}

#[test]
fn success_after_resolved_as_failed() {
    type Said = fn(&mut Scenario, &GatewayOperationRequested) -> Entry;
    let rows: [Said; 2] = [
        |scenario, inquiry| scenario.answer(inquiry, success(400)),
        |scenario, inquiry| scenario.notify(inquiry, success(400)),
    ];
    for said in rows {
        let mut scenario = in_review();
        let inquiry = scenario.asked();
        scenario.operation(resolve("user", "order", ResolvedOutcome::Failed, None));
        let entry = said(&mut scenario, &inquiry);
        assert_unwanted(&scenario, &entry, 400);
        assert_eq!(scenario.numbers("user"), FREE);
        // What the person said stays, whatever the gateway says.
        let entry = scenario.operation(resolve("user", "order", ResolvedOutcome::Failed, None));
        assert_eq!(entry.decision.verdict, Verdict::Replayed);
        let entry = scenario.operation(resolve("user", "order", ResolvedOutcome::Succeeded, None));
        assert_eq!(entry.decision.code, "resolution_conflicts");
        scenario.answer_latest(success(400));
        assert_eq!((scenario.suspense(), scenario.numbers("user")), (0, FREE));
        assert!(scenario.timers.is_empty());
    }
}

/// Two gateways, the first abandoned; its charge, and the one under way.
fn abandoned() -> (Scenario, GatewayOperationRequested, GatewayOperationRequested) {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.payment.submits_limit = 1;
    scenario.pay("user", 400, "order");
    let first = scenario.asked();
    scenario.answer_latest(unknown());
    proven_absent(&mut scenario);
    let second = scenario.asked();
    assert_ne!(first.gateway, second.gateway);
    (scenario, first, second)
}

#[test]
fn a_second_success_of_an_abandoned_attempt() {
    // Whichever comes first: the settled attempt pays, the other is refunded.
    let (mut scenario, first, second) = abandoned();
    scenario.answer(&second, success(400));
    let entry = scenario.notify(&first, success(400));
    assert_unwanted(&scenario, &entry, 400);
    assert_eq!(scenario.asked().gateway, first.gateway);
    assert_eq!(scenario.numbers("user"), PAID);

    let (mut scenario, first, second) = abandoned();
    let entry = scenario.notify(&first, success(400));
    assert_unwanted(&scenario, &entry, 400);
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
    let entry = scenario.answer(&second, success(400));
    assert_eq!(names(&entry), ["Answered", "HoldPosted", "PaymentCompleted"]);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn other_answers_of_an_abandoned_attempt_say_nothing() {
    let (mut scenario, first, _) = abandoned();
    let timers = scenario.timers.clone();
    for outcome in [decline(), unknown(), not_sent()] {
        let entry = scenario.notify(&first, outcome);
        assert_eq!(entry.decision.verdict, Verdict::Replayed);
    }
    assert_eq!(scenario.timers, timers);
}

#[test]
fn an_unwanted_charge_in_another_currency_is_suspended_in_that() {
    let (mut scenario, charge) = failed();
    let outcome = schemas::inputs::GatewayOutcome::Succeeded {
        gateway_reference: "ch_1".to_owned(),
        amount: 7,
        currency: "EUR".to_owned(),
    };
    let entry = scenario.answer(&charge, outcome);
    assert!(names(&entry).ends_with(&UNWANTED));
    assert_eq!(scenario.asked().currency.code(), "EUR");
    assert_eq!(scenario.suspense(), 0);
}

#[test]
fn an_unwanted_charge_that_cannot_be_money_is_a_discrepancy_alone() {
    let (mut scenario, charge) = failed();
    let entry = scenario.answer(&charge, success(-1));
    let expected = ["Answered", "DiscrepancyRecorded", "DiscrepancyRecorded"];
    assert_eq!(names(&entry), expected);
    assert_eq!(scenario.numbers("user"), FREE);
}

#[test]
fn contradictions_after_success_are_recorded_and_move_nothing() {
    let mut scenario = submitted();
    let charge = scenario.asked();
    scenario.fire_next().expect("attempt timer");
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(success(400));
    let entry = scenario.answer(&charge, decline());
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn what_a_gateway_says_unasked_counts_as_an_answer_once() {
    let mut scenario = submitted();
    let charge = scenario.asked();
    // It proves nothing that it knows nothing.
    for outcome in [unknown(), not_sent(), crate::scenario::NOT_FOUND] {
        let entry = scenario.notify(&charge, outcome);
        assert_eq!(entry.decision.verdict, Verdict::Replayed);
    }
    let entry = scenario.notify(&charge, success(400));
    assert_eq!(names(&entry), ["HoldPosted", "PaymentCompleted"]);
    let entry = scenario.notify(&charge, success(400));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.answer(&charge, success(400));
    assert_eq!(names(&entry), ["Answered"]);
    assert_eq!(scenario.numbers("user"), PAID);

    let mut scenario = submitted();
    let charge = scenario.asked();
    let entry = scenario.notify(&charge, decline());
    assert_eq!(names(&entry), ["HoldVoided", "PaymentFailed"]);
}
