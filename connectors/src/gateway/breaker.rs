//! The breaker: whether a gateway is called at all, from what its last calls said of its health.
//!
//! ```text
//!            failures_limit of the last calls_counted are ill
//!   closed ────────────────────────────────────────────────▶ open ◀─────────────┐
//!      ▲                                                       │ its time is up │ a probe is ill,
//!      │ probes_needed probes in a row are well                ▼                │ or not heard of
//!      └─────────────────────────────────────────────────── half-open ──────────┘
//! ```
//!
//! Open means that nobody asks, and nothing else: an operation that may not be called stays where
//! it is, outstanding, until it may or its `not_after` passes. The breaker has no outcome to give,
//! least of all "not sent". Half-open lets one call through at a time, the *probe*. Each time that
//! it opens again without having been closed it stays open twice as long, up to a limit.
//!
//! A state machine of its own, because the crates for it (failsafe, recloser, tower's layers) wrap
//! the call, answer "rejected" for it, and read the clock: here the clock is handed in, so that
//! every row is a test, and a call that is not made has no answer.
//!
//! Invariants: at most one probe is under way; what is heard late of a call that began before the
//! breaker opened changes nothing; a probe that is never heard of counts as ill when its time is
//! up, so that a breaker cannot stay half-open for ever.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::classification::Health;

/// How many of the last calls count.
const CALLS_COUNTED: usize = 20;

/// When a breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// How many of the last calls count. At least 1.
    pub calls_counted: usize,
    /// How many of them open it when they are ill. At least 1, at most `calls_counted`.
    pub failures_limit: usize,
    /// How long it stays open at first.
    pub open_at_first: Duration,
    /// How long it stays open at most.
    pub open_at_most: Duration,
    /// How long a probe may take: as long as a call.
    pub probe_time: Duration,
    /// How many probes in a row close it. At least 1.
    pub probes_needed: u32,
}

/// Whether a gateway is called, and what is known of it.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: BreakerLimits,
    stage: Stage,
    /// Tells probes apart.
    probes: u64,
}

#[derive(Debug, Clone)]
enum Stage {
    /// The health of the last calls, oldest first.
    Closed(VecDeque<Health>),
    Open {
        until: Instant,
        /// How long it was open this time.
        lasted: Duration,
    },
    HalfOpen {
        /// The probe under way, and when it is given up.
        probe: Option<(u64, Instant)>,
        well: u32,
        lasted: Duration,
    },
}

/// Whether the next operation may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// It may: tell with this what came of it.
    Granted(Pass),
    /// Not now. The operation stays as it is; ask again at this time, or after a record.
    Withheld {
        /// When the answer may be another, if nothing is heard before.
        until: Instant,
    },
}

/// A call that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// One of many.
    Call,
    /// The one that decides whether there are more.
    Probe(u64),
}

/// What the outside sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// The gateway is called.
    Closed,
    /// It is not.
    Open {
        /// Until when.
        until: Instant,
    },
    /// It is called once in a while, to see.
    HalfOpen,
}

impl BreakerLimits {
    /// Opened when so many percent of the last calls are ill, for a gateway whose operations wait
    /// so long for their turn. A gateway that is back is noticed before those that wait for it
    /// expire: it stays open for a tenth of that at first, and for four fifths at most.
    pub fn of(percent: u32, operation_window: Duration) -> Self {
        let percent = usize::try_from(percent.clamp(1, 100)).unwrap_or(100);
        Self {
            calls_counted: CALLS_COUNTED,
            failures_limit: (CALLS_COUNTED * percent).div_ceil(100),
            open_at_first: operation_window / 10,
            open_at_most: operation_window * 4 / 5,
            probe_time: Duration::from_secs(3),
            probes_needed: 3,
        }
    }
}

impl Default for BreakerLimits {
    /// Half of the last calls, and operations that wait for 10 s.
    fn default() -> Self {
        Self::of(50, Duration::from_secs(10))
    }
}

impl Breaker {
    /// A closed one.
    pub fn new(limits: BreakerLimits) -> Self {
        debug_assert!((1..=limits.calls_counted).contains(&limits.failures_limit));
        debug_assert!(limits.probes_needed > 0);
        Self { limits, stage: Stage::Closed(VecDeque::new()), probes: 0 }
    }

    /// Whether an operation may be called now. Whoever is granted a [`Pass`] makes the call and
    /// records what came of it.
    pub fn may_call(&mut self, now: Instant) -> Permission {
        self.advance(now);
        match &mut self.stage {
            Stage::Closed(_) => Permission::Granted(Pass::Call),
            Stage::Open { until, .. } => Permission::Withheld { until: *until },
            Stage::HalfOpen { probe: Some((_, until)), .. } => {
                Permission::Withheld { until: *until }
            }
            Stage::HalfOpen { probe, .. } => {
                self.probes += 1;
                *probe = Some((self.probes, now + self.limits.probe_time));
                Permission::Granted(Pass::Probe(self.probes))
            }
        }
    }

