//! Check `holds`: money that was held is posted or released once, the same from the same wallet.
//! What a gateway took may be less than was held: then both parts are one hold.
//!
//! Holds that are still open at the end are no violation; what wallets hold must be their sum.

use std::collections::{BTreeMap, BTreeSet};

use schemas::account::{Account, Layer, Side};
use schemas::entry::Entry;
use schemas::event::{Event, Hold};
use schemas::{Currency, PaymentId, Position, TransferId, WalletId};

use super::Check;
use super::report::{CheckResult, OpenHold};

pub(super) struct Holds {
    open: BTreeMap<PaymentId, OpenHold>,
    closed: BTreeSet<PaymentId>,
    /// What transfers under way hold at their senders.
    transfers: BTreeMap<TransferId, (WalletId, Currency, i128)>,
    /// What the postings hold in each wallet.
    pending: BTreeMap<(WalletId, Currency), i128>,
    result: CheckResult,
}

impl Holds {
    pub(super) fn new() -> Self {
        let meaning = "every hold is placed once and posted or voided at most once, with the \
                       amount and the wallet it was placed with; wallets hold what open holds say";
        Self {
            open: BTreeMap::new(),
            closed: BTreeSet::new(),
            transfers: BTreeMap::new(),
            pending: BTreeMap::new(),
            result: CheckResult::new("holds", meaning),
        }
    }

    /// Holds that nothing has closed yet, by payment id.
    pub(super) fn open(&self) -> impl ExactSizeIterator<Item = &OpenHold> {
        self.open.values()
    }

    fn placed(&mut self, position: Position, hold: &Hold) {
        self.result.examine();
        let payment_id = hold.payment_id;
        let open = OpenHold {
            payment_id,
            wallet_id: hold.wallet_id,
            amount: hold.amount,
            currency: hold.currency,
            placed: position,
        };
        let was_open = self.open.insert(payment_id, open).is_some();
        if was_open || self.closed.contains(&payment_id) {
            self.result.violated(position, format!("a second hold for payment {payment_id}"));
        }
    }

    /// Everything of an entry that closes the hold of one payment: what is posted and what is
    /// voided.
    fn closed(&mut self, position: Position, parts: &[&Hold]) {
        let Some(first) = parts.first() else { return };
        let payment = first.payment_id;
        let Some(open) = self.open.remove(&payment) else {
            let state =
                if self.closed.contains(&payment) { "closed twice" } else { "never placed" };
            self.result.violated(position, format!("the hold of payment {payment} was {state}"));
            return;
        };
        self.closed.insert(payment);
        let sum: i128 = parts.iter().map(|part| i128::from(part.amount.minor())).sum();
        let is_same = parts
            .iter()
            .all(|part| (part.wallet_id, part.currency) == (open.wallet_id, open.currency));
        if !is_same || sum != i128::from(open.amount.minor()) {
            let detail = format!(
                "the hold of payment {payment} was placed with {} {} in wallet {} and closed with \
                 {sum} {} in wallet {}",
                open.amount, open.currency, open.wallet_id, first.currency, first.wallet_id
            );
            self.result.violated(position, detail);
        }
    }

    fn transfer(&mut self, event: &Event) {
        if let Event::TransferHeld(event) = event {
            let held = (event.wallet_id, event.currency, i128::from(event.amount.minor()));
            self.transfers.insert(event.transfer_id, held);
        }
        if let Event::TransferCompleted(event) = event {
            self.transfers.remove(&event.transfer_id);
        }
        if let Event::TransferFailed(event) = event {
            self.transfers.remove(&event.transfer_id);
        }
    }
}

impl Check for Holds {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let mut closing: BTreeMap<PaymentId, Vec<&Hold>> = BTreeMap::new();
        for event in &entry.events {
            if let Event::HoldPlaced(hold) = event {
                self.placed(position, hold);
            }
            if let Event::HoldPosted(hold) | Event::HoldVoided(hold) = event {
                closing.entry(hold.payment_id).or_default().push(hold);
            }
            self.transfer(event);
        }
        for parts in closing.values() {
            self.closed(position, parts);
        }
        for posting in &entry.postings {
            if let (Account::Wallet(wallet), Layer::Pending, Side::Debit) =
                (&posting.account, posting.layer, posting.side)
            {
                *self.pending.entry((*wallet, posting.currency)).or_default() +=
                    i128::from(posting.amount);
            }
        }
    }

    fn conclude(&mut self) {
        let mut held = BTreeMap::<_, i128>::new();
        for hold in self.open.values() {
            *held.entry((hold.wallet_id, hold.currency)).or_default() +=
                i128::from(hold.amount.minor());
        }
        for (wallet, currency, amount) in self.transfers.values() {
            *held.entry((*wallet, *currency)).or_default() += amount;
        }
        let keys: BTreeSet<_> = held.keys().chain(self.pending.keys()).copied().collect();
        for key in keys {
            let of = |sums: &BTreeMap<_, i128>| sums.get(&key).copied().unwrap_or_default();
            let (held, pending) = (of(&held), of(&self.pending));
            if held != pending {
                let (wallet, currency) = key;
                let detail = format!(
                    "wallet {wallet} holds {pending} {currency}, its open holds are {held}"
                );
                self.result.violated(None, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
