//! Random histories of the whole domain against a naive model of it.
//!
//! Commands, results in any order and duplicated, legs, timers and failures go through decide and
//! evolve. The model (`model_tests/model.rs`) shares nothing with them but types.
//! `HOLDFAST_MODEL_STEPS` sets the number of steps; a failure names the seed of its history.

mod model;

use std::time::Duration;

use schemas::Topic;
use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, GatewayOutcome, Operation, OperationBody, ResolvedOutcome, TransferLeg,
};

use crate::scenario::{
    NOT_FOUND, Scenario, cancel, change, decline, deposit, gateway, limit, not_sent, pay, refund,
    resolve, resolve_refund, reverse_deposit, reverse_withdrawal, success, transfer, unknown,
    withdraw,
};
use model::Model;

/// Steps of a run that nobody asked to be longer.
const STEPS: u64 = 100_000;
/// Steps of one history: long enough for sagas to end, short enough to be told.
const STEPS_OF_HISTORY: u64 = 250;

const USERS: [&str; 4] = ["ann", "ben", "cid", "dan"];

/// splitmix64: a history follows from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % u64::try_from(sides.max(1)).expect("few")).expect("few")
    }

    fn amount(&mut self, most: usize) -> i64 {
        i64::try_from(self.roll(most) + 1).expect("small")
    }

    fn user(&mut self) -> &'static str {
        USERS[self.roll(USERS.len())]
    }

    /// One of them, the later the likelier.
    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let last = all.len().checked_sub(1)?;
        let back = self.roll(all.len()).min(self.roll(all.len()));
        all.get(last - back)
    }
}

