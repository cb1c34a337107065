//! Check `holds`: money that was held is posted or released once, the same from the same wallet.
//!
//! Holds that are still open at the end are no violation; what wallets hold must be their sum.

use std::collections::{BTreeMap, BTreeSet};

use schemas::account::{Account, Layer, Side};
use schemas::entry::Entry;
use schemas::event::{Event, Hold};
use schemas::{Currency, PaymentId, Position, WalletId};

use super::Check;
use super::report::{CheckResult, OpenHold};

pub(super) struct Holds {
    open: BTreeMap<PaymentId, OpenHold>,
    closed: BTreeSet<PaymentId>,
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

    fn closed(&mut self, position: Position, hold: &Hold) {
        let payment = hold.payment_id;
        let Some(open) = self.open.remove(&payment) else {
            let state =
                if self.closed.contains(&payment) { "closed twice" } else { "never placed" };
            self.result.violated(position, format!("the hold of payment {payment} was {state}"));
            return;
        };
        self.closed.insert(payment);
        if (open.wallet_id, open.amount, open.currency)
            != (hold.wallet_id, hold.amount, hold.currency)
        {
            let detail = format!(
                "the hold of payment {payment} was placed with {} {} in wallet {} and closed with \
                 {} {} in wallet {}",
                open.amount,
                open.currency,
                open.wallet_id,
                hold.amount,
                hold.currency,
                hold.wallet_id
            );
            self.result.violated(position, detail);
        }
    }
}

impl Check for Holds {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            match event {
                Event::HoldPlaced(hold) => self.placed(position, hold),
                Event::HoldPosted(hold) | Event::HoldVoided(hold) => self.closed(position, hold),
                Event::WalletOpened(_)
                | Event::DepositRecorded(_)
                | Event::PaymentRequested(_)
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
