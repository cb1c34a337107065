//! The documents say what is true: generated parts are what the code gives, links and paths lead
//! somewhere, and the recipe for ids gives the ids that the ledger derives.
//!
//! A generated part stands between `<!-- generated: NAME -->` and `<!-- end of generated -->`.
//! `HOLDFAST_WRITE_DOCS=1 cargo test -p tests --test docs` writes them all. Everything else in a
//! document is written by hand and only looked at.

#[path = "docs/api.rs"]
mod api;
#[path = "docs/links.rs"]
mod links;
#[path = "docs/state_machines.rs"]
mod state_machines;

use std::fmt::Write as _;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use connectors::gateway::simulator::magic;
use processors::audit::Auditor;
use schemas::{ErrorCode, PartitionCount, Retention, Topic};
use topology::crash_window::CrashWindow;
use topology::metrics::catalogue::{Label, Metric};

/// The golden table of ids, written by the recipe of docs/ids.md.
const GOLDEN_IDS: &str = include_str!("../../schemas/avro/golden/ids.tsv");
/// What version 2 adds to it.
const GOLDEN_IDS_V2: &str = include_str!("../../schemas/avro/golden/v2/ids.tsv");
/// What derives ids in Python: an example uses it, docs/ids.md shows it.
const RECIPE: &str = "examples/python/holdfast_ids.py";
/// Rows of the golden table that docs/ids.md shows.
const SHOWN_VECTORS: usize = 3;

const BEGIN: &str = "<!-- generated: ";
const BEGIN_CLOSE: &str = " -->\n";
const END: &str = "<!-- end of generated -->";

/// A part of a document that the code gives.
struct Generated {
    document: &'static str,
    name: &'static str,
    text: fn() -> String,
}

const GENERATED: [Generated; 14] = [
    Generated { document: "API.md", name: "routes", text: api::table },
    Generated { document: "API.md", name: "calls", text: api::calls },
    Generated { document: "docs/errors.md", name: "errors", text: errors },
    Generated { document: "docs/configuration.md", name: "settings", text: settings },
    Generated { document: "docs/metrics.md", name: "metrics", text: metrics },
    Generated { document: "docs/metrics.md", name: "labels", text: labels },
    Generated { document: "docs/topology.md", name: "topics", text: topics },
    Generated { document: "docs/topology.md", name: "topology", text: topology_text },
    Generated { document: "docs/simulator.md", name: "magic amounts", text: magic_amounts },
    Generated { document: "docs/ids.md", name: "recipe", text: recipe },
    Generated { document: "docs/ids.md", name: "vectors", text: vectors },
    Generated { document: "ARCHITECTURE.md", name: "audit", text: audit_checks },
    Generated {
        document: "docs/state-machines.md",
        name: "state machines",
        text: state_machines::drawings,
    },
    Generated { document: "docs/crash-windows.md", name: "crash windows", text: crash_windows },
];

fn errors() -> String {
    let mut text =
        String::from("| code | status | retry as it is | what it means |\n|---|---|---|---|\n");
    for error in ErrorCode::ALL {
        let (code, meaning) = (error.code(), error.meaning());
        let retry = if error.is_retryable() { "yes" } else { "no" };
        let status = error.status();
        // The anchor is what `doc_url` of a problem names.
        writeln!(text, "| <a id=\"{code}\"></a>`{code}` | {status} | {retry} | {meaning} |")
            .expect("a string takes all");
    }
    text
}

fn settings() -> String {
    topology::cli::config::markdown()
}

fn metrics() -> String {
    let mut text = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for metric in Metric::ALL {
        let (name, kind, help) = (metric.name(), metric.kind().label(), metric.help());
        let labels: Vec<_> =
            metric.labels().iter().map(|label| format!("`{}`", label.name())).collect();
        writeln!(text, "| `{name}` | {kind} | {} | {help} |", labels.join(", "))
            .expect("a string takes all");
    }
    text
}

/// Labels of one name may stand for different things: each row says of which metrics.
fn labels() -> String {
    let mut text = String::from("| label | of | values |\n|---|---|---|\n");
    for label in Label::ALL {
        let has = |metric: &&&Metric| metric.labels().contains(label);
        let metrics: Vec<_> = Metric::ALL.iter().filter(|metric| has(&metric)).collect();
        let of = match metrics[..] {
            [] => panic!("{label:?} is a label of nothing"),
            [one] => format!("`{}`", one.name()),
            [first, .., last] => format!("`{}` … `{}`", first.name(), last.name()),
        };
        writeln!(text, "| `{}` | {of} | {} |", label.name(), label.values())
            .expect("a string takes all");
    }
    text
}

