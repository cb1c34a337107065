//! The breaker: whether a gateway is called at all, from what its last calls said of its health.
//!
//! ```text
//!            percent of the calls that count are ill
//!   closed ────────────────────────────────────────────────▶ open ◀─────────────┐
//!      ▲                                                       │ its time is up │ percent of the
//!      │ probes_needed probes, and fewer of them are ill       ▼                │ probes are ill
//!      └─────────────────────────────────────────────────── half-open ──────────┘
//! ```
//!
//! Those that count are the calls of the last moments, and the last [`CALLS_COUNTED`] when these
//! are more. Not the last so many alone: a call that hangs is heard of later than those that began
//! with it and were answered, so a gateway at which every fifth call hangs sounds quite dead
//! whenever a pause in the traffic, or a bulkhead full of those that hang, leaves only them.
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
//! breaker opened changes nothing; a probe that is never heard of is ill when its time is up, so
//! that a breaker cannot stay half-open for ever.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::classification::Health;

/// How many of the last calls count at least, however old.
const CALLS_COUNTED: usize = 20;
/// What a probe may take beyond its call, so that its answer counts.
const PROBE_GRACE: Duration = Duration::from_secs(1);

/// When a breaker opens and closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// How many of the calls that count, in percent, open it when they are ill. 1 to 100.
    pub percent: u32,
    /// How many of the last calls count at least. At least 1.
    pub calls_counted: usize,
    /// How old a call may be that counts besides. Longer than a call may take.
    pub time_counted: Duration,
    /// How long it stays open at first.
    pub open_at_first: Duration,
    /// How long it stays open at most.
    pub open_at_most: Duration,
    /// How long a probe may take: a little longer than a call.
    pub probe_time: Duration,
    /// How many probes it takes to close it. At least 1.
    pub probes_needed: usize,
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
    Closed(Recent),
    Open {
        until: Instant,
        /// How long it was open this time.
        lasted: Duration,
    },
    HalfOpen {
        /// The probe under way, and when it is given up.
        probe: Option<(u64, Instant)>,
        heard: Heard,
        lasted: Duration,
    },
}

/// The calls that count.
#[derive(Debug, Clone, Default)]
struct Recent {
    /// When each was heard of, oldest first.
    calls: VecDeque<(Instant, Health)>,
    heard: Heard,
}

/// How many were heard of, and how many of these were ill.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    all: usize,
    ill: usize,
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
    /// Opened when so many percent of the calls that count are ill, for a gateway whose operations
    /// wait so long for their turn and whose calls take at most so long. A gateway that is back is
    /// noticed before those that wait for it expire: it stays open for a tenth of that at first,
    /// and for four fifths at most. Calls count for twice as long as one may take: so those that
    /// were answered at once still do when those that hang are given up.
    pub fn of(percent: u32, operation_window: Duration, call_timeout: Duration) -> Self {
        Self {
            percent: percent.clamp(1, 100),
            calls_counted: CALLS_COUNTED,
            time_counted: call_timeout * 2,
            open_at_first: operation_window / 10,
            open_at_most: operation_window * 4 / 5,
            probe_time: call_timeout + PROBE_GRACE,
            probes_needed: 3,
        }
    }

    /// Whether these are enough to leave the gateway alone, when at least so many are to be heard.
    fn are_ill(&self, heard: Heard, at_least: usize) -> bool {
        let percent = usize::try_from(self.percent).unwrap_or(100);
        heard.ill * 100 >= heard.all.max(at_least) * percent
    }
}

impl Default for BreakerLimits {
    /// Half of them, operations that wait for 10 s, and calls that take at most 2 s.
    fn default() -> Self {
        Self::of(50, Duration::from_secs(10), Duration::from_secs(2))
    }
}

impl Heard {
    fn note(&mut self, health: Health) {
        self.all += 1;
        self.ill += usize::from(health == Health::Ill);
    }

    fn forget(&mut self, health: Health) {
        self.all -= 1;
        self.ill -= usize::from(health == Health::Ill);
    }
}

impl Recent {
    fn note(&mut self, health: Health, now: Instant, limits: &BreakerLimits) {
        self.calls.push_back((now, health));
        self.heard.note(health);
        while self.calls.len() > limits.calls_counted
            && let Some((_, health)) =
                self.calls.pop_front_if(|(at, _)| *at + limits.time_counted < now)
        {
            self.heard.forget(health);
        }
    }
}