    /// Takes note of what a call said of the gateway's health.
    pub fn record(&mut self, pass: Pass, health: Health, now: Instant) {
        self.advance(now);
        match (&mut self.stage, pass) {
            (Stage::Closed(recent), Pass::Call) => {
                recent.push_back(health);
                if recent.len() > self.limits.calls_counted {
                    recent.pop_front();
                }
                let ill = recent.iter().filter(|health| **health == Health::Ill).count();
                if ill >= self.limits.failures_limit {
                    self.open(now, self.limits.open_at_first);
                }
            }
            (Stage::HalfOpen { probe, well, lasted }, Pass::Probe(number))
                if probe.is_some_and(|(current, _)| current == number) =>
            {
                let lasted = *lasted;
                match health {
                    Health::Ill => self.open_again(now, lasted),
                    Health::Well if *well + 1 >= self.limits.probes_needed => {
                        self.stage = Stage::Closed(VecDeque::new());
                    }
                    Health::Well => {
                        *well += 1;
                        *probe = None;
                    }
                }
            }
            // Of a call before it opened, or of a probe that was given up.
            (Stage::Open { .. } | Stage::HalfOpen { .. }, _)
            | (Stage::Closed(_), Pass::Probe(_)) => {}
        }
    }

    /// Gives a pass back that was not used: nothing was called.
    pub fn give_back(&mut self, pass: Pass) {
        if let (Stage::HalfOpen { probe, .. }, Pass::Probe(number)) = (&mut self.stage, pass)
            && probe.is_some_and(|(current, _)| current == number)
        {
            *probe = None;
        }
    }

    /// What the outside sees now.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.stage {
            Stage::Closed(_) => BreakerState::Closed,
            Stage::Open { until, .. } if now < until => BreakerState::Open { until },
            Stage::Open { .. } | Stage::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// What follows from the time alone.
    fn advance(&mut self, now: Instant) {
        match self.stage {
            Stage::Open { until, lasted } if now >= until => {
                self.stage = Stage::HalfOpen { probe: None, well: 0, lasted };
            }
            Stage::HalfOpen { probe: Some((_, until)), lasted, .. } if now >= until => {
                self.open_again(now, lasted);
            }
            Stage::Closed(_) | Stage::Open { .. } | Stage::HalfOpen { .. } => {}
        }
    }

    fn open_again(&mut self, now: Instant, lasted: Duration) {
        self.open(now, lasted.saturating_mul(2));
    }

    fn open(&mut self, now: Instant, lasts: Duration) {
        let lasts = lasts.min(self.limits.open_at_most);
        self.stage = Stage::Open { until: now + lasts, lasted: lasts };
    }
}

#[cfg(test)]
mod tests {
    use super::BreakerState::{Closed, HalfOpen, Open};
    use super::*;

    const LIMITS: BreakerLimits = BreakerLimits {
        calls_counted: 4,
        failures_limit: 2,
        open_at_first: Duration::from_secs(10),
        open_at_most: Duration::from_secs(30),
        probe_time: Duration::from_secs(5),
        probes_needed: 2,
    };

    /// A breaker with a clock in whole seconds, and the passes that were granted.
    struct Bench {
        breaker: Breaker,
        start: Instant,
        passes: Vec<Pass>,
    }

    /// What happens, at a second.
    enum Step {
        /// A call is granted.
        Granted,
        /// A call is withheld until this second.
        Withheld(u64),
        /// The pass with this number is recorded.
        Well(usize),
        Ill(usize),
        /// The pass with this number is given back.
        Back(usize),
    }

    impl Bench {
        fn new() -> Self {
            let (breaker, start) = (Breaker::new(LIMITS), Instant::now());
            Self { breaker, start, passes: Vec::new() }
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        /// Takes the steps; the state after each is the last column.
        fn check(&mut self, rows: &[(u64, Step, &str)]) {
            for (row, (second, step, expected)) in rows.iter().enumerate() {
                let now = self.at(*second);
                match step {
                    Step::Granted => match self.breaker.may_call(now) {
                        Permission::Granted(pass) => self.passes.push(pass),
                        withheld @ Permission::Withheld { .. } => panic!("{row}: {withheld:?}"),
                    },
                    Step::Withheld(until) => {
                        let until = self.at(*until);
                        let expected = Permission::Withheld { until };
                        assert_eq!(self.breaker.may_call(now), expected, "row {row}");
                    }
                    Step::Well(pass) => self.breaker.record(self.passes[*pass], Health::Well, now),
                    Step::Ill(pass) => self.breaker.record(self.passes[*pass], Health::Ill, now),
                    Step::Back(pass) => self.breaker.give_back(self.passes[*pass]),
                }
                let state = match self.breaker.state(now) {
                    Closed => "closed".to_owned(),
                    Open { until } => format!("open {}", (until - self.start).as_secs()),
                    HalfOpen => "half-open".to_owned(),
                };
                assert_eq!(state, *expected, "row {row}");
            }
        }

        /// Opened at second 1, until 11; pass 2 was granted before.
        fn opened() -> Self {
            let mut bench = Self::new();
            bench.check(&[
                (0, Step::Granted, "closed"),
                (0, Step::Granted, "closed"),
                (0, Step::Granted, "closed"),
                (1, Step::Ill(0), "closed"),
                (1, Step::Ill(1), "open 11"),
            ]);
            bench
        }
    }

