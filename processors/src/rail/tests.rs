//! Deposits, withdrawals and their reversals, each refusal by name.

use schemas::entry::Verdict;
use schemas::inputs::{Deposit, Operation, OperationBody, Withdraw};
use schemas::{ErrorCode, MAX_AMOUNT_MINOR};

use crate::scenario::{
    Scenario, change, deposit, failure_code, names, reverse_deposit, reverse_withdrawal, success,
    wallet_of, withdraw,
};

fn depositing(operation: &mut Operation) -> &mut Deposit {
    match &mut operation.body {
        OperationBody::Deposit(deposit) => deposit,
        _ => panic!("not a deposit"),
    }
}

fn withdrawing(operation: &mut Operation) -> &mut Withdraw {
    match &mut operation.body {
        OperationBody::Withdraw(withdraw) => withdraw,
        _ => panic!("not a withdrawal"),
    }
}

#[test]
fn a_deposit_is_recorded_once() {
    let mut scenario = Scenario::new();
    scenario.open("user");
    let entry = scenario.deposit("user", 1000, "d1");
    assert_eq!(names(&entry), ["DepositRecorded"]);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
    assert_eq!(scenario.deposit("user", 1000, "d1").decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.deposit("user", 1001, "d1").decision.code, "idempotency_key_reused");
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}

#[test]
fn a_reference_of_a_rail_is_recorded_once_per_wallet() {
    let mut scenario = Scenario::funded(1000);
    let mut again = deposit("user", 5, "d2");
    depositing(&mut again).reference = "seed".to_owned();
    assert_eq!(scenario.operation(again.clone()).decision.code, "reference_already_recorded");
    depositing(&mut again).rail = "ach".to_owned();
    assert_eq!(scenario.operation(again).decision.verdict, Verdict::Accepted);
    assert_eq!(scenario.numbers("user"), (1005, 1005, 0));
}

#[test]
fn refused_deposits() {
    type Change = fn(&mut Operation);
    let rows: [(&str, Change, ErrorCode); 10] = [
        ("no key", |o| o.envelope.idempotency_key.clear(), ErrorCode::IdempotencyKeyRequired),
        ("zero", |o| depositing(o).amount = 0, ErrorCode::AmountNotPositive),
        ("negative", |o| depositing(o).amount = -5, ErrorCode::AmountNotPositive),
        ("too large", |o| depositing(o).amount = i64::MAX, ErrorCode::AmountTooLarge),
        ("currency", |o| depositing(o).currency = "EUR".into(), ErrorCode::CurrencyMismatch),
        ("rail", |o| depositing(o).rail = "SEPA".into(), ErrorCode::FieldInvalid),
        ("no reference", |o| depositing(o).reference.clear(), ErrorCode::FieldInvalid),
        ("control", |o| depositing(o).reference = "a\nb".into(), ErrorCode::FieldInvalid),
        (
            "wrong id",
            |o| {
                *depositing(o) =
                    Deposit { deposit_id: wallet_of("x").to_string(), ..depositing(o).clone() }
            },
            ErrorCode::IdMismatch,
        ),
        ("no wallet", |o| *o = deposit("nobody", 5, "d2"), ErrorCode::WalletNotFound),
    ];
    for (name, change, code) in rows {
        let mut scenario = Scenario::funded(1000);
        let mut operation = deposit("user", 5, "d2");
        change(&mut operation);
        let entry = scenario.operation(operation);
        assert_eq!(entry.decision.code, code.code(), "{name}");
        assert_eq!(scenario.numbers("user"), (1000, 1000, 0), "{name}");
    }
}

#[test]
fn an_account_never_overflows() {
    let mut scenario = Scenario::new();
    scenario.open("user");
    let mut refused = 0;
    for number in 0..1100 {
        let entry = scenario.deposit("user", MAX_AMOUNT_MINOR, &format!("d{number}"));
        refused += usize::from(entry.decision.code == "amount_too_large");
    }
    assert_eq!(refused, 1100 - 1024);
    assert!(scenario.balances("user").posted() > 0);
}

