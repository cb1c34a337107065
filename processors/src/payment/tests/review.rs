//! Review: by the deadline, and resolved by a person or by the gateway after all.

use std::time::Duration;

use schemas::ErrorCode;
use schemas::entry::{Entry, Verdict};
use schemas::inputs::{Operation, OperationBody, ResolvePayment, ResolvedOutcome};

use super::{FREE, HELD, PAID, assert_failed, doubted, submitted};
use crate::scenario::{
    NOT_FOUND, Scenario, decline, failure_code, names, resolve, success, unknown, wallet_of,
};

const SUCCEEDED: ResolvedOutcome = ResolvedOutcome::Succeeded;
const FAILED: ResolvedOutcome = ResolvedOutcome::Failed;

/// A payment of 400 whose outcome nobody knew until the review deadline.
pub(super) fn in_review() -> Scenario {
    let mut scenario = doubted();
    let deadline = scenario.now.plus(scenario.policy.payment.review_after);
    loop {
        let entry = scenario.fire_next().expect("inquiry");
        if names(&entry)[0] == "PaymentReviewRequested" {
            assert_eq!(names(&entry), ["PaymentReviewRequested", "InquiryRequested"]);
            break;
        }
        assert_eq!(names(&entry), ["InquiryRequested"]);
        assert!(scenario.now < deadline);
        scenario.answer_latest(unknown());
    }
    assert!(scenario.now >= deadline);
    assert_eq!(scenario.numbers("user"), HELD);
    scenario
}

#[test]
fn inquiries_go_on_slowly() {
    let mut scenario = in_review();
    for _ in 0..3 {
        scenario.answer_latest(unknown());
        let before = scenario.now;
        assert_eq!(names(&scenario.fire_next().expect("slow inquiry")), ["InquiryRequested"]);
        assert_eq!(scenario.now.since(before), Duration::from_hours(6));
        assert_eq!(scenario.numbers("user"), HELD);
    }
}

#[test]
fn a_gateway_result_settles_it() {
    let mut scenario = in_review();
    scenario.answer_latest(success(400));
    assert_eq!(scenario.numbers("user"), PAID);

    let mut scenario = in_review();
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::PaymentDeclined);

    // Proof that it was never received fails it: it is too late to send it again.
    let mut scenario = in_review();
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn a_gateway_that_cannot_be_asked_waits_for_a_person() {
    let mut scenario = submitted();
    scenario.policy.gateways[0].inquiry = crate::policy::InquiryKind::None;
    scenario.answer_latest(unknown());
    let before = scenario.now;
    let entry = scenario.fire_next().expect("review deadline");
    assert_eq!(names(&entry), ["PaymentReviewRequested"]);
    assert_eq!(scenario.now.since(before), scenario.policy.payment.review_after);
    assert!(scenario.timers.is_empty());
    let entry = scenario.operation(resolve("user", "order", FAILED, None));
    assert_failed(&scenario, &entry, ErrorCode::ResolvedAsFailed);
}

fn assert_replayed_and_conflicting(
    scenario: &mut Scenario,
    same: (ResolvedOutcome, Option<i64>),
    others: &[(ResolvedOutcome, Option<i64>)],
) {
    let numbers = scenario.numbers("user");
    let entry = scenario.operation(resolve("user", "order", same.0, same.1));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    for (outcome, amount) in others {
        let entry = scenario.operation(resolve("user", "order", *outcome, *amount));
        assert_eq!(entry.decision.code, "resolution_conflicts");
    }
    assert_eq!(scenario.numbers("user"), numbers);
}

