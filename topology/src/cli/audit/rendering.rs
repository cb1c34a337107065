//! Shows a report: a table for people at a terminal, aligned lines in a pipe, JSON for programs.

use std::fmt::Write as _;

use anyhow::Context;
use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use processors::audit::{AuditReport, CheckResult, MoneyTotals, Totals};
use schemas::Currency;
use serde::Serialize;

use crate::cli::journal::rendering::printable;

const HEADER: [&str; 4] = ["check", "examined", "violations", "verdict"];

/// The report for a terminal.
pub(super) fn for_terminal(report: &AuditReport) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(HEADER.into_iter().chain(["what it means"]));
    let is_coloured = std::env::var_os("NO_COLOR").is_none();
    for check in &report.checks {
        let number = |n: u64| Cell::new(n).set_alignment(CellAlignment::Right);
        let verdict = Cell::new(verdict(check));
        let verdict = match (is_coloured, check.violations) {
            (false, _) => verdict,
            (true, 0) => verdict.fg(Color::Green),
            (true, _) => verdict.fg(Color::Red),
        };
        table.add_row([
            Cell::new(check.name),
            number(check.examined),
            number(check.violations),
            verdict,
            Cell::new(check.meaning),
        ]);
    }
    format!("{table}\n{}", rest(report))
}

/// The report for a pipe: one line per check, the same columns.
pub(super) fn plain(report: &AuditReport) -> String {
    let mut text = String::new();
    let [name, examined, violations, word] = HEADER;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:<18} {examined:>12} {violations:>12}  {word}");
    for check in &report.checks {
        let CheckResult { name, examined, violations, .. } = check;
        let _ = writeln!(text, "{name:<18} {examined:>12} {violations:>12}  {}", verdict(check));
    }
    text + &rest(report)
}

/// The report for programs.
pub(super) fn json(report: &AuditReport) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Whole<'a> {
        clean: bool,
        violations: u64,
        checks: &'a [CheckResult],
        totals: &'a Totals,
    }
    let whole = Whole {
        clean: report.is_clean(),
        violations: report.violations(),
        checks: &report.checks,
        totals: &report.totals,
    };
    let text = serde_json::to_string_pretty(&whole).context("cannot write the report as JSON")?;
    Ok(text + "\n")
}

/// A check that had nothing to look at proves nothing.
fn verdict(check: &CheckResult) -> &'static str {
    match (check.violations, check.examined) {
        (0, 0) => "nothing to check",
        (0, _) => "ok",
        (_, _) => "VIOLATED",
    }
}

fn rest(report: &AuditReport) -> String {
    let mut text = format!("\n{}", totals(&report.totals));
    for check in report.checks.iter().filter(|check| check.violations > 0) {
        let _ = writeln!(text, "\n{}: {}", check.name, counted(check.violations, "violation"));
        let _ = writeln!(text, "  must hold: {}", check.meaning);
        for example in &check.examples {
            let position = example.position.map_or("at the end".to_owned(), |at| at.to_string());
            let _ = writeln!(text, "  {position:<12} {}", printable(&example.detail));
        }
        let more = check.violations - check.examples.len() as u64;
        if more > 0 {
            let _ = writeln!(text, "  … and {more} more");
        }
    }
    let _ = match report.violations() {
        0 => writeln!(
            text,
            "\naudit: clean ({}, {})",
            counted(report.checks.len() as u64, "check"),
            counted(report.totals.entries, "entry")
        ),
        violations => writeln!(text, "\naudit: {}", counted(violations, "violation")),
    };
    text
}

fn totals(totals: &Totals) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<18} {}", printable(&value));
    };
    let Totals { accepted, replayed, refused, .. } = totals;
    let verdicts = format!("{accepted} accepted, {replayed} replayed, {refused} refused");
    let partitions = counted(totals.partitions.len() as u64, "partition");
    line("journal", format!("{} in {partitions}: {verdicts}", counted(totals.entries, "entry")));
    line("wallets", format!("{}, {}", totals.wallets, counted(totals.deposits, "deposit")));
    line("payments", payments(totals));
    for (currency, money) in &totals.money {
        line(&format!("money in {currency}"), movements(money, *currency));
    }
    for hold in &totals.open_holds_listed {
        let amount = in_units(hold.amount.minor().into(), hold.currency);
        let (currency, payment, placed) = (hold.currency, hold.payment_id, hold.placed);
        line("open hold", format!("{amount} {currency} for payment {payment}, placed {placed}"));
    }
    let unlisted = totals.open_holds - totals.open_holds_listed.len() as u64;
    if unlisted > 0 {
        line("open holds", format!("… and {unlisted} more"));
    }
    if totals.discrepancies > 0 {
        line("discrepancies", format!("{}: a person should look", totals.discrepancies));
    }
    if let Some(truth) = &totals.ground_truth {
        line(
            "gateway",
            format!(
                "{}: {} succeeded ({} of open payments), {} declined; {}; {} newer than the audit",
                counted(truth.charges, "charge"),
                truth.succeeded,
                truth.pending,
                truth.declined,
                counted(truth.refunds, "refund"),
                truth.newer
            ),
        );
        if truth.by_hand > 0 {
            let payments = counted(truth.by_hand, "payment");
            line("by hand", format!("{payments} completed by a person's word, not compared"));
        }
    } else {
        line("gateway", "not compared: give --gateway-url or --ground-truth".to_owned());
    }
    text
}

