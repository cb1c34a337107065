//! The rows of orphans: kept, bounded, and applied when the attempt turns up.

use schemas::entry::{Entry, Verdict};
use schemas::event::GatewayOperationRequested;
use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use schemas::{OperationId, Partition, PartitionCount};

use super::ORPHANS_LIMIT;
use crate::scenario::{
    NOT_FOUND, Scenario, cancel, charge_of, decline, gateway, names, not_sent, refund, refund_of,
    success, unknown, wallet_of,
};
use crate::state::{ReadLedger, WriteLedger};

fn unasked() -> GatewayOperationRequested {
    charge_of("user", "order", 400)
}

fn kept(scenario: &mut Scenario, outcome: GatewayOutcome) -> Entry {
    scenario.answer(&unasked(), outcome)
}

fn orphans(scenario: &Scenario) -> u32 {
    scenario.ledger.orphans().expect("memory")
}

#[test]
fn what_tells_of_money_is_kept_and_the_rest_is_refused() {
    for outcome in [unknown(), NOT_FOUND, not_sent(), GatewayOutcome::ExpiredUnsent {}] {
        let mut scenario = Scenario::funded(1000);
        let entry = kept(&mut scenario, outcome);
        assert_eq!(entry.decision.code, "unknown_operation");
        assert_eq!(orphans(&scenario), 0);
    }
    let mut scenario = Scenario::funded(1000);
    let entry = kept(&mut scenario, decline());
    assert_eq!(names(&entry), ["OrphanRecorded"]);
    let entry = kept(&mut scenario, decline());
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    // A contradiction stands in the journal, and what took money counts.
    let entry = kept(&mut scenario, success(400));
    assert_eq!(names(&entry), ["OrphanRecorded"]);
    kept(&mut scenario, decline());
    let id = unasked().operation_id;
    let orphan = scenario.ledger.orphan(id).expect("memory").expect("kept");
    assert_eq!(orphan.result.outcome, success(400));
    assert_eq!(orphans(&scenario), 1);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}

#[test]
fn a_charge_that_was_told_of_before_its_payment_completes_it() {
    let mut scenario = Scenario::funded(1000);
    kept(&mut scenario, success(400));
    let entry = scenario.pay("user", 400, "order");
    let submitted = ["PaymentRequested", "HoldPlaced", "AttemptStarted", "SubmitRequested"];
    assert_eq!(names(&entry), submitted);
    let before = scenario.now;
    let entry = scenario.fire_next().expect("at once");
    assert_eq!(scenario.now, before);
    assert_eq!(names(&entry), ["OrphanApplied", "HoldPosted", "PaymentCompleted"]);
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    assert_eq!(orphans(&scenario), 0);
    assert!(scenario.timers.is_empty());
    // The answer to what was sent all the same says nothing new.
    let entry = scenario.answer_latest(success(400));
    assert_eq!(names(&entry), ["Answered"]);
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
}

#[test]
fn a_decline_that_was_told_of_before_its_payment_fails_it() {
    let mut scenario = Scenario::funded(1000);
    kept(&mut scenario, decline());
    scenario.pay("user", 400, "order");
    let entry = scenario.fire_next().expect("at once");
    assert_eq!(names(&entry), ["OrphanApplied", "HoldVoided", "PaymentFailed"]);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}

#[test]
fn another_amount_or_currency_means_what_it_always_means() {
    let mut scenario = Scenario::funded(1000);
    kept(&mut scenario, success(300));
    scenario.pay("user", 400, "order");
    let entry = scenario.fire_next().expect("at once");
    assert_eq!(entry.events.first().map(schemas::event::Event::name), Some("OrphanApplied"));
    assert_eq!(scenario.numbers("user"), (700, 700, 0));

    let mut scenario = Scenario::funded(1000);
    let (gateway_reference, currency) = ("ch_1".to_owned(), "EUR".to_owned());
    kept(&mut scenario, GatewayOutcome::Succeeded { gateway_reference, amount: 400, currency });
    scenario.pay("user", 400, "order");
    let entry = scenario.fire_next().expect("at once");
    assert!(names(&entry).contains(&"PaymentReviewRequested"), "{:?}", names(&entry));
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
    assert!(!scenario.timers.is_empty(), "the gateway is asked on");
}

#[test]
fn what_another_gateway_said_changes_nothing() {
    let mut scenario = Scenario::funded(1000);
    let mut elsewhere = unasked();
    elsewhere.gateway = "other".parse().expect("valid");
    scenario.answer(&elsewhere, success(400));
    scenario.pay("user", 400, "order");
    let entry = scenario.fire_next().expect("the wait for an answer");
    assert_eq!(names(&entry), ["PaymentInDoubt"]);
    assert_eq!(orphans(&scenario), 1);
}

