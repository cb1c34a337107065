//! Metrics: what was done is counted once, on both ports, and not again after a restart.

use std::process::{Command, Stdio};
use std::time::Duration;

use tests::caller::{Caller, new_key};
use tests::executable::holdfast;
use tests::installation::{Installation, new_port};
use tests::scratch;
use tests::wait::eventually;
use topology::metrics::catalogue::Metric;

/// From an answer to the count of its entry.
const COUNT_BOUND: Duration = Duration::from_secs(30);
/// A port that is taken is noticed before anything else is done.
const REFUSAL_BOUND: Duration = Duration::from_secs(30);

/// The metrics as text.
async fn scrape(caller: &Caller) -> String {
    let answer = caller.get("/metrics").await.expect(200);
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    answer.body.as_str().expect("text").to_owned()
}

/// Waits until the metrics have all of these lines; gives them.
async fn until_shown(caller: &Caller, lines: &[&str]) -> String {
    eventually(COUNT_BOUND, "the metrics show it", async || {
        let text = scrape(caller).await;
        let missing = lines.iter().find(|wanted| !text.lines().any(|line| line == **wanted));
        missing.map_or(Ok(text.clone()), |missing| Err(format!("{missing} is not in:\n{text}")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_counted_once_on_both_ports() {
    let port = new_port();
    let address = format!("127.0.0.1:{port}");
    let environment = [("HOLDFAST_METRICS_LISTEN", address.as_str())];
    let mut installation = Installation::start_with("metrics", &environment).await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(10_000).await;
    caller.pay(&wallet, 1_000, &new_key()).await.expect(201);
    let key = new_key();
    caller.pay(&wallet, 20_000, &key).await.expect_refusal(402, "insufficient_funds");
    caller.pay(&wallet, 20_000, &key).await.expect_refusal(402, "insufficient_funds");
    caller.get("/api/v1/nothing").await.expect(404);

    let shown = [
        r#"payment_attempts_total{method="simulator"} 1"#,
        r#"payment_attempts_total{method="none"} 1"#,
        r#"payment_success_total{method="simulator"} 1"#,
        r#"payment_failures_total{reason="insufficient_funds"} 1"#,
        "payment_latency_histogram_count 2",
        r#"payment_amount_total{currency="USD"} 1000"#,
        r#"wallet_operations_total{type="opened"} 1"#,
        r#"wallet_balance_gauge{currency="USD"} 9000"#,
        r#"http_requests_total{endpoint="/api/v1/payments",method="POST",status="201"} 1"#,
        r#"http_requests_total{endpoint="/api/v1/payments",method="POST",status="402"} 2"#,
        r#"http_requests_total{endpoint="none",method="GET",status="404"} 1"#,
        r#"holdfast_shard_state{shard="1",state="running"} 1"#,
        "holdfast_gateway_operations_outstanding 0",
        r#"holdfast_gateway_calls_under_way{gateway="simulator"} 0"#,
    ];
    let on_api = until_shown(&caller, &shown).await;
    let alone = Caller::new(format!("http://{address}"));
    until_shown(&alone, &shown).await;
    assert_eq!(alone.get("/api/v1/payments").await.status, 404, "metrics and nothing else");
    for metric in Metric::ALL {
        let line = format!("# TYPE {} {}", metric.name(), metric.kind().label());
        assert!(on_api.lines().any(|shown| shown == line), "{line} is not in:\n{on_api}");
    }
    assert!(!on_api.contains(&wallet.user) && !on_api.contains(&wallet.id), "{on_api}");

    assert_port_is_taken(&installation, &address);
    installation.kill().await;
    installation.run().await;
    let again = [
        r#"payment_attempts_total{method="simulator"} 0"#,
        r#"payment_success_total{method="simulator"} 0"#,
        "payment_latency_histogram_count 0",
        r#"wallet_balance_gauge{currency="USD"} 9000"#,
    ];
    until_shown(&installation.caller(), &again).await;
    let end = installation.stop().await;
    assert_eq!(end, "exit code 0");
}

/// A second process is told which setting is in its way.
fn assert_port_is_taken(installation: &Installation, address: &str) {
    let directory = scratch::directory("metrics-second");
    let output = Command::new("timeout")
        .arg(REFUSAL_BOUND.as_secs().to_string())
        .arg(holdfast())
        .args(["run", "--listen", "127.0.0.1:0", "--metrics-listen", address, "--state-dir"])
        .arg(&directory)
        .env("KAFKA_BOOTSTRAP_SERVERS", &installation.cluster().bootstrap_servers)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--metrics-listen or HOLDFAST_METRICS_LISTEN"), "{errors}");
}
