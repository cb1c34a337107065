//! The payments of one run: when each is due, of which wallet, of what amount.
//!
//! Drawn as it is asked for, so that a long run needs no memory for what is to come.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};

use super::arrivals::Arrivals;
use super::companions::Shares;
use super::mix::Mix;

/// Which wallets pay how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Popularity {
    /// How many wallets there are.
    pub wallets: u32,
    /// The exponent of Zipf's law; 0 makes all wallets alike.
    pub zipf: f64,
    /// The share that the first wallet pays beforehand, 0 to 1.
    pub hot: f64,
}

/// What one run sends.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Payments per second.
    pub rate: f64,
    /// Sent before anything is counted.
    pub warm_up: Duration,
    /// Sent and counted.
    pub counted: Duration,
    /// Which wallets pay.
    pub popularity: Popularity,
    /// What becomes of the payments.
    pub mix: Mix,
    /// The amount of a payment that completes, minor units.
    pub amount: i64,
    /// The most payments that may be under way; what is due beyond is not sent.
    pub max_in_flight: u64,
    /// What accompanies them.
    pub companions: Shares,
    /// How long the gateway is away in the middle of what is counted.
    pub outage: Option<Duration>,
}

/// One payment that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Counted from 0 within the run.
    pub number: u32,
    /// Microseconds after the start.
    pub at_us: u64,
    /// Index of the wallet.
    pub wallet: usize,
    /// Minor units.
    pub amount: i64,
}

/// Chooses wallets.
#[derive(Debug, Clone)]
struct WalletChoice {
    hot: f64,
    wallets: usize,
    /// None when all are alike.
    zipf: Option<Zipf<f64>>,
}

impl WalletChoice {
    fn new(popularity: Popularity) -> Self {
        let Popularity { wallets, zipf, hot } = popularity;
        let law = (zipf > 0.0).then(|| Zipf::new(f64::from(wallets), zipf).ok()).flatten();
        Self { hot, wallets: usize::try_from(wallets).unwrap_or(usize::MAX), zipf: law }
    }

    fn draw(&self, random: &mut SmallRng) -> usize {
        if self.hot > 0.0 && random.random::<f64>() < self.hot {
            return 0;
        }
        let Some(zipf) = &self.zipf else { return random.random_range(0..self.wallets) };
        // Ranks are whole numbers from 1 to the number of wallets.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = zipf.sample(random) as usize;
        rank.clamp(1, self.wallets) - 1
    }
}

/// The payments of a run, in the order in which they are due.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    arrivals: Arrivals,
    wallets: WalletChoice,
    mix: Mix,
    amount: i64,
    random: SmallRng,
    number: u32,
}

impl Schedule {
    /// The payments of this plan. `None` when its rate is not a positive number.
    pub(super) fn new(plan: &Plan, mut random: SmallRng) -> Option<Self> {
        let duration = plan.warm_up + plan.counted;
        let arrivals = Arrivals::new(plan.rate, duration, rand::SeedableRng::from_rng(&mut random));
        Some(Self {
            arrivals: arrivals?,
            wallets: WalletChoice::new(plan.popularity),
            mix: plan.mix.clone(),
            amount: plan.amount,
            random,
            number: 0,
        })
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let at_us = self.arrivals.next()?;
        let due = Due {
            number: self.number,
            at_us,
            wallet: self.wallets.draw(&mut self.random),
            amount: self.mix.draw(&mut self.random, self.amount),
        };
        self.number += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn shares(zipf: f64, hot: f64) -> [f64; 10] {
        let choice = WalletChoice::new(Popularity { wallets: 10, zipf, hot });
        let mut random = SmallRng::seed_from_u64(7);
        let mut drawn = [0.0; 10];
        for _ in 0..100_000 {
            drawn[choice.draw(&mut random)] += 1e-5;
        }
        drawn
    }

    #[test]
    fn wallets_are_drawn_by_their_popularity() {
        // Expected shares of the first, second and last of ten wallets.
        let harmonic: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank)).sum();
        let rows = [
            (0.0, 0.0, [0.1, 0.1, 0.1]),
            (0.0, 0.5, [0.55, 0.05, 0.05]),
            (0.0, 1.0, [1.0, 0.0, 0.0]),
            (1.0, 0.0, [1.0 / harmonic, 0.5 / harmonic, 0.1 / harmonic]),
        ];
        for (zipf, hot, expected) in rows {
            let drawn = shares(zipf, hot);
            for (share, expected) in [drawn[0], drawn[1], drawn[9]].into_iter().zip(expected) {
                assert!((share - expected).abs() < 0.01, "zipf {zipf} hot {hot}: {drawn:?}");
            }
        }
    }

    #[test]
    fn a_schedule_numbers_its_payments_and_ends_with_its_time() {
        let plan = Plan {
            rate: 1_000.0,
            warm_up: Duration::from_secs(1),
            counted: Duration::from_secs(2),
            popularity: Popularity { wallets: 3, zipf: 0.0, hot: 0.0 },
            mix: "completed=1".parse().expect("a mix"),
            amount: 100,
            max_in_flight: 1,
            companions: Shares { refunds: 0.0, transfers: 0.0 },
            outage: None,
        };
        let schedule = Schedule::new(&plan, SmallRng::seed_from_u64(7)).expect("a rate");
        let due: Vec<Due> = schedule.collect();
        assert!((2_500..3_500).contains(&due.len()), "{}", due.len());
        assert!(due.iter().zip(0..).all(|(due, number)| due.number == number));
        assert!(due.iter().all(|due| due.at_us < 3_000_000 && due.wallet < 3 && due.amount == 100));
    }
}
