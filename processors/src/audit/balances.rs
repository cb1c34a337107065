//! Check `balances`: the balances that entries record are those that the postings give.
//!
//! The audit keeps its own numbers and never adopts a recorded one, except for the version, whose
//! gap should count once.

use std::collections::{BTreeMap, BTreeSet};

use schemas::account::{Account, AccountBalance, Layer, Posting, Side};
use schemas::entry::Entry;
use schemas::{Currency, Partition, Position};

use super::Check;
use super::report::CheckResult;

pub(super) struct RecordedBalances {
    accounts: BTreeMap<Key, Numbers>,
    result: CheckResult,
}

/// System accounts exist once per shard.
type Key = (Partition, Account, Currency);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    debits_pending: i128,
    debits_posted: i128,
    credits_pending: i128,
    credits_posted: i128,
    version: i64,
}

impl Numbers {
    fn post(&mut self, posting: &Posting) {
        let number = match (posting.side, posting.layer) {
            (Side::Debit, Layer::Pending) => &mut self.debits_pending,
            (Side::Debit, Layer::Posted) => &mut self.debits_posted,
            (Side::Credit, Layer::Pending) => &mut self.credits_pending,
            (Side::Credit, Layer::Posted) => &mut self.credits_posted,
        };
        *number += i128::from(posting.amount);
    }

    fn money(&self) -> [i128; 4] {
        [self.debits_pending, self.debits_posted, self.credits_pending, self.credits_posted]
    }
}

fn money_of(recorded: &AccountBalance) -> [i128; 4] {
    [
        recorded.debits_pending.into(),
        recorded.debits_posted.into(),
        recorded.credits_pending.into(),
        recorded.credits_posted.into(),
    ]
}

impl RecordedBalances {
    pub(super) fn new() -> Self {
        let meaning = "the recorded balances are those that the postings give, of every account \
                       touched and no other, numbered without gaps, none below zero";
        let result = CheckResult::new("balances", meaning);
        Self { accounts: BTreeMap::new(), result }
    }

    fn compare(&mut self, position: Position, recorded: &AccountBalance) {
        self.result.examine();
        let account = &recorded.account;
        let key = (position.partition, account.clone(), recorded.currency);
        let own = self.accounts.entry(key).or_default();
        let (own_money, recorded_money) = (own.money(), money_of(recorded));
        if own_money != recorded_money {
            let detail = format!("{account} is {own_money:?}, recorded is {recorded_money:?}");
            self.result.violated(position, detail);
        }
        if Some(recorded.version) != own.version.checked_add(1) {
            let detail =
                format!("{account} has version {} after {}", recorded.version, own.version);
            self.result.violated(position, detail);
        }
        own.version = recorded.version;
        if own_money.into_iter().chain(recorded_money).any(|number| number < 0) {
            self.result.violated(position, format!("{account} has a number below zero"));
        }
    }
}

impl Check for RecordedBalances {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let mut touched = BTreeSet::new();
        for posting in &entry.postings {
            let key = (position.partition, posting.account.clone(), posting.currency);
            self.accounts.entry(key).or_default().post(posting);
            touched.insert((&posting.account, posting.currency));
        }
        for recorded in &entry.balances {
            if touched.remove(&(&recorded.account, recorded.currency)) {
                self.compare(position, recorded);
            } else {
                let detail = format!("{} is recorded twice or untouched", recorded.account);
                self.result.violated(position, detail);
            }
        }
        for (account, _) in touched {
            self.result.violated(position, format!("{account} is touched and not recorded"));
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
