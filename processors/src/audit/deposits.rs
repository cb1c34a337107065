//! Check `deposits`: money that arrived once is booked once.

use std::collections::BTreeSet;

use schemas::entry::Entry;
use schemas::event::Event;
use schemas::{DepositId, Position, RailName, WalletId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Deposits {
    ids: BTreeSet<DepositId>,
    references: BTreeSet<(WalletId, RailName, String)>,
    result: CheckResult,
}

impl Deposits {
    pub(super) fn new() -> Self {
        let meaning =
            "every deposit is booked once, and once per wallet, rail and reference of the rail";
        let result = CheckResult::new("deposits", meaning);
        Self { ids: BTreeSet::new(), references: BTreeSet::new(), result }
    }

    pub(super) fn count(&self) -> u64 {
        self.ids.len() as u64
    }
}

impl Check for Deposits {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            let Event::DepositRecorded(event) = event else { continue };
            self.result.examine();
            if !self.ids.insert(event.deposit_id) {
                let detail = format!("deposit {} is booked again", event.deposit_id);
                self.result.violated(position, detail);
            }
            let (wallet, rail) = (event.wallet_id, &event.rail);
            let reference = &event.reference;
            if !self.references.insert((wallet, rail.clone(), reference.clone())) {
                let detail =
                    format!("{rail} reference {reference:?} is booked again in wallet {wallet}");
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
