//! Check `rails`: money that came or went by an external rail is booked once, and taken back once.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::Entry;
use schemas::event::{
    DepositRecorded, DepositReversed, Event, WithdrawalRecorded, WithdrawalReversed,
};
use schemas::{Amount, Currency, DepositId, Position, RailName, WalletId, WithdrawalId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Rails {
    deposits: BTreeMap<DepositId, Booked>,
    withdrawals: BTreeMap<WithdrawalId, Booked>,
    references: BTreeSet<(WalletId, RailName, String)>,
    result: CheckResult,
}

#[derive(Clone, PartialEq, Eq)]
struct Fact {
    wallet: WalletId,
    amount: Amount,
    currency: Currency,
    rail: RailName,
}

struct Booked {
    fact: Fact,
    is_reversed: bool,
}

impl Rails {
    pub(super) fn new() -> Self {
        let meaning = "every deposit and withdrawal is booked once, and once per wallet, rail and \
                       reference of the rail, and reversed at most once, as it was booked";
        Self {
            deposits: BTreeMap::new(),
            withdrawals: BTreeMap::new(),
            references: BTreeSet::new(),
            result: CheckResult::new("rails", meaning),
        }
    }

    /// Deposits and withdrawals.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.deposits.len() as u64, self.withdrawals.len() as u64)
    }

    fn reference(&mut self, position: Position, fact: &Fact, reference: &str) {
        let (wallet, rail) = (fact.wallet, &fact.rail);
        if !self.references.insert((wallet, rail.clone(), reference.to_owned())) {
            let detail =
                format!("{rail} reference {reference:?} is booked again in wallet {wallet}");
            self.result.violated(position, detail);
        }
    }

    fn deposited(&mut self, position: Position, event: &DepositRecorded) {
        self.result.examine();
        let rail = event.rail.clone();
        let (wallet, amount, currency) = (event.wallet_id, event.amount, event.currency);
        let fact = Fact { wallet, amount, currency, rail };
        self.reference(position, &fact, &event.reference);
        let booked = Booked { fact, is_reversed: false };
        if self.deposits.insert(event.deposit_id, booked).is_some() {
            let detail = format!("deposit {} is booked again", event.deposit_id);
            self.result.violated(position, detail);
        }
    }

    fn withdrawn(&mut self, position: Position, event: &WithdrawalRecorded) {
        self.result.examine();
        let rail = event.rail.clone();
        let (wallet, amount, currency) = (event.wallet_id, event.amount, event.currency);
        let fact = Fact { wallet, amount, currency, rail };
        self.reference(position, &fact, &event.reference);
        let booked = Booked { fact, is_reversed: false };
        if self.withdrawals.insert(event.withdrawal_id, booked).is_some() {
            let detail = format!("withdrawal {} is booked again", event.withdrawal_id);
            self.result.violated(position, detail);
        }
    }

    fn deposit_reversed(&mut self, position: Position, event: &DepositReversed) {
        let (wallet, amount, currency) = (event.wallet_id, event.amount, event.currency);
        let fact = Fact { wallet, amount, currency, rail: event.rail.clone() };
        let booked = self.deposits.get_mut(&event.deposit_id);
        reversed(&mut self.result, position, booked, &fact);
    }

    fn withdrawal_reversed(&mut self, position: Position, event: &WithdrawalReversed) {
        let (wallet, amount, currency) = (event.wallet_id, event.amount, event.currency);
        let fact = Fact { wallet, amount, currency, rail: event.rail.clone() };
        let booked = self.withdrawals.get_mut(&event.withdrawal_id);
        reversed(&mut self.result, position, booked, &fact);
    }
}

fn reversed(
    result: &mut CheckResult,
    position: Position,
    booked: Option<&mut Booked>,
    fact: &Fact,
) {
    result.examine();
    match booked {
        None => result.violated(position, "reverses what was never booked"),
        Some(booked) if booked.is_reversed => {
            result.violated(position, "reverses what was reversed before");
        }
        Some(booked) => {
            if booked.fact != *fact {
                result.violated(position, "reverses other money than was booked");
            }
            booked.is_reversed = true;
        }
    }
}

impl Check for Rails {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            if let Event::DepositRecorded(event) = event {
                self.deposited(position, event);
            }
            if let Event::WithdrawalRecorded(event) = event {
                self.withdrawn(position, event);
            }
            if let Event::DepositReversed(event) = event {
                self.deposit_reversed(position, event);
            }
            if let Event::WithdrawalReversed(event) = event {
                self.withdrawal_reversed(position, event);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
