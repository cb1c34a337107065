//! Check `movements`: every posting belongs to an event, and every event moved what it says.
//!
//! The postings that the events of an entry call for are worked out here and compared with those
//! that stand in it, as sums per account, layer and side: how a sum is split does not matter. What
//! an event says was booked to suspense did not go where it would have gone otherwise.

use std::collections::BTreeMap;

use schemas::account::{Account, Layer, Side};
use schemas::entry::Entry;
use schemas::event::{
    AttemptStarted, Event, Hold, RefundDestination, RefundRequested, RefundSucceeded,
    SuspenseBooked, SuspenseSubject,
};
use schemas::{
    Amount, Currency, GatewayName, PaymentId, Position, RailName, RefundId, TransferId, WalletId,
};

use super::Check;
use super::report::CheckResult;

pub(super) struct Movements {
    /// What payments under way hold, and where it goes to.
    holds: BTreeMap<PaymentId, Held>,
    refunds: BTreeMap<RefundId, Refund>,
    /// What transfers under way hold.
    transfers: BTreeMap<TransferId, (WalletId, Currency, i64)>,
    result: CheckResult,
}

struct Held {
    gateway: GatewayName,
    /// None before it is placed.
    money: Option<(Currency, i64)>,
}

struct Refund {
    wallet: WalletId,
    gateway: GatewayName,
    currency: Currency,
    /// What the wallet is told of, while that is so.
    announced: i64,
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