impl Breaker {
    /// A closed one.
    pub fn new(limits: BreakerLimits) -> Self {
        debug_assert!((1..=100).contains(&limits.percent));
        debug_assert!(limits.calls_counted > 0 && limits.probes_needed > 0);
        Self { limits, stage: Stage::Closed(Recent::default()), probes: 0 }
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
                recent.note(health, now, &self.limits);
                if self.limits.are_ill(recent.heard, self.limits.calls_counted) {
                    self.open(now, self.limits.open_at_first);
                }
            }
            (Stage::HalfOpen { probe, .. }, Pass::Probe(number))
                if probe.is_some_and(|(current, _)| current == number) =>
            {
                self.probed(health, now);
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
                self.stage = Stage::HalfOpen { probe: None, heard: Heard::default(), lasted };
            }
            Stage::HalfOpen { probe: Some((_, until)), .. } if now >= until => {
                self.probed(Health::Ill, now);
            }
            Stage::Closed(_) | Stage::Open { .. } | Stage::HalfOpen { .. } => {}
        }
    }

    /// The probe under way is over.
    fn probed(&mut self, health: Health, now: Instant) {
        let Stage::HalfOpen { probe, heard, lasted } = &mut self.stage else { return };
        *probe = None;
        heard.note(health);
        if self.limits.are_ill(*heard, self.limits.probes_needed) {
            let lasts = lasted.saturating_mul(2);
            self.open(now, lasts);
        } else if heard.all >= self.limits.probes_needed {
            self.stage = Stage::Closed(Recent::default());
        }
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
        percent: 50,
        calls_counted: 4,
        time_counted: Duration::from_secs(1),
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
            (3, Step::Well(1), "closed"),
            (5, Step::Well(2), "closed"),
            (7, Step::Well(3), "closed"),
            // The first ill one is not among the last four any more.
            (9, Step::Ill(4), "closed"),
            (11, Step::Well(5), "closed"),
            (13, Step::Ill(6), "open 23"),
            (13, Step::Withheld(23), "open 23"),
            (22, Step::Withheld(23), "open 23"),
        ]);
    }

    /// At a gateway of which every fourth call hangs: they are heard of last, one after another.
    #[test]
    fn calls_that_were_answered_meanwhile_count_beside_those_that_hang() {
        let mut bench = Bench::new();
        for _ in 0..12 {
            bench.check(&[(0, Step::Granted, "closed")]);
        }
        for well in 0..8 {
            bench.check(&[(0, Step::Well(well), "closed")]);
        }
        for ill in 8..12 {
            bench.check(&[(1, Step::Ill(ill), "closed")]);
        }
        bench.check(&[(2, Step::Granted, "closed"), (2, Step::Ill(12), "open 12")]);
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
    fn fewer_ill_probes_than_open_it_do_not_keep_it_open() {
        for (percent, ill_probes, expected) in
            [(33, 1, false), (34, 1, true), (50, 1, true), (50, 2, false), (100, 2, true)]
        {
            let limits = BreakerLimits { percent, ..BreakerLimits::default() };
            let (mut breaker, mut now) = (Breaker::new(limits), Instant::now());
            for _ in 0..limits.calls_counted {
                breaker.record(Pass::Call, Health::Ill, now);
            }
            now += limits.open_at_first;
            let probes = [Health::Ill].repeat(ill_probes).into_iter();
            for health in probes.chain([Health::Well; 3]).take(limits.probes_needed) {
                if let Permission::Granted(pass) = breaker.may_call(now) {
                    breaker.record(pass, health, now);
                }
            }
            assert_eq!(breaker.state(now) == Closed, expected, "{percent} %: {ill_probes} ill");
        }
    }

    #[test]
    fn the_limits_follow_from_a_gateways_times() {
        let limits =
            |percent, window| BreakerLimits::of(percent, window, Duration::from_millis(500));
        let quick = limits(50, Duration::from_secs(1));
        let expected = (Duration::from_millis(100), Duration::from_millis(800));
        assert_eq!((quick.open_at_first, quick.open_at_most), expected);
        let expected = (Duration::from_secs(1), Duration::from_millis(1_500));
        assert_eq!((quick.time_counted, quick.probe_time), expected);
        for (percent, ill) in [(1, 1), (5, 1), (6, 2), (50, 10), (100, 20)] {
            let limits = limits(percent, Duration::from_secs(10));
            let heard = |ill| Heard { all: ill, ill };
            assert!(limits.are_ill(heard(ill), limits.calls_counted), "{percent} %");
            assert!(!limits.are_ill(heard(ill - 1), limits.calls_counted), "{percent} %");
        }
    }
}
