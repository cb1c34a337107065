//! Whether a run is a success: one sentence for each reason why it is not.

use processors::audit::AuditReport;

use super::measured::Measured;
use super::mix::Mix;

/// Payments that end in the window, for each that is sent in it: below this the system falls
/// behind. Short runs lose some at the edges.
const KEPT: f64 = 0.95;

/// Why the payments of a run do not count as handled at its rate; empty when they do.
pub(super) fn reasons(measured: &Measured, mix: &Mix) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut unless = |is_fine: bool, reason: String| {
        if !is_fine {
            reasons.push(reason);
        }
    };
    let Measured { sent, lost, lost_in_warm_up, not_sent_in_time, unanswered, .. } = measured;
    unless(*sent > 0, "nothing was sent".to_owned());
    let lost = lost + lost_in_warm_up;
    unless(
        lost == 0,
        format!("{lost} payments lost: taken, and not ended when the drain was over"),
    );
    unless(*not_sent_in_time == 0, format!("{not_sent_in_time} payments not sent in time"));
    unless(*unanswered == 0, format!("{unanswered} requests without an answer"));
    let errors: u64 = measured.errors.values().sum();
    unless(errors == 0, format!("{errors} errors"));
    for (code, count) in &measured.refused {
        unless(mix.expects(code), format!("{count} payments refused with {code}"));
    }
    let percent = measured.kept * 100.0;
    let is_kept = *sent == 0 || measured.kept >= KEPT;
    unless(is_kept, format!("only {percent:.0} % ended at the rate at which they were sent"));
    reasons
}

/// Why a run is no success, the audit's word included; `None` for an audit that was not wanted.
pub(super) fn with_audit(mut reasons: Vec<String>, audit: Option<&AuditReport>) -> Vec<String> {
    if let Some(report) = audit.filter(|report| !report.is_clean()) {
        reasons.push(format!("the audit found {} violations", report.violations()));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::latency::Latencies;
    use super::*;

    fn fine() -> Measured {
        let none = Latencies::none().summary();
        Measured {
            seconds: 1.0,
            sent: 100,
            not_sent_in_time: 0,
            completed: 90,
            refused: BTreeMap::from([("payment_declined".to_owned(), 10)]),
            lost: 0,
            lost_in_warm_up: 0,
            unanswered: 0,
            errors: BTreeMap::new(),
            accepted_per_second: 100.0,
            completed_per_second: 90.0,
            kept: 1.0,
            decision_ms: none,
            terminal_ms: none,
            lateness_ms: none,
            processes: Vec::new(),
        }
    }

    #[test]
    fn every_way_to_fail_is_named() {
        let mix: Mix = "completed=90,decline=10".parse().expect("a mix");
        assert_eq!(reasons(&fine(), &mix), Vec::<String>::new());
        type Spoil = fn(&mut Measured);
        let rows: [(Spoil, &str); 7] = [
            (|run| run.lost = 2, "2 payments lost"),
            (|run| run.lost_in_warm_up = 1, "1 payments lost"),
            (|run| run.not_sent_in_time = 3, "3 payments not sent in time"),
            (|run| run.unanswered = 4, "4 requests without an answer"),
            (|run| drop(run.errors.insert("HTTP 500".to_owned(), 5)), "5 errors"),
            (|run| drop(run.refused.insert("overloaded".to_owned(), 6)), "6 payments refused"),
            (|run| run.kept = 0.5, "only 50 % ended"),
        ];
        for (spoil, expected) in rows {
            let mut run = fine();
            spoil(&mut run);
            let found = reasons(&run, &mix);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
        let mut nothing = fine();
        nothing.sent = 0;
        assert_eq!(reasons(&nothing, &mix), ["nothing was sent"]);
    }
}
