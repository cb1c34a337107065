//! Random histories of the whole domain, on two shards and in two currencies, against a naive model
//! of it.
//!
//! Commands, results in any order and duplicated, results of what nobody asked for yet or ever,
//! legs, timers and failures go through decide and evolve. The model (`model_tests/model.rs`)
//! shares nothing with them but types. `HOLDFAST_MODEL_STEPS` sets how many inputs are decided at
//! least; a failure names the seed of its history.

mod inputs;
mod model;

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::entry::Entry;
use schemas::event::Event;
use schemas::{Partition, PartitionCount, WalletId};

use crate::ReadLedger;
use crate::scenario::{Scenario, currency_of, gateway, wallet_of};
use inputs::{Dice, Past, commanded, operated, outcome, told};
use model::Model;

/// Decided inputs of a run that nobody asked to be longer.
const INPUTS: usize = 100_000;
/// Steps of one history: long enough for sagas to end, short enough to be told.
const STEPS_OF_HISTORY: u64 = 250;

const USERS: [&str; 7] = ["ann", "ben", "cid", "dan", "eva-eur", "hal-eur", "ida-eur"];

/// The shards of one installation, each with its journal and its clock.
struct Shards {
    count: PartitionCount,
    all: Vec<Scenario>,
}

impl Shards {
    fn begin() -> Self {
        let count = PartitionCount::try_from(2).expect("valid");
        let begin = |partition| {
            let mut shard = Scenario::new();
            shard.partition = partition;
            shard.policy.partitions = count;
            shard.policy.gateways.extend([gateway("second"), gateway("third")]);
            shard.policy.payment.submits_limit = 2;
            shard
        };
        Self { count, all: Partition::all(count).map(begin).collect() }
    }

    fn of(&mut self, wallet: WalletId) -> &mut Scenario {
        &mut self.all[wallet.shard(self.count).index()]
    }

    fn happened(&self) -> Happened {
        let entries = || self.all.iter().flat_map(|shard| &shard.journal);
        let heard = |event: &&Event| matches!(event, Event::OrphanApplied(_));
        let orphans = self.all.iter().map(|shard| shard.ledger.orphans().expect("memory"));
        Happened {
            decided: entries().count(),
            turned_up: entries().flat_map(|entry| &entry.events).filter(heard).count(),
            never: usize::try_from(orphans.sum::<u32>()).expect("few"),
        }
    }
}

/// What histories were made of.
#[derive(Default)]
struct Happened {
    /// Inputs that were decided.
    decided: usize,
    /// Orphans whose attempt or refund was asked for later.
    turned_up: usize,
    /// Orphans of which nobody heard again.
    never: usize,
}

/// One step: what was decided, and where. None when it needs something that has not happened yet.
fn step(
    shards: &mut Shards,
    dice: &mut Dice,
    past: &mut Past,
    step: u64,
) -> Option<(Partition, Entry)> {
    let (shard, entry) = match dice.roll(26) {
        number @ 0..=5 => {
            let (user, command) = match number {
                5 => dice.one_of(&past.commands)?.clone(),
                _ => commanded(dice, past, step)?,
            };
            past.commands.push((user, command.clone()));
            let shard = shards.of(wallet_of(user));
            (shard.partition, shard.command(command))
        }
        6 | 7 => {
            let (user, operation) = operated(dice, past, step)?;
            let shard = shards.of(wallet_of(user));
            (shard.partition, shard.operation(operation))
        }
        number @ 8..=17 => {
            let asked = match number {
                16 | 17 => told(dice, past, step)?,
                _ => dice.one_of(&past.asked)?.clone(),
            };
            let (outcome, shard) = (outcome(dice, &asked), shards.of(asked.wallet_id));
            let is_unasked = dice.roll(12) == 0;
            let say = if is_unasked { Scenario::notify } else { Scenario::answer };
            (shard.partition, say(shard, &asked, outcome))
        }
        18 | 19 => {
            let leg = dice.one_of(&past.legs)?.clone();
            let shard = shards.of(leg.wallet_id);
            (shard.partition, shard.leg(leg))
        }
        20..=24 => {
            let shard = dice.one_of_mut(&mut shards.all);
            (shard.partition, shard.fire_next()?)
        }
        _ => {
            let seconds = u64::try_from(dice.roll(400)).expect("small");
            dice.one_of_mut(&mut shards.all).advance(Duration::from_secs(seconds));
            return None;
        }
    };
    Some((shard, entry))
}

/// A wallet for each user, most of them with money.
fn opened(shards: &mut Shards, model: &mut Model) {
    for user in USERS {
        let shard = shards.of(wallet_of(user));
        model.take(&shard.open(user), shard.partition);
        if user != "dan" {
            model.take(&shard.deposit(user, 1_000, "seed"), shard.partition);
        }
    }
}

fn history(seed: u64) -> Happened {
    let (mut dice, mut shards) = (Dice(seed), Shards::begin());
    let (mut model, mut past) = (Model::default(), Past::default());
    opened(&mut shards, &mut model);
    for number in 0..STEPS_OF_HISTORY {
        if let Some((at, entry)) = step(&mut shards, &mut dice, &mut past, number) {
            model.take(&entry, at);
            past.note(&entry);
            model.compare(&shards.all[at.index()].ledger, at);
        }
    }
    model.compare_clearing(shards.all.iter().map(|shard| &shard.ledger));
    shards.happened()
}

/// How many decided inputs are asked for.
#[expect(clippy::disallowed_methods, reason = "a test may be asked to run longer")]
fn asked_for() -> usize {
    let asked = std::env::var("HOLDFAST_MODEL_STEPS").ok();
    asked.map_or(INPUTS, |text| text.parse().expect("HOLDFAST_MODEL_STEPS is a number"))
}

#[test]
fn the_ledger_does_what_the_model_does() {
    let (mut seed, mut all) = (0, Happened::default());
    while all.decided < asked_for() {
        let outcome = std::panic::catch_unwind(|| history(seed));
        let Ok(one) = outcome else { panic!("the history of seed {seed} went wrong") };
        all.decided += one.decided;
        all.turned_up += one.turned_up;
        all.never += one.never;
        seed += 1;
    }
    assert!(all.turned_up > 0 && all.never > 0, "orphans turn up, or never");
}

#[test]
fn each_currency_has_wallets_on_each_shard() {
    let count = Shards::begin().count;
    let lives = |user| (currency_of(user), wallet_of(user).shard(count));
    let places: BTreeSet<_> = USERS.into_iter().map(lives).collect();
    assert_eq!(places.len(), 4, "{places:?}");
}
