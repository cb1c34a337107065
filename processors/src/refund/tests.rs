//! The rows of the refund saga, each with its money.

use std::time::Duration;

use schemas::ErrorCode;
use schemas::entry::{Entry, Verdict};
use schemas::inputs::{Command, CommandBody, GatewayOutcome, OperationBody, ResolvedOutcome};

use crate::ReadLedger;
use crate::payment::Phase as PaymentPhase;
use crate::scenario::{
    NOT_FOUND, Scenario, change, decline, failure_code, names, not_sent, payment_of, refund,
    refund_of, resolve_refund, success, unknown, wallet_of, withdraw,
};

mod inquiry;
mod review;
mod unasked;

/// Available, posted, announced.
fn numbers(scenario: &Scenario) -> (i64, i64, i64) {
    let balances = scenario.balances("user");
    (balances.available(), balances.posted(), balances.credits_pending)
}

/// A wallet with 1000, of which a payment took 400.
fn paid() -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(400));
    assert_eq!(numbers(&scenario), (600, 600, 0));
    scenario
}

/// The same, with a refund of 150 under way.
fn requested() -> Scenario {
    let mut scenario = paid();
    let entry = scenario.command(refund("user", "order", Some(150), "r"));
    assert_eq!(names(&entry), ["RefundRequested", "RefundSubmitRequested"]);
    assert_eq!(numbers(&scenario), (600, 600, 150));
    scenario
}

fn doubted() -> Scenario {
    let mut scenario = requested();
    let entry = scenario.answer_latest(unknown());
    assert_eq!(names(&entry), ["Answered", "RefundInDoubt"]);
    assert_eq!(numbers(&scenario), (600, 600, 150));
    scenario
}

fn in_review() -> Scenario {
    let mut scenario = doubted();
    while names(&scenario.fire_next().expect("inquiry"))[0] != "RefundReviewRequested" {
        scenario.answer_latest(unknown());
    }
    assert_eq!(numbers(&scenario), (600, 600, 150));
    scenario
}

fn assert_failed(scenario: &Scenario, entry: &Entry, code: ErrorCode) {
    assert!(names(entry).ends_with(&["RefundFailed"]), "{entry:?}");
    assert_eq!(failure_code(entry), code.code());
    assert_eq!(numbers(scenario), (600, 600, 0));
    assert!(scenario.timers.is_empty());
}

fn refundable(scenario: &Scenario) -> i64 {
    let payment = scenario.ledger.payment(payment_of("user", "order")).expect("memory");
    payment.expect("exists").refundable()
}

#[test]
fn success_credits_the_wallet_and_the_gateway_gets_the_refunds_own_key() {
    let mut scenario = requested();
    let asked = scenario.asked();
    let of = asked.refund.clone().expect("a refund");
    assert_eq!(of.charge_reference, "ch_1");
    assert_eq!(of.refund_id, refund_of("user", "order", "r"));
    let entry = scenario.answer_latest(success(150));
    assert_eq!(names(&entry), ["Answered", "RefundSucceeded"]);
    assert_eq!(numbers(&scenario), (750, 750, 0));
    assert!(scenario.timers.is_empty());
    assert_eq!(scenario.answer(&asked, success(150)).decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.notify(&asked, success(150)).decision.verdict, Verdict::Replayed);
    let payment = scenario.ledger.payment(payment_of("user", "order")).expect("memory");
    assert!(matches!(payment.expect("exists").phase, PaymentPhase::Completed(_)));
}

#[test]
fn full_partial_and_many_up_to_what_was_captured_with_open_ones_counted() {
    let mut scenario = requested();
    let exceeds = ErrorCode::RefundExceedsCaptured.code();
    let entry = scenario.command(refund("user", "order", Some(251), "more"));
    assert_eq!(entry.decision.code, exceeds);
    scenario.command(refund("user", "order", Some(50), "s"));
    let second = scenario.asked();
    // No amount is all that is left.
    scenario.command(refund("user", "order", None, "rest"));
    assert_eq!(scenario.asked().amount.minor(), 200);
    let entry = scenario.command(refund("user", "order", None, "nothing"));
    assert_eq!(entry.decision.code, exceeds);
    let entry = scenario.command(refund("user", "order", Some(1), "one"));
    assert_eq!(entry.decision.code, exceeds);
    // One that fails gives room again.
    scenario.answer(&second, decline());
    assert_eq!(refundable(&scenario), 50);
    scenario.command(refund("user", "order", Some(50), "again"));
    assert_eq!(refundable(&scenario), 0);
}

