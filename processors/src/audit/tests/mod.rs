//! A good journal is clean; each check finds what it is there for in a broken one.

mod broken;
mod broken_domain;
pub(crate) mod domain;
mod scenario;

use proptest::prelude::*;
use schemas::inputs::GatewayOutcome;

use crate::audit::AuditReport;
use scenario::{Scenario, audit, full, honest, seal};

#[test]
fn good_journals_are_clean_and_leave_no_check_idle() {
    let scenario = full();
    let report = audit(&seal(&scenario.entries), Some(honest(&scenario)));
    let journal = domain::journal();
    let domain = audit(&seal(&journal), None);
    let given_back = audit(&seal(&journal), Some(broken_domain::given_back(&journal)));
    for check in report.checks.iter().chain(&domain.checks) {
        assert_eq!(check.violations, 0, "{check:#?}");
        let examined =
            |report: &AuditReport| report.check(check.name).map_or(0, |one| one.examined);
        let examined = examined(&report) + examined(&domain) + examined(&given_back);
        assert!(examined > 0, "{} examined nothing", check.name);
    }
    assert!(report.is_clean() && domain.is_clean());
}

#[test]
fn the_totals_count_the_whole_domain() {
    let totals = audit(&seal(&domain::journal()), None).totals;
    let payments = &totals.payments;
    assert_eq!((payments.needs_review, payments.cancelled, payments.completed), (1, 1, 6));
    assert_eq!((totals.withdrawals, totals.refunds, totals.transfers), (1, 5, 3));
    let money = totals.money.values().next().expect("USD");
    assert_eq!(money.withdrawn, 0, "what the rail gave back did not go out");
    assert_eq!(money.in_suspense, 70 - 25);
    assert_eq!(money.refunded, 150, "what went to suspense or is on its way is not");
}

#[test]
fn the_totals_count_what_happened() {
    let scenario = full();
    let totals = audit(&seal(&scenario.entries), Some(honest(&scenario))).totals;
    assert_eq!(totals.entries, scenario.entries.len() as u64);
    assert_eq!((totals.replayed, totals.refused), (2, 1));
    assert_eq!((totals.wallets, totals.deposits), (1, 1));
    let payments = &totals.payments;
    assert_eq!((payments.requested, payments.completed), (6, 2));
    assert_eq!((payments.in_doubt, payments.processing), (1, 1));
    let failed: Vec<_> = payments.failed.iter().map(|(code, n)| (code.as_str(), *n)).collect();
    assert_eq!(failed, [("insufficient_funds", 1), ("payment_declined", 1)]);
    let money = totals.money.values().next().expect("USD");
    assert_eq!((money.deposited, money.captured), (10_000, 1_700));
    assert_eq!((money.in_wallets, money.held), (8_300, 70));
    assert_eq!(totals.open_holds, 2);
    assert_eq!(totals.open_holds_listed.len(), 2);
    let truth = totals.ground_truth.expect("was given");
    assert_eq!((truth.charges, truth.succeeded, truth.declined), (4, 3, 1));
    assert_eq!((truth.pending, truth.newer), (1, 0));
}

#[test]
fn a_violation_says_where_it_is() {
    let scenario = full();
    let mut entries = scenario.entries.clone();
    entries[2].seq = 77;
    let report = audit(&seal(&entries), None);
    let violation = &report.check("chain").expect("is a check").examples[0];
    assert_eq!(violation.position.map(|at| at.to_string()).as_deref(), Some("0-2"));
}

/// One thing that can happen to one of a few payments.
#[derive(Debug, Clone)]
enum Step {
    Deposit(u8, i64),
    Pay(u8, i64),
    Succeed(u8),
    Answer(u8, u8),
    AnswerFirst(u8, u8),
    Fire(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..5_u8;
    prop_oneof![
        (key.clone(), 1..500_i64).prop_map(|(key, amount)| Step::Deposit(key, amount)),
        (key.clone(), 1..500_i64).prop_map(|(key, amount)| Step::Pay(key, amount)),
        key.clone().prop_map(Step::Succeed),
        (key.clone(), 0..5_u8).prop_map(|(key, outcome)| Step::Answer(key, outcome)),
        (key.clone(), 0..5_u8).prop_map(|(key, outcome)| Step::AnswerFirst(key, outcome)),
        key.prop_map(Step::Fire),
    ]
}

fn outcome(number: u8) -> GatewayOutcome {
    let reason = || "a reason".to_owned();
    match number {
        0 => GatewayOutcome::NotFound {},
        1 => GatewayOutcome::Declined { decline_code: reason(), message: reason() },
        2 => GatewayOutcome::NotSent { reason: reason() },
        3 => GatewayOutcome::ExpiredUnsent {},
        _ => GatewayOutcome::OutcomeUnknown { reason: reason() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens in whatever order: what the ledger decides passes the audit.
    #[test]
    fn what_the_ledger_decides_passes(steps in prop::collection::vec(step(), 1..60)) {
        let mut scenario = Scenario::new();
        scenario.deposit("first", 1_000);
        for step in steps {
            match step {
                Step::Deposit(key, amount) => scenario.deposit(&key.to_string(), amount),
                Step::Pay(key, amount) => scenario.pay(&key.to_string(), amount),
                Step::Succeed(key) => scenario.succeed(&key.to_string()),
                Step::Answer(key, number) => scenario.answer(&key.to_string(), outcome(number)),
                Step::AnswerFirst(key, number) => {
                    if let Some(asked) = scenario.asked(&key.to_string()).first() {
                        scenario.answer_to(asked, outcome(number));
                    }
                }
                Step::Fire(key) => scenario.fire(&key.to_string()),
            }
        }
        let report = audit(&seal(&scenario.entries), None);
        prop_assert!(report.is_clean(), "{report:#?}");
    }
}
