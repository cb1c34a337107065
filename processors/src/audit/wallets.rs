//! Check `wallets`: money is only in wallets that were opened, on their shard, in their currency.

use std::collections::BTreeMap;

use schemas::account::Account;
use schemas::entry::Entry;
use schemas::event::{Event, WalletOpened};
use schemas::{Currency, PartitionCount, Position, WalletId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Wallets {
    partitions: PartitionCount,
    opened: BTreeMap<WalletId, Currency>,
    result: CheckResult,
}

impl Wallets {
    pub(super) fn new(partitions: PartitionCount) -> Self {
        let meaning = "every wallet is opened once, on the shard of its id, and money moves only \
                       in opened wallets and in their currency";
        Self { partitions, opened: BTreeMap::new(), result: CheckResult::new("wallets", meaning) }
    }

    pub(super) fn count(&self) -> u64 {
        self.opened.len() as u64
    }

    fn opened(&mut self, position: Position, event: &WalletOpened) {
        self.result.examine();
        let id = event.wallet_id;
        if self.opened.insert(id, event.currency).is_some() {
            self.result.violated(position, format!("wallet {id} is opened again"));
        }
    }

    fn used(&mut self, position: Position, wallet: WalletId, currency: Currency) {
        self.result.examine();
        if wallet.shard(self.partitions) != position.partition {
            self.result.violated(position, format!("wallet {wallet} belongs to another shard"));
        }
        match self.opened.get(&wallet) {
            Some(own) if *own == currency => {}
            Some(own) => {
                let detail = format!("wallet {wallet} holds {own}, and is used in {currency}");
                self.result.violated(position, detail);
            }
            None => self.result.violated(position, format!("wallet {wallet} was never opened")),
        }
    }
}

impl Check for Wallets {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            match event {
                Event::WalletOpened(event) => {
                    self.opened(position, event);
                    self.used(position, event.wallet_id, event.currency);
                }
                Event::DepositRecorded(event) => {
                    self.used(position, event.wallet_id, event.currency);
                }
                Event::PaymentRequested(event) => {
                    self.used(position, event.wallet_id, event.currency);
                }
                Event::HoldPlaced(_)
                | Event::HoldPosted(_)
                | Event::HoldVoided(_)
                | Event::AttemptStarted(_)
                | Event::GatewayOperationRequested(_)
                | Event::GatewayOperationAnswered(_)
                | Event::ResendScheduled(_)
                | Event::PaymentInDoubt(_)
                | Event::PaymentCompleted(_)
                | Event::PaymentFailed(_)
                | Event::DiscrepancyRecorded(_) => {}
            }
        }
        for posting in &entry.postings {
            if let Account::Wallet(wallet) = &posting.account {
                self.used(position, *wallet, posting.currency);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
