//! Check `overdraft`: no wallet ever spends what it does not have.

use std::collections::{BTreeMap, BTreeSet};

use schemas::account::{Account, Layer, Posting, Side};
use schemas::entry::Entry;
use schemas::event::Event;
use schemas::{Currency, Position, WalletId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Overdraft {
    available: BTreeMap<(WalletId, Currency), i128>,
    result: CheckResult,
}

impl Overdraft {
    pub(super) fn new() -> Self {
        let meaning = "no entry leaves a wallet with less than nothing available, but for the \
                       reversal of a deposit, after which it takes no debits";
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
        let mut before = BTreeMap::new();
        for posting in &entry.postings {
            if let Account::Wallet(wallet) = &posting.account {
                let key = (*wallet, posting.currency);
                let available = self.available.entry(key).or_default();
                before.entry(key).or_insert(*available);
                *available += change(posting);
                touched.insert(key);
            }
        }
        for key in touched {
            self.result.examine();
            let available = self.available.get(&key).copied().unwrap_or_default();
            let (wallet, currency) = key;
            let is_reversal = entry.events.iter().any(
                |event| matches!(event, Event::DepositReversed(event) if event.wallet_id == wallet),
            );
            // What was overdrawn before may stay so: a hold is posted, a part of a debt is paid.
            let has_fallen = before.get(&key).is_some_and(|before| available < *before);
            if available < 0 && has_fallen && !is_reversal {
                let detail = format!("wallet {wallet} has {available} {currency} available");
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
