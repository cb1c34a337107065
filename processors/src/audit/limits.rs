//! Check `limits`: no payment takes more from a wallet than its limits allow.
//!
//! What counts is what was begun since the wallet was bounded: what one payment takes, what those
//! of a day in UTC take and do not give back, and how many are under way.

use std::collections::BTreeMap;

use schemas::entry::Entry;
use schemas::event::{Event, Hold, LimitsSet};
use schemas::{PaymentId, Position, WalletId};

use super::Check;
use super::report::CheckResult;

const DAY_MILLIS: i64 = 86_400_000;

pub(super) struct Limits {
    wallets: BTreeMap<WalletId, Bounded>,
    /// Payments under way that count, and on which day.
    counted: BTreeMap<PaymentId, (WalletId, i64)>,
    result: CheckResult,
}

struct Bounded {
    limits: LimitsSet,
    /// What payments of each day hold or took.
    days: BTreeMap<i64, i64>,
    in_flight: i32,
}

impl Limits {
    pub(super) fn new() -> Self {
        let meaning = "no payment takes more from a wallet than its limits allow: at once, in a \
                       day, and together with others under way";
        Self {
            wallets: BTreeMap::new(),
            counted: BTreeMap::new(),
            result: CheckResult::new("limits", meaning),
        }
    }

    fn placed(&mut self, position: Position, hold: &Hold, day: i64) {
        let Some(wallet) = self.wallets.get_mut(&hold.wallet_id) else { return };
        self.result.examine();
        let amount = hold.amount.minor();
        let spent = wallet.days.entry(day).or_default();
        *spent += amount;
        wallet.in_flight += 1;
        let limits = &wallet.limits;
        let exceeds = limits.per_payment.is_some_and(|limit| amount > limit)
            || limits.per_day.is_some_and(|limit| *spent > limit)
            || limits.in_flight.is_some_and(|limit| wallet.in_flight > limit);
        if exceeds {
            let detail = format!("payment {} exceeds a limit of its wallet", hold.payment_id);
            self.result.violated(position, detail);
        }
        self.counted.insert(hold.payment_id, (hold.wallet_id, day));
    }

    fn voided(&mut self, hold: &Hold) {
        let Some((wallet, day)) = self.counted.get(&hold.payment_id) else { return };
        if let Some(wallet) = self.wallets.get_mut(wallet) {
            *wallet.days.entry(*day).or_default() -= hold.amount.minor();
        }
    }

    fn ended(&mut self, payment: PaymentId) {
        let Some((wallet, _)) = self.counted.remove(&payment) else { return };
        if let Some(wallet) = self.wallets.get_mut(&wallet) {
            wallet.in_flight -= 1;
        }
    }
}

impl Check for Limits {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let day = entry.at.millis().div_euclid(DAY_MILLIS);
        for event in &entry.events {
            if let Event::LimitsSet(event) = event {
                self.result.examine();
                let fresh =
                    || Bounded { limits: event.clone(), days: BTreeMap::new(), in_flight: 0 };
                self.wallets.entry(event.wallet_id).or_insert_with(fresh).limits = event.clone();
            }
            if let Event::HoldPlaced(hold) = event {
                self.placed(position, hold, day);
            }
            if let Event::HoldVoided(hold) = event {
                self.voided(hold);
            }
            if let Event::PaymentCompleted(event) = event {
                self.ended(event.payment_id);
            }
            if let Event::PaymentFailed(event) = event {
                self.ended(event.payment_id);
            }
            if let Event::PaymentCancelled(event) = event {
                self.ended(event.payment_id);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
