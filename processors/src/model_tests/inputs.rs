//! The inputs of a random history: what is asked, answered and told, chosen by a seed.

use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, GatewayOperationKind, GatewayOutcome, Operation, OperationBody, ResolvedOutcome,
    TransferLeg,
};
use schemas::{Currency, GatewayName, OperationId, TenantId};

use super::USERS;
use crate::scenario::{
    NOT_FOUND, cancel, change, charge_of, currency_of, decline, deposit, limit, not_sent, pay,
    payment_of, refund, refund_of, resolve, resolve_refund, reverse_deposit, reverse_withdrawal,
    success_in, transfer, unknown, unwanted_of, withdraw,
};

/// splitmix64: a history follows from its seed.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % u64::try_from(sides.max(1)).expect("few")).expect("few")
    }

    pub fn amount(&mut self, most: usize) -> i64 {
        i64::try_from(self.roll(most) + 1).expect("small")
    }

    pub fn user(&mut self) -> &'static str {
        USERS[self.roll(USERS.len())]
    }

    pub fn one_of_mut<'a, T>(&mut self, all: &'a mut [T]) -> &'a mut T {
        let at = self.roll(all.len());
        &mut all[at]
    }

    /// One of them, the later the likelier.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let last = all.len().checked_sub(1)?;
        let back = self.roll(all.len()).min(self.roll(all.len()));
        all.get(last - back)
    }
}

