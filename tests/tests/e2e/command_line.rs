//! The command line: help that teaches, descriptions of itself, and exit codes.

use std::process::{Command, Output, Stdio};

use tests::caller::new_key;
use tests::executable::holdfast;
use tests::installation::{Installation, new_port};

const SUBCOMMANDS: [&str; 12] = [
    "dev",
    "run",
    "gateway-sim",
    "describe",
    "topics",
    "audit",
    "journal",
    "explain",
    "dead-letters",
    "load",
    "config",
    "status",
];

/// Runs `holdfast` with nothing in the environment that could change what it says.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let command = Command::new(holdfast())
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output();
    command.expect("it runs")
}

/// What it prints, when it succeeds.
fn says(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(arguments, environment);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {:?}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn help_names_every_subcommand_and_each_has_its_own() {
    let help = says(&["--help"], &[]);
    for name in SUBCOMMANDS {
        let is_listed = help.lines().any(|line| line.trim_start().starts_with(name));
        assert!(is_listed, "{name} is not in:\n{help}");
        let own = says(&[name, "--help"], &[]);
        assert!(own.contains(&format!("holdfast {name}")), "{own}");
        assert!(own.lines().count() > 10, "{name}: {own}");
    }
    assert!(says(&["--version"], &[]).starts_with("holdfast "));
    let unknown = run(&["pay"], &[]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("Usage"));
}

#[test]
fn it_describes_itself() {
    let text = says(&["describe"], &[]);
    for name in ["commands", "operations", "gateway-results", "journal"] {
        assert!(text.contains(name), "{name} is not in:\n{text}");
    }
    let mermaid = says(&["describe", "--format", "mermaid"], &[]);
    let first = mermaid.lines().next().unwrap_or_default();
    assert!(first.starts_with("flowchart") || first.starts_with("graph"), "{mermaid}");
    assert!(mermaid.contains("journal"), "{mermaid}");
    let schema = says(&["describe", "--schema", "command"], &[]);
    let schema: serde_json::Value = serde_json::from_str(&schema).expect("Avro schemas are JSON");
    assert_eq!(schema["type"], "record");

    let gateway = says(&["gateway-sim", "--help"], &[]);
    for amount in ["4001", "4031", "4042"] {
        assert!(gateway.contains(amount), "{amount} is not in:\n{gateway}");
    }
}

#[test]
fn config_says_what_is_in_force_and_where_it_is_from() {
    let environment = [
        ("HOLDFAST_LISTEN", "127.0.0.1:9999"),
        ("HOLDFAST_KAFKA_PROPERTIES", "sasl.password=secret"),
    ];
    let config = says(&["config"], &environment);
    let line = |variable: &str| {
        let found = config.lines().find(|line| line.starts_with(variable));
        found.unwrap_or_else(|| panic!("{variable} is not in:\n{config}"))
    };
    assert!(line("HOLDFAST_LISTEN").contains("=127.0.0.1:9999"), "{config}");
    assert!(line("HOLDFAST_LISTEN").contains("environment"), "{config}");
    assert!(line("HOLDFAST_PROFILE").contains("=production"), "{config}");
    assert!(line("HOLDFAST_PROFILE").contains("default"), "{config}");
    assert!(!config.contains("secret"), "{config}");
    assert!(says(&["config", "--markdown"], &[]).contains("`HOLDFAST_TOPIC_PREFIX`"));

    let wrong = run(&["config"], &[("HOLDFAST_LISTEN", "nowhere")]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("nowhere"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_topics_say_with_their_exit_codes_what_they_found() {
    let installation = Installation::start("command-line").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(1_000).await;
    caller.pay(&wallet, 1_000, &new_key()).await.expect(201);
    let prefix = installation.prefix().to_string();
    let gateway_url = installation.gateway_url();
    let servers = installation.cluster().bootstrap_servers.clone();
    let environment =
        [("KAFKA_BOOTSTRAP_SERVERS", servers.as_str()), ("HOLDFAST_TOPIC_PREFIX", prefix.as_str())];

    let report = says(&["audit", "--gateway-url", &gateway_url], &environment);
    assert!(report.contains("audit: clean"), "{report}");
    let json = says(&["audit", "--json"], &environment);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["clean"], &json["totals"]["payments"]["completed"]),
        (&true.into(), &1.into())
    );

    let topics = says(&["topics"], &environment);
    for name in ["commands.v1", "operations.v1", "gateway-results.v1", "journal.v1"] {
        assert!(topics.contains(&format!("{prefix}.{name}")), "{name} is not in:\n{topics}");
    }

    let nobody = format!("127.0.0.1:{}", new_port());
    let away = [("KAFKA_BOOTSTRAP_SERVERS", nobody.as_str())];
    let no_verdict = run(&["audit"], &away);
    assert_eq!(no_verdict.status.code(), Some(2), "{no_verdict:?}");
    assert!(String::from_utf8_lossy(&no_verdict.stderr).contains(&nobody), "{no_verdict:?}");
    let gone = format!("http://{nobody}");
    let no_truth = run(&["audit", "--gateway-url", &gone], &environment);
    assert_eq!(no_truth.status.code(), Some(2), "{no_truth:?}");
}