    #[test]
    fn it_opens_at_so_many_ill_calls_of_the_last() {
        let mut bench = Bench::new();
        let granted = || (0, Step::Granted, "closed");
        bench.check(&[granted(), granted(), granted(), granted(), granted(), granted(), granted()]);
        bench.check(&[
            (1, Step::Ill(0), "closed"),
            (1, Step::Well(1), "closed"),
            (1, Step::Well(2), "closed"),
            (1, Step::Well(3), "closed"),
            // The first ill one is not among the last four any more.
            (1, Step::Ill(4), "closed"),
            (1, Step::Well(5), "closed"),
            (2, Step::Ill(6), "open 12"),
            (2, Step::Withheld(12), "open 12"),
            (11, Step::Withheld(12), "open 12"),
        ]);
    }

    #[test]
    fn probes_go_one_by_one_and_close_it_when_enough_are_well() {
        Bench::opened().check(&[
            (10, Step::Withheld(11), "open 11"),
            (11, Step::Granted, "half-open"),
            (11, Step::Withheld(16), "half-open"),
            (12, Step::Well(3), "half-open"),
            (12, Step::Granted, "half-open"),
            (12, Step::Withheld(17), "half-open"),
            (13, Step::Well(4), "closed"),
            (13, Step::Granted, "closed"),
            // What was ill before is forgotten.
            (13, Step::Ill(5), "closed"),
        ]);
    }

    #[test]
    fn an_ill_probe_opens_it_for_twice_as_long_up_to_the_limit() {
        Bench::opened().check(&[
            (11, Step::Granted, "half-open"),
            (12, Step::Ill(3), "open 32"),
            (32, Step::Granted, "half-open"),
            (33, Step::Ill(4), "open 63"),
            (63, Step::Granted, "half-open"),
            (64, Step::Well(5), "half-open"),
            (64, Step::Granted, "half-open"),
            (64, Step::Ill(6), "open 94"),
        ]);
    }

    #[test]
    fn a_probe_that_is_not_heard_of_is_ill_and_one_that_was_not_made_is_nothing() {
        Bench::opened().check(&[
            (11, Step::Granted, "half-open"),
            (15, Step::Withheld(16), "half-open"),
            (16, Step::Withheld(36), "open 36"),
            // Heard of too late.
            (17, Step::Well(3), "open 36"),
            (36, Step::Granted, "half-open"),
            (36, Step::Well(3), "half-open"),
            (36, Step::Withheld(41), "half-open"),
            (37, Step::Back(4), "half-open"),
            (37, Step::Granted, "half-open"),
        ]);
    }

    #[test]
    fn calls_that_began_before_it_opened_change_nothing() {
        Bench::opened().check(&[
            (2, Step::Well(2), "open 11"),
            (2, Step::Ill(2), "open 11"),
            (11, Step::Granted, "half-open"),
            (12, Step::Ill(2), "half-open"),
            (12, Step::Well(2), "half-open"),
            (13, Step::Well(3), "half-open"),
        ]);
    }

    #[test]
    fn a_share_of_the_last_calls_opens_it() {
        let usual = BreakerLimits::default();
        let window = Duration::from_secs(10);
        assert_eq!(BreakerLimits::of(50, window), usual);
        let expected = (10, Duration::from_secs(1), Duration::from_secs(8));
        let shown = (usual.failures_limit, usual.open_at_first, usual.open_at_most);
        assert_eq!(shown, expected);
        for (percent, failures) in [(1, 1), (5, 1), (6, 2), (100, usual.calls_counted)] {
            assert_eq!(BreakerLimits::of(percent, window).failures_limit, failures, "{percent} %");
        }
        let quick = BreakerLimits::of(50, Duration::from_secs(1));
        let expected = (Duration::from_millis(100), Duration::from_millis(800));
        assert_eq!((quick.open_at_first, quick.open_at_most), expected);
    }
}
