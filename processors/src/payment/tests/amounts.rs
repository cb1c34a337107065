//! Success with another amount or another currency.

use schemas::inputs::{GatewayOutcome, ResolvedOutcome};

use super::review::in_review;
use super::{HELD, PAID, submitted};
use crate::scenario::{NOT_FOUND, Scenario, decline, names, resolve, success, unknown};

fn in_euros(amount: i64) -> GatewayOutcome {
    GatewayOutcome::Succeeded {
        gateway_reference: "ch_1".to_owned(),
        amount,
        currency: "EUR".to_owned(),
    }
}

fn in_doubt() -> Scenario {
    let mut scenario = submitted();
    scenario.answer_latest(unknown());
    scenario.fire_next().expect("inquiry");
    scenario
}

#[test]
fn less_is_posted_and_the_rest_is_free() {
    for mut scenario in [submitted(), in_doubt(), in_review()] {
        let entry = scenario.answer_latest(success(150));
        let expected =
            ["Answered", "DiscrepancyRecorded", "HoldPosted", "HoldVoided", "PaymentCompleted"];
        assert_eq!(names(&entry), expected);
        assert_eq!(scenario.numbers("user"), (850, 850, 0));
        assert_eq!(scenario.suspense(), 0);
        assert!(scenario.timers.is_empty());
    }
}

#[test]
fn more_is_posted_as_asked_and_the_surplus_comes_from_suspense() {
    for mut scenario in [submitted(), in_doubt(), in_review()] {
        let entry = scenario.answer_latest(success(450));
        let expected =
            ["Answered", "DiscrepancyRecorded", "HoldPosted", "PaymentCompleted", "SuspenseBooked"];
        assert_eq!(names(&entry), expected);
        assert_eq!(scenario.numbers("user"), (600, 600, 0));
        assert_eq!(scenario.suspense(), -50);
        assert!(scenario.timers.is_empty());
    }
}

#[test]
fn another_currency_needs_review_and_moves_nothing() {
    let outcomes = [in_euros(400), success(0), success(-1), success(i64::MAX)];
    for (outcome, begin) in outcomes.iter().flat_map(|one| [(one, submitted()), (one, in_doubt())])
    {
        let mut scenario = begin;
        let entry = scenario.answer_latest(outcome.clone());
        assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded", "PaymentReviewRequested"]);
        assert_eq!(scenario.numbers("user"), HELD);
        // The inquiry finds the same again: one discrepancy, and the asking goes on.
        assert_eq!(names(&scenario.fire_next().expect("slow inquiry")), ["InquiryRequested"]);
        assert_eq!(names(&scenario.answer_latest(outcome.clone())), ["Answered"]);
        assert_eq!(scenario.timers.len(), 1);
        assert_eq!(scenario.numbers("user"), HELD);
        // And it may end as any other.
        scenario.fire_next().expect("slow inquiry");
        let entry = scenario.answer_latest(decline());
        assert_eq!(names(&entry), ["Answered", "HoldVoided", "PaymentFailed"]);
    }
}

#[test]
fn another_currency_in_doubt_may_be_told_unasked_and_settled_by_a_person() {
    let mut scenario = in_doubt();
    let charge = scenario.asked();
    let entry = scenario.notify(&charge, in_euros(400));
    assert_eq!(names(&entry), ["DiscrepancyRecorded", "PaymentReviewRequested"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), (HELD, 0));
    let entry = scenario.notify(&charge, in_euros(400));
    assert_eq!(names(&entry), [""; 0]);
    let entry = scenario.operation(resolve("user", "order", ResolvedOutcome::Succeeded, None));
    assert_eq!(names(&entry), ["PaymentResolved", "HoldPosted", "PaymentCompleted"]);
    // It stays another currency than the one that was settled.
    let entry = scenario.notify(&charge, in_euros(400));
    assert_eq!(names(&entry), ["DiscrepancyRecorded"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), (PAID, 0));
}

#[test]
fn another_amount_than_before_contradicts() {
    let mut scenario = in_doubt();
    let inquiry = scenario.asked();
    scenario.fire_next().expect("asked again");
    let again = scenario.asked();
    scenario.fire_next().expect("and again");
    let third = scenario.asked();
    scenario.answer(&inquiry, success(400));
    let entry = scenario.answer(&again, success(399));
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);
    let entry = scenario.answer(&third, success(399));
    assert_eq!(names(&entry), ["Answered"]);
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
}

#[test]
fn a_second_amount_contradicts_the_first() {
    let rows = [
        (400, 400, false),
        (400, 450, true),
        (150, 150, false),
        (150, 400, true),
        (450, 450, false),
        (450, 500, true),
        (450, 400, true),
        (450, 150, true),
    ];
    for (first, second, contradicts) in rows {
        let mut scenario = submitted();
        let charge = scenario.asked();
        scenario.answer_latest(success(first));
        let before = (scenario.numbers("user"), scenario.suspense());
        let entry = scenario.notify(&charge, success(second));
        let expected: &[_] = if contradicts { &["DiscrepancyRecorded"] } else { &[] };
        assert_eq!(names(&entry), expected, "{first}, then {second}");
        assert_eq!((scenario.numbers("user"), scenario.suspense()), before);
    }
}

#[test]
fn not_found_after_success_contradicts_only_when_it_proves_something() {
    let mut scenario = in_doubt();
    let early = scenario.asked();
    scenario.advance(std::time::Duration::from_mins(1));
    scenario.fire_next().expect("asked again, after the window");
    let late = scenario.asked();
    scenario.notify(&late, success(400));
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    assert_eq!(names(&scenario.answer(&early, NOT_FOUND)), ["Answered"]);
    let entry = scenario.answer(&late, NOT_FOUND);
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);
}