#[test]
fn a_key_used_again_is_a_replay_or_a_refusal() {
    let mut scenario = requested();
    let entry = scenario.command(refund("user", "order", Some(150), "r"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.command(refund("user", "order", Some(151), "r"));
    assert_eq!(entry.decision.code, "idempotency_key_reused");
    let entry = scenario.command(refund("user", "order", None, "r"));
    assert_eq!(entry.decision.code, "idempotency_key_reused");
    assert_eq!(numbers(&scenario), (600, 600, 150));
}

#[test]
fn decline_not_sent_and_expired() {
    let mut scenario = requested();
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::RefundDeclined);

    for outcome in [not_sent(), GatewayOutcome::ExpiredUnsent {}] {
        let mut scenario = requested();
        let first = scenario.asked();
        let entry = scenario.answer_latest(outcome.clone());
        assert_eq!(names(&entry), ["Answered", "RefundResendScheduled"]);
        let entry = scenario.fire_next().expect("resend");
        assert_eq!(names(&entry), ["RefundSubmitRequested"]);
        assert_eq!(scenario.asked().operation_id, first.operation_id);
        scenario.answer_latest(outcome.clone());
        scenario.fire_next().expect("resend");
        let entry = scenario.answer_latest(outcome);
        assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
    }
}

#[test]
fn the_total_deadline_ends_resends() {
    let mut scenario = requested();
    scenario.advance(scenario.policy.refund.total_deadline);
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);

    let mut scenario = requested();
    scenario.answer_latest(not_sent());
    scenario.advance(scenario.policy.refund.total_deadline + Duration::from_millis(1));
    let entry = scenario.fire_next().expect("resend timer");
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);
}

#[test]
fn no_result_in_time_is_in_doubt_and_inquired_with_back_off() {
    let mut scenario = requested();
    assert_eq!(names(&scenario.fire_next().expect("answer due")), ["RefundInDoubt"]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = scenario.now;
        let entry = scenario.fire_next().expect("inquiry timer");
        assert_eq!(names(&entry), ["RefundInquiryRequested"]);
        waits.push(scenario.now.since(before).as_secs());
        scenario.answer_latest(unknown());
    }
    assert_eq!(waits, [1, 2, 4, 8]);
    assert_eq!(numbers(&scenario), (600, 600, 150));
}

#[test]
fn in_doubt_success_decline_and_proof() {
    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(success(150));
    assert_eq!(numbers(&scenario), (750, 750, 0));

    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::RefundDeclined);

    let mut scenario = doubted();
    let first = scenario.asked();
    scenario.fire_next().expect("inquiry");
    assert_eq!(names(&scenario.answer_latest(NOT_FOUND)), ["Answered"]);
    scenario.fire_next().expect("inquiry after the window");
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_eq!(names(&entry), ["Answered", "RefundSubmitRequested"]);
    assert_eq!(scenario.asked().operation_id, first.operation_id);
    scenario.answer_latest(success(150));
    assert_eq!(numbers(&scenario), (750, 750, 0));
}

#[test]
fn another_amount_or_currency() {
    let mut scenario = requested();
    let entry = scenario.answer_latest(success(100));
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded", "RefundSucceeded"]);
    assert_eq!((numbers(&scenario), refundable(&scenario)), ((700, 700, 0), 300));

    let mut scenario = requested();
    let entry = scenario.answer_latest(success(170));
    let expected = ["Answered", "DiscrepancyRecorded", "SuspenseBooked", "RefundSucceeded"];
    assert_eq!(names(&entry), expected);
    assert_eq!((numbers(&scenario), scenario.suspense()), ((750, 750, 0), 20));

    let mut scenario = requested();
    let euros = GatewayOutcome::Succeeded {
        gateway_reference: "re_1".to_owned(),
        amount: 150,
        currency: "EUR".to_owned(),
    };
    for outcome in [euros, success(0)] {
        let entry = scenario.answer_latest(outcome);
        if names(&entry).len() > 1 {
            let expected = ["Answered", "DiscrepancyRecorded", "RefundReviewRequested"];
            assert_eq!(names(&entry), expected);
        }
        assert_eq!(numbers(&scenario), (600, 600, 150));
        scenario.fire_next().expect("slow inquiry");
    }
}

