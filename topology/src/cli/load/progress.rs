//! What a run shows while it runs: one line that changes on a terminal, a line every five seconds
//! elsewhere. On standard error, for the report is on standard output.

use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::live::Counts;

const LINE_EVERY: Duration = Duration::from_secs(5);
const REDRAW_EVERY: Duration = Duration::from_secs(1);

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing counts yet.
    WarmUp,
    /// What is sent counts.
    Counted,
    /// Nothing is sent any more.
    Drain,
}

impl Phase {
    fn label(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Counted => "measuring",
            Self::Drain => "draining",
        }
    }
}

/// Shows the numbers of a run.
pub(super) struct Progress {
    /// None where there is no terminal.
    bar: Option<ProgressBar>,
    last: Option<(Instant, Counts)>,
}

impl Progress {
    /// On standard error.
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}");
            ProgressBar::new_spinner()
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self { bar, last: None }
    }

    /// Shows the numbers, if it is time to.
    pub(super) fn show(&mut self, phase: Phase, counts: Counts) {
        let every = if self.bar.is_some() { REDRAW_EVERY } else { LINE_EVERY };
        let now = Instant::now();
        let Some((at, before)) = self.last else {
            self.last = Some((now, counts));
            return;
        };
        if now.duration_since(at) < every || counts.sent < before.sent {
            return;
        }
        self.last = Some((now, counts));
        let text = line(phase, counts, counts.since(before), now.duration_since(at));
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            // Nobody who reads is no reason to stop.
            None => drop(writeln!(io::stderr().lock(), "{text}")),
        }
    }

    /// A run is over; the next begins anew.
    pub(super) fn finish(&mut self) {
        self.last = None;
        if let Some(bar) = &self.bar {
            bar.set_message("");
            bar.tick();
        }
    }
}

fn line(phase: Phase, counts: Counts, lately: Counts, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = |count: u64| count as f64 / elapsed.as_secs_f64();
    let p95_ms = Duration::from_micros(counts.p95_us).as_millis();
    format!(
        "{}: sent {:.0}/s, completed {:.0}/s, p95 {p95_ms} ms, refused {}, failed {}, in flight {}",
        phase.label(),
        rate(lately.sent),
        rate(lately.completed),
        counts.refused,
        counts.failed,
        counts.under_way(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_rates_of_late_and_sums_of_the_whole() {
        let counts = |sent, completed, refused| Counts {
            sent,
            decided: sent,
            completed,
            refused,
            failed: 1,
            p95_us: 41_900,
        };
        let (before, now) = (counts(1_000, 900, 10), counts(6_000, 5_400, 60));
        let text = line(Phase::Counted, now, now.since(before), Duration::from_secs(5));
        assert_eq!(
            text,
            "measuring: sent 1000/s, completed 900/s, p95 41 ms, refused 60, failed 1, \
             in flight 539"
        );
    }
}
