//! What the metrics make of whole payments.

use std::time::Duration;

use schemas::Timestamp;
use schemas::inputs::GatewayOutcome;
use topology::engine::test_driver::TestDriver;
use topology::ledger::Ledger;
use topology::metrics::{Exposure, JournalMeter, Metrics};

use super::{Topic, answer, entries, funded, pay, pipe, success};

/// The metrics of a process that saw the journal, the first entries as the past.
fn shown(driver: &TestDriver<Ledger>, past: usize) -> String {
    let metrics = Metrics::default();
    let gateways = ["simulator".parse().expect("valid")];
    let mut meter = JournalMeter::new(&metrics, &gateways);
    let mut exposure = Exposure::default();
    for (at, entry) in entries(driver).iter().enumerate() {
        if at < past {
            meter.fold(&mut exposure, entry);
        } else {
            let later = Timestamp::from_millis(entry.at.millis() + 20);
            meter.count(&mut exposure, entry, later);
        }
    }
    meter.show(&exposure);
    metrics.text()
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for wanted in lines {
        assert!(text.lines().any(|line| line == *wanted), "{wanted} is not in:\n{text}");
    }
}

/// A completed payment, a declined one and one without funds.
fn three_payments() -> TestDriver<Ledger> {
    let mut driver = funded(1000);
    pipe(&mut driver, Topic::Commands, pay(400, "completed"));
    answer(&mut driver, success(400));
    pipe(&mut driver, Topic::Commands, pay(100, "declined"));
    let (decline_code, message) = ("do_not_honor".to_owned(), String::new());
    answer(&mut driver, GatewayOutcome::Declined { decline_code, message });
    pipe(&mut driver, Topic::Commands, pay(601, "too-much"));
    pipe(&mut driver, Topic::Commands, pay(601, "too-much"));
    driver
}

#[test]
fn every_entry_counts_once() {
    let text = shown(&three_payments(), 0);
    assert_lines(
        &text,
        &[
            r#"payment_attempts_total{method="simulator"} 2"#,
            r#"payment_attempts_total{method="none"} 1"#,
            r#"payment_success_total{method="simulator"} 1"#,
            r#"payment_failures_total{reason="payment_declined"} 1"#,
            r#"payment_failures_total{reason="insufficient_funds"} 1"#,
            "payment_latency_histogram_count 3",
            r#"payment_amount_total{currency="USD"} 400"#,
            r#"wallet_operations_total{type="opened"} 1"#,
            r#"wallet_operations_total{type="deposited"} 1"#,
            r#"wallet_operations_total{type="held"} 2"#,
            r#"wallet_operations_total{type="posted"} 1"#,
            r#"wallet_operations_total{type="voided"} 1"#,
            r#"wallet_operation_duration_count{type="held"} 2"#,
            r#"wallet_balance_gauge{currency="USD"} 600"#,
            r#"holdfast_inputs_total{input="command",verdict="accepted"} 3"#,
            r#"holdfast_inputs_total{input="command",verdict="replayed"} 1"#,
            r#"holdfast_gateway_results_total{operation="submit",outcome="declined"} 1"#,
            "holdfast_payments_open 0",
            "holdfast_gateway_operations_outstanding 0",
        ],
    );
}

/// A restart folds what was there into the gauges and counts none of it again.
#[test]
fn the_past_moves_gauges_and_no_counter() {
    let driver = three_payments();
    let text = shown(&driver, entries(&driver).len());
    assert_lines(
        &text,
        &[
            r#"payment_attempts_total{method="simulator"} 0"#,
            r#"payment_success_total{method="simulator"} 0"#,
            "payment_latency_histogram_count 0",
            r#"payment_amount_total{currency="USD"} 0"#,
            r#"holdfast_inputs_total{input="command",verdict="accepted"} 0"#,
            r#"wallet_balance_gauge{currency="USD"} 600"#,
        ],
    );
}

#[test]
fn money_in_doubt_is_shown_until_somebody_knows() {
    let mut driver = funded(1000);
    pipe(&mut driver, Topic::Commands, pay(400, "order"));
    assert_lines(
        &shown(&driver, 0),
        &["holdfast_payments_open 1", "holdfast_gateway_operations_outstanding 1"],
    );
    driver.advance(Duration::from_secs(20)).expect("the shard goes on");
    driver.advance(Duration::from_secs(5)).expect("the shard goes on");
    let doubted = [
        r#"holdfast_payments_in_doubt{currency="USD"} 1"#,
        r#"holdfast_money_in_doubt{currency="USD"} 400"#,
        "holdfast_payments_open 1",
    ];
    // The same for a process that was started meanwhile.
    for past in [0, entries(&driver).len()] {
        assert_lines(&shown(&driver, past), &doubted);
    }
    assert_lines(&shown(&driver, 0), &[r#"retry_attempts_total{operation="inquire"} 1"#]);
    answer(&mut driver, success(400));
    assert_lines(
        &shown(&driver, 0),
        &[
            r#"holdfast_payments_in_doubt{currency="USD"} 0"#,
            r#"holdfast_money_in_doubt{currency="USD"} 0"#,
            r#"payment_success_total{method="simulator"} 1"#,
        ],
    );
}