#[test]
fn a_refund_that_was_told_of_before_succeeds() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(400));
    let mut told = scenario.asked();
    told.operation = GatewayOperationKind::NotifyRefund;
    told.operation_seq = 0;
    told.operation_id = OperationId::refund(refund_of("user", "order", "r"));
    let entry = scenario.answer(&told, success(150));
    assert_eq!(names(&entry), ["OrphanRecorded"]);
    scenario.command(refund("user", "order", Some(150), "r"));
    let entry = scenario.fire_next().expect("at once");
    assert_eq!(names(&entry), ["OrphanApplied", "RefundSucceeded"]);
    assert_eq!(scenario.numbers("user"), (750, 750, 0));
    assert_eq!(orphans(&scenario), 0);
}

const UNWANTED: [&str; 5] = [
    "OrphanApplied",
    "DiscrepancyRecorded",
    "SuspenseBooked",
    "RefundRequested",
    "RefundSubmitRequested",
];

/// What was said before is heard at once, whatever became of the payment before its timer fired.
#[test]
fn a_success_that_was_told_of_before_is_heard_after_any_other_outcome() {
    type Between = fn(&mut Scenario);
    type Row<'a> = (&'a str, Between, &'a [&'a str], (i64, i64, i64));
    let settled: &[&str] = &["OrphanApplied", "HoldPosted", "PaymentCompleted"];
    let rows: [Row<'_>; 7] = [
        ("nothing", |_| {}, settled, (600, 600, 0)),
        ("unknown", |s| _ = s.answer_latest(unknown()), settled, (600, 600, 0)),
        ("not sent", |s| _ = s.answer_latest(not_sent()), settled, (600, 600, 0)),
        (
            "success with less",
            |s| _ = s.answer_latest(success(300)),
            &["OrphanApplied", "DiscrepancyRecorded"],
            (700, 700, 0),
        ),
        ("decline", |s| _ = s.answer_latest(decline()), &UNWANTED, (1000, 1000, 0)),
        (
            "cancelled",
            |s| {
                s.command(cancel("user", "order"));
                s.answer_latest(not_sent());
            },
            &UNWANTED,
            (1000, 1000, 0),
        ),
        (
            "another gateway",
            |s| {
                s.policy.payment.submits_limit = 1;
                s.answer_latest(not_sent());
                assert_eq!(s.asked().gateway, gateway("second").name);
            },
            &UNWANTED,
            (600, 1000, 400),
        ),
    ];
    for (name, between, events, numbers) in rows {
        let mut scenario = Scenario::funded(1000);
        scenario.policy.gateways.push(gateway("second"));
        kept(&mut scenario, success(400));
        scenario.pay("user", 400, "order");
        between(&mut scenario);
        let before = scenario.now;
        let entry = scenario.fire_next().expect("at once");
        assert_eq!(names(&entry), events, "{name}");
        assert_eq!((scenario.now, orphans(&scenario)), (before, 0), "{name}");
        assert_eq!(scenario.numbers("user"), numbers, "{name}");
        let has_timer = scenario.timers.keys().any(|id| id.starts_with("payment:"));
        assert_eq!(has_timer, numbers.2 > 0, "{name}");
    }
}

#[test]
fn a_refund_that_failed_before_it_was_heard_is_late() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(400));
    let mut told = scenario.asked();
    told.operation = GatewayOperationKind::Refund;
    told.operation_id = OperationId::refund(refund_of("user", "order", "r"));
    scenario.answer(&told, success(150));
    scenario.command(refund("user", "order", Some(150), "r"));
    scenario.answer_latest(decline());
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    let entry = scenario.fire_next().expect("at once");
    assert_eq!(names(&entry), ["OrphanApplied", "DiscrepancyRecorded", "RefundSucceeded"]);
    assert_eq!(scenario.numbers("user"), (750, 750, 0));
    assert!(scenario.timers.is_empty());
}

#[test]
fn a_shard_keeps_so_many_and_refuses_more_by_name() {
    let mut scenario = Scenario::funded(1000);
    scenario.ledger.put_orphans(ORPHANS_LIMIT);
    let entry = kept(&mut scenario, success(400));
    assert_eq!(entry.decision.code, "too_many_orphans");
}

#[test]
fn what_belongs_to_another_shard_is_refused() {
    let count = PartitionCount::try_from(2).expect("valid");
    let mut scenario = Scenario::new();
    scenario.policy.partitions = count;
    let own = wallet_of("user").shard(count);
    scenario.partition = Partition::all(count).find(|shard| *shard != own).expect("two");
    let entry = kept(&mut scenario, success(400));
    assert_eq!(entry.decision.code, "misrouted");
}
