//! Check `overdraft`: no wallet ever spends what it does not have.

use std::collections::{BTreeMap, BTreeSet};

use schemas::account::{Account, Layer, Posting, Side};
use schemas::entry::Entry;
use schemas::{Currency, Position, WalletId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Overdraft {
    available: BTreeMap<(WalletId, Currency), i128>,
    result: CheckResult,
}

impl Overdraft {
    pub(super) fn new() -> Self {
        let meaning = "no entry leaves a wallet with less than nothing available";
        Self { available: BTreeMap::new(), result: CheckResult::new("overdraft", meaning) }
    }
}

/// What a posting on a wallet adds to what is available. Pending credits are not there yet.
fn change(posting: &Posting) -> i128 {
    match (posting.side, posting.layer) {
        (Side::Credit, Layer::Posted) => i128::from(posting.amount),
        (Side::Debit, Layer::Posted | Layer::Pending) => -i128::from(posting.amount),
        (Side::Credit, Layer::Pending) => 0,
    }
}

impl Check for Overdraft {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let mut touched = BTreeSet::new();
        for posting in &entry.postings {
            if let Account::Wallet(wallet) = &posting.account {
                let key = (*wallet, posting.currency);
                *self.available.entry(key).or_default() += change(posting);
                touched.insert(key);
            }
        }
        for key in touched {
            self.result.examine();
            let available = self.available.get(&key).copied().unwrap_or_default();
            if available < 0 {
                let (wallet, currency) = key;
                let detail = format!("wallet {wallet} has {available} {currency} available");
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
