//! Random histories: whatever comes in whatever order, money is conserved and the fold is the
//! state.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use schemas::WalletId;
use schemas::account::Account;
use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::GatewayOutcome;

use crate::projection::tests::{Rows, assert_saga_is};
use crate::scenario::{Scenario, charge_of, decline, not_sent, success, unknown};
use crate::{MemoryLedger, evolve, orphan};

const USERS: [&str; 3] = ["ann", "ben", "cid"];

/// One thing that happens to a shard.
#[derive(Debug, Clone)]
enum Step {
    Open(usize),
    Deposit {
        user: usize,
        amount: i64,
        key: u8,
    },
    Pay {
        user: usize,
        amount: i64,
        key: u8,
    },
    /// A gateway answers one of the requests so far, whichever, as often as it likes.
    Answer {
        request: usize,
        outcome: u8,
    },
    /// The gateway tells of the first attempt of a payment that may not have been asked for.
    Tell {
        user: usize,
        key: u8,
        outcome: u8,
    },
    FireTimer,
    Wait {
        seconds: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    prop_oneof![
        1 => user.clone().prop_map(Step::Open),
        2 => (user.clone(), 1..2000i64, 0..8u8)
            .prop_map(|(user, amount, key)| Step::Deposit { user, amount, key }),
        6 => (user, -1..1500i64, 0..12u8)
            .prop_map(|(user, amount, key)| Step::Pay { user, amount, key }),
        8 => (any::<usize>(), 0..7u8)
            .prop_map(|(request, outcome)| Step::Answer { request, outcome }),
        2 => (0..USERS.len(), 0..12u8, 0..7u8)
            .prop_map(|(user, key, outcome)| Step::Tell { user, key, outcome }),
        5 => Just(Step::FireTimer),
        2 => (0..90u16).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

fn outcome(number: u8, request: &GatewayOperationRequested) -> GatewayOutcome {
    let amount = request.amount.minor();
    match (number, request.operation.moves_money()) {
        (0 | 1, _) => success(amount),
        (2, _) => decline(),
        (3, true) => not_sent(),
        (4, true) => GatewayOutcome::ExpiredUnsent {},
        (3 | 4, false) => GatewayOutcome::NotFound {},
        (5, _) => success(amount + 1),
        _ => unknown(),
    }
}

fn apply(scenario: &mut Scenario, step: &Step, requests: &mut Vec<GatewayOperationRequested>) {
    let entry = match step {
        Step::Open(user) => Some(scenario.open(USERS[*user])),
        Step::Deposit { user, amount, key } => {
            Some(scenario.deposit(USERS[*user], *amount, &format!("d{key}")))
        }
        Step::Pay { user, amount, key } => {
            Some(scenario.pay(USERS[*user], *amount, &format!("p{key}")))
        }
        Step::Answer { request, outcome: number } => {
            let request =
                (!requests.is_empty()).then(|| requests[request % requests.len()].clone());
            request.map(|request| {
                let outcome = outcome(*number, &request);
                scenario.answer(&request, outcome)
            })
        }
        Step::Tell { user, key, outcome: number } => {
            let charge = charge_of(USERS[*user], &format!("p{key}"), 500);
            let outcome = outcome(*number, &charge);
            Some(scenario.notify(&charge, outcome))
        }
        Step::FireTimer => scenario.fire_next(),
        Step::Wait { seconds } => {
            scenario.advance(Duration::from_secs(u64::from(*seconds)));
            None
        }
    };
    for event in entry.iter().flat_map(|entry| &entry.events) {
        if let Event::GatewayOperationRequested(request) = event {
            requests.push(request.clone());
        }
    }
}

/// Deposits less completed payments, by wallet, told from the events alone; and what is held.
fn expected(journal: &[Entry]) -> BTreeMap<WalletId, (i64, i64)> {
    let mut wallets: BTreeMap<WalletId, (i64, i64)> = BTreeMap::new();
    for event in journal.iter().flat_map(|entry| &entry.events) {
        match event {
            Event::DepositRecorded(event) => {
                wallets.entry(event.wallet_id).or_default().0 += event.amount.minor();
            }
            Event::HoldPlaced(event) => {
                wallets.entry(event.wallet_id).or_default().1 += event.amount.minor();
            }
            Event::HoldPosted(event) => {
                let wallet = wallets.entry(event.wallet_id).or_default();
                wallet.0 -= event.amount.minor();
                wallet.1 -= event.amount.minor();
            }
            Event::HoldVoided(event) => {
                wallets.entry(event.wallet_id).or_default().1 -= event.amount.minor();
            }
            _ => {}
        }
    }
    wallets
}

fn check(scenario: &Scenario) {
    let mut total = BTreeMap::new();
    for (account, currency, state) in scenario.ledger.accounts() {
        *total.entry(currency).or_insert(0i64) += state.balances.posted();
        if let Account::Wallet(_) = account {
            assert!(state.balances.available() >= 0, "{account} is overdrawn");
        }
    }
    assert!(total.values().all(|sum| *sum == 0), "money is not conserved: {total:?}");
    for (wallet, (posted, held)) in expected(&scenario.journal) {
        let account = Account::Wallet(wallet);
        let row = scenario.ledger.accounts().find(|(found, _, _)| **found == account);
        let balances = row.map(|(_, _, state)| state.balances).unwrap_or_default();
        assert_eq!((balances.posted(), balances.debits_pending), (posted, held));
    }
    for payment in scenario.ledger.payments() {
        let timer = scenario.timers.keys().any(|id| id.contains(&payment.id.to_string()));
        let unheard = orphan::unheard(&scenario.ledger, &orphan::of(payment)).expect("memory");
        let is_open = payment.is_held() || unheard.is_some();
        assert_eq!(timer, is_open, "an open payment has a timer, a closed one that was heard none");
    }
}

/// The projection shows what the ledger knows: balances, and which payments ended how.
fn check_projection(scenario: &Scenario) {
    let rows = Rows::of(&scenario.journal);
    for payment in scenario.ledger.payments() {
        let row = rows.payments.get(&payment.id).expect("every payment has a row");
        assert_eq!(row.status.is_terminal(), !payment.is_held());
        assert_saga_is(payment, &rows, &scenario.timers);
    }
    for (account, _, state) in scenario.ledger.accounts() {
        if let Account::Wallet(id) = account {
            let row = rows.wallets.get(id).expect("every wallet has a row");
            assert_eq!((row.balances, row.version), (state.balances, state.version));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved_and_the_fold_of_the_journal_is_the_state(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut scenario = Scenario::new();
        for user in USERS {
            scenario.open(user);
            scenario.deposit(user, 1000, "seed");
        }
        let mut requests = Vec::new();
        for step in &steps {
            apply(&mut scenario, step, &mut requests);
            check(&scenario);
        }
        let mut folded = MemoryLedger::default();
        for entry in &scenario.journal {
            evolve(&mut folded, entry).expect("a journal folds");
        }
        prop_assert_eq!(&folded, &scenario.ledger);
        check_projection(&scenario);
    }
}