#[test]
fn a_withdrawal_is_recorded_once() {
    let mut scenario = Scenario::funded(1000);
    let entry = scenario.operation(withdraw("user", 300, "w1"));
    assert_eq!(names(&entry), ["WithdrawalRecorded"]);
    assert_eq!(scenario.numbers("user"), (700, 700, 0));
    let entry = scenario.operation(withdraw("user", 300, "w1"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.operation(withdraw("user", 301, "w1"));
    assert_eq!(entry.decision.code, "idempotency_key_reused");
    assert_eq!(scenario.numbers("user"), (700, 700, 0));
    // The whole of what is available, and not one unit more.
    let entry = scenario.operation(withdraw("user", 701, "w2"));
    assert_eq!(entry.decision.code, "insufficient_funds");
    scenario.operation(withdraw("user", 700, "w2"));
    assert_eq!(scenario.numbers("user"), (0, 0, 0));
}

#[test]
fn what_is_held_cannot_be_withdrawn() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    let entry = scenario.operation(withdraw("user", 601, "w"));
    assert_eq!(entry.decision.code, "insufficient_funds");
    scenario.operation(withdraw("user", 600, "w"));
    assert_eq!(scenario.numbers("user"), (0, 400, 400));
    scenario.answer_latest(success(400));
    assert_eq!(scenario.numbers("user"), (0, 0, 0));
}

#[test]
fn refused_withdrawals() {
    type Change = fn(&mut Operation);
    let rows: [(&str, Change, ErrorCode); 9] = [
        ("no key", |o| o.envelope.idempotency_key.clear(), ErrorCode::IdempotencyKeyRequired),
        ("zero", |o| withdrawing(o).amount = 0, ErrorCode::AmountNotPositive),
        ("too large", |o| withdrawing(o).amount = i64::MAX, ErrorCode::AmountTooLarge),
        ("currency", |o| withdrawing(o).currency = "EUR".into(), ErrorCode::CurrencyMismatch),
        ("rail", |o| withdrawing(o).rail = "SEPA".into(), ErrorCode::FieldInvalid),
        ("no reference", |o| withdrawing(o).reference.clear(), ErrorCode::FieldInvalid),
        (
            "the reference of a deposit",
            |o| withdrawing(o).reference = "seed".into(),
            ErrorCode::ReferenceAlreadyRecorded,
        ),
        (
            "wrong id",
            |o| withdrawing(o).withdrawal_id = wallet_of("x").to_string(),
            ErrorCode::IdMismatch,
        ),
        ("no wallet", |o| *o = withdraw("nobody", 5, "w"), ErrorCode::WalletNotFound),
    ];
    for (name, change, code) in rows {
        let mut scenario = Scenario::funded(1000);
        let mut operation = withdraw("user", 5, "w");
        change(&mut operation);
        let entry = scenario.operation(operation);
        assert_eq!(entry.decision.code, code.code(), "{name}");
        assert_eq!(scenario.numbers("user"), (1000, 1000, 0), "{name}");
    }
}

#[test]
fn a_reversed_deposit_may_leave_less_than_nothing_and_then_debits_are_refused() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "held");
    scenario.operation(withdraw("user", 500, "w"));
    let entry = scenario.operation(reverse_deposit("user", "seed"));
    assert_eq!(names(&entry), ["DepositReversed"]);
    assert_eq!(scenario.numbers("user"), (-900, -500, 400));
    let entry = scenario.operation(reverse_deposit("user", "seed"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert_eq!(failure_code(&scenario.pay("user", 1, "p")), "insufficient_funds");
    assert_eq!(scenario.operation(withdraw("user", 1, "x")).decision.code, "insufficient_funds");
    // What was under way before goes on.
    scenario.answer_latest(success(400));
    assert_eq!(scenario.numbers("user"), (-900, -900, 0));
    scenario.deposit("user", 900, "debt");
    assert_eq!(scenario.numbers("user"), (0, 0, 0));
}

#[test]
fn a_reversed_withdrawal_comes_back_once() {
    let mut scenario = Scenario::funded(1000);
    scenario.operation(withdraw("user", 300, "w"));
    let entry = scenario.operation(reverse_withdrawal("user", "w"));
    assert_eq!(names(&entry), ["WithdrawalReversed"]);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
    let entry = scenario.operation(reverse_withdrawal("user", "w"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}

#[test]
fn a_withdrawal_that_comes_back_to_a_closed_wallet_is_in_suspense() {
    let mut scenario = Scenario::funded(300);
    scenario.operation(withdraw("user", 300, "w"));
    scenario.operation(change("user", OperationBody::CloseWallet));
    let entry = scenario.operation(reverse_withdrawal("user", "w"));
    assert_eq!(names(&entry), ["WithdrawalReversed", "SuspenseBooked"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), ((0, 0, 0), 300));
    // And a deposit that is taken back from it is owed.
    let entry = scenario.operation(reverse_deposit("user", "seed"));
    assert_eq!(names(&entry), ["DepositReversed", "SuspenseBooked"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), ((0, 0, 0), 0));
}

#[test]
fn refused_reversals() {
    let mut scenario = Scenario::funded(1000);
    scenario.open("other");
    let rows = [
        (reverse_deposit("user", "none"), "deposit_not_found"),
        (reverse_deposit("other", "seed"), "deposit_not_found"),
        (reverse_deposit("nobody", "seed"), "deposit_not_found"),
        (reverse_withdrawal("user", "none"), "withdrawal_not_found"),
        (reverse_withdrawal("nobody", "w"), "withdrawal_not_found"),
    ];
    for (operation, code) in rows {
        assert_eq!(scenario.operation(operation).decision.code, code);
    }
    let mut late = reverse_deposit("user", "seed");
    late.envelope.deadline = Some(schemas::Timestamp::from_millis(1));
    assert_eq!(scenario.operation(late).decision.code, "deadline_exceeded");
    assert_eq!(scenario.numbers("user"), (1000, 1000, 0));
}
