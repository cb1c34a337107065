//! Opening wallets and recording deposits, each refusal by name.

use schemas::entry::Verdict;
use schemas::inputs::{Deposit, OpenWallet, Operation, OperationBody};
use schemas::{ErrorCode, MAX_AMOUNT_MINOR};

use crate::scenario::{Scenario, deposit, names, open_wallet, wallet_of};

fn opening(operation: &mut Operation) -> &mut OpenWallet {
    match &mut operation.body {
        OperationBody::OpenWallet(open) => open,
        OperationBody::Deposit(_) => panic!("not an opening"),
    }
}

fn depositing(operation: &mut Operation) -> &mut Deposit {
    match &mut operation.body {
        OperationBody::Deposit(deposit) => deposit,
        OperationBody::OpenWallet(_) => panic!("not a deposit"),
    }
}

#[test]
fn a_wallet_is_opened_once() {
    let mut scenario = Scenario::new();
    let entry = scenario.open("user");
    assert_eq!(names(&entry), ["WalletOpened"]);
    assert_eq!(scenario.numbers("user"), (0, 0, 0));
    assert_eq!(scenario.open("user").decision.verdict, Verdict::Replayed);
}

#[test]
fn refused_openings() {
    type Change = fn(&mut Operation);
    let rows: [(&str, Change, ErrorCode); 6] = [
        ("bad user", |o| opening(o).user_id = "a b".into(), ErrorCode::FieldInvalid),
        ("bad label", |o| opening(o).label = "Main".into(), ErrorCode::FieldInvalid),
        ("no label", |o| opening(o).label.clear(), ErrorCode::FieldInvalid),
        ("bad currency", |o| opening(o).currency = "ABC".into(), ErrorCode::CurrencyUnknown),
        ("bad wallet id", |o| opening(o).wallet_id = "w".into(), ErrorCode::FieldInvalid),
        (
            "another's id",
            |o| opening(o).wallet_id = wallet_of("other").to_string(),
            ErrorCode::IdMismatch,
        ),
    ];
    for (name, change, code) in rows {
        let mut scenario = Scenario::new();
        let mut operation = open_wallet("user");
        change(&mut operation);
        let entry = scenario.operation(operation);
        assert_eq!(entry.decision.code, code.code(), "{name}");
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
