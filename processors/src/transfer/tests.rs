//! The rows of the transfer saga, on one shard and on two.

use std::time::Duration;

use schemas::ErrorCode;
use schemas::entry::{Entry, Verdict};
use schemas::inputs::{Command, CommandBody, LegBody, Operation, OperationBody, TransferLeg};
use schemas::{Amount, Partition, PartitionCount};

use crate::scenario::{
    Scenario, change, failure_code, names, reverse_deposit, transfer, transfer_of, wallet_of,
    withdraw,
};

/// Of a receiver that had nothing before.
const ONLY_400: (i64, i64, i64) = (400, 400, 0);

/// Two wallets on one shard; the first sends 400 of its 1000.
fn sent() -> Scenario {
    let mut scenario = Scenario::funded(1000);
    scenario.open("other");
    let entry = scenario.command(transfer("user", "other", 400, "t"));
    assert_eq!(names(&entry), ["TransferRequested", "TransferHeld", "TransferLegRequested"]);
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
    scenario
}

fn latest_leg(scenario: &Scenario) -> TransferLeg {
    scenario.legs().pop().expect("a leg")
}

fn deliver(scenario: &mut Scenario) -> Entry {
    let leg = latest_leg(scenario);
    scenario.leg(leg)
}

#[test]
fn held_credited_posted() {
    let mut scenario = sent();
    let entry = deliver(&mut scenario);
    assert_eq!(names(&entry), ["TransferCredited", "TransferLegRequested"]);
    assert_eq!(scenario.numbers("other"), (400, 400, 0));
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
    let entry = deliver(&mut scenario);
    assert_eq!(names(&entry), ["TransferCompleted"]);
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    assert!(scenario.timers.is_empty());
}

#[test]
fn a_leg_that_comes_twice_moves_money_once_and_is_answered_again() {
    let mut scenario = sent();
    let credit = latest_leg(&scenario);
    scenario.leg(credit.clone());
    let done = latest_leg(&scenario);
    let entry = scenario.leg(credit);
    assert_eq!(names(&entry), ["TransferLegRequested"]);
    assert_eq!(latest_leg(&scenario), done);
    assert_eq!(scenario.numbers("other"), (400, 400, 0));
    scenario.leg(done.clone());
    let entry = scenario.leg(done.clone());
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    // What contradicts is refused, and moves nothing.
    let code = "wallet_frozen".to_owned();
    let body = LegBody::CreditRefused { code, message: String::new() };
    let entry = scenario.leg(TransferLeg { body, ..done });
    assert_eq!(entry.decision.code, "unknown_transfer");
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
}

