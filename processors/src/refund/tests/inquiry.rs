//! Gateways that cannot be asked about refunds, and those whose answers are hints.

use schemas::ErrorCode;
use schemas::entry::Entry;
use schemas::inputs::ResolvedOutcome;

use super::{assert_failed, doubted, in_review, numbers, requested};
use crate::policy::InquiryKind;
use crate::scenario::{
    NOT_FOUND, Scenario, decline, names, refund_of, resolve_refund, success, unknown,
};

fn set_inquiry(scenario: &mut Scenario, kind: InquiryKind) {
    scenario.policy.gateways[0].refund_inquiry = kind;
}

/// A refund that nobody can ask about, in review.
fn in_review_unasked() -> Scenario {
    let mut scenario = requested();
    set_inquiry(&mut scenario, InquiryKind::None);
    scenario.answer_latest(unknown());
    let before = scenario.now;
    let entry = scenario.fire_next().expect("review deadline");
    assert_eq!(names(&entry), ["RefundReviewRequested"]);
    assert_eq!(scenario.now.since(before), scenario.policy.refund.review_after);
    assert!(scenario.timers.is_empty());
    assert_eq!(numbers(&scenario), (600, 600, 150));
    scenario
}

#[test]
fn none_waits_for_a_person_or_a_notification() {
    type End = fn(&mut Scenario) -> Entry;
    let rows: [(&str, End, i64); 4] = [
        ("told", |s| s.notify(&s.asked(), success(150)), 750),
        ("resolved", |s| s.operation(resolution(ResolvedOutcome::Succeeded)), 750),
        ("told otherwise", |s| s.notify(&s.asked(), decline()), 600),
        ("resolved otherwise", |s| s.operation(resolution(ResolvedOutcome::Failed)), 600),
    ];
    for (name, end, posted) in rows {
        let mut scenario = in_review_unasked();
        end(&mut scenario);
        assert_eq!(numbers(&scenario), (posted, posted, 0), "{name}");
        assert!(scenario.timers.is_empty(), "{name}");
    }
}

fn resolution(outcome: ResolvedOutcome) -> schemas::inputs::Operation {
    resolve_refund("user", refund_of("user", "order", "r"), outcome, None)
}

#[test]
fn none_is_told_of_no_inquiry_when_the_follower_gave_no_result_either() {
    let mut scenario = requested();
    set_inquiry(&mut scenario, InquiryKind::None);
    for expected in ["RefundInDoubt", "RefundReviewRequested"] {
        assert_eq!(names(&scenario.fire_next().expect("a timer")), [expected]);
    }
    assert!(scenario.timers.is_empty());
    // The late answer to the refund itself counts.
    scenario.answer_latest(success(150));
    assert_eq!(numbers(&scenario), (750, 750, 0));
}

#[test]
fn a_gateway_that_cannot_be_asked_any_more_leaves_nothing_to_wait_for() {
    let mut scenario = doubted();
    set_inquiry(&mut scenario, InquiryKind::None);
    let entry = scenario.fire_next().expect("the inquiry that was planned");
    assert_eq!(names(&entry), ["RefundReviewRequested"]);
    assert!(scenario.timers.is_empty());

    let mut scenario = in_review();
    set_inquiry(&mut scenario, InquiryKind::None);
    scenario.answer_latest(unknown());
    let entry = scenario.fire_next().expect("the inquiry that was planned");
    assert_eq!(names(&entry), [""; 0]);
    assert!(scenario.timers.is_empty());
    assert_eq!(numbers(&scenario), (600, 600, 150));
}

#[test]
fn an_advisory_not_found_never_proves_anything() {
    let mut scenario = doubted();
    set_inquiry(&mut scenario, InquiryKind::Advisory);
    let mut names_of_inquiry = Vec::new();
    while names_of_inquiry != ["RefundReviewRequested", "RefundInquiryRequested"] {
        names_of_inquiry = names(&scenario.fire_next().expect("inquiry"));
        assert_eq!(names_of_inquiry.last(), Some(&"RefundInquiryRequested"));
        assert_eq!(names(&scenario.answer_latest(NOT_FOUND)), ["Answered"]);
        assert_eq!(numbers(&scenario), (600, 600, 150));
    }
    // In review neither; a decline does.
    scenario.fire_next().expect("slow inquiry");
    assert_eq!(names(&scenario.answer_latest(NOT_FOUND)), ["Answered"]);
    scenario.fire_next().expect("slow inquiry");
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::RefundDeclined);
}

#[test]
fn what_inquiries_about_charges_are_worth_says_nothing_about_refunds() {
    use InquiryKind::{Advisory, Authoritative, None};
    let again: &[&str] = &["Answered", "RefundSubmitRequested"];
    let rows = [(None, Authoritative, again), (Authoritative, Advisory, &["Answered"])];
    for (inquiry, refund_inquiry, expected) in rows {
        let mut scenario = doubted();
        scenario.policy.gateways[0].inquiry = inquiry;
        set_inquiry(&mut scenario, refund_inquiry);
        scenario.fire_next().expect("inquiry");
        assert_eq!(names(&scenario.answer_latest(NOT_FOUND)), ["Answered"]);
        scenario.fire_next().expect("inquiry after the window");
        assert_eq!(names(&scenario.answer_latest(NOT_FOUND)), expected, "{refund_inquiry:?}");
    }
}
