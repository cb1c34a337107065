//! Cancelling, and losing to a charge.

use schemas::ErrorCode;
use schemas::entry::{Entry, Verdict};
use schemas::event::GatewayOperationRequested;
use schemas::inputs::{Command, CommandBody};

use super::{FREE, HELD, PAID, doubted, proven_absent, submitted};
use crate::scenario::{
    Scenario, cancel, decline, names, not_sent, resolve, success, unknown, wallet_of,
};

fn wish(scenario: &mut Scenario) {
    let entry = scenario.command(cancel("user", "order"));
    assert_eq!(names(&entry), ["CancelRequested"]);
    assert_eq!(scenario.numbers("user"), HELD);
    let entry = scenario.command(cancel("user", "order"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
}

fn assert_cancelled(scenario: &Scenario, entry: &Entry) {
    assert!(names(entry).ends_with(&["HoldVoided", "PaymentCancelled"]), "{entry:?}");
    assert_eq!(scenario.numbers("user"), FREE);
    assert!(scenario.timers.is_empty());
}

#[test]
fn submitting_a_charge_that_turns_out_unsent_is_cancelled() {
    let mut scenario = submitted();
    wish(&mut scenario);
    let entry = scenario.answer_latest(not_sent());
    assert_cancelled(&scenario, &entry);
    let entry = scenario.command(cancel("user", "order"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
}

#[test]
fn waiting_for_a_resend_is_cancelled_at_once() {
    let mut scenario = submitted();
    scenario.answer_latest(not_sent());
    let entry = scenario.command(cancel("user", "order"));
    assert_eq!(names(&entry), ["CancelRequested", "HoldVoided", "PaymentCancelled"]);
    assert_eq!(scenario.numbers("user"), FREE);
    assert!(scenario.timers.is_empty());
}

#[test]
fn a_decline_cancels_and_a_success_wins() {
    let mut scenario = submitted();
    wish(&mut scenario);
    let entry = scenario.answer_latest(decline());
    assert_cancelled(&scenario, &entry);

    let mut scenario = submitted();
    wish(&mut scenario);
    let entry = scenario.answer_latest(success(400));
    assert_eq!(names(&entry), ["Answered", "HoldPosted", "PaymentCompleted"]);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn in_doubt_goes_on_asking_and_sends_nothing_new() {
    let mut scenario = submitted();
    wish(&mut scenario);
    let entry = scenario.answer_latest(unknown());
    assert_eq!(names(&entry), ["Answered", "PaymentInDoubt"]);
    let entry = proven_absent(&mut scenario);
    assert_cancelled(&scenario, &entry);

    let mut scenario = doubted();
    wish(&mut scenario);
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer_latest(success(400));
    assert_eq!(names(&entry), ["Answered", "HoldPosted", "PaymentCompleted"]);
}

#[test]
fn in_doubt_and_in_review_a_decline_cancels_what_was_wished() {
    type Said = fn(&mut Scenario, &GatewayOperationRequested) -> Entry;
    let rows: [(&str, Said); 4] = [
        ("to an inquiry", |scenario, _| {
            scenario.fire_next().expect("inquiry");
            scenario.answer_latest(decline())
        }),
        ("to the charge, late", |scenario, charge| scenario.answer(charge, decline())),
        ("unasked", |scenario, charge| scenario.notify(charge, decline())),
        ("after the review deadline", |scenario, _| {
            scenario.advance(scenario.policy.payment.review_after);
            let entry = scenario.fire_next().expect("review deadline");
            assert_eq!(names(&entry), ["PaymentReviewRequested", "InquiryRequested"]);
            scenario.answer_latest(decline())
        }),
    ];
    for (name, said) in rows {
        for is_wished_before in [true, false] {
            let mut scenario = submitted();
            let charge = scenario.asked();
            if is_wished_before {
                wish(&mut scenario);
            }
            let entry = scenario.fire_next().expect("nobody answers in time");
            assert_eq!(names(&entry), ["PaymentInDoubt"]);
            if !is_wished_before {
                wish(&mut scenario);
            }
            let entry = said(&mut scenario, &charge);
            assert_cancelled(&scenario, &entry);
            let entry = scenario.notify(&charge, decline());
            assert_eq!(entry.decision.verdict, Verdict::Replayed, "{name}");
        }
    }
}

#[test]
fn a_second_gateway_is_not_tried_for_a_cancelled_payment() {
    let mut scenario = submitted();
    scenario.policy.gateways.push(crate::scenario::gateway("second"));
    scenario.policy.payment.submits_limit = 1;
    wish(&mut scenario);
    let entry = scenario.answer_latest(not_sent());
    assert_cancelled(&scenario, &entry);
}

#[test]
fn what_has_an_outcome_or_is_in_review_cannot_be_cancelled() {
    let code = ErrorCode::PaymentNotCancellable.code();
    let mut scenario = submitted();
    scenario.answer_latest(success(400));
    assert_eq!(scenario.command(cancel("user", "order")).decision.code, code);
    let mut scenario = submitted();
    scenario.answer_latest(decline());
    assert_eq!(scenario.command(cancel("user", "order")).decision.code, code);
    let mut scenario = super::review::in_review();
    assert_eq!(scenario.command(cancel("user", "order")).decision.code, code);
    let failed = schemas::inputs::ResolvedOutcome::Failed;
    scenario.operation(resolve("user", "order", failed, None));
    assert_eq!(scenario.command(cancel("user", "order")).decision.code, code);
}

#[test]
fn refused_cancels() {
    fn body(command: &mut Command) -> &mut schemas::inputs::Cancel {
        match &mut command.body {
            CommandBody::Cancel(cancel) => cancel,
            _ => panic!("not a cancel"),
        }
    }
    type Change = fn(&mut Command);
    let rows: [(&str, Change, ErrorCode); 6] = [
        ("no payment", |c| *c = cancel("user", "none"), ErrorCode::PaymentNotFound),
        (
            "another wallet",
            |c| body(c).wallet_id = wallet_of("other").to_string(),
            ErrorCode::PaymentNotFound,
        ),
        ("another tenant", |c| c.envelope.tenant = "other".into(), ErrorCode::PaymentNotFound),
        ("bad payment", |c| body(c).payment_id = "p".into(), ErrorCode::FieldInvalid),
        ("bad wallet", |c| body(c).wallet_id = "w".into(), ErrorCode::FieldInvalid),
        (
            "late",
            |c| c.envelope.deadline = Some(schemas::Timestamp::from_millis(1)),
            ErrorCode::DeadlineExceeded,
        ),
    ];
    for (name, change, code) in rows {
        let mut scenario = submitted();
        let mut command = cancel("user", "order");
        change(&mut command);
        assert_eq!(scenario.command(command).decision.code, code.code(), "{name}");
        assert_eq!(scenario.numbers("user"), HELD, "{name}");
    }
}
