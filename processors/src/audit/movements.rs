//! Check `movements`: every posting belongs to an event, and every event moved what it says.
//!
//! The postings that the events of an entry call for are worked out here and compared with those
//! that stand in it, as sums per account, layer and side: how a sum is split does not matter.

use std::collections::BTreeMap;

use schemas::account::{Account, Layer, Side};
use schemas::entry::Entry;
use schemas::event::{DepositRecorded, Event, Hold};
use schemas::{Currency, GatewayName, PaymentId, Position};

use super::Check;
use super::report::CheckResult;

pub(super) struct Movements {
    /// Where the money of a payment under way goes to.
    gateways: BTreeMap<PaymentId, GatewayName>,
    result: CheckResult,
}

#[derive(Default)]
struct Moved(BTreeMap<(Account, Currency, Layer, Side), i128>);

impl Moved {
    fn add(&mut self, account: &Account, currency: Currency, step: (Layer, Side, i64)) {
        let (layer, side, amount) = step;
        *self.0.entry((account.clone(), currency, layer, side)).or_default() += i128::from(amount);
    }

    /// A debit of one account and a credit of another.
    fn pass(&mut self, from: &Account, to: &Account, currency: Currency, step: (Layer, i64)) {
        let (layer, amount) = step;
        self.add(from, currency, (layer, Side::Debit, amount));
        self.add(to, currency, (layer, Side::Credit, amount));
    }

    fn deposit(&mut self, event: &DepositRecorded) {
        let (rail, wallet) =
            (Account::External(event.rail.clone()), Account::Wallet(event.wallet_id));
        self.pass(&rail, &wallet, event.currency, (Layer::Posted, event.amount.minor()));
    }

    fn hold(&mut self, hold: &Hold, gateway: &GatewayName, steps: &[(Layer, i64)]) {
        let wallet = Account::Wallet(hold.wallet_id);
        let clearing = Account::GatewayClearing(gateway.clone());
        for (layer, times) in steps {
            let step = (*layer, hold.amount.minor() * times);
            self.pass(&wallet, &clearing, hold.currency, step);
        }
    }

    fn without_zeros(mut self) -> BTreeMap<(Account, Currency, Layer, Side), i128> {
        self.0.retain(|_, amount| *amount != 0);
        self.0
    }
}

impl Movements {
    pub(super) fn new() -> Self {
        let meaning = "every posting belongs to a deposit or to a hold that was placed, posted or \
                       voided, and each of these moved exactly its amount";
        Self { gateways: BTreeMap::new(), result: CheckResult::new("movements", meaning) }
    }

    /// What the events of an entry call for; an error names an event that cannot move anything.
    fn called_for(&mut self, entry: &Entry) -> Result<Moved, String> {
        for event in &entry.events {
            if let Event::AttemptStarted(attempt) = event {
                self.gateways.insert(attempt.payment_id, attempt.gateway.clone());
            }
        }
        let mut moved = Moved::default();
        for event in &entry.events {
            match event {
                Event::DepositRecorded(event) => moved.deposit(event),
                Event::HoldPlaced(hold) => {
                    moved.hold(hold, self.gateway(hold)?, &[(Layer::Pending, 1)]);
                }
                Event::HoldPosted(hold) => {
                    let steps = [(Layer::Pending, -1), (Layer::Posted, 1)];
                    moved.hold(hold, self.gateway(hold)?, &steps);
                    self.gateways.remove(&hold.payment_id);
                }
                Event::HoldVoided(hold) => {
                    moved.hold(hold, self.gateway(hold)?, &[(Layer::Pending, -1)]);
                    self.gateways.remove(&hold.payment_id);
                }
                Event::WalletOpened(_)
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
        Ok(moved)
    }

    fn gateway(&self, hold: &Hold) -> Result<&GatewayName, String> {
        self.gateways
            .get(&hold.payment_id)
            .ok_or_else(|| format!("the hold of payment {} has no open attempt", hold.payment_id))
    }
}

impl Check for Movements {
    fn observe(&mut self, position: Position, entry: &Entry) {
        if entry.events.is_empty() && entry.postings.is_empty() {
            return;
        }
        self.result.examine();
        let mut posted = Moved::default();
        for posting in &entry.postings {
            let step = (posting.layer, posting.side, posting.amount);
            posted.add(&posting.account, posting.currency, step);
        }
        match self.called_for(entry) {
            Err(detail) => self.result.violated(position, detail),
            Ok(called_for) => {
                let (called_for, posted) = (called_for.without_zeros(), posted.without_zeros());
                for (what, amount) in &posted {
                    if called_for.get(what) != Some(amount) {
                        let detail = format!("posts {amount} that no event calls for: {what:?}");
                        self.result.violated(position, detail);
                    }
                }
                for (what, amount) in called_for {
                    if !posted.contains_key(&what) {
                        let detail = format!("an event calls for {amount}, not posted: {what:?}");
                        self.result.violated(position, detail);
                    }
                }
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
