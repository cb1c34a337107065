//! Whether a run is a success: one sentence for each reason why it is not.

use processors::audit::AuditReport;

use schemas::ErrorCode;

use super::companions::CompanionOutcomes;
use super::measured::Measured;
use super::schedule::Plan;

/// Payments that end in the window, for each that is sent in it: below this the system falls
/// behind. Short runs lose some at the edges.
const KEPT: f64 = 0.95;

/// Why the payments of a run do not count as handled at its rate; empty when they do.
pub(super) fn reasons(measured: &Measured, plan: &Plan) -> Vec<String> {
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
        let is_of_outage = plan.outage.is_some() && code == ErrorCode::GatewayUnavailable.code();
        let is_expected = is_of_outage || plan.mix.expects(code);
        unless(is_expected, format!("{count} payments refused with {code}"));
    }
    let percent = measured.kept * 100.0;
    let is_kept = *sent == 0 || measured.kept >= KEPT;
    unless(is_kept, format!("only {percent:.0} % ended at the rate at which they were sent"));
    reasons.extend(measured.companions.iter().flat_map(CompanionOutcomes::reasons));
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
    use std::time::Duration;

    use super::super::companions::{Outcomes, Shares};
    use super::super::latency::Latencies;
    use super::super::schedule::Popularity;
    use super::*;

    /// Makes a run that is no success of one that is.
    type Spoil = fn(&mut Measured);

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
            companions: None,
        }
    }

    fn plan(mix: &str, outage: Option<Duration>) -> Plan {
        Plan {
            rate: 1.0,
            warm_up: Duration::ZERO,
            counted: Duration::from_secs(1),
            popularity: Popularity { wallets: 1, zipf: 0.0, hot: 0.0 },
            mix: mix.parse().expect("a mix"),
            amount: 100,
            max_in_flight: 1,
            companions: Shares { refunds: 0.0, transfers: 0.0 },
            outage,
        }
    }

    #[test]
    fn every_way_to_fail_is_named() {
        let plan = plan("completed=90,decline=10", None);
        assert_eq!(reasons(&fine(), &plan), Vec::<String>::new());
        let rows: [(Spoil, &str); 10] = [
            (|run| run.lost = 2, "2 payments lost"),
            (|run| run.lost_in_warm_up = 1, "1 payments lost"),
            (|run| run.not_sent_in_time = 3, "3 payments not sent in time"),
            (|run| run.unanswered = 4, "4 requests without an answer"),
            (|run| run.errors = [("HTTP 500".to_owned(), 5)].into(), "5 errors"),
            (|run| run.refused = [("overloaded".to_owned(), 6)].into(), "6 payments refused"),
            (|run| run.kept = 0.5, "only 50 % ended"),
            (|run| refunds(run).unfinished = 7, "7 refunds without an end"),
            (
                |run| refunds(run).refused = [("refund_declined".to_owned(), 8)].into(),
                "8 refunds ended in refund_declined",
            ),
            (|run| companions(run).unconfirmed = 9, "9 refunds or transfers were not confirmed"),
        ];
        for (spoil, expected) in rows {
            let mut run = fine();
            spoil(&mut run);
            let found = reasons(&run, &plan);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
        let mut nothing = fine();
        nothing.sent = 0;
        assert_eq!(reasons(&nothing, &plan), ["nothing was sent"]);
    }

    fn companions(run: &mut Measured) -> &mut CompanionOutcomes {
        run.companions.get_or_insert_default()
    }

    fn refunds(run: &mut Measured) -> &mut Outcomes {
        let refunds = &mut companions(run).refunds;
        refunds.sent = 10;
        refunds
    }

    #[test]
    fn what_fails_for_want_of_a_gateway_is_expected_of_an_outage_only() {
        let mut run = fine();
        run.refused = [("gateway_unavailable".to_owned(), 3)].into();
        let lasts = Duration::from_mins(1);
        assert_eq!(reasons(&run, &plan("completed=1", Some(lasts))), Vec::<String>::new());
        let found = reasons(&run, &plan("completed=1", None));
        assert_eq!(found, ["3 payments refused with gateway_unavailable"]);
    }
}
