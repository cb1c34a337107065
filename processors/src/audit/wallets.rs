//! Check `wallets`: money is only in wallets that were opened, on their shard, in their currency.

use std::collections::BTreeMap;

use schemas::account::{Account, Layer, Posting, Side};
use schemas::entry::Entry;
use schemas::event::{Event, WalletOpened};
use schemas::read_model::WalletStatus;
use schemas::{Currency, PartitionCount, Position, WalletId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Wallets {
    partitions: PartitionCount,
    opened: BTreeMap<WalletId, Wallet>,
    result: CheckResult,
}

struct Wallet {
    currency: Currency,
    status: WalletStatus,
    /// Posted, and pending on each side, by the audit's own sum.
    posted: i128,
    held: i128,
    announced: i128,
}

impl Wallets {
    pub(super) fn new(partitions: PartitionCount) -> Self {
        let meaning = "every wallet is opened once, on the shard of its id; money moves only in \
                       opened wallets and in their currency; frozen ones take no new debits, \
                       closed ones are empty and stay so";
        Self { partitions, opened: BTreeMap::new(), result: CheckResult::new("wallets", meaning) }
    }

    pub(super) fn count(&self) -> u64 {
        self.opened.len() as u64
    }

    fn opened(&mut self, position: Position, event: &WalletOpened) {
        self.result.examine();
        let id = event.wallet_id;
        let wallet = Wallet {
            currency: event.currency,
            status: WalletStatus::Active,
            posted: 0,
            held: 0,
            announced: 0,
        };
        if self.opened.insert(id, wallet).is_some() {
            self.result.violated(position, format!("wallet {id} is opened again"));
        }
    }

    fn used(&mut self, position: Position, wallet: WalletId, currency: Currency) {
        self.result.examine();
        if wallet.shard(self.partitions) != position.partition {
            self.result.violated(position, format!("wallet {wallet} belongs to another shard"));
        }
        match self.opened.get(&wallet).map(|wallet| wallet.currency) {
            Some(own) if own == currency => {}
            Some(own) => {
                let detail = format!("wallet {wallet} holds {own}, and is used in {currency}");
                self.result.violated(position, detail);
            }
            None => self.result.violated(position, format!("wallet {wallet} was never opened")),
        }
    }

    /// A new debit, or a transfer that arrives: only while the wallet is active.
    fn active(&mut self, position: Position, wallet: WalletId) {
        let status = self.opened.get(&wallet).map(|wallet| wallet.status);
        if status.is_some_and(|status| status != WalletStatus::Active) {
            let detail =
                format!("wallet {wallet} is {status:?} and takes what only active ones do");
            self.result.violated(position, detail);
        }
    }

    fn stands(&mut self, position: Position, id: WalletId, from: WalletStatus, to: WalletStatus) {
        self.result.examine();
        let Some(wallet) = self.opened.get_mut(&id) else {
            self.result.violated(position, format!("wallet {id} was never opened"));
            return;
        };
        let is_empty = (wallet.posted, wallet.held, wallet.announced) == (0, 0, 0);
        let fits = match to {
            WalletStatus::Closed => wallet.status != WalletStatus::Closed && is_empty,
            WalletStatus::Active | WalletStatus::Frozen => wallet.status == from,
        };
        if !fits {
            let detail = format!("wallet {id} was {:?} and becomes {to:?}", wallet.status);
            self.result.violated(position, detail);
        }
        wallet.status = to;
    }

    fn moved(&mut self, position: Position, posting: &Posting) {
        let Account::Wallet(id) = posting.account else { return };
        self.used(position, id, posting.currency);
        let Some(wallet) = self.opened.get_mut(&id) else { return };
        let amount = i128::from(posting.amount);
        match (posting.layer, posting.side) {
            (Layer::Posted, Side::Credit) => wallet.posted += amount,
            (Layer::Posted, Side::Debit) => wallet.posted -= amount,
            (Layer::Pending, Side::Debit) => wallet.held += amount,
            (Layer::Pending, Side::Credit) => wallet.announced += amount,
        }
        if wallet.status == WalletStatus::Closed {
            self.result.violated(position, format!("money moves in wallet {id}, which is closed"));
        }
    }

    fn event(&mut self, position: Position, event: &Event) {
        let (active, frozen) = (WalletStatus::Active, WalletStatus::Frozen);
        match event {
            Event::WalletOpened(event) => {
                self.opened(position, event);
                self.used(position, event.wallet_id, event.currency);
            }
            Event::WalletFrozen(event) => self.stands(position, event.wallet_id, active, frozen),
            Event::WalletUnfrozen(event) => self.stands(position, event.wallet_id, frozen, active),
            Event::WalletClosed(event) => {
                self.stands(position, event.wallet_id, active, WalletStatus::Closed);
            }
            Event::DepositRecorded(event) => self.used(position, event.wallet_id, event.currency),
            Event::WithdrawalRecorded(event) => {
                self.used(position, event.wallet_id, event.currency);
                self.active(position, event.wallet_id);
            }
            Event::PaymentRequested(event) => self.used(position, event.wallet_id, event.currency),
            Event::TransferRequested(event) => {
                self.used(position, event.wallet_id, event.currency);
            }
            Event::HoldPlaced(event) => self.active(position, event.wallet_id),
            Event::TransferHeld(event) => self.active(position, event.wallet_id),
            Event::TransferCredited(event) => self.active(position, event.wallet_id),
            _ => {}
        }
    }
}

impl Check for Wallets {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            self.event(position, event);
        }
        for posting in &entry.postings {
            self.moved(position, posting);
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
