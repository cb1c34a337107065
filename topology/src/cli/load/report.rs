//! The report of a load: tables for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use comfy_table::{Cell, CellAlignment, Table, presets};
use processors::audit::AuditReport;
use serde::Serialize;

use super::companions::{CompanionOutcomes, Outcomes};
use super::latency::Summary;
use super::measured::Measured;

/// Everything that a load has to say.
#[derive(Serialize)]
pub(super) struct Report<'r> {
    /// Whether it is a success.
    pub passed: bool,
    /// Why it is not.
    pub reasons: &'r [String],
    /// What was asked for, as on the command line.
    pub asked: &'r Asked,
    /// The run; of a search, the one at the highest rate that was kept.
    #[serde(flatten)]
    pub measured: &'r Measured,
    /// Of a search, the highest rate that was kept, payments per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_rate: Option<f64>,
    /// The runs of a search, in order.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub steps: &'r [Step],
    /// What the audit says; none when it was not wanted.
    pub audit: Option<Audit>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    /// `http` or `kafka`.
    pub via: &'static str,
    /// Payments per second.
    pub rate: f64,
    /// Counted, seconds.
    pub seconds: u64,
    /// Not counted, seconds.
    pub warm_up: u64,
    /// How many wallets pay.
    pub wallets: u32,
    /// Zipf's exponent.
    pub zipf: f64,
    /// The share of the first wallet, percent.
    pub hot_wallet: f64,
    /// The outcomes, as given.
    pub mix: String,
    /// Refunds for each hundred payments that complete.
    pub refunds: f64,
    /// Transfers for each hundred payments.
    pub transfers: f64,
    /// How long the gateway was away, seconds.
    pub outage: u64,
}

/// One run of a search.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    /// Payments per second that were asked for.
    pub rate: f64,
    /// 95 % of the payments ended within this, milliseconds.
    pub terminal_p95_ms: f64,
    /// Completed per second.
    pub completed_per_second: f64,
    /// Whether the rate was kept within the target.
    pub kept: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

impl Step {
    /// The step on one line.
    pub(super) fn line(&self) -> String {
        let Self { rate, terminal_p95_ms, completed_per_second, .. } = self;
        let verdict = if self.kept { "kept".to_owned() } else { self.reasons.join("; ") };
        format!(
            "{rate:>8.0}/s: completed {completed_per_second:.0}/s, terminal p95 \
             {terminal_p95_ms:.1} ms: {verdict}"
        )
    }
}

/// What the audit says, in short.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Audit {
    clean: bool,
    checks: usize,
    entries: u64,
    ground_truth: bool,
    /// The checks that found violations, and how many.
    violated: BTreeMap<&'static str, u64>,
}

impl From<&AuditReport> for Audit {
    fn from(report: &AuditReport) -> Self {
        let violated = report.checks.iter().filter(|check| check.violations > 0);
        Self {
            clean: report.is_clean(),
            checks: report.checks.len(),
            entries: report.totals.entries,
            ground_truth: report.totals.ground_truth.is_some(),
            violated: violated.map(|check| (check.name, check.violations)).collect(),
        }
    }
}