#[test]
fn a_person_says_that_it_succeeded() {
    let mut scenario = in_review();
    let entry = scenario.operation(resolve("user", "order", SUCCEEDED, None));
    assert_eq!(names(&entry), ["PaymentResolved", "HoldPosted", "PaymentCompleted"]);
    assert_eq!(scenario.numbers("user"), PAID);
    assert!(scenario.timers.is_empty());
    let others = [(FAILED, None), (SUCCEEDED, Some(399))];
    assert_replayed_and_conflicting(&mut scenario, (SUCCEEDED, Some(400)), &others);
    // The gateway contradicts: recorded, nothing moves.
    let entry = scenario.answer_latest(decline());
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn a_person_says_that_less_or_more_was_taken() {
    let mut scenario = in_review();
    scenario.operation(resolve("user", "order", SUCCEEDED, Some(100)));
    assert_eq!((scenario.numbers("user"), scenario.suspense()), ((900, 900, 0), 0));
    let others = [(SUCCEEDED, None), (FAILED, None)];
    assert_replayed_and_conflicting(&mut scenario, (SUCCEEDED, Some(100)), &others);

    let mut scenario = in_review();
    scenario.operation(resolve("user", "order", SUCCEEDED, Some(500)));
    assert_eq!((scenario.numbers("user"), scenario.suspense()), (PAID, -100));
}

#[test]
fn a_person_says_that_it_failed() {
    let mut scenario = in_review();
    let entry = scenario.operation(resolve("user", "order", FAILED, None));
    assert_eq!(names(&entry), ["PaymentResolved", "HoldVoided", "PaymentFailed"]);
    assert_eq!(failure_code(&entry), "resolved_as_failed");
    assert_eq!(scenario.numbers("user"), FREE);
    assert_replayed_and_conflicting(&mut scenario, (FAILED, None), &[(SUCCEEDED, None)]);
    // And it was charged after all: booked, refunded, the payment stays failed.
    let entry = scenario.answer_latest(success(400));
    assert!(names(&entry).contains(&"RefundRequested"));
    assert_eq!((scenario.numbers("user"), scenario.suspense()), (FREE, -400));
}

#[test]
fn what_the_gateway_settled_agrees_with_a_person_or_not() {
    let mut scenario = submitted();
    scenario.answer_latest(success(400));
    assert_replayed_and_conflicting(&mut scenario, (SUCCEEDED, None), &[(FAILED, None)]);
    let mut scenario = submitted();
    scenario.answer_latest(decline());
    assert_replayed_and_conflicting(&mut scenario, (FAILED, None), &[(SUCCEEDED, None)]);
}

#[test]
fn refused_resolutions() {
    fn body(operation: &mut Operation) -> &mut ResolvePayment {
        match &mut operation.body {
            OperationBody::ResolvePayment(resolve) => resolve,
            _ => panic!("not a resolution"),
        }
    }
    type Change = fn(&mut Operation);
    let rows: [(&str, Change, ErrorCode); 10] = [
        ("nobody", |o| o.envelope.actor.clear(), ErrorCode::FieldInvalid),
        ("no evidence", |o| body(o).evidence = None, ErrorCode::FieldInvalid),
        (
            "long reference",
            |o| body(o).gateway_reference = "x".repeat(129),
            ErrorCode::FieldInvalid,
        ),
        ("amount zero", |o| body(o).amount = Some(0), ErrorCode::AmountNotPositive),
        ("amount 2^53", |o| body(o).amount = Some(1 << 53), ErrorCode::AmountTooLarge),
        (
            "failed with an amount",
            |o| {
                body(o).outcome = FAILED;
                body(o).amount = Some(1);
            },
            ErrorCode::FieldInvalid,
        ),
        ("no payment", |o| *o = resolve("user", "none", FAILED, None), ErrorCode::PaymentNotFound),
        (
            "another wallet",
            |o| body(o).wallet_id = wallet_of("other").to_string(),
            ErrorCode::PaymentNotFound,
        ),
        ("another tenant", |o| o.envelope.tenant = "other".into(), ErrorCode::PaymentNotFound),
        (
            "late",
            |o| o.envelope.deadline = Some(schemas::Timestamp::from_millis(1)),
            ErrorCode::DeadlineExceeded,
        ),
    ];
    let mut scenario = in_review();
    for (name, change, code) in rows {
        let mut operation = resolve("user", "order", SUCCEEDED, None);
        change(&mut operation);
        let entry = scenario.operation(operation);
        assert_eq!(entry.decision.code, code.code(), "{name}");
        assert_eq!(scenario.numbers("user"), HELD, "{name}");
    }
    for mut early in [submitted(), doubted()] {
        let entry: Entry = early.operation(resolve("user", "order", FAILED, None));
        assert_eq!(entry.decision.code, "not_in_review");
    }
}