#[test]
fn review_goes_on_asking_and_the_gateway_may_settle_it() {
    let mut scenario = in_review();
    scenario.answer_latest(unknown());
    let before = scenario.now;
    assert_eq!(names(&scenario.fire_next().expect("slow")), ["RefundInquiryRequested"]);
    assert_eq!(scenario.now.since(before), Duration::from_hours(6));
    scenario.answer_latest(success(150));
    assert_eq!(numbers(&scenario), (750, 750, 0));

    let mut scenario = in_review();
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn a_person_resolves_it_once() {
    let id = refund_of("user", "order", "r");
    let (yes, no) = (ResolvedOutcome::Succeeded, ResolvedOutcome::Failed);
    let mut scenario = in_review();
    let entry = scenario.operation(resolve_refund("user", id, yes, None));
    assert_eq!(names(&entry), ["RefundResolved", "RefundSucceeded"]);
    assert_eq!(numbers(&scenario), (750, 750, 0));
    let entry = scenario.operation(resolve_refund("user", id, yes, Some(150)));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    for other in [resolve_refund("user", id, no, None), resolve_refund("user", id, yes, Some(1))] {
        assert_eq!(scenario.operation(other).decision.code, "resolution_conflicts");
    }
    let entry = scenario.answer_latest(decline());
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);

    let mut scenario = in_review();
    let entry = scenario.operation(resolve_refund("user", id, no, None));
    assert_failed(&scenario, &entry, ErrorCode::ResolvedAsFailed);
    let entry = scenario.operation(resolve_refund("user", id, no, None));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.operation(resolve_refund("user", id, yes, None));
    assert_eq!(entry.decision.code, "resolution_conflicts");
}

#[test]
fn refused_resolutions() {
    let id = refund_of("user", "order", "r");
    let no = ResolvedOutcome::Failed;
    for mut scenario in [requested(), doubted()] {
        let entry = scenario.operation(resolve_refund("user", id, no, None));
        assert_eq!(entry.decision.code, "not_in_review");
    }
    let mut scenario = in_review();
    let other = refund_of("user", "order", "none");
    let mut rows = vec![
        (resolve_refund("user", other, no, None), "refund_not_found"),
        (resolve_refund("nobody", id, no, None), "refund_not_found"),
        (resolve_refund("user", id, no, Some(1)), "field_invalid"),
        (resolve_refund("user", id, ResolvedOutcome::Succeeded, Some(0)), "amount_not_positive"),
    ];
    let mut nobody = resolve_refund("user", id, no, None);
    nobody.envelope.actor.clear();
    rows.push((nobody, "field_invalid"));
    let mut late = resolve_refund("user", id, no, None);
    late.envelope.deadline = Some(schemas::Timestamp::from_millis(1));
    rows.push((late, "deadline_exceeded"));
    for (operation, code) in rows {
        assert_eq!(scenario.operation(operation).decision.code, code);
        assert_eq!(numbers(&scenario), (600, 600, 150));
    }
}

#[test]
fn a_late_success_is_booked_and_the_excess_over_the_cap_is_in_suspense() {
    // Within the cap: the wallet has it.
    let mut scenario = requested();
    let asked = scenario.asked();
    scenario.fire_next().expect("in doubt");
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(decline());
    let entry = scenario.answer(&asked, success(150));
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded", "RefundSucceeded"]);
    assert_eq!((numbers(&scenario), refundable(&scenario)), ((750, 750, 0), 250));

    // Another refund took most of the room meanwhile.
    let mut scenario = requested();
    let asked = scenario.asked();
    scenario.fire_next().expect("in doubt");
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(decline());
    scenario.command(refund("user", "order", Some(300), "s"));
    let entry = scenario.answer(&asked, success(150));
    let expected = ["Answered", "DiscrepancyRecorded", "SuspenseBooked", "RefundSucceeded"];
    assert_eq!(names(&entry), expected);
    assert_eq!((numbers(&scenario), scenario.suspense()), ((700, 700, 300), 50));
    assert_eq!(refundable(&scenario), 0);
    assert_eq!(scenario.answer(&asked, success(150)).decision.verdict, Verdict::Replayed);
}

