//! Success with another amount or another currency.

use schemas::inputs::GatewayOutcome;

use super::{HELD, submitted};
use crate::scenario::{NOT_FOUND, Scenario, decline, names, success, unknown};

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
    for mut scenario in [submitted(), in_doubt()] {
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
    for mut scenario in [submitted(), in_doubt()] {
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
    for outcome in [in_euros(400), success(0), success(-1), success(i64::MAX)] {
        let mut scenario = submitted();
        let entry = scenario.answer_latest(outcome.clone());
        assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded", "PaymentReviewRequested"]);
        assert_eq!(scenario.numbers("user"), HELD);
        // The inquiry finds the same again: one discrepancy, and the asking goes on.
        assert_eq!(names(&scenario.fire_next().expect("slow inquiry")), ["InquiryRequested"]);
        assert_eq!(names(&scenario.answer_latest(outcome)), ["Answered"]);
        assert_eq!(scenario.timers.len(), 1);
        assert_eq!(scenario.numbers("user"), HELD);
        // And it may end as any other.
        scenario.fire_next().expect("slow inquiry");
        let entry = scenario.answer_latest(decline());
        assert_eq!(names(&entry), ["Answered", "HoldVoided", "PaymentFailed"]);
    }
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
