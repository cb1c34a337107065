//! `holdfast load`: every payment that it sends is accounted for, over either path, and its wallets
//! are found again by the next load.

use serde_json::Value;
use tests::executable::holdfast;
use tests::installation::Installation;
use tokio::process::Command;

/// Runs the command against this installation and gives its report.
async fn report_of(installation: &Installation, arguments: &[&str]) -> Value {
    let state = installation.state_directory();
    let output = Command::new(holdfast())
        .args(["load", "--json", "--warm-up=1", "--drain=90", "--wallets=20"])
        .args(["--url", installation.caller().base()])
        .args(["--kafka-bootstrap-servers", &installation.cluster().bootstrap_servers])
        .args(["--schema-registry-url", &installation.cluster().registry_url])
        .args(["--topic-prefix", &installation.prefix().to_string()])
        .args(["--state-dir", &state.display().to_string()])
        .args(arguments)
        .output()
        .await
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    // A busy machine may not keep the rate, which is exit code 1; nothing else may go wrong.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

/// All that was sent has ended as the mix says, and the audit is content.
fn check(report: &Value) {
    let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    let refused = |code: &str| report["refused"][code].as_u64().unwrap_or_default();
    let all_refused: u64 =
        report["refused"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    let (sent, completed) = (count("sent"), count("completed"));
    assert!(sent > 0 && completed > 0, "{report:#}");
    assert_eq!(sent, completed + all_refused, "{report:#}");
    assert!(refused("payment_declined") > 0 && refused("insufficient_funds") > 0, "{report:#}");
    assert_eq!(all_refused, refused("payment_declined") + refused("insufficient_funds"));
    for name in ["lost", "lost_in_warm_up", "not_sent_in_time", "unanswered"] {
        assert_eq!(count(name), 0, "{name}: {report:#}");
    }
    assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
    assert_eq!(report["audit"]["clean"], true, "{report:#}");
    assert_eq!(report["audit"]["ground_truth"], true, "{report:#}");
    for latency in ["decision_ms", "terminal_ms", "lateness_ms"] {
        assert_eq!(report[latency]["count"].as_u64(), Some(sent), "{latency}: {report:#}");
    }
    let processes: Vec<_> =
        report["processes"].as_array().unwrap().iter().map(|cost| &cost["name"]).collect();
    assert!(processes.contains(&&Value::from("load")), "{processes:?}");
    assert!(processes.contains(&&Value::from("run")), "{processes:?}");
}

const MIX: [&str; 3] =
    ["--mix=completed=60,decline=20,insufficient=20", "--rate=60", "--seconds=4"];

#[tokio::test(flavor = "multi_thread")]
async fn every_payment_of_a_load_is_accounted_for_over_http_and_kafka() {
    let installation = Installation::start("load").await;
    let gateway = ["--gateway-url".to_owned(), installation.gateway_url()];
    let with = |more: &[&'static str]| {
        let all = gateway.iter().map(String::as_str).chain(MIX).chain(more.iter().copied());
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    for more in [&["--via=http", "--zipf=1"][..], &["--via=kafka", "--hot-wallet=50"]] {
        let arguments = with(more);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        check(&report_of(&installation, &arguments).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_in_process_keeps_a_ground_truth_that_the_audit_believes() {
    let environment = [("HOLDFAST_GATEWAY_KIND", "in-process")];
    let installation = Installation::start_with("load-in-process", &environment).await;
    let truth = installation.state_directory().join("gateway-sim").display().to_string();
    let arguments = [&["--via=kafka", "--ground-truth", &truth][..], &MIX].concat();
    check(&report_of(&installation, &arguments).await);
    assert_eq!(installation.charges().await, [], "the simulator beside it was not asked");
}

/// A day of everything: what is refused, what is in doubt for a while, refunds, transfers, and a
/// gateway that is away in the middle. Nothing is stuck afterwards, and the audit is content.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_everything_ends_with_nothing_stuck() {
    let installation = Installation::start("load-mixed").await;
    let gateway = installation.gateway_url();
    let arguments = [
        "--mix=completed=80,insufficient=10,decline=5,timeout_after_charge=3,error_after_charge=2",
        "--refunds=10",
        "--transfers=10",
        "--outage=6",
        "--rate=30",
        "--seconds=24",
        "--gateway-url",
        &gateway,
    ];
    let report = report_of(&installation, &arguments).await;
    for name in ["lost", "lost_in_warm_up", "not_sent_in_time", "unanswered"] {
        assert_eq!(report[name].as_u64(), Some(0), "{name}: {report:#}");
    }
    for kind in ["refunds", "transfers"] {
        let outcomes = &report["companions"][kind];
        assert!(outcomes["sent"].as_u64() > Some(0), "{kind}: {report:#}");
        assert_eq!(outcomes["completed"], outcomes["sent"], "{kind}: {report:#}");
        assert_eq!(outcomes["unfinished"].as_u64(), Some(0), "{kind}: {report:#}");
    }
    assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
    assert_eq!(report["audit"]["clean"], true, "{report:#}");
    assert_eq!(report["audit"]["ground_truth"], true, "{report:#}");
    let totals = installation.assert_clean_audit().await.totals;
    assert_eq!(totals.open_holds, 0, "{totals:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_cannot_be_made_says_why() {
    let rows = [
        (&["--mix=happy=1"][..], "none of the outcomes"),
        (&["--amount=4031"], "use --mix"),
        (&["--rate=0"], "--rate is"),
        (&["--transfers=1", "--wallets=1"], "needs two --wallets"),
        (&["--outage=5", "--find-max"], "--find-max goes without"),
        (&["--state-dir=/nonexistent"], "nothing runs in /nonexistent"),
        (
            &["--kafka-bootstrap-servers=127.0.0.1:1", "--url=https://127.0.0.1:1"],
            "http://host:port",
        ),
    ];
    for (arguments, expected) in rows {
        let mut command = Command::new(holdfast());
        let output = command.arg("load").args(arguments).env_remove("KAFKA_BOOTSTRAP_SERVERS");
        let output = output.output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}
