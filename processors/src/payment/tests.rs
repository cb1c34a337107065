//! The rows of the payment saga, each with its money.

use std::time::Duration;

use schemas::ErrorCode;
use schemas::entry::{Entry, Verdict};
use schemas::inputs::{Command, CommandBody, GatewayOperationKind, GatewayOutcome, Pay};

use crate::ReadLedger;
use crate::payment::Phase;
use crate::scenario::{
    NOT_FOUND, Scenario, decline, failure_code, names, not_sent, pay, payment_of, success, unknown,
};

mod amounts;
mod cancel;
mod failover;
mod late;
mod limits;
mod review;

const HELD: (i64, i64, i64) = (600, 1000, 400);
const FREE: (i64, i64, i64) = (1000, 1000, 0);
const PAID: (i64, i64, i64) = (600, 600, 0);

/// A wallet with 1000, of which a payment holds 400.
fn submitted() -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    assert_eq!(scenario.numbers("user"), HELD);
    scenario
}

/// The same, with the outcome of the charge unknown.
fn doubted() -> Scenario {
    let mut scenario = submitted();
    let entry = scenario.answer_latest(unknown());
    assert_eq!(names(&entry), ["Answered", "PaymentInDoubt"]);
    assert_eq!(scenario.numbers("user"), HELD);
    scenario
}

fn is_in_doubt(scenario: &Scenario) -> bool {
    let payment = scenario.ledger.payment(payment_of("user", "order")).expect("memory");
    matches!(payment.expect("exists").phase, Phase::InDoubt(_))
}

fn assert_paid(scenario: &Scenario, entry: &Entry) {
    assert!(names(entry).ends_with(&["HoldPosted", "PaymentCompleted"]), "{entry:?}");
    assert_eq!(scenario.numbers("user"), PAID);
    assert!(scenario.timers.is_empty());
}

fn assert_failed(scenario: &Scenario, entry: &Entry, code: ErrorCode) {
    assert!(names(entry).ends_with(&["HoldVoided", "PaymentFailed"]), "{entry:?}");
    assert_eq!(failure_code(entry), code.code());
    assert_eq!(scenario.numbers("user"), FREE);
    assert!(scenario.timers.is_empty());
}

#[test]
fn funds_available_are_held_and_the_gateway_is_asked() {
    let mut scenario = Scenario::funded(1000);
    let entry = scenario.pay("user", 400, "order");
    let expected = ["PaymentRequested", "HoldPlaced", "AttemptStarted", "SubmitRequested"];
    assert_eq!(names(&entry), expected);
    assert_eq!(scenario.numbers("user"), HELD);
    let asked = scenario.asked();
    assert_eq!(asked.operation_seq, 1);
    assert_eq!(asked.not_after, scenario.now.plus(Duration::from_secs(10)));
}

#[test]
fn the_whole_balance_can_be_paid_and_not_one_unit_more() {
    let mut scenario = Scenario::funded(1000);
    assert_eq!(failure_code(&scenario.pay("user", 1001, "more")), "insufficient_funds");
    assert_eq!(failure_code(&scenario.pay("user", 1000, "all")), "");
    assert_eq!(scenario.numbers("user"), (0, 1000, 1000));
    assert_eq!(failure_code(&scenario.pay("user", 1, "one")), "insufficient_funds");
}

#[test]
fn insufficient_funds_fail_at_once_and_the_gateway_is_not_touched() {
    let mut scenario = Scenario::funded(1000);
    let entry = scenario.pay("user", 1001, "order");
    assert_eq!(names(&entry), ["PaymentRequested", "PaymentFailed"]);
    assert_eq!(failure_code(&entry), "insufficient_funds");
    assert_eq!(scenario.numbers("user"), FREE);
    assert!(entry.postings.is_empty() && entry.timers.is_empty());
}

#[test]
fn a_failed_payment_stays_failed_even_when_money_arrives() {
    let mut scenario = Scenario::funded(10);
    scenario.pay("user", 400, "order");
    scenario.deposit("user", 990, "more");
    let entry = scenario.pay("user", 400, "order");
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.numbers("user"), FREE);
}

#[test]
fn a_deadline_that_has_passed_fails_the_payment() {
    let mut scenario = Scenario::funded(1000);
    let mut command = pay("user", 400, "order");
    command.envelope.deadline = Some(scenario.now);
    scenario.advance(Duration::from_millis(1));
    let entry = scenario.command(command);
    assert_eq!(failure_code(&entry), "deadline_exceeded");
    assert_eq!(scenario.numbers("user"), FREE);
}