/// What came and went, so that it adds up to what is there; what never moved is left out.
fn movements(money: &MoneyTotals, currency: Currency) -> String {
    let always = [("deposited", money.deposited), ("captured", money.captured)];
    let sometimes = [("refunded", money.refunded), ("withdrawn", money.withdrawn)];
    let sometimes = sometimes.into_iter().filter(|(_, minor)| *minor != 0);
    let there = [("in wallets", money.in_wallets)];
    let parts = always.into_iter().chain(sometimes).chain(there);
    let parts = parts.map(|(what, minor)| format!("{} {what}", in_units(minor, currency)));
    let held = in_units(money.held, currency);
    format!("{}, of which {held} held", parts.collect::<Vec<_>>().join(", "))
}

fn payments(totals: &Totals) -> String {
    let payments = &totals.payments;
    let codes: Vec<_> =
        payments.failed.iter().map(|(code, count)| format!("{code} {count}")).collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    format!(
        "{}: {} completed, {} failed{codes}, {} in doubt, {} processing",
        payments.requested,
        payments.completed,
        payments.failed_in_all(),
        payments.in_doubt,
        payments.processing
    )
}

/// Minor units as people write money: 12345 USD is 123.45.
fn in_units(minor: i128, currency: Currency) -> String {
    let digits = usize::from(currency.minor_digits());
    let sign = if minor < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let point = if digits == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use processors::audit::Auditor;
    use schemas::Topic;

    use super::*;

    fn empty() -> AuditReport {
        let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
        Auditor::new(journal, 1.try_into().expect("valid")).report()
    }

    fn broken() -> AuditReport {
        let mut report = empty();
        let check = &mut report.checks[0];
        check.examined = 12;
        check.violations = 3;
        check.examples = vec![processors::audit::Violation {
            position: Some("0-7".parse().expect("valid")),
            detail: "a bell \u{7} rings".to_owned(),
        }];
        report
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        for (report, last) in
            [(empty(), "audit: clean (18 checks, 0 entries)"), (broken(), "audit: 3 violations")]
        {
            for text in [plain(&report), for_terminal(&report)] {
                assert_eq!(text.lines().last(), Some(last), "{text}");
            }
        }
    }

    #[test]
    fn examples_are_shown_with_their_position_and_harmless() {
        let text = plain(&broken());
        assert!(text.contains("0-7          a bell \u{fffd} rings\n"), "{text}");
        assert!(text.contains("… and 2 more"), "{text}");
        assert!(text.starts_with("check "), "{text}");
    }

    #[test]
    fn json_has_the_verdict_first() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&broken()).expect("serialisable")).expect("JSON");
        assert_eq!(value["clean"], false);
        assert_eq!(value["violations"], 3);
        assert_eq!(value["checks"][0]["name"], "chain");
        assert_eq!(value["checks"][0]["examples"][0]["position"], "0-7");
    }

    #[test]
    fn money_adds_up_to_what_is_there() {
        let usd: Currency = "USD".parse().expect("valid");
        let mut money = MoneyTotals {
            deposited: 10_005,
            captured: 100,
            in_wallets: 9_905,
            ..MoneyTotals::default()
        };
        let text = movements(&money, usd);
        let plain = "100.05 deposited, 1.00 captured, 99.05 in wallets, of which 0.00 held";
        assert_eq!(text, plain);
        (money.refunded, money.withdrawn, money.in_wallets) = (5, 10, 9_900);
        let text = movements(&money, usd);
        assert!(text.contains("1.00 captured, 0.05 refunded, 0.10 withdrawn, 99.00 in"), "{text}");
    }

    #[test]
    fn money_is_written_with_its_digits() {
        let usd: Currency = "USD".parse().expect("valid");
        let jpy: Currency = "JPY".parse().expect("valid");
        assert_eq!(in_units(12_345, usd), "123.45");
        assert_eq!(in_units(-5, usd), "-0.05");
        assert_eq!(in_units(0, usd), "0.00");
        assert_eq!(in_units(700, jpy), "700");
    }
}
