//! Producers that are not ours: the examples of examples/ pay, and every mistake that a producer
//! can make comes back as a refused entry that says what to change.

use std::collections::BTreeMap;
use std::process::Command;

use schemas::entry::{Entry, Verdict};
use schemas::{Position, Topic};
use tests::caller::Numbers;
use tests::example::{Example, java, python};
use tests::executable::holdfast;
use tests::installation::Installation;
use tests::journal;

/// What each producer pays, minor units of USD.
const AMOUNT: &str = "1500";

/// A line that an example prints: `payment <id>, key <key>, written to <source>`.
fn payment_of(output: &str) -> &str {
    // Maven puts the codes of a terminal before it.
    let line = output.split_once("payment ").and_then(|(_, rest)| rest.split_once(", key "));
    line.unwrap_or_else(|| panic!("no payment in {output}")).0
}

/// Two runs with one key: one payment, completed, seen in GET.
async fn pays_once(installation: &Installation, run: impl AsyncFn(&str) -> Example) {
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;
    let first = run(&wallet.user).await;
    assert!(first.succeeded && first.output.contains("completed: 1500 USD"), "{}", first.output);
    let again = run(&wallet.user).await;
    assert!(again.succeeded, "{}", again.output);
    let payment = payment_of(&first.output);
    assert_eq!(payment_of(&again.output), payment);

    let answer = caller.get(&format!("/api/v1/payments/{payment}")).await.expect(200);
    assert_eq!(answer.body["status"], "completed", "{answer:?}");
    assert_eq!(answer.body["wallet_id"], wallet.id, "{answer:?}");
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(3_500));
    assert_eq!(installation.charges_of(payment).await.len(), 1);
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_producer_pays() {
    let installation = Installation::start("python-producer").await;
    pays_once(&installation, async |user| {
        let arguments = ["--user", user, "--amount", AMOUNT, "--key", "order-1"];
        python(&installation, "pay.py", &arguments).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_java_producer_pays() {
    let installation = Installation::start("java-producer").await;
    pays_once(&installation, async |user| java(&installation, &[AMOUNT, "order-1", user]).await)
        .await;
}

/// A mistake of examples/python/mistakes.py, the code of its refusal, and what that must say.
type Row = (&'static str, &'static str, &'static [&'static str]);

const MISTAKES: [Row; 18] = [
    ("default partitioner", "misrouted", &["partitioner=murmur2_random", "of 2, the record came"]),
    ("another key", "misrouted", &["use the wallet id as key"]),
    ("json", "unreadable", &["Confluent wire format", "serializer of a schema registry"]),
    ("no frame", "unreadable", &["a zero byte, the schema id in 32 bits"]),
    ("no value", "unreadable", &["no value"]),
    ("unknown schema id", "unreadable", &["schema id 987654321", "register the schema"]),
    ("64-bit schema id", "unreadable", &["schema id 0", "in 32 bits"]),
    ("another schema", "unreadable", &["not a Command", "describe --schema command"]),
    ("floating-point amount", "unreadable", &["amount", "15.5", "describe --schema command"]),
    ("payment id of another key", "id_mismatch", &["idempotency_key derive", "docs/ids.md"]),
    ("payment id in upper case", "field_invalid", &["payment_id"]),
    ("no idempotency key", "idempotency_key_required", &["field idempotency_key is empty"]),
    ("negative amount", "amount_not_positive", &["amount is -1500", "at least 1"]),
    ("amount too large", "amount_too_large", &["at most 2^53-1"]),
    ("currency in lower case", "currency_unknown", &["ISO 4217", "upper case"]),
    ("currency of another wallet", "currency_mismatch", &["holds USD", "is in JPY"]),
    ("unknown gateway", "gateway_unknown", &["null takes the default"]),
    ("unknown wallet", "wallet_not_found", &["open it first", "docs/ids.md"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_a_refused_entry_that_says_what_to_change() {
    let installation = Installation::start("mistakes").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;
    let made = python(&installation, "mistakes.py", &["--user", &wallet.user]).await;
    assert!(made.succeeded, "{}", made.output);
    let sources: BTreeMap<&str, &str> =
        made.output.lines().filter_map(|line| line.split_once('\t')).collect();
    assert_eq!(sources.len(), MISTAKES.len(), "{}", made.output);

    for (mistake, code, says) in MISTAKES {
        let source = sources[mistake];
        let entry = journal::entry_of(&installation, Topic::Commands, position(source)).await;
        let Entry { decision, events, postings, .. } = &entry;
        assert_eq!(
            (decision.verdict, decision.code.as_str()),
            (Verdict::Refused, code),
            "{mistake}"
        );
        for text in says {
            assert!(decision.detail.contains(text), "{mistake}: {text:?} not in {decision:?}");
        }
        assert!(events.is_empty() && postings.is_empty(), "{mistake}: {entry:?}");
    }
    shown(&installation, &sources);
    assert_eq!(caller.numbers(&wallet).await, Numbers::settled(5_000));
    installation.assert_clean_audit().await;
}

/// `commands/1/42`.
fn position(source: &str) -> Position {
    let position = source.trim_start_matches("commands/").replace('/', "-");
    position.parse().expect("a place of a topic")
}

/// `holdfast journal` says the same: all refusals, and one by where its record lies.
fn shown(installation: &Installation, sources: &BTreeMap<&str, &str>) {
    let all = show(installation, &["--refused"]);
    // A gateway follower that takes a shard over says so by a result that is refused.
    let commands = all.lines().filter(|line| line.contains("\tcommands/"));
    let refused = commands.collect::<Vec<_>>().join("\n");
    assert_eq!(refused.lines().count(), MISTAKES.len(), "{refused}");
    for (mistake, code, _) in MISTAKES {
        let start = format!("\t{}\trefused\t{code}\t", sources[mistake]);
        assert!(refused.lines().any(|line| line.contains(&start)), "{start:?} not in {refused}");
    }
    let source = sources["default partitioner"];
    let json = show(installation, &["--source", source, "--follow", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(json["decision"]["code"], "misrouted");
    assert_eq!(json["input"]["body"]["type"], "Command");
    let payment = json["input"]["body"]["body"]["payment_id"].as_str().expect("an id");
    let found = show(installation, &["--payment", payment]);
    assert_eq!(found.lines().count(), 1, "the misrouted record is found on its partition: {found}");
    let nobody = journal_command(installation, &["--wallet", "nobody"]).output().expect("it runs");
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
}

fn show(installation: &Installation, arguments: &[&str]) -> String {
    let output = journal_command(installation, arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn journal_command(installation: &Installation, arguments: &[&str]) -> Command {
    let mut command = Command::new(holdfast());
    command
        .arg("journal")
        .args(arguments)
        .env("KAFKA_BOOTSTRAP_SERVERS", &installation.cluster().bootstrap_servers)
        .env("HOLDFAST_TOPIC_PREFIX", installation.prefix().to_string());
    command
}
