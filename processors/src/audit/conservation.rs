//! Check `conservation`: no money appears or disappears.
//!
//! Sums are of 128 bits, so nothing that an `i64` can hold overflows them here.

use std::collections::BTreeMap;

use schemas::account::{Layer, Posting, Side};
use schemas::entry::Entry;
use schemas::{Currency, Position};

use super::Check;
use super::report::CheckResult;

pub(super) struct Conservation {
    totals: Sums,
    result: CheckResult,
}

/// Debits less credits, which must be zero.
type Sums = BTreeMap<(Currency, Layer), i128>;

impl Conservation {
    pub(super) fn new() -> Self {
        let meaning = "the postings of every entry, and of all together, sum to zero per currency \
                       and layer; posted amounts are positive";
        let result = CheckResult::new("conservation", meaning);
        Self { totals: BTreeMap::new(), result }
    }
}

fn signed(posting: &Posting) -> i128 {
    match posting.side {
        Side::Debit => i128::from(posting.amount),
        Side::Credit => -i128::from(posting.amount),
    }
}

impl Check for Conservation {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let mut sums = Sums::new();
        for posting in &entry.postings {
            self.result.examine();
            *sums.entry((posting.currency, posting.layer)).or_default() += signed(posting);
            let is_release = posting.layer == Layer::Pending && posting.amount < 0;
            if posting.amount <= 0 && !is_release {
                let detail = format!("posts {} to {}", posting.amount, posting.account);
                self.result.violated(position, detail);
            }
        }
        for ((currency, layer), sum) in sums {
            if sum != 0 {
                let detail = format!("{layer:?} postings in {currency} sum to {sum}");
                self.result.violated(position, detail);
            }
            *self.totals.entry((currency, layer)).or_default() += sum;
        }
    }

    fn conclude(&mut self) {
        for ((currency, layer), sum) in &self.totals {
            if *sum != 0 {
                let detail =
                    format!("{layer:?} postings in {currency} sum to {sum} over the journal");
                self.result.violated(None, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