fn topics() -> String {
    let mut text = String::from("| topic | written by | holds | kept |\n|---|---|---|---|\n");
    let prefix = "payments".parse().expect("a prefix");
    for topic in Topic::ALL {
        let (name, writers, holds) = (topic.name(&prefix), topic.writers(), topic.holds());
        let kept = match topic.retention() {
            Retention::ForEver => "for ever".to_owned(),
            Retention::Days(days) => format!("{days} days"),
            Retention::Compacted => "the newest of each key".to_owned(),
        };
        writeln!(text, "| `{name}` | {writers} | {holds} | {kept} |").expect("a string takes all");
    }
    text
}

fn topology_text() -> String {
    let topology = topology::payments::topology();
    let (text, picture) = (topology.describe(), topology.mermaid());
    format!("```text\n{text}```\n\n```mermaid\n{picture}```\n")
}

/// The table of `holdfast gateway-sim --help`, its columns as cells.
fn magic_amounts() -> String {
    let mut text = String::from(
        "| last four digits | name | for how long | what happens |\n|---|---|---|---|\n",
    );
    for line in magic::help_table().lines().filter(|line| line.starts_with("  ")) {
        let cells: Vec<&str> =
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let [digits, name, lasts, meaning] = cells[..] else { panic!("not four cells: {line:?}") };
        writeln!(text, "| {digits} | `{name}` | {lasts} | {meaning} |")
            .expect("a string takes all");
    }
    text
}

fn vectors() -> String {
    let names = ["tenant", "user", "currency", "label", "key", "wallet", "payment", "deposit"];
    let added = ["withdrawal", "transfer", "refund", "attempt 2", "unwanted 1"];
    let names = names.into_iter().chain(["attempt 1"]).chain(added);
    let mut text = String::from("```text\n");
    let rows = golden_rows(GOLDEN_IDS).zip(golden_rows(GOLDEN_IDS_V2));
    for (row, added) in rows.take(SHOWN_VECTORS) {
        for (name, value) in names.clone().zip(row.iter().chain(&added[5..])) {
            writeln!(text, "{name:<12}{value}").expect("a string takes all");
        }
        text.push('\n');
    }
    format!("{}\n```\n", text.trim_end())
}

fn golden_rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| line.split('\t').collect())
}

/// The recipe as the example of a producer has it.
fn recipe() -> String {
    format!("```python\n{}```\n", read(RECIPE))
}

fn audit_checks() -> String {
    let mut text = String::from("| check | what holds when it finds nothing |\n|---|---|\n");
    let journal = Topic::Journal.name(&"payments".parse().expect("a prefix"));
    let mut auditor = Auditor::new(journal, PartitionCount::try_from(1).expect("a count"));
    let journal_end_taken = schemas::Timestamp::default();
    let (charges, refunds) = (Vec::new(), Some(Vec::new()));
    let truth = processors::audit::GroundTruth { charges, refunds, journal_end_taken };
    auditor.with_ground_truth(truth);
    for check in auditor.report().checks {
        let (name, meaning) = (check.name, check.meaning);
        writeln!(text, "| `{name}` | {meaning} |").expect("a string takes all");
    }
    text
}

fn crash_windows() -> String {
    let mut text = String::from(
        "| name | where the process dies | what the next start does |\n|---|---|---|\n",
    );
    for window in CrashWindow::ALL {
        let (name, place, restart) = (window.name(), window.place(), window.restart());
        writeln!(text, "| `{name}` | {place} | {restart} |").expect("a string takes all");
    }
    text
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document, by its path from the root.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for directory in ["", "docs", "docs/adr", "examples"] {
        let entries = fs::read_dir(root().join(directory)).expect("a directory of the checkout");
        for entry in entries {
            let name = entry.expect("it is listed").file_name().into_string().expect("UTF-8");
            if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
                found.push(Path::new(directory).join(name).to_str().expect("UTF-8").to_owned());
            }
        }
    }
    found.sort();
    assert!(found.iter().any(|name| name == "README.md"), "{found:?}");
    found
}

/// Where a generated part stands in its document: behind its first mark, before its last.
fn place(document: &str, name: &str) -> Option<(usize, usize)> {
    let begin = format!("{BEGIN}{name}{BEGIN_CLOSE}");
    let start = document.find(&begin)? + begin.len();
    Some((start, start + document[start..].find(END)?))
}