#[test]
fn a_key_used_again_is_a_replay_or_a_refusal() {
    let mut scenario = submitted();
    let same = scenario.pay("user", 400, "order");
    assert_eq!(same.decision.verdict, Verdict::Replayed);
    let other = scenario.pay("user", 401, "order");
    assert_eq!(other.decision.code, "idempotency_key_reused");
    assert_eq!(scenario.numbers("user"), HELD);
}

/// Every refusal that creates nothing, by what is wrong with the command.
#[test]
fn refusals() {
    type Change = fn(&mut Command);
    fn body(command: &mut Command) -> &mut Pay {
        match &mut command.body {
            CommandBody::Pay(pay) => pay,
            _ => panic!("not a payment"),
        }
    }
    let rows: [(&str, Change, ErrorCode); 16] = [
        ("no key", |c| c.envelope.idempotency_key.clear(), ErrorCode::IdempotencyKeyRequired),
        (
            "a key of spaces",
            |c| c.envelope.idempotency_key = "a b".into(),
            ErrorCode::IdempotencyKeyInvalid,
        ),
        ("a bad tenant", |c| c.envelope.tenant = "a b".into(), ErrorCode::FieldInvalid),
        ("another tenant", |c| c.envelope.tenant = "other".into(), ErrorCode::IdMismatch),
        ("amount zero", |c| body(c).amount = 0, ErrorCode::AmountNotPositive),
        ("amount negative", |c| body(c).amount = -1, ErrorCode::AmountNotPositive),
        ("amount 2^53", |c| body(c).amount = 1 << 53, ErrorCode::AmountTooLarge),
        ("unknown currency", |c| body(c).currency = "ABC".into(), ErrorCode::CurrencyUnknown),
        ("lower case", |c| body(c).currency = "usd".into(), ErrorCode::CurrencyUnknown),
        ("another currency", |c| body(c).currency = "EUR".into(), ErrorCode::CurrencyMismatch),
        ("unknown gateway", |c| body(c).gateway = Some("x".into()), ErrorCode::GatewayUnknown),
        ("bad wallet id", |c| body(c).wallet_id = "w".into(), ErrorCode::FieldInvalid),
        ("bad payment id", |c| body(c).payment_id = "p".into(), ErrorCode::FieldInvalid),
        (
            "another payment's id",
            |c| body(c).payment_id = payment_of("user", "x").to_string(),
            ErrorCode::IdMismatch,
        ),
        ("empty service", |c| body(c).service_id = Some(String::new()), ErrorCode::FieldInvalid),
        ("no wallet", |c| *c = pay("nobody", 400, "order"), ErrorCode::WalletNotFound),
    ];
    for (name, change, code) in rows {
        let mut scenario = Scenario::funded(1000);
        let mut command = pay("user", 400, "order");
        change(&mut command);
        let entry = scenario.command(command);
        assert_eq!(entry.decision.verdict, Verdict::Refused, "{name}");
        assert_eq!(entry.decision.code, code.code(), "{name}");
        assert!(!entry.decision.detail.is_empty(), "{name}");
        assert_eq!(scenario.numbers("user"), FREE, "{name}");
    }
}

#[test]
fn a_command_on_the_wrong_partition_is_refused() {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.partitions = 64.try_into().expect("valid");
    let entry = scenario.pay("user", 400, "order");
    assert_eq!(entry.decision.code, "misrouted");
    assert!(entry.decision.detail.contains("murmur2_random"));
}

#[test]
fn submitting_success() {
    let mut scenario = submitted();
    let entry = scenario.answer_latest(success(400));
    assert_paid(&scenario, &entry);
}

#[test]
fn submitting_decline() {
    let mut scenario = submitted();
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::PaymentDeclined);
}

