//! A person says that another amount came back than was asked for.

use schemas::entry::Verdict;
use schemas::inputs::ResolvedOutcome;

use super::{in_review, numbers, refundable};
use crate::scenario::{names, refund_of, resolve_refund, success};

const SUCCEEDED: ResolvedOutcome = ResolvedOutcome::Succeeded;
const FAILED: ResolvedOutcome = ResolvedOutcome::Failed;

#[test]
fn less_is_credited_as_it_came_and_more_than_was_asked_is_in_suspense() {
    let id = refund_of("user", "order", "r");
    let exact: &[&str] = &["RefundResolved", "RefundSucceeded"];
    let less: &[&str] = &["RefundResolved", "DiscrepancyRecorded", "RefundSucceeded"];
    let more: &[&str] =
        &["RefundResolved", "DiscrepancyRecorded", "SuspenseBooked", "RefundSucceeded"];
    let rows = [(1, less, 1, 0), (149, less, 149, 0), (150, exact, 150, 0), (151, more, 150, 1)];
    for (amount, events, credited, suspended) in rows {
        let mut scenario = in_review();
        let said = resolve_refund("user", id, SUCCEEDED, Some(amount));
        assert_eq!(names(&scenario.operation(said.clone())), events);
        let money = ((600 + credited, 600 + credited, 0), suspended);
        assert_eq!((numbers(&scenario), scenario.suspense()), money, "{amount}");
        assert_eq!(refundable(&scenario), 400 - credited, "{amount}");
        assert!(scenario.timers.is_empty());

        assert_eq!(scenario.operation(said).decision.verdict, Verdict::Replayed);
        for (outcome, other) in [(SUCCEEDED, Some(amount + 1)), (FAILED, None)] {
            let entry = scenario.operation(resolve_refund("user", id, outcome, other));
            assert_eq!(entry.decision.code, "resolution_conflicts", "{amount}");
        }
        // The gateway says the same after all, and then another amount.
        assert_eq!(names(&scenario.answer_latest(success(amount))), ["Answered"]);
        let asked = scenario.asked();
        let entry = scenario.notify(&asked, success(amount + 1));
        assert_eq!(names(&entry), ["DiscrepancyRecorded"]);
        assert_eq!((numbers(&scenario), scenario.suspense()), money, "{amount}");
    }
}

#[test]
fn no_amount_is_the_one_that_was_asked_for() {
    let id = refund_of("user", "order", "r");
    let mut scenario = in_review();
    scenario.operation(resolve_refund("user", id, SUCCEEDED, None));
    for (amount, code) in [(Some(150), ""), (None, ""), (Some(149), "resolution_conflicts")] {
        let entry = scenario.operation(resolve_refund("user", id, SUCCEEDED, amount));
        assert_eq!(entry.decision.code, code, "{amount:?}");
    }
    assert_eq!((numbers(&scenario), scenario.suspense()), ((750, 750, 0), 0));
}

#[test]
fn what_is_no_amount_is_refused() {
    let id = refund_of("user", "order", "r");
    let rows = [
        (SUCCEEDED, 0, "amount_not_positive"),
        (SUCCEEDED, -1, "amount_not_positive"),
        (SUCCEEDED, 1 << 53, "amount_too_large"),
        (FAILED, 150, "field_invalid"),
    ];
    let mut scenario = in_review();
    for (outcome, amount, code) in rows {
        let entry = scenario.operation(resolve_refund("user", id, outcome, Some(amount)));
        assert_eq!(entry.decision.code, code, "{amount}");
        assert_eq!(numbers(&scenario), (600, 600, 150), "{amount}");
    }
}