/// What has happened so far, as far as more can come of it.
#[derive(Default)]
struct Past {
    payments: Vec<(&'static str, String)>,
    refunds: Vec<(&'static str, String, String)>,
    asked: Vec<GatewayOperationRequested>,
    legs: Vec<TransferLeg>,
    commands: Vec<Command>,
}

impl Past {
    fn note(&mut self, entry: &Entry) {
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

fn outcome(dice: &mut Dice, asked: &GatewayOperationRequested) -> GatewayOutcome {
    let amount = asked.amount.minor();
    match (dice.roll(16), asked.operation.moves_money()) {
        (0..=4, _) => success(amount),
        (5, _) => success((amount / 2).max(1)),
        (6, _) => success(amount + 7),
        (7 | 8, _) => decline(),
        (9 | 10, true) => not_sent(),
        (11, true) => GatewayOutcome::ExpiredUnsent {},
        (9..=12, false) => NOT_FOUND,
        _ => unknown(),
    }
}

fn commanded(dice: &mut Dice, past: &mut Past, step: u64) -> Option<Command> {
    let user = dice.user();
    Some(match dice.roll(10) {
        0..=4 => {
            let key = format!("p{step}");
            past.payments.push((user, key.clone()));
            pay(user, dice.amount(300), &key)
        }
        5 => {
            let (user, key) = dice.one_of(&past.payments)?.clone();
            cancel(user, &key)
        }
        6 | 7 => {
            let (user, payment) = dice.one_of(&past.payments)?.clone();
            let key = format!("r{step}");
            past.refunds.push((user, payment.clone(), key.clone()));
            let amount = (dice.roll(3) > 0).then(|| dice.amount(200));
            refund(user, &payment, amount, &key)
        }
        _ => {
            let to = dice.user();
            transfer(
                user,
                if to == user { "nobody" } else { to },
                dice.amount(200),
                &format!("t{step}"),
            )
        }
    })
}

fn operated(dice: &mut Dice, past: &Past, step: u64) -> Option<Operation> {
    let user = dice.user();
    let key = |dice: &mut Dice| format!("f{}", dice.roll(usize::try_from(step).expect("few")));
    Some(match dice.roll(16) {
        0..=3 => deposit(user, dice.amount(500), &format!("f{step}")),
        4 | 5 => withdraw(user, dice.amount(200), &format!("f{step}")),
        6 => reverse_deposit(user, &key(dice)),
        7 => reverse_withdrawal(user, &key(dice)),
        8 => change(user, OperationBody::FreezeWallet),
        9 | 10 => change(user, OperationBody::UnfreezeWallet),
        11 => change(if dice.roll(4) == 0 { user } else { "dan" }, OperationBody::CloseWallet),
        12 => {
            let limits = (dice.amount(300), dice.amount(900), dice.amount(6));
            let in_flight = i32::try_from(limits.2).expect("small");
            match dice.roll(3) {
                0 => limit(user, None, None, None),
                _ => limit(user, Some(limits.0), Some(limits.1), Some(in_flight)),
            }
        }
        13 | 14 => {
            let (user, key) = dice.one_of(&past.payments)?.clone();
            match dice.roll(3) {
                0 => resolve(user, &key, ResolvedOutcome::Failed, None),
                1 => resolve(user, &key, ResolvedOutcome::Succeeded, None),
                _ => resolve(user, &key, ResolvedOutcome::Succeeded, Some(dice.amount(400))),
            }
        }
        _ => {
            let (user, payment, key) = dice.one_of(&past.refunds)?.clone();
            let id = crate::scenario::refund_of(user, &payment, &key);
            match dice.roll(2) {
                0 => resolve_refund(user, id, ResolvedOutcome::Failed, None),
                _ => resolve_refund(user, id, ResolvedOutcome::Succeeded, None),
            }
        }
    })
}

/// One step; none when it needs something that has not happened yet.
fn step(scenario: &mut Scenario, dice: &mut Dice, past: &mut Past, step: u64) -> Option<Entry> {
    match dice.roll(24) {
        0..=4 => {
            let command = commanded(dice, past, step)?;
            past.commands.push(command.clone());
            Some(scenario.command(command))
        }
        5 => {
            let command = dice.one_of(&past.commands)?.clone();
            Some(scenario.command(command))
        }
        6 | 7 => {
            let operation = operated(dice, past, step)?;
            Some(scenario.operation(operation))
        }
        8..=15 => {
            let asked = dice.one_of(&past.asked)?.clone();
            let outcome = outcome(dice, &asked);
            Some(if dice.roll(12) == 0 {
                scenario.notify(&asked, outcome)
            } else {
                scenario.answer(&asked, outcome)
            })
        }
        16 | 17 => {
            let leg = dice.one_of(&past.legs)?.clone();
            Some(scenario.input(Topic::Transfers, InputBody::TransferLeg(leg)))
        }
        18..=22 => scenario.fire_next(),
        _ => {
            let seconds = u64::try_from(dice.roll(400)).expect("small");
            scenario.advance(Duration::from_secs(seconds));
            None
        }
    }
}

fn history(seed: u64) {
    let mut dice = Dice(seed);
    let mut scenario = Scenario::new();
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.gateways.push(gateway("third"));
    scenario.policy.payment.submits_limit = 2;
    let (mut model, mut past) = (Model::default(), Past::default());
    for user in USERS {
        let opened = scenario.open(user);
        model.take(&opened);
        if user != "dan" {
            let funded = scenario.deposit(user, 1_000, "seed");
            model.take(&funded);
        }
    }
    for number in 0..STEPS_OF_HISTORY {
        if let Some(entry) = step(&mut scenario, &mut dice, &mut past, number) {
            model.take(&entry);
            past.note(&entry);
            model.compare(&scenario.ledger);
        }
    }
}

/// How many steps are asked for.
#[expect(clippy::disallowed_methods, reason = "a test may be asked to run longer")]
fn steps() -> u64 {
    let asked = std::env::var("HOLDFAST_MODEL_STEPS").ok();
    asked.map_or(STEPS, |text| text.parse().expect("HOLDFAST_MODEL_STEPS is a number"))
}

#[test]
fn the_ledger_does_what_the_model_does() {
    for seed in 0..steps().div_ceil(STEPS_OF_HISTORY) {
        let outcome = std::panic::catch_unwind(|| history(seed));
        assert!(outcome.is_ok(), "the history of seed {seed} went wrong");
    }
}