#[test]
fn a_result_delivered_twice_counts_once() {
    let mut scenario = submitted();
    let asked = scenario.asked();
    scenario.answer(&asked, success(400));
    let again = scenario.answer(&asked, success(400));
    assert_eq!(again.decision.verdict, Verdict::Replayed);
    let contradiction = scenario.answer(&asked, decline());
    assert_eq!(contradiction.decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn submitting_not_sent_is_sent_again_with_the_same_key_after_a_back_off() {
    for outcome in [not_sent(), GatewayOutcome::ExpiredUnsent {}] {
        let mut scenario = submitted();
        let first = scenario.asked();
        let entry = scenario.answer_latest(outcome);
        assert_eq!(names(&entry), ["Answered", "ResendScheduled"]);
        assert_eq!(scenario.numbers("user"), HELD);
        let entry = scenario.fire_next().expect("the back-off ends");
        assert_eq!(names(&entry), ["SubmitRequested"]);
        let second = scenario.asked();
        assert_eq!(second.operation_id, first.operation_id);
        assert_eq!(second.operation_seq, 2);
        let entry = scenario.answer_latest(success(400));
        assert_paid(&scenario, &entry);
    }
}

#[test]
fn not_sent_too_often_fails_and_releases() {
    let mut scenario = submitted();
    for _ in 1..scenario.policy.payment.submits_limit {
        scenario.answer_latest(not_sent());
        scenario.fire_next().expect("resend");
    }
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn not_sent_near_the_total_deadline_fails_and_releases() {
    let mut scenario = submitted();
    scenario.advance(scenario.policy.payment.total_deadline);
    let entry = scenario.answer_latest(not_sent());
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);
}

#[test]
fn a_resend_that_comes_up_after_the_total_deadline_fails() {
    let mut scenario = submitted();
    scenario.answer_latest(not_sent());
    scenario.advance(scenario.policy.payment.total_deadline + Duration::from_millis(1));
    let entry = scenario.fire_next().expect("resend timer");
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);
}

#[test]
fn not_sent_says_nothing_about_an_earlier_try() {
    let mut scenario = submitted();
    // The follower never answered: in doubt, asked, proven never received, sent again.
    scenario.fire_next().expect("attempt timer");
    let first = scenario.asked();
    scenario.fire_next().expect("inquiry timer");
    scenario.answer_latest(unknown());
    assert!(is_in_doubt(&scenario));
    // Now the first charge turns out unsent: nothing can have been charged.
    let entry = scenario.answer(&first, not_sent());
    assert_eq!(names(&entry), ["Answered", "SubmitRequested"]);
    // The second is unknown, and a late copy of "not sent" does not clear it.
    scenario.answer_latest(unknown());
    let entry = scenario.answer(&first, not_sent());
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert!(is_in_doubt(&scenario));
    assert_eq!(scenario.numbers("user"), HELD);
}

#[test]
fn submitting_without_any_result_is_in_doubt_after_the_attempt_timer() {
    let mut scenario = submitted();
    let asked_at = scenario.now;
    let entry = scenario.fire_next().expect("attempt timer");
    assert_eq!(names(&entry), ["PaymentInDoubt"]);
    assert!(scenario.now >= asked_at.plus(Duration::from_secs(15)), "the answer may still come");
    assert!(is_in_doubt(&scenario));
    assert_eq!(scenario.numbers("user"), HELD);
}

#[test]
fn in_doubt_inquires_with_back_off() {
    let mut scenario = doubted();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = scenario.now;
        let entry = scenario.fire_next().expect("inquiry timer");
        assert_eq!(names(&entry), ["InquiryRequested"]);
        waits.push(scenario.now.since(before).as_secs());
        scenario.answer_latest(unknown());
        assert_eq!(scenario.numbers("user"), HELD);
    }
    assert_eq!(waits, [1, 2, 4, 8]);
}

#[test]
fn in_doubt_success_and_decline() {
    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer_latest(success(400));
    assert_paid(&scenario, &entry);

    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer_latest(decline());
    assert_failed(&scenario, &entry, ErrorCode::PaymentDeclined);
}

#[test]
fn in_doubt_late_answer_to_the_charge_itself() {
    let mut scenario = submitted();
    let charge = scenario.asked();
    scenario.fire_next().expect("attempt timer");
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer(&charge, success(400));
    assert_paid(&scenario, &entry);
    let entry = scenario.answer_latest(NOT_FOUND);
    // It was asked late enough to prove that there is no charge: that contradicts.
    assert_eq!(names(&entry), ["Answered", "DiscrepancyRecorded"]);
    assert_eq!(scenario.numbers("user"), PAID);
}

#[test]
fn not_found_proves_nothing_before_the_charge_must_be_visible() {
    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_eq!(names(&entry), ["Answered"]);
    assert!(is_in_doubt(&scenario));
    // The next inquiry waits until not_after + call time + ingestion window have passed.
    let (due, _) = scenario.timers.values().next().expect("inquiry planned");
    assert!(due.millis() > 1_000_000 + 16_000);
}

#[test]
fn not_found_proves_nothing_once_the_key_may_be_forgotten() {
    let mut scenario = doubted();
    scenario.advance(Duration::from_hours(24));
    for _ in 0..3 {
        scenario.fire_next().expect("inquiry");
        let entry = scenario.answer_latest(NOT_FOUND);
        assert_eq!(names(&entry), ["Answered"]);
        assert_eq!(scenario.numbers("user"), HELD);
    }
}

