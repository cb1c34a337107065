//! When payments are due: a Poisson process, which is what many independent payers look like.
//!
//! Open loop: the moments are drawn without regard to what the system under load does. Whoever is
//! late sends late, and the latency counts from the moment that was drawn.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp};

/// The moments at which payments are due, microseconds after the start.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    random: SmallRng,
    gap_seconds: Exp<f64>,
    /// Exact, so that rounding does not shift the rate.
    at_seconds: f64,
    end_seconds: f64,
}

impl Arrivals {
    /// So many a second, on average, for so long. `None` when the rate is not a positive number.
    pub(super) fn new(per_second: f64, duration: Duration, random: SmallRng) -> Option<Self> {
        let gap_seconds = Exp::new(per_second).ok().filter(|_| per_second > 0.0)?;
        Some(Self { random, gap_seconds, at_seconds: 0.0, end_seconds: duration.as_secs_f64() })
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.at_seconds += self.gap_seconds.sample(&mut self.random);
        if self.at_seconds >= self.end_seconds {
            return None;
        }
        // Not negative, and below the length of a run.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at_us = (self.at_seconds * 1e6) as u64;
        Some(at_us)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn arrivals(per_second: f64, seconds: u64) -> Option<Arrivals> {
        Arrivals::new(per_second, Duration::from_secs(seconds), SmallRng::seed_from_u64(7))
    }

    #[test]
    fn the_rate_is_kept_and_gaps_spread_as_those_of_a_poisson_process() {
        for rate in [1.5, 100.0, 15_000.0] {
            let due: Vec<u64> = arrivals(rate, 100).expect("a rate").collect();
            #[expect(clippy::cast_precision_loss)]
            let (count, expected) = (due.len() as f64, rate * 100.0);
            // Five standard deviations of a Poisson count.
            assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{rate}: {count}");
            assert!(due.is_sorted() && due.iter().all(|at| *at < 100_000_000));
            // Of exponential gaps 63 % are below the mean.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let mean = (1e6 / rate) as u64;
            let below = due.windows(2).filter(|pair| pair[1] - pair[0] < mean).count();
            #[expect(clippy::cast_precision_loss)]
            let share = below as f64 / count;
            assert!((0.5..0.72).contains(&share), "{rate}: {share}");
        }
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        for rate in [0.0, -1.0, f64::NAN] {
            assert!(arrivals(rate, 1).is_none(), "{rate}");
        }
    }
}
