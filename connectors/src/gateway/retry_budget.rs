//! The retry budget of a gateway, and the waits between tries.
//!
//! A gateway that fails is asked again, and all that is asked again is more for it to do while it
//! fails. So resends are paid for: each first try pays in a share of a resend, and a trickle comes
//! with time, so that a quiet installation can resend as well. A resend that was answered as a
//! healthy gateway answers is paid back, as in the retry quotas of the AWS SDKs: what an outage has
//! left behind is no burden to a gateway that is back. A resend that cannot be paid for waits,
//! outstanding; nothing is answered for it.
//!
//! Pure: the clock is handed in, and so is what jitter is made of: an id gives the same wait on
//! every machine and after every restart. (The budget of the crate tower reads the clock itself,
//! backon and tower's back-off sleep; neither can be a row of a table test.)
//!
//! Invariants: there are never more resends under way or answered ill than the burst, the shares
//! paid in and the trickle together; arithmetic is in whole thousandths of a resend.

use std::time::Duration;

use tokio::time::Instant;

/// Thousandths of a resend in one.
const RESEND: u64 = 1_000;

/// What resends are paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryLimits {
    /// What a first try pays in, in percent of a resend.
    pub percent: u32,
    /// What time pays in, in resends per second.
    pub per_second: u32,
    /// How many resends can be saved up. At least 1.
    pub burst: u32,
}

/// What there is to pay resends from.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    limits: RetryLimits,
    /// In thousandths of a resend.
    saved: u64,
    /// Until when time has paid.
    paid_until: Instant,
}

/// Waits that double, between a first one and a longest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first resend.
    pub first: Duration,
    /// Before any resend.
    pub limit: Duration,
}

impl Default for RetryLimits {
    /// A fifth more than without resends, and enough for one person who tries things out.
    fn default() -> Self {
        Self { percent: 20, per_second: 10, burst: 100 }
    }
}

impl RetryBudget {
    /// A full one.
    pub fn new(limits: RetryLimits, now: Instant) -> Self {
        Self { limits, saved: u64::from(limits.burst) * RESEND, paid_until: now }
    }

    /// A first try was made.
    pub fn note_first_try(&mut self, now: Instant) {
        self.advance(now);
        self.pay_in(u64::from(self.limits.percent) * RESEND / 100);
    }

    /// Whether a resend may be made now; if so, it is paid for.
    pub fn may_resend(&mut self, now: Instant) -> bool {
        self.advance(now);
        let rest = self.saved.checked_sub(RESEND);
        self.saved = rest.unwrap_or(self.saved);
        rest.is_some()
    }

    /// A resend was answered as a healthy gateway answers, or was not made after all.
    pub fn pay_back(&mut self) {
        self.pay_in(RESEND);
    }

    /// How many resends could be made now.
    pub fn left(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.saved / RESEND
    }

    /// What time has paid in. What is less than a thousandth stays for later.
    fn advance(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.paid_until).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.paid_until += Duration::from_millis(millis);
        // A resend per second is a thousandth per millisecond.
        self.pay_in(millis.saturating_mul(u64::from(self.limits.per_second)));
    }

    fn pay_in(&mut self, thousandths: u64) {
        let most = u64::from(self.limits.burst) * RESEND;
        self.saved = self.saved.saturating_add(thousandths).min(most);
    }
}

impl Backoff {
    /// The wait before the resend of this number, counted from 1: between half of the doubled wait
    /// and the whole, where in between is drawn from `jitter`, any evenly distributed number.
    pub fn wait(&self, resend: u32, jitter: u64) -> Duration {
        let doubled = 1_u32.checked_shl(resend.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(doubled).min(self.limit);
        let half = whole / 2;
        // The upper half of the number, as a fraction of 2^32.
        let nanos = (half.as_nanos() * u128::from(jitter >> 32)) >> 32;
        half + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits { percent: 25, per_second: 2, burst: 3 };

    #[test]
    fn resends_are_paid_by_first_tries_and_by_time() {
        enum Step {
            First,
            Resent,
            Refused,
            Back,
        }
        use Step::{Back, First, Refused, Resent};
        // Milliseconds, what happens, resends left.
        let rows = [
            (0, Resent, 2),
            (0, Resent, 1),
            (0, Resent, 0),
            (0, Refused, 0),
            // Three quarters, and the fourth.
            (0, First, 0),
            (0, First, 0),
            (0, First, 0),
            (0, Refused, 0),
            (0, First, 1),
            (0, Resent, 0),
            // Two per second.
            (499, Refused, 0),
            (500, Resent, 0),
            (999, Refused, 0),
            (1_000, Resent, 0),
            // No more than the burst.
            (60_000, First, 3),
            (60_000, Resent, 2),
            // A clock that stands or goes back pays nothing.
            (59_000, Resent, 1),
            (60_000, Resent, 0),
            (60_000, Refused, 0),
            // What was answered well has cost nothing.
            (60_000, Back, 1),
            (60_000, Resent, 0),
        ];
        let start = Instant::now();
        let mut budget = RetryBudget::new(LIMITS, start);
        for (row, (millis, step, left)) in rows.into_iter().enumerate() {
            let now = start + Duration::from_millis(millis);
            match step {
                First => budget.note_first_try(now),
                Resent => assert!(budget.may_resend(now), "row {row}"),
                Back => budget.pay_back(),
                Refused => assert!(!budget.may_resend(now), "row {row}"),
            }
            assert_eq!(budget.left(now), left, "row {row}");
        }
    }

    #[test]
    fn looking_often_loses_nothing() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(LIMITS, start);
        while budget.may_resend(start) {}
        let looks = 1_500_u32;
        for look in 1..=looks {
            budget.left(start + Duration::from_millis(1) * look / 3);
        }
        // Half a second has paid one.
        assert_eq!(budget.left(start + Duration::from_millis(500)), 1);
    }

    #[test]
    fn waits_double_up_to_a_limit_and_jitter_keeps_their_upper_half() {
        let ms = Duration::from_millis;
        let backoff = Backoff { first: ms(100), limit: ms(1_000) };
        let rows = [(0, 100), (1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (64, 1_000)];
        for (resend, whole) in rows {
            assert_eq!(backoff.wait(resend, 0), ms(whole) / 2, "{resend}");
            let longest = backoff.wait(resend, u64::MAX);
            assert!(longest < ms(whole) && longest > ms(whole - 1), "{resend} {longest:?}");
            assert_eq!(backoff.wait(resend, 1 << 63), ms(whole) * 3 / 4, "{resend}");
        }
        let longest = Backoff { first: Duration::MAX, limit: Duration::MAX };
        assert!(longest.wait(9, u64::MAX) > Duration::ZERO);
    }
}