    fn suspense(&mut self, event: &SuspenseBooked) {
        let step = (Layer::Posted, event.amount.minor());
        match event.side {
            Side::Credit => self.pass(&event.against, &Account::Suspense, event.currency, step),
            Side::Debit => self.pass(&Account::Suspense, &event.against, event.currency, step),
        }
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

/// What of an entry went to or came from suspense, for one subject.
fn suspended(entry: &Entry, is_about: impl Fn(&SuspenseSubject) -> bool) -> i64 {
    let booked = entry.events.iter().filter_map(|event| match event {
        Event::SuspenseBooked(event) if is_about(&event.subject) => Some(event.amount.minor()),
        _ => None,
    });
    booked.fold(0, i64::saturating_add)
}

impl Movements {
    pub(super) fn new() -> Self {
        let meaning = "every posting belongs to an event that moves money, and each of these moved \
                       exactly its amount, between the accounts that it is about";
        Self {
            holds: BTreeMap::new(),
            refunds: BTreeMap::new(),
            transfers: BTreeMap::new(),
            result: CheckResult::new("movements", meaning),
        }
    }

    /// What the events of an entry call for; an error names an event that cannot move anything.
    fn called_for(&mut self, entry: &Entry) -> Result<Moved, String> {
        let mut moved = Moved::default();
        for event in &entry.events {
            if let Event::AttemptStarted(event) = event {
                self.started(&mut moved, event);
            }
            if let Event::RefundRequested(event) = event {
                self.refund(&mut moved, event);
            }
        }
        for event in &entry.events {
            self.payment(&mut moved, event)?;
            self.refunded(&mut moved, event, entry)?;
            self.transfer(&mut moved, event)?;
            rails(&mut moved, event, entry);
        }
        Ok(moved)
    }

    /// A second attempt: what was to come into one gateway's clearing comes into another's.
    fn started(&mut self, moved: &mut Moved, event: &AttemptStarted) {
        let fresh = || Held { gateway: event.gateway.clone(), money: None };
        let held = self.holds.entry(event.payment_id).or_insert_with(fresh);
        if let Some((currency, amount)) = held.money {
            let from = Account::GatewayClearing(held.gateway.clone());
            let to = Account::GatewayClearing(event.gateway.clone());
            moved.add(&from, currency, (Layer::Pending, Side::Credit, -amount));
            moved.add(&to, currency, (Layer::Pending, Side::Credit, amount));
        }
        held.gateway = event.gateway.clone();
    }

    fn payment(&mut self, moved: &mut Moved, event: &Event) -> Result<(), String> {
        match event {
            Event::HoldPlaced(hold) => {
                moved.hold(hold, &self.held(hold)?.gateway, &[(Layer::Pending, 1)]);
                self.held(hold)?.money = Some((hold.currency, hold.amount.minor()));
            }
            Event::HoldPosted(hold) => {
                let steps = [(Layer::Pending, -1), (Layer::Posted, 1)];
                moved.hold(hold, &self.held(hold)?.gateway, &steps);
            }
            Event::HoldVoided(hold) => {
                moved.hold(hold, &self.held(hold)?.gateway, &[(Layer::Pending, -1)]);
            }
            Event::PaymentCompleted(event) => drop(self.holds.remove(&event.payment_id)),
            Event::PaymentFailed(event) => drop(self.holds.remove(&event.payment_id)),
            Event::PaymentCancelled(event) => drop(self.holds.remove(&event.payment_id)),
            Event::SuspenseBooked(event) => moved.suspense(event),
            _ => {}
        }
        Ok(())
    }

    fn held(&mut self, hold: &Hold) -> Result<&mut Held, String> {
        self.holds
            .get_mut(&hold.payment_id)
            .ok_or_else(|| format!("the hold of payment {} has no open attempt", hold.payment_id))
    }

    fn refund(&mut self, moved: &mut Moved, event: &RefundRequested) {
        let announced = match event.destination {
            RefundDestination::Wallet => event.amount.minor(),
            RefundDestination::Suspense => 0,
        };
        let refund = Refund {
            wallet: event.wallet_id,
            gateway: event.gateway.clone(),
            currency: event.currency,
            announced,
        };
        refund.announce(moved, 1);
        self.refunds.insert(event.refund_id, refund);
    }

    fn refunded(&mut self, moved: &mut Moved, event: &Event, entry: &Entry) -> Result<(), String> {
        match event {
            Event::RefundSucceeded(event) => {
                let refund = self.known(event.refund_id)?;
                refund.announce(moved, -1);
                refund.announced = 0;
                refund.credit(moved, event, entry)
            }
            Event::RefundFailed(event) => {
                let refund = self.known(event.refund_id)?;
                refund.announce(moved, -1);
                refund.announced = 0;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn known(&mut self, id: RefundId) -> Result<&mut Refund, String> {
        self.refunds.get_mut(&id).ok_or_else(|| format!("refund {id} was never requested"))
    }

    fn transfer(&mut self, moved: &mut Moved, event: &Event) -> Result<(), String> {
        let clearing = Account::TransfersClearing;
        match event {
            Event::TransferHeld(event) => {
                let (wallet, amount) = (event.wallet_id, event.amount.minor());
                let step = (Layer::Pending, amount);
                moved.pass(&Account::Wallet(wallet), &clearing, event.currency, step);
                self.transfers.insert(event.transfer_id, (wallet, event.currency, amount));
            }
            Event::TransferCompleted(event) => {
                let held = self.transfers.remove(&event.transfer_id);
                let (wallet, currency, amount) =
                    held.ok_or_else(|| format!("transfer {} held nothing", event.transfer_id))?;
                let wallet = Account::Wallet(wallet);
                moved.pass(&wallet, &clearing, currency, (Layer::Pending, -amount));
                let step = (Layer::Posted, event.amount.minor());
                moved.pass(&wallet, &clearing, event.currency, step);
            }
            Event::TransferFailed(event) => {
                if let Some(held) = self.transfers.remove(&event.transfer_id) {
                    let (wallet, currency, amount) = held;
                    let step = (Layer::Pending, -amount);
                    moved.pass(&Account::Wallet(wallet), &clearing, currency, step);
                }
            }
            Event::TransferCredited(event) => {
                let step = (Layer::Posted, event.amount.minor());
                moved.pass(&clearing, &Account::Wallet(event.wallet_id), event.currency, step);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Refund {
    fn clearing(&self) -> Account {
        Account::GatewayClearing(self.gateway.clone())
    }

    /// The wallet is told of money to come, or told no more.
    fn announce(&self, moved: &mut Moved, times: i64) {
        let step = (Layer::Pending, self.announced * times);
        moved.pass(&self.clearing(), &Account::Wallet(self.wallet), self.currency, step);
    }

    /// What did not go to suspense is the wallet's.
    fn credit(
        &self,
        moved: &mut Moved,
        event: &RefundSucceeded,
        entry: &Entry,
    ) -> Result<(), String> {
        let id = event.refund_id;
        let is_own = |subject: &SuspenseSubject| match subject {
            SuspenseSubject::Refund { refund_id, .. } => *refund_id == id,
            SuspenseSubject::Charge { .. }
            | SuspenseSubject::Deposit { .. }
            | SuspenseSubject::Withdrawal { .. } => false,
        };
        let credit = event.amount.minor() - suspended(entry, is_own);
        if !(0..=event.credited).contains(&credit) {
            return Err(format!("refund {id} credits {credit}, {} is owed", event.credited));
        }
        let step = (Layer::Posted, credit);
        moved.pass(&self.clearing(), &Account::Wallet(self.wallet), self.currency, step);
        Ok(())
    }
}

/// A fact of a rail, as far as it did not go to suspense: all of it, or nothing.
struct Fact<'a> {
    rail: &'a RailName,
    wallet: WalletId,
    currency: Currency,
    amount: Amount,
    suspended: i64,
}

impl Fact<'_> {
    fn accounts(&self) -> (Account, Account) {
        (Account::External(self.rail.clone()), Account::Wallet(self.wallet))
    }

    fn step(&self) -> (Layer, i64) {
        (Layer::Posted, self.amount.minor() - self.suspended)
    }

    fn came(&self, moved: &mut Moved) {
        let (rail, wallet) = self.accounts();
        moved.pass(&rail, &wallet, self.currency, self.step());
    }

    fn went(&self, moved: &mut Moved) {
        let (rail, wallet) = self.accounts();
        moved.pass(&wallet, &rail, self.currency, self.step());
    }
}

fn rails(moved: &mut Moved, event: &Event, entry: &Entry) {
    match event {
        Event::DepositRecorded(event) => {
            let id = event.deposit_id;
            let suspended =
                suspended(entry, |subject| *subject == SuspenseSubject::Deposit { deposit_id: id });
            let (rail, wallet) = (&event.rail, event.wallet_id);
            let (currency, amount) = (event.currency, event.amount);
            Fact { rail, wallet, currency, amount, suspended }.came(moved);
        }
        Event::WithdrawalRecorded(event) => {
            let (rail, wallet) = (&event.rail, event.wallet_id);
            let (currency, amount) = (event.currency, event.amount);
            Fact { rail, wallet, currency, amount, suspended: 0 }.went(moved);
        }
        Event::DepositReversed(event) => {
            let id = event.deposit_id;
            let suspended =
                suspended(entry, |subject| *subject == SuspenseSubject::Deposit { deposit_id: id });
            let (rail, wallet) = (&event.rail, event.wallet_id);
            let (currency, amount) = (event.currency, event.amount);
            Fact { rail, wallet, currency, amount, suspended }.went(moved);
        }
        Event::WithdrawalReversed(event) => {
            let id = event.withdrawal_id;
            let suspended = suspended(entry, |subject| {
                *subject == SuspenseSubject::Withdrawal { withdrawal_id: id }
            });
            let (rail, wallet) = (&event.rail, event.wallet_id);
            let (currency, amount) = (event.currency, event.amount);
            Fact { rail, wallet, currency, amount, suspended }.came(moved);
        }
        _ => {}
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
