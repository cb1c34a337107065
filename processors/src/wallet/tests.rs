//! Opening, freezing, bounding and closing wallets, each refusal by name.

use schemas::ErrorCode;
use schemas::entry::Verdict;
use schemas::inputs::{OpenWallet, Operation, OperationBody};
use schemas::read_model::WalletStatus;

use crate::ReadLedger;
use crate::scenario::{
    Scenario, change, deposit, failure_code, limit, names, open_wallet, refund, success, transfer,
    wallet_of, withdraw,
};

fn opening(operation: &mut Operation) -> &mut OpenWallet {
    match &mut operation.body {
        OperationBody::OpenWallet(open) => open,
        _ => panic!("not an opening"),
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

fn status(scenario: &Scenario, user: &str) -> WalletStatus {
    scenario.ledger.wallet(wallet_of(user)).expect("memory").expect("exists").status
}

#[test]
fn a_frozen_wallet_takes_no_new_debits_and_what_is_under_way_goes_on() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "before");
    let charge = scenario.asked();
    let freeze = change("user", OperationBody::FreezeWallet);
    assert_eq!(names(&scenario.operation(freeze.clone())), ["WalletFrozen"]);
    assert_eq!(scenario.operation(freeze).decision.verdict, Verdict::Replayed);
    assert_eq!(failure_code(&scenario.pay("user", 1, "after")), "wallet_frozen");
    assert_eq!(scenario.operation(withdraw("user", 1, "w")).decision.code, "wallet_frozen");
    scenario.open("other");
    let entry = scenario.command(transfer("user", "other", 1, "t"));
    assert_eq!(names(&entry), ["TransferRequested", "TransferFailed"]);
    assert_eq!(failure_code(&entry), "wallet_frozen");
    // Settlement, refunds and deposits go on.
    scenario.answer(&charge, success(400));
    assert_eq!(scenario.numbers("user"), (600, 600, 0));
    scenario.command(refund("user", "before", None, "r"));
    scenario.answer_latest(success(400));
    scenario.deposit("user", 5, "more");
    assert_eq!(scenario.numbers("user"), (1005, 1005, 0));
    let unfreeze = change("user", OperationBody::UnfreezeWallet);
    assert_eq!(names(&scenario.operation(unfreeze.clone())), ["WalletUnfrozen"]);
    assert_eq!(scenario.operation(unfreeze).decision.verdict, Verdict::Replayed);
    assert_eq!(failure_code(&scenario.pay("user", 1, "again")), "");
}

#[test]
fn a_wallet_is_closed_only_when_nothing_is_in_it_or_under_way() {
    let close = || change("user", OperationBody::CloseWallet);
    let mut scenario = Scenario::funded(1000);
    assert_eq!(scenario.operation(close()).decision.code, "wallet_not_empty");
    scenario.pay("user", 1000, "all");
    assert_eq!(scenario.operation(close()).decision.code, "wallet_has_open_operations");
    scenario.answer_latest(success(1000));
    scenario.command(refund("user", "all", Some(10), "r"));
    assert_eq!(scenario.operation(close()).decision.code, "wallet_has_open_operations");
    scenario.answer_latest(success(10));
    assert_eq!(scenario.operation(close()).decision.code, "wallet_not_empty");
    scenario.operation(withdraw("user", 10, "w"));
    assert_eq!(names(&scenario.operation(close())), ["WalletClosed"]);
    assert_eq!(scenario.operation(close()).decision.verdict, Verdict::Replayed);
    assert_eq!(status(&scenario, "user"), WalletStatus::Closed);
    for body in [OperationBody::FreezeWallet, OperationBody::UnfreezeWallet] {
        assert_eq!(scenario.operation(change("user", body)).decision.code, "wallet_closed");
    }
    assert_eq!(failure_code(&scenario.pay("user", 1, "p")), "wallet_closed");
    assert_eq!(scenario.operation(withdraw("user", 1, "x")).decision.code, "wallet_closed");
    let limits = limit("user", Some(1), None, None);
    assert_eq!(scenario.operation(limits).decision.code, "wallet_closed");
}

#[test]
fn a_frozen_wallet_can_be_closed() {
    let mut scenario = Scenario::new();
    scenario.open("user");
    scenario.operation(change("user", OperationBody::FreezeWallet));
    scenario.operation(change("user", OperationBody::CloseWallet));
    assert_eq!(status(&scenario, "user"), WalletStatus::Closed);
}

#[test]
fn money_for_a_closed_wallet_is_in_suspense() {
    let mut scenario = Scenario::new();
    scenario.open("user");
    scenario.operation(change("user", OperationBody::CloseWallet));
    let entry = scenario.operation(deposit("user", 70, "late"));
    assert_eq!(names(&entry), ["DepositRecorded", "SuspenseBooked"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), ((0, 0, 0), 70));
    let entry = scenario.operation(deposit("user", 70, "late"));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    let entry = scenario.operation(crate::scenario::reverse_deposit("user", "late"));
    assert_eq!(names(&entry), ["DepositReversed", "SuspenseBooked"]);
    assert_eq!((scenario.numbers("user"), scenario.suspense()), ((0, 0, 0), 0));
}

#[test]
fn limits_are_set_once_and_have_sensible_values() {
    let mut scenario = Scenario::funded(10);
    let entry = scenario.operation(limit("user", Some(5), Some(9), Some(2)));
    assert_eq!(names(&entry), ["LimitsSet"]);
    let entry = scenario.operation(limit("user", Some(5), Some(9), Some(2)));
    assert_eq!(entry.decision.verdict, Verdict::Replayed);
    assert_eq!(names(&scenario.operation(limit("user", None, None, None))), ["LimitsSet"]);
    for bad in [
        limit("user", Some(-1), None, None),
        limit("user", None, Some(-1), None),
        limit("user", None, None, Some(-1)),
    ] {
        assert_eq!(scenario.operation(bad).decision.code, "field_invalid");
    }
}

#[test]
fn refused_changes() {
    let bodies = [
        OperationBody::FreezeWallet as fn(_) -> _,
        OperationBody::UnfreezeWallet,
        OperationBody::CloseWallet,
    ];
    for body in bodies {
        let mut scenario = Scenario::funded(10);
        let entry = scenario.operation(change("nobody", body));
        assert_eq!(entry.decision.code, ErrorCode::WalletNotFound.code());
        let mut late = change("user", body);
        late.envelope.deadline = Some(schemas::Timestamp::from_millis(1));
        assert_eq!(scenario.operation(late).decision.code, "deadline_exceeded");
        let mut other = change("user", body);
        other.envelope.tenant = "other".to_owned();
        assert_eq!(scenario.operation(other).decision.code, "wallet_not_found");
    }
    let mut scenario = Scenario::new();
    let entry = scenario.operation(limit("nobody", None, None, None));
    assert_eq!(entry.decision.code, "wallet_not_found");
}
