//! Shows reports: tables for people at a terminal, aligned lines in a pipe, JSON for programs.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::report::{DoubtReport, ProcessReport, ShardReport};

const SHARD_HEADER: [&str; 8] =
    ["shard", "state", "lag", "transactions/s", "entries/s", "aborts", "rebuilds", "timers"];
const MIB: u64 = 1 << 20;

/// The reports for programs.
pub fn json(reports: &[ProcessReport]) -> String {
    let text = serde_json::to_string_pretty(reports).expect("texts and numbers are JSON");
    text + "\n"
}

/// The reports for a pipe.
pub fn plain(reports: &[ProcessReport]) -> String {
    let mut text = String::new();
    for report in reports {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", heading(report));
        for component in &report.health.components {
            let (name, status) = (&component.name, &component.status);
            let _ = writeln!(text, "{name:<10} {status:<9} {}", printable(&component.detail));
        }
        for shard in &report.shards {
            let named = SHARD_HEADER.iter().zip(shard_cells(shard));
            let cells: Vec<_> = named.map(|(name, cell)| format!("{name} {cell}")).collect();
            let _ = writeln!(text, "{}", cells.join("  "));
        }
        text.push_str(&rest(report));
    }
    text
}

/// The reports for a terminal.
pub fn for_terminal(reports: &[ProcessReport]) -> String {
    let is_coloured = std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    for report in reports {
        let mut components = table();
        components.set_header(["component", "status", "detail", "looked at"]);
        for component in &report.health.components {
            components.add_row([
                Cell::new(&component.name),
                coloured(&component.status, is_coloured),
                Cell::new(printable(&component.detail)),
                Cell::new(&component.checked_at),
            ]);
        }
        let _ = writeln!(text, "{}\n{components}", heading(report));
        if !report.shards.is_empty() {
            let mut shards = table();
            shards.set_header(SHARD_HEADER);
            for shard in &report.shards {
                let cells = shard_cells(shard);
                let (named, numbers) = cells.split_at(2);
                let named = [Cell::new(&named[0]), coloured(&named[1], is_coloured)];
                let right =
                    numbers.iter().map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
                shards.add_row(named.into_iter().chain(right));
            }
            let _ = writeln!(text, "{shards}");
        }
        text.push_str(&rest(report));
    }
    text
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn coloured(status: &str, is_coloured: bool) -> Cell {
    let cell = Cell::new(status);
    match status {
        _ if !is_coloured => cell,
        "ok" | "running" => cell.fg(Color::Green),
        "failing" | "closed" | "rebuilding" => cell.fg(Color::Red),
        _ => cell.fg(Color::Yellow),
    }
}

fn heading(report: &ProcessReport) -> String {
    let ProcessReport { url, version, health, resident_bytes, .. } = report;
    let resident = resident_bytes / MIB;
    format!("{url}  {}  version {version}, {resident} MiB", health.status)
}

fn shard_cells(shard: &ShardReport) -> [String; SHARD_HEADER.len()] {
    [
        shard.shard.clone(),
        shard.state.clone(),
        shard.lag.to_string(),
        format!("{:.1}", shard.kafka_transactions_per_second),
        format!("{:.1}", shard.entries_per_second),
        shard.aborts.to_string(),
        shard.rebuilds.to_string(),
        shard.timers.to_string(),
    ]
}

fn rest(report: &ProcessReport) -> String {
    let ProcessReport { view_lag, tail_lag, gateways, .. } = report;
    let mut text = format!(
        "journal: views {view_lag} offsets behind, tail {tail_lag}\n\
         gateways: {} operations outstanding, {} calls under way\n",
        gateways.operations_outstanding, gateways.calls_under_way
    );
    if gateways.in_doubt.is_empty() && gateways.refunds_in_doubt.is_empty() {
        text.push_str("in doubt: nothing\n");
    }
    for (what, doubts) in [("payment", &gateways.in_doubt), ("refund", &gateways.refunds_in_doubt)]
    {
        for DoubtReport { currency, count, minor } in doubts {
            let plural = if *count == 1 { "" } else { "s" };
            let _ = writeln!(
                text,
                "in doubt: {count} {what}{plural}, {minor} minor units of {currency}"
            );
        }
    }
    text
}

/// What a process says may hold anything: a terminal must not take it for commands.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Exposition;
    use super::super::report::Rates;
    use super::*;

    fn report() -> ProcessReport {
        let health = serde_json::json!({
            "status": "degraded",
            "components": [
                {"name": "log", "status": "ok", "detail": "the broker answers"},
                {"name": "gateways", "status": "degraded", "detail": "a bell \u{7} rings"},
            ],
        });
        let before = Exposition::parse("holdfast_entries_total{shard=\"0\"} 10\n");
        let after = Exposition::parse(
            "holdfast_entries_total{shard=\"0\"} 30\n\
             holdfast_shard_state{shard=\"0\",state=\"created\"} 0\n\
             holdfast_shard_state{shard=\"0\",state=\"running\"} 1\n\
             holdfast_input_lag{shard=\"0\",topic=\"commands\"} 4\n\
             holdfast_input_lag{shard=\"0\",topic=\"operations\"} 3\n\
             holdfast_view_lag{shard=\"0\"} 2\n\
             holdfast_payments_in_doubt{currency=\"USD\"} 1\n\
             holdfast_money_in_doubt{currency=\"USD\"} 2500\n\
             holdfast_payments_in_doubt{currency=\"EUR\"} 0\n\
             holdfast_refunds_in_doubt{currency=\"EUR\"} 2\n\
             holdfast_refund_money_in_doubt{currency=\"EUR\"} 300\n\
             holdfast_gateway_operations_outstanding 5\n",
        );
        let rates = Rates { before: &before, after: &after, seconds: 2.0 };
        let health = serde_json::from_value(health).expect("as /health answers");
        ProcessReport::new("http://127.0.0.1:8080", health, &rates)
    }

    #[test]
    fn the_numbers_of_a_process_are_found() {
        let report = report();
        assert!(!report.is_well());
        let [shard] = &report.shards[..] else { panic!("one shard: {report:?}") };
        assert_eq!((shard.state.as_str(), shard.lag), ("running", 7));
        assert!((shard.entries_per_second - 10.0).abs() < 1e-9);
        let doubts = &report.gateways.in_doubt;
        assert_eq!((doubts.len(), doubts[0].minor), (1, 2500));
    }

    #[test]
    fn every_form_says_what_is_wrong_and_is_harmless() {
        let reports = [report()];
        for text in [plain(&reports), for_terminal(&reports)] {
            assert!(text.contains("degraded") && text.contains("a bell \u{fffd} rings"), "{text}");
            assert!(text.contains("1 payment, 2500 minor units of USD"), "{text}");
            assert!(text.contains("2 refunds, 300 minor units of EUR"), "{text}");
            assert!(text.contains("5 operations outstanding"), "{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&json(&reports)).expect("JSON");
        assert_eq!(json[0]["shards"][0]["lag"], 7);
        assert_eq!(json[0]["health"]["components"][0]["name"], "log");
    }
}