#[test]
fn contradictions_after_success_are_recorded_and_move_nothing() {
    let mut scenario = doubted();
    let asked = scenario.asked();
    scenario.fire_next().expect("inquiry");
    let early = scenario.asked();
    scenario.fire_next().expect("asked again");
    scenario.answer_latest(success(150));
    assert_eq!(names(&scenario.answer(&early, decline())), ["Answered", "DiscrepancyRecorded"]);
    let entry = scenario.notify(&asked, success(149));
    assert_eq!(names(&entry), ["DiscrepancyRecorded"]);
    assert_eq!(numbers(&scenario), (750, 750, 0));
}

#[test]
fn a_refund_for_a_closed_wallet_goes_to_suspense() {
    let mut scenario = paid();
    scenario.operation(withdraw("user", 600, "w"));
    scenario.operation(change("user", OperationBody::CloseWallet));
    scenario.command(refund("user", "order", None, "r"));
    assert_eq!(numbers(&scenario), (0, 0, 0));
    let entry = scenario.answer_latest(success(400));
    assert_eq!(names(&entry), ["Answered", "SuspenseBooked", "RefundSucceeded"]);
    assert_eq!((numbers(&scenario), scenario.suspense()), ((0, 0, 0), 400));
    assert_eq!(refundable(&scenario), 0);
}

#[test]
fn refusals() {
    fn body(command: &mut Command) -> &mut schemas::inputs::Refund {
        match &mut command.body {
            CommandBody::Refund(refund) => refund,
            _ => panic!("not a refund"),
        }
    }
    type Change = fn(&mut Command);
    let rows: [(&str, Change, ErrorCode); 9] = [
        ("no key", |c| c.envelope.idempotency_key.clear(), ErrorCode::IdempotencyKeyRequired),
        ("zero", |c| body(c).amount = Some(0), ErrorCode::AmountNotPositive),
        ("2^53", |c| body(c).amount = Some(1 << 53), ErrorCode::AmountTooLarge),
        ("too much", |c| body(c).amount = Some(401), ErrorCode::RefundExceedsCaptured),
        ("bad id", |c| body(c).refund_id = "r".into(), ErrorCode::FieldInvalid),
        (
            "another's id",
            |c| body(c).refund_id = refund_of("user", "order", "x").to_string(),
            ErrorCode::IdMismatch,
        ),
        ("no payment", |c| *c = refund("user", "none", None, "r"), ErrorCode::PaymentNotFound),
        (
            "another wallet",
            |c| body(c).wallet_id = wallet_of("other").to_string(),
            ErrorCode::PaymentNotFound,
        ),
        (
            "late",
            |c| c.envelope.deadline = Some(schemas::Timestamp::from_millis(1)),
            ErrorCode::DeadlineExceeded,
        ),
    ];
    for (name, change, code) in rows {
        let mut scenario = paid();
        let mut command = refund("user", "order", Some(150), "r");
        change(&mut command);
        assert_eq!(scenario.command(command).decision.code, code.code(), "{name}");
        assert_eq!(numbers(&scenario), (600, 600, 0), "{name}");
    }
    let code = ErrorCode::PaymentNotRefundable.code();
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    let entry = scenario.command(refund("user", "order", None, "r"));
    assert_eq!(entry.decision.code, code);
    scenario.answer_latest(decline());
    let entry = scenario.command(refund("user", "order", None, "r"));
    assert_eq!(entry.decision.code, code);
}

#[test]
fn results_of_refunds_that_nobody_asked_for_are_refused() {
    let mut scenario = requested();
    let asked = scenario.asked();
    let mut rows = vec![asked.clone(); 4];
    rows[0].payment_id = payment_of("user", "other");
    rows[1].operation_seq = 2;
    rows[2].gateway = "other".parse().expect("valid");
    rows[3].wallet_id = wallet_of("other");
    for request in rows {
        let entry = scenario.answer(&request, success(150));
        assert_eq!(entry.decision.code, "unknown_operation");
        assert_eq!(numbers(&scenario), (600, 600, 150));
    }
}
