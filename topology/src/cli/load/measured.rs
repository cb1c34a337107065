//! What a run came to: both sides put together, the sender's and the journal's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::companions::CompanionOutcomes;
use super::handover::{Handed, Handover};
use super::latency::Summary;
use super::live::Counts;
use super::processes::Cost;
use super::tally::{Seen, Tally};

/// What happened while it counted.
pub(super) struct Window {
    /// How long that was.
    pub seconds: f64,
    /// What was added to the counters.
    pub counts: Counts,
    /// What the processes used.
    pub costs: Vec<Cost>,
}

/// Whose word the decision latency is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecidedBy {
    /// The answer of the API.
    Answer,
    /// The entry in the journal.
    Journal,
}

/// What became of the payments of a run that count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measured {
    /// How long payments were sent and counted, seconds.
    pub seconds: f64,
    /// Payments that were sent.
    pub sent: u64,
    /// Payments that were due when too many were under way, and not sent.
    pub not_sent_in_time: u64,
    /// Payments that completed.
    pub completed: u64,
    /// Payments that failed or were refused, by code.
    pub refused: BTreeMap<String, u64>,
    /// Payments that the system took and did not bring to an end.
    pub lost: u64,
    /// The same of those in the warm-up.
    pub lost_in_warm_up: u64,
    /// Requests without a proper answer whose payments never ended.
    pub unanswered: u64,
    /// Requests without a proper answer, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Commands decided per second of the window.
    pub accepted_per_second: f64,
    /// Payments completed per second of the window.
    pub completed_per_second: f64,
    /// Payments that ended, either way, for each that was sent in the window.
    pub kept: f64,
    /// From due to the decision, milliseconds.
    pub decision_ms: Summary,
    /// From due to the end, milliseconds.
    pub terminal_ms: Summary,
    /// How late payments were sent, milliseconds.
    pub lateness_ms: Summary,
    /// What the processes used.
    pub processes: Vec<Cost>,
    /// What became of refunds and transfers; none when none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub companions: Option<CompanionOutcomes>,
}

impl Measured {
    /// Puts both sides together.
    pub(super) fn of(
        handover: &Handover,
        tally: &Tally,
        decided_by: DecidedBy,
        window: &Window,
    ) -> Self {
        let decision_ms = match decided_by {
            DecidedBy::Answer => handover.answers.summary(),
            DecidedBy::Journal => tally.decision.summary(),
        };
        let counts = window.counts;
        let mut measured = Self {
            seconds: window.seconds,
            sent: 0,
            not_sent_in_time: 0,
            completed: 0,
            refused: tally.refused.clone(),
            lost: 0,
            lost_in_warm_up: 0,
            unanswered: 0,
            errors: handover.errors.clone(),
            accepted_per_second: float(counts.decided) / window.seconds,
            completed_per_second: float(counts.completed) / window.seconds,
            kept: float(counts.ended()) / float(counts.sent.max(1)),
            decision_ms,
            terminal_ms: tally.terminal.summary(),
            lateness_ms: handover.lateness.summary(),
            processes: window.costs.clone(),
            companions: None,
        };
        measured.judge_each(handover, tally);
        measured
    }

    fn judge_each(&mut self, handover: &Handover, tally: &Tally) {
        let refused: BTreeMap<u32, &str> =
            handover.refused.iter().map(|(number, code)| (*number, code.as_str())).collect();
        let mut silent = 0_u64;
        for (number, handed) in (0_u32..).zip(&handover.handed) {
            let index = usize::try_from(number).unwrap_or(usize::MAX);
            let seen = tally.seen.get(index).copied().unwrap_or_default();
            let is_counted = handover.first_counted.is_some_and(|first| number >= first);
            let is_sent = *handed != Handed::NotInTime;
            if !is_counted {
                self.lost_in_warm_up += u64::from(is_lost(*handed, seen));
                continue;
            }
            self.sent += u64::from(is_sent);
            self.not_sent_in_time += u64::from(!is_sent);
            self.completed += u64::from(seen == Seen::Completed);
            self.lost += u64::from(is_lost(*handed, seen));
            silent += u64::from(*handed == Handed::Unknown);
            if seen == Seen::Nothing {
                self.unanswered += u64::from(*handed == Handed::Unknown);
                if let Some(code) = refused.get(&number) {
                    *self.refused.entry((*code).to_owned()).or_default() += 1;
                }
            }
        }
        let unexplained = silent.saturating_sub(self.errors.values().sum());
        if unexplained > 0 {
            self.errors.insert("no answer".to_owned(), unexplained);
        }
    }

    /// Payments that failed or were refused, all codes together.
    pub(super) fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// The system took it, and it has not ended.
fn is_lost(handed: Handed, seen: Seen) -> bool {
    match seen {
        Seen::Completed | Seen::Refused => false,
        Seen::Open => true,
        Seen::Nothing => handed == Handed::Taken,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_took_and_did_not_end_is_lost() {
        let rows = [
            (Handed::Taken, Seen::Nothing, true),
            (Handed::Taken, Seen::Open, true),
            (Handed::Taken, Seen::Completed, false),
            (Handed::Taken, Seen::Refused, false),
            (Handed::Unknown, Seen::Nothing, false),
            (Handed::Unknown, Seen::Open, true),
            (Handed::Unknown, Seen::Completed, false),
            (Handed::Refused, Seen::Nothing, false),
            (Handed::NotInTime, Seen::Nothing, false),
        ];
        for (handed, seen, expected) in rows {
            assert_eq!(is_lost(handed, seen), expected, "{handed:?} {seen:?}");
        }
    }
}