/// What has happened so far, as far as more can come of it.
#[derive(Default)]
pub(super) struct Past {
    payments: Vec<(&'static str, String)>,
    refunds: Vec<(&'static str, String, String)>,
    /// Told of by a gateway and not asked for yet; of some of them nobody ever hears again.
    told_payments: Vec<(&'static str, String)>,
    told_refunds: Vec<(&'static str, String, String)>,
    pub asked: Vec<GatewayOperationRequested>,
    pub legs: Vec<TransferLeg>,
    pub commands: Vec<(&'static str, Command)>,
}

impl Past {
    pub fn note(&mut self, entry: &Entry) {
        for event in &entry.events {
            if let Event::GatewayOperationRequested(asked) = event {
                self.asked.push(asked.clone());
            }
            if let Event::TransferLegRequested(event) = event {
                self.legs.push(event.leg.clone());
            }
        }
    }
}

pub(super) fn outcome(dice: &mut Dice, asked: &GatewayOperationRequested) -> GatewayOutcome {
    let (amount, currency) = (asked.amount.minor(), asked.currency);
    match (dice.roll(17), asked.operation.moves_money()) {
        (0..=4, _) => success_in(currency, amount),
        (5, _) => success_in(currency, (amount / 2).max(1)),
        (6, _) => success_in(currency, amount + 7),
        (7 | 8, _) => decline(),
        (9 | 10, true) => not_sent(),
        (11, true) => GatewayOutcome::ExpiredUnsent {},
        (9..=12, false) => NOT_FOUND,
        (16, _) => success_in(other_than(currency), amount),
        _ => unknown(),
    }
}

fn other_than(currency: Currency) -> Currency {
    let own = USERS.map(currency_of);
    own.into_iter().find(|other| *other != currency).expect("two currencies")
}

/// What a gateway tells of that nobody has asked of it, or not yet: the first attempt of a payment
/// or a refund to come, the second attempt of a payment or the refund of its first.
pub(super) fn told(
    dice: &mut Dice,
    past: &mut Past,
    step: u64,
) -> Option<GatewayOperationRequested> {
    let tenant = TenantId::default_tenant();
    let amount = dice.amount(300);
    let kind = dice.roll(6);
    if kind < 2 {
        let (user, key) = (dice.user(), format!("p{step}"));
        past.told_payments.push((user, key.clone()));
        return Some(charge_of(user, &key, amount));
    }
    let all = if kind == 2 { &past.told_payments } else { &past.payments };
    let (user, key) = dice.one_of(all)?.clone();
    let told = charge_of(user, &key, amount);
    let refunded = |operation_id| GatewayOperationRequested {
        operation_id,
        operation: GatewayOperationKind::Refund,
        ..told.clone()
    };
    Some(match kind {
        2 => told,
        3 => GatewayOperationRequested {
            operation_id: OperationId::attempt(&tenant, payment_of(user, &key), 2),
            gateway: one_gateway(dice),
            ..told
        },
        4 => {
            let refund_key = format!("r{step}");
            let id = refund_of(user, &key, &refund_key);
            past.told_refunds.push((user, key, refund_key));
            refunded(OperationId::refund(id))
        }
        _ => refunded(OperationId::refund(unwanted_of(user, &key, 1))),
    })
}

fn one_gateway(dice: &mut Dice) -> GatewayName {
    ["second", "third"][dice.roll(2)].parse().expect("valid")
}

/// A command and whose it is.
pub(super) fn commanded(
    dice: &mut Dice,
    past: &mut Past,
    step: u64,
) -> Option<(&'static str, Command)> {
    let user = dice.user();
    Some(match dice.roll(10) {
        0..=4 => {
            let told = past.told_payments.pop().filter(|_| dice.roll(2) == 0);
            let (user, key) = told.unwrap_or_else(|| (user, format!("p{step}")));
            past.payments.push((user, key.clone()));
            (user, pay(user, dice.amount(300), &key))
        }
        5 => {
            let (user, key) = dice.one_of(&past.payments)?.clone();
            (user, cancel(user, &key))
        }
        6 | 7 => {
            let told = past.told_refunds.pop().filter(|_| dice.roll(2) == 0);
            let (user, payment) = dice.one_of(&past.payments)?.clone();
            let (user, payment, key) = told.unwrap_or((user, payment, format!("r{step}")));
            past.refunds.push((user, payment.clone(), key.clone()));
            let amount = (dice.roll(3) > 0).then(|| dice.amount(200));
            (user, refund(user, &payment, amount, &key))
        }
        _ => {
            let to = dice.user();
            let to = if to == user { "nobody" } else { to };
            (user, transfer(user, to, dice.amount(200), &format!("t{step}")))
        }
    })
}

/// An operation and whose wallet it is about.
pub(super) fn operated(
    dice: &mut Dice,
    past: &Past,
    step: u64,
) -> Option<(&'static str, Operation)> {
    let user = dice.user();
    let key = |dice: &mut Dice| format!("f{}", dice.roll(usize::try_from(step).expect("few")));
    let operation = match dice.roll(16) {
        0..=3 => deposit(user, dice.amount(500), &format!("f{step}")),
        4 | 5 => withdraw(user, dice.amount(200), &format!("f{step}")),
        6 => reverse_deposit(user, &key(dice)),
        7 => reverse_withdrawal(user, &key(dice)),
        8 => change(user, OperationBody::FreezeWallet),
        9 | 10 => change(user, OperationBody::UnfreezeWallet),
        11 if dice.roll(4) == 0 => change(user, OperationBody::CloseWallet),
        11 => return Some(("dan", change("dan", OperationBody::CloseWallet))),
        12 => limited(dice, user),
        13 | 14 => {
            let (user, key) = dice.one_of(&past.payments)?.clone();
            let (outcome, amount) = resolved(dice);
            return Some((user, resolve(user, &key, outcome, amount)));
        }
        _ => {
            let (user, payment, key) = dice.one_of(&past.refunds)?.clone();
            let (outcome, amount) = resolved(dice);
            let id = refund_of(user, &payment, &key);
            return Some((user, resolve_refund(user, id, outcome, amount)));
        }
    };
    Some((user, operation))
}

fn limited(dice: &mut Dice, user: &str) -> Operation {
    let (per_payment, per_day, in_flight) = (dice.amount(300), dice.amount(900), dice.amount(6));
    let in_flight = i32::try_from(in_flight).expect("small");
    match dice.roll(3) {
        0 => limit(user, None, None, None),
        _ => limit(user, Some(per_payment), Some(per_day), Some(in_flight)),
    }
}

fn resolved(dice: &mut Dice) -> (ResolvedOutcome, Option<i64>) {
    match dice.roll(3) {
        0 => (ResolvedOutcome::Failed, None),
        1 => (ResolvedOutcome::Succeeded, None),
        _ => (ResolvedOutcome::Succeeded, Some(dice.amount(400))),
    }
}