#[test]
fn a_leg_is_sent_again_with_back_off_until_it_is_answered() {
    let mut scenario = sent();
    let first = latest_leg(&scenario);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let before = scenario.now;
        let entry = scenario.fire_next().expect("the leg's timer");
        assert_eq!(names(&entry), ["TransferLegRequested"]);
        assert_eq!(latest_leg(&scenario), first);
        waits.push(scenario.now.since(before).as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
    // The hold never expires.
    scenario.advance(Duration::from_hours(24 * 365));
    deliver(&mut scenario);
    deliver(&mut scenario);
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    assert!(scenario.timers.is_empty());
}

fn assert_refused(scenario: &mut Scenario, code: &str) {
    let entry = deliver(scenario);
    assert_eq!(names(&entry), ["TransferRefused", "TransferLegRequested"]);
    let refused = latest_leg(scenario);
    assert!(matches!(&refused.body, LegBody::CreditRefused { code: said, .. } if said == code));
    let entry = scenario.leg(refused.clone());
    assert_eq!(names(&entry), ["TransferFailed"]);
    assert_eq!(failure_code(&entry), code);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
    assert!(scenario.timers.is_empty());
    assert_eq!(scenario.leg(refused).decision.verdict, Verdict::Replayed);
}

#[test]
fn the_receiver_refuses_when_frozen_closed_missing_or_of_another_currency() {
    let mut scenario = sent();
    scenario.operation(change("other", OperationBody::FreezeWallet));
    assert_refused(&mut scenario, "wallet_frozen");

    let mut scenario = sent();
    scenario.operation(change("other", OperationBody::CloseWallet));
    assert_refused(&mut scenario, "wallet_closed");

    let mut scenario = Scenario::funded(1000);
    scenario.command(transfer("user", "nobody", 400, "t"));
    assert_refused(&mut scenario, "wallet_not_found");
    // Whoever opens it later: the answer stays the same.
    scenario.open("nobody");
    let credit = scenario.legs().remove(0);
    let entry = scenario.leg(credit);
    assert_eq!(names(&entry), ["TransferLegRequested"]);
    assert_eq!(scenario.numbers("nobody"), (0, 0, 0));

    let mut scenario = sent();
    let credit = latest_leg(&scenario);
    let euros = TransferLeg { currency: "EUR".parse().expect("valid"), ..credit };
    let entry = scenario.leg(euros);
    assert_eq!(names(&entry), ["TransferRefused", "TransferLegRequested"]);

    let mut scenario = sent();
    let credit = latest_leg(&scenario);
    let foreign = TransferLeg { tenant: "other".parse().expect("valid"), ..credit };
    let entry = scenario.leg(foreign);
    assert_eq!(names(&entry), ["TransferRefused", "TransferLegRequested"]);
}

#[test]
fn the_senders_last_step_is_unconditional() {
    let mut scenario = sent();
    deliver(&mut scenario);
    scenario.operation(change("user", OperationBody::FreezeWallet));
    scenario.operation(reverse_deposit("user", "seed"));
    assert_eq!(scenario.numbers("user"), (-400, 0, 400));
    let entry = deliver(&mut scenario);
    assert_eq!(names(&entry), ["TransferCompleted"]);
    assert_eq!(scenario.numbers("user"), (-400, -400, 0));
}

#[test]
fn what_the_sender_becomes_in_between_hinders_neither_answer() {
    // A wallet with a hold cannot be closed, whatever is left in it.
    let changes = [
        (change("user", OperationBody::FreezeWallet), ""),
        (change("user", OperationBody::CloseWallet), "wallet_has_open_operations"),
        (reverse_deposit("user", "seed"), ""),
        (change("user", OperationBody::CloseWallet), "wallet_has_open_operations"),
    ];
    let mut credited = sent();
    let mut refused = sent();
    refused.operation(change("other", OperationBody::FreezeWallet));
    for scenario in [&mut credited, &mut refused] {
        for (operation, code) in &changes {
            assert_eq!(scenario.operation(operation.clone()).decision.code, *code);
        }
        deliver(scenario);
        deliver(scenario);
        assert!(scenario.timers.is_empty());
    }
    assert_eq!((credited.numbers("user"), credited.numbers("other")), ((-400, -400, 0), ONLY_400));
    assert_eq!((refused.numbers("user"), refused.numbers("other")), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn a_leg_that_comes_again_is_answered_as_before_whatever_the_receiver_has_become() {
    let rows: [(&str, &[Operation]); 3] = [
        ("frozen", &[change("other", OperationBody::FreezeWallet)]),
        ("emptied", &[withdraw("other", 400, "w")]),
        ("closed", &[withdraw("other", 400, "w"), change("other", OperationBody::CloseWallet)]),
    ];
    for (name, operations) in rows {
        let mut scenario = sent();
        let credit = latest_leg(&scenario);
        let first = scenario.leg(credit.clone());
        for operation in operations {
            let entry = scenario.operation(operation.clone());
            assert_eq!(entry.decision.verdict, Verdict::Accepted, "{name}");
        }
        let before = scenario.numbers("other");
        let again = scenario.leg(credit.clone());
        assert_eq!(again.events, first.events[1..], "{name}");
        assert_eq!(scenario.numbers("other"), before, "{name}");
        deliver(&mut scenario);
        assert_eq!(scenario.numbers("user"), (600, 600, 0), "{name}");
    }
    // Refused is refused, even when the receiver could have it now.
    let mut scenario = sent();
    let credit = latest_leg(&scenario);
    scenario.operation(change("other", OperationBody::FreezeWallet));
    let first = scenario.leg(credit.clone());
    scenario.operation(change("other", OperationBody::UnfreezeWallet));
    let again = scenario.leg(credit);
    assert_eq!(again.events, first.events[1..]);
    deliver(&mut scenario);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
    assert_eq!(scenario.numbers("other"), (0, 0, 0));
}

#[test]
fn a_sender_that_closed_after_it_all_hears_both_legs_again_and_nothing_moves() {
    let mut scenario = Scenario::funded(400);
    scenario.open("other");
    scenario.command(transfer("user", "other", 400, "t"));
    let credit = latest_leg(&scenario);
    scenario.leg(credit.clone());
    let done = latest_leg(&scenario);
    scenario.leg(done.clone());
    let entry = scenario.operation(change("user", OperationBody::CloseWallet));
    assert_eq!(names(&entry), ["WalletClosed"]);
    assert_eq!(names(&scenario.leg(credit)), ["TransferLegRequested"]);
    assert_eq!(scenario.leg(done).decision.verdict, Verdict::Replayed);
    assert_eq!((scenario.numbers("user"), scenario.numbers("other")), ((0, 0, 0), ONLY_400));
    assert!(scenario.timers.is_empty());
}

#[test]
fn the_sender_fails_at_once_for_want_of_funds_or_time() {
    let mut scenario = Scenario::funded(1000);
    scenario.open("other");
    let entry = scenario.command(transfer("user", "other", 1001, "t"));
    assert_eq!(names(&entry), ["TransferRequested", "TransferFailed"]);
    assert_eq!(failure_code(&entry), "insufficient_funds");
    let again = scenario.command(transfer("user", "other", 1001, "t"));
    assert_eq!(again.decision.verdict, Verdict::Replayed);
    let mut late = transfer("user", "other", 1, "late");
    late.envelope.deadline = Some(schemas::Timestamp::from_millis(1));
    assert_eq!(failure_code(&scenario.command(late)), "deadline_exceeded");
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
    assert!(scenario.timers.is_empty());
}

#[test]
fn a_key_used_again_is_a_replay_or_a_refusal() {
    let mut scenario = sent();
    let entry = scenario.command(transfer("user", "other", 400, "t"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.command(transfer("user", "other", 401, "t"));
    assert_eq!(entry.decision.code, "idempotency_key_reused");
    scenario.open("third");
    let entry = scenario.command(transfer("user", "third", 400, "t"));
    assert_eq!(entry.decision.code, "idempotency_key_reused");
    assert_eq!(scenario.numbers("user"), (600, 1000, 400));
}

#[test]
fn refusals() {
    fn body(command: &mut Command) -> &mut schemas::inputs::Transfer {
        match &mut command.body {
            CommandBody::Transfer(transfer) => transfer,
            _ => panic!("not a transfer"),
        }
    }
    type Change = fn(&mut Command);
    let rows: [(&str, Change, ErrorCode); 9] = [
        ("no key", |c| c.envelope.idempotency_key.clear(), ErrorCode::IdempotencyKeyRequired),
        ("to itself", |c| *c = transfer("user", "user", 4, "t"), ErrorCode::SameWallet),
        ("zero", |c| body(c).amount = 0, ErrorCode::AmountNotPositive),
        ("2^53", |c| body(c).amount = 1 << 53, ErrorCode::AmountTooLarge),
        ("currency", |c| body(c).currency = "EUR".into(), ErrorCode::CurrencyMismatch),
        ("no currency", |c| body(c).currency = "ABC".into(), ErrorCode::CurrencyUnknown),
        ("bad receiver", |c| body(c).to_wallet_id = "w".into(), ErrorCode::FieldInvalid),
        (
            "another's id",
            |c| body(c).transfer_id = transfer_of("user", "x").to_string(),
            ErrorCode::IdMismatch,
        ),
        ("no wallet", |c| *c = transfer("nobody", "user", 4, "t"), ErrorCode::WalletNotFound),
    ];
    for (name, change, code) in rows {
        let mut scenario = Scenario::funded(1000);
        let mut command = transfer("user", "other", 400, "t");
        change(&mut command);
        assert_eq!(scenario.command(command).decision.code, code.code(), "{name}");
        assert_eq!(scenario.numbers("user"), (1000, 1000, 0), "{name}");
    }
}

#[test]
fn legs_that_fit_nothing_are_refused() {
    let mut scenario = sent();
    let credit = latest_leg(&scenario);
    scenario.leg(credit.clone());
    let done = latest_leg(&scenario);
    let more = Amount::try_from(401).expect("valid");
    let rows = [
        // To whom it is not for.
        TransferLeg { wallet_id: wallet_of("user"), ..credit.clone() },
        TransferLeg { wallet_id: wallet_of("other"), ..done.clone() },
        // Known, and now another.
        TransferLeg { amount: more, ..credit },
        TransferLeg { amount: more, ..done.clone() },
        TransferLeg { transfer_id: transfer_of("user", "none"), ..done },
    ];
    for leg in rows {
        let entry = scenario.leg(leg);
        assert_eq!(entry.decision.code, "unknown_transfer");
        assert_eq!(scenario.numbers("user"), (600, 1000, 400));
        assert_eq!(scenario.numbers("other"), (400, 400, 0));
    }
}

#[test]
fn two_shards_move_the_same_money() {
    let count = PartitionCount::try_from(2).expect("valid");
    let shard = |user: &str| wallet_of(user).shard(count);
    let other = ["a", "b", "c", "d", "e"].into_iter().find(|name| shard(name) != shard("user"));
    let other = other.expect("one of them lives elsewhere");
    let begin = |partition: Partition| {
        let mut scenario = Scenario::new();
        scenario.policy.partitions = count;
        scenario.partition = partition;
        scenario
    };
    let (mut sender, mut receiver) = (begin(shard("user")), begin(shard(other)));
    sender.open("user");
    sender.deposit("user", 1000, "seed");
    receiver.open(other);
    sender.command(transfer("user", other, 400, "t"));
    let credit = latest_leg(&sender);
    assert_eq!(sender.leg(credit.clone()).decision.code, "misrouted");
    receiver.leg(credit);
    let done = latest_leg(&receiver);
    assert_eq!(receiver.leg(done.clone()).decision.code, "misrouted");
    sender.leg(done);
    assert_eq!(sender.numbers("user"), (600, 600, 0));
    assert_eq!(receiver.numbers(other), (400, 400, 0));
    let clearing = |scenario: &Scenario| {
        let account = schemas::account::Account::TransfersClearing;
        let mut accounts = scenario.ledger.accounts();
        let found = accounts.find(|(one, _, _)| **one == account);
        found.map_or(0, |(_, _, state)| state.balances.posted())
    };
    assert_eq!(clearing(&sender) + clearing(&receiver), 0);
}