/// Asks until the gateway's "not found" is a proof.
fn proven_absent(scenario: &mut Scenario) -> Entry {
    scenario.fire_next().expect("inquiry");
    scenario.answer_latest(NOT_FOUND);
    scenario.fire_next().expect("inquiry after the window");
    scenario.answer_latest(NOT_FOUND)
}

#[test]
fn authoritative_not_found_resends_the_same_key() {
    let mut scenario = doubted();
    let charge = scenario.asked();
    let entry = proven_absent(&mut scenario);
    assert_eq!(names(&entry), ["Answered", "SubmitRequested"]);
    assert_eq!(scenario.asked().operation_id, charge.operation_id);
    let entry = scenario.answer_latest(success(400));
    assert_paid(&scenario, &entry);
}

#[test]
fn authoritative_not_found_after_the_deadline_or_the_retention_fails() {
    let mut scenario = doubted();
    scenario.advance(scenario.policy.payment.total_deadline);
    scenario.fire_next().expect("inquiry, after the window");
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_failed(&scenario, &entry, ErrorCode::DeadlineExceeded);

    // The key is remembered for the inquiry, but not for as long as another charge may take.
    let mut scenario = doubted();
    scenario.policy.gateways[0].key_retention = Duration::from_millis(31_500);
    let entry = proven_absent(&mut scenario);
    assert_failed(&scenario, &entry, ErrorCode::GatewayUnavailable);
}

#[test]
fn advisory_not_found_never_proves_anything() {
    let mut scenario = doubted();
    scenario.policy.gateways[0].inquiry = crate::policy::InquiryKind::Advisory;
    for _ in 0..5 {
        scenario.fire_next().expect("inquiry");
        let entry = scenario.answer_latest(NOT_FOUND);
        assert_eq!(names(&entry), ["Answered"]);
        assert_eq!(scenario.numbers("user"), HELD);
    }
}

#[test]
fn in_doubt_past_the_total_deadline_keeps_the_hold_and_goes_on_asking() {
    let mut scenario = doubted();
    scenario.advance(scenario.policy.payment.total_deadline * 2);
    for _ in 0..3 {
        let entry = scenario.fire_next().expect("inquiry");
        assert_eq!(names(&entry), ["InquiryRequested"]);
        scenario.answer_latest(unknown());
        assert_eq!(scenario.numbers("user"), HELD);
    }
}

#[test]
fn an_inquiry_that_nobody_answers_is_asked_again() {
    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let first = scenario.asked();
    let entry = scenario.fire_next().expect("the wait for the inquiry ends");
    assert_eq!(names(&entry), ["InquiryRequested"]);
    // The late answer to the first plans no second series.
    let timers = scenario.timers.clone();
    let entry = scenario.answer(&first, unknown());
    assert_eq!(names(&entry), ["Answered"]);
    assert_eq!(scenario.timers, timers);
}

#[test]
fn a_late_inquiry_answer_does_not_disturb_a_charge_under_way() {
    let mut scenario = doubted();
    scenario.fire_next().expect("inquiry");
    let stale = scenario.asked();
    scenario.fire_next().expect("asked again, after the window");
    let entry = scenario.answer_latest(NOT_FOUND);
    assert_eq!(names(&entry), ["Answered", "SubmitRequested"]);
    let timers = scenario.timers.clone();
    for outcome in [unknown(), NOT_FOUND] {
        scenario.answer(&stale, outcome);
        assert!(!is_in_doubt(&scenario));
        assert_eq!(scenario.timers, timers);
    }
}

#[test]
fn results_of_operations_that_nobody_asked_for_are_refused() {
    let mut scenario = submitted();
    let asked = scenario.asked();
    let mut rows = vec![asked.clone(); 4];
    rows[0].wallet_id = crate::scenario::wallet_of("other");
    rows[1].operation_seq = 2;
    rows[2].operation_seq = 0;
    rows[3].gateway = "other".parse().expect("valid");
    for request in rows {
        let entry = scenario.answer(&request, success(400));
        assert_eq!(entry.decision.code, "unknown_operation", "{request:?}");
        assert_eq!(scenario.numbers("user"), HELD);
    }
    assert_eq!(asked.operation, GatewayOperationKind::Submit);
}

#[test]
fn a_stale_timer_changes_nothing() {
    let mut scenario = submitted();
    let (id, (due, generation)) =
        scenario.timers.first_key_value().map(|(id, at)| (id.clone(), *at)).expect("a timer");
    scenario.answer_latest(success(400));
    let source = schemas::entry::Source::Timer { timer_id: id, generation, due };
    let entry = scenario.handle(source, schemas::entry::InputBody::TimerFired {});
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.numbers("user"), PAID);
}