impl Report<'_> {
    /// For programs.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { measured, asked, .. } = self;
        let mut text = format!(
            "\n{} payments sent in {:.1} s via {} ({:.0}/s asked), {} wallets\n",
            measured.sent, measured.seconds, asked.via, asked.rate, asked.wallets
        );
        // Writing to a String cannot fail.
        let _ = write!(text, "{}\n{}", self.latencies(), self.counts());
        if !measured.processes.is_empty() {
            let _ = writeln!(text, "{}", self.costs());
        }
        if let Some(audit) = &self.audit {
            let _ = writeln!(text, "{}", audit.sentence());
        }
        text + &self.verdict()
    }

    fn latencies(&self) -> Table {
        let mut table = table(["latency, ms", "p50", "p95", "p99", "max"]);
        let Measured { decision_ms, terminal_ms, lateness_ms, .. } = self.measured;
        let rows =
            [("decision", decision_ms), ("terminal", terminal_ms), ("sent late", lateness_ms)];
        for (name, Summary { p50, p95, p99, max, .. }) in rows {
            let numbers = [p50, p95, p99, max].map(|ms| number(format!("{ms:.1}")));
            table.add_row([Cell::new(name)].into_iter().chain(numbers));
        }
        table
    }

    fn counts(&self) -> String {
        let run = self.measured;
        let mut text = format!(
            "decided {:.0}/s, completed {:.0}/s\ncompleted {}, refused {}, lost {}",
            run.accepted_per_second,
            run.completed_per_second,
            run.completed,
            run.refused_in_all(),
            run.lost + run.lost_in_warm_up
        );
        if run.not_sent_in_time > 0 {
            let _ = write!(text, ", not sent in time {}", run.not_sent_in_time);
        }
        let named = |counts: &BTreeMap<String, u64>| {
            let each = counts.iter().map(|(name, count)| format!("{count} {name}"));
            each.collect::<Vec<_>>().join(", ")
        };
        text.push('\n');
        if !run.refused.is_empty() {
            let _ = writeln!(text, "refused: {}", named(&run.refused));
        }
        if !run.errors.is_empty() {
            let _ = writeln!(text, "errors: {}", named(&run.errors));
        }
        for (name, outcomes) in run.companions.iter().flat_map(CompanionOutcomes::kinds) {
            let Outcomes { sent, completed, refused, unfinished } = outcomes;
            let _ = write!(text, "{name}: {sent} sent, {completed} completed, ");
            let _ = writeln!(
                text,
                "{} refused, {unfinished} unfinished",
                refused.values().sum::<u64>()
            );
        }
        text
    }

    fn costs(&self) -> Table {
        let mut table = table(["process", "pid", "CPU s", "cores", "µs/payment", "MiB"]);
        let mut sum = (0.0, 0.0);
        for cost in &self.measured.processes {
            sum = (sum.0 + cost.cpu_seconds, sum.1 + cost.us_per_payment);
            table.add_row([
                Cell::new(&cost.name),
                number(cost.pid.to_string()),
                number(format!("{:.2}", cost.cpu_seconds)),
                number(format!("{:.2}", cost.cpu_seconds / self.measured.seconds)),
                number(format!("{:.1}", cost.us_per_payment)),
                number(format!("{:.0}", cost.rss_mib)),
            ]);
        }
        table.add_row([
            Cell::new("all"),
            Cell::new(""),
            number(format!("{:.2}", sum.0)),
            number(format!("{:.2}", sum.0 / self.measured.seconds)),
            number(format!("{:.1}", sum.1)),
            Cell::new(""),
        ]);
        table
    }

    fn verdict(&self) -> String {
        if !self.passed {
            return format!("FAILED: {}\n", self.reasons.join("; "));
        }
        let audit = self.audit.as_ref().map_or("not audited", |_| "audit clean");
        if let Some(rate) = self.highest_rate {
            return format!("PASSED: {rate:.0}/s is the highest rate that was kept, {audit}\n");
        }
        let Measured { sent, terminal_ms, .. } = self.measured;
        format!(
            "PASSED: {sent} payments, none lost, {audit}, terminal p95 {:.1} ms\n",
            terminal_ms.p95
        )
    }
}

impl Audit {
    fn sentence(&self) -> String {
        let Self { checks, entries, .. } = self;
        let against = if self.ground_truth { ", against the gateway's ground truth" } else { "" };
        if self.clean {
            return format!("audit: clean ({checks} checks, {entries} entries{against})");
        }
        let each = self.violated.iter().map(|(name, count)| format!("{name} {count}"));
        format!("audit: VIOLATED: {}", each.collect::<Vec<_>>().join(", "))
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    let is_terminal = io::stdout().is_terminal();
    table.load_style(if is_terminal { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
    table.set_header(header);
    table
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