#[test]
fn generated_parts_are_what_the_code_gives() {
    let write = std::env::var_os("HOLDFAST_WRITE_DOCS").is_some();
    let mut stale = Vec::new();
    for part in &GENERATED {
        let mut document = read(part.document);
        let place = place(&document, part.name);
        let (start, end) = place.unwrap_or_else(|| {
            panic!("{}: there is no place for the generated part {:?}", part.document, part.name)
        });
        let text = (part.text)();
        if document[start..end] == text {
            continue;
        }
        stale.push(format!("{}: {}", part.document, part.name));
        if write {
            document.replace_range(start..end, &text);
            fs::write(root().join(part.document), document).expect("a document is writable");
        }
    }
    assert!(
        write || stale.is_empty(),
        "out of date: {stale:?}; HOLDFAST_WRITE_DOCS=1 cargo test -p tests --test docs writes them"
    );
    let marks: usize = documents().iter().map(|name| read(name).matches(BEGIN).count()).sum();
    assert_eq!(marks, GENERATED.len(), "a part is marked as generated and is not");
}

/// A node of this name breaks the picture: mermaid takes it for one of its own words.
#[test]
fn the_picture_has_no_words_of_mermaid() {
    let reserved = ["call", "class", "classDef", "click", "default", "graph", "href", "style"];
    let picture = topology::payments::topology().mermaid();
    let bad = picture.split_whitespace().find(|word| reserved.contains(word));
    assert_eq!(bad, None, "rename the node in topology/src/payments.rs");
    assert!(picture.matches("subgraph ").count() > 1);
}

/// Every call in API.md is one that the end-to-end tests make (`every_curl_of_the_document`): none
/// is written by hand where nobody runs it.
#[test]
fn calls_stand_in_the_generated_part_alone() {
    let document = read("API.md");
    let (start, end) = place(&document, "calls").expect("there is a place for them");
    let by_hand = [&document[..start], &document[end..]].concat();
    assert!(!by_hand.contains("curl "), "give it to the document as an example");
    assert_eq!(document[start..end].matches("curl ").count(), tests::openapi::routes().len());
}

/// Whoever opens the README finds the file where a payment is decided.
#[test]
fn the_readme_names_the_file_where_a_payment_is_decided() {
    let decides = "processors/src/payment/decide.rs";
    let line = read("README.md").lines().position(|line| line.contains(decides));
    assert!(line.is_some_and(|line| line < 60), "{line:?}: it must stand near the beginning");
    assert!(read(decides).contains("fn pay("));
}

/// The recipe, and a loop that derives every row of the golden table by it.
fn deriving_recipe() -> String {
    let derive_all = r"
import sys
for line in sys.stdin.read().splitlines():
    tenant, user, currency, label, key = line.split('\t')[:5]
    wallet = wallet_id(tenant, user, currency, label)
    payment = payment_id(tenant, wallet, key)
    deposit = deposit_id(tenant, wallet, key)
    print(tenant, user, currency, label, key, wallet, payment, deposit,
          attempt_id(tenant, payment, 1), sep='\t')
    print(tenant, user, currency, label, key, withdrawal_id(tenant, wallet, key),
          transfer_id(tenant, wallet, key), refund_id(tenant, payment, key),
          attempt_id(tenant, payment, 2),
          unwanted_charge_refund_id(tenant, payment, attempt_id(tenant, payment, 1)), sep='\t')
";
    format!("{}\n{derive_all}", read(RECIPE))
}

#[test]
fn the_recipe_gives_the_golden_ids() {
    let python = Command::new("python3")
        .args(["-c", &deriving_recipe()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut python = match python {
        Ok(python) => python,
        // The golden table and the vectors of the document are held against the code elsewhere.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => panic!("python3 does not start: {error}"),
    };
    let joined = |row: Vec<&str>| row.join("\t");
    let rows: Vec<String> = golden_rows(GOLDEN_IDS).map(joined).collect();
    let pairs = golden_rows(GOLDEN_IDS).zip(golden_rows(GOLDEN_IDS_V2));
    let expected: Vec<_> = pairs.flat_map(|(row, added)| [joined(row), joined(added)]).collect();
    let mut stdin = python.stdin.take().expect("it is piped");
    stdin.write_all(rows.join("\n").as_bytes()).expect("python3 reads");
    drop(stdin);
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "the recipe fails");
    let derived = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(derived.lines().collect::<Vec<_>>(), expected);
}
