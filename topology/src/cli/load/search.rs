//! `--find-max`: the highest rate that is still kept, by doubling and then halving the gap.

/// The search is over when the gap is this share of the rate that failed.
const PRECISION: f64 = 0.05;
/// Below this nothing is looked for, payments per second.
const LOWEST: f64 = 1.0;

/// How far the search is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    kept: Option<f64>,
    failed: Option<f64>,
    next: f64,
}

impl Search {
    /// Begins with this rate.
    pub(super) fn from(rate: f64) -> Self {
        Self { kept: None, failed: None, next: rate }
    }

    /// The rate to try next; none when the answer is known.
    pub(super) fn next(&self) -> Option<f64> {
        let is_found = match (self.kept, self.failed) {
            (Some(kept), Some(failed)) => failed - kept <= (PRECISION * failed).max(LOWEST),
            (None, Some(failed)) => failed <= LOWEST,
            (_, None) => false,
        };
        (!is_found).then_some(self.next)
    }

    /// Takes in whether a rate was kept.
    pub(super) fn tried(&mut self, rate: f64, is_kept: bool) {
        if is_kept {
            self.kept = Some(rate);
        } else {
            self.failed = Some(rate);
        }
        self.next = match (self.kept, self.failed) {
            (Some(kept), Some(failed)) => f64::midpoint(kept, failed).round(),
            (Some(kept), None) => kept * 2.0,
            (None, Some(failed)) => (failed / 2.0).round().max(LOWEST),
            (None, None) => rate,
        };
    }

    /// The highest rate that was kept.
    pub(super) fn highest(&self) -> Option<f64> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for (begin, limit) in [(500.0, 6_200.0), (500.0, 480.0), (20_000.0, 130.0), (7.0, 7.0)] {
            let mut search = Search::from(begin);
            let mut steps = 0;
            while let Some(rate) = search.next() {
                search.tried(rate, rate <= limit);
                steps += 1;
                assert!(steps < 30, "{begin} {limit}: {search:?}");
            }
            let found = search.highest().expect("something was kept");
            assert!(found <= limit && found >= 0.94 * limit - 1.0, "{begin} {limit}: {found}");
        }
    }

    #[test]
    fn nothing_is_kept_of_a_system_that_keeps_nothing() {
        let mut search = Search::from(1_000.0);
        while let Some(rate) = search.next() {
            search.tried(rate, false);
        }
        assert_eq!(search.highest(), None);
    }
}
