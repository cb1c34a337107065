//! `tidy`: rules of the code base that neither the compiler nor clippy enforces.
//!
//! Who may name whom (ARCHITECTURE.md), what every file begins with, how long files and lines may
//! be, what files may not be called. Violations read `path:line: reason`. It looks at text and
//! knows no Rust: comments are cut at `//`, names are whole words.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const MAX_CODE_LINES: usize = 400;
const MAX_COLUMNS: usize = 100;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "common", "helpers", "helper", "manager", "service", "misc", "shared"];

/// Names that must not occur in the code below a directory.
struct ImportRule {
    directory: &'static str,
    forbidden: &'static [&'static str],
    because: &'static str,
}

const IMPORT_RULES: [ImportRule; 4] = [
    ImportRule {
        directory: "processors/src",
        forbidden: &[
            "tokio",
            "rdkafka",
            "rocksdb",
            "axum",
            "reqwest",
            "connectors",
            "SystemTime",
            "Instant",
            "HashMap",
            "HashSet",
            "rand",
        ],
        because: "decisions are pure: no I/O, clock, randomness or hash order",
    },
    ImportRule {
        directory: "connectors/src",
        forbidden: &["rdkafka", "rocksdb", "processors"],
        because: "connectors never see Kafka, stores or decisions",
    },
    ImportRule {
        directory: "topology/src/engine",
        forbidden: &["processors", "connectors"],
        because: "the engine knows nothing of payments",
    },
    ImportRule {
        directory: "schemas/src",
        forbidden: &["processors", "connectors", "topology"],
        because: "the language depends on nobody who speaks it",
    },
];

/// A crate of the workspace and what its manifest must say.
struct Crate {
    name: &'static str,
    /// Crates of ours that it may depend on.
    may_use: &'static [&'static str],
    /// Crates of others that it must not depend on.
    must_not_use: &'static [&'static str],
}

const CRATES: [Crate; 5] = [
    Crate { name: "schemas", may_use: &[], must_not_use: &["tokio", "rdkafka", "rocksdb", "axum"] },
    Crate {
        name: "processors",
        may_use: &["schemas"],
        must_not_use: &["tokio", "rdkafka", "rocksdb", "axum", "reqwest", "rand"],
    },
    Crate { name: "connectors", may_use: &["schemas"], must_not_use: &["rdkafka", "rocksdb"] },
    Crate {
        name: "topology",
        may_use: &["schemas", "processors", "connectors"],
        must_not_use: &[],
    },
    Crate {
        name: "tests",
        may_use: &["schemas", "processors", "connectors", "topology"],
        must_not_use: &[],
    },
];

/// What is wrong, and where: `path:line: reason`.
type Violations = Vec<String>;

#[test]
fn the_code_base_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace");
    let mut violations = Violations::new();
    check_members(&read(&root.join("Cargo.toml")), &mut violations);
    for member in &CRATES {
        let manifest = format!("{}/Cargo.toml", member.name);
        check_manifest(member, &manifest, &read(&root.join(&manifest)), &mut violations);
        let mut files = Vec::new();
        collect_sources(&root.join(member.name), &mut files);
        assert!(!files.is_empty(), "no sources in {}: tidy looks at the wrong place", member.name);
        for file in files {
            let path = file.strip_prefix(root).expect("below the root").display().to_string();
            check_source(&path, &read(&file), &mut violations);
        }
    }
    let mut report = String::new();
    for violation in &violations {
        // Writing to a String cannot fail.
        let _ = writeln!(report, "{violation}");
    }
    assert!(violations.is_empty(), "{} violations:\n{report}", violations.len());
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn collect_sources(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a directory that is listed").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            collect_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A crate that these rules do not know is under no rule.
fn check_members(manifest: &str, violations: &mut Violations) {
    let Some((index, line)) =
        manifest.lines().enumerate().find(|(_, line)| line.starts_with("members"))
    else {
        violations.push("Cargo.toml:1: no line of members".to_owned());
        return;
    };
    let members: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
    let known: Vec<&str> = CRATES.iter().map(|member| member.name).collect();
    if members != known {
        violations.push(format!("Cargo.toml:{}: members are not {known:?}", index + 1));
    }
}

fn check_manifest(member: &Crate, path: &str, manifest: &str, violations: &mut Violations) {
    let mut in_dependencies = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        if !in_dependencies || name.is_empty() {
            continue;
        }
        let ours = CRATES.iter().any(|other| other.name == name);
        if (ours && !member.may_use.contains(&name)) || member.must_not_use.contains(&name) {
            let reason = format!("{} must not depend on {name}", member.name);
            violations.push(format!("{path}:{}: {reason}", index + 1));
        }
    }
}

fn check_source(path: &str, text: &str, violations: &mut Violations) {
    let mut report =
        |line: usize, reason: &str| violations.push(format!("{path}:{line}: {reason}"));
    check_name(path, &mut report);
    if !text.starts_with("//!") {
        report(1, "a file begins with //! (what it is, its invariants, what it does not know)");
    }
    for (index, line) in text.lines().enumerate() {
        if line.chars().count() > MAX_COLUMNS {
            report(index + 1, "longer than 100 columns");
        }
        for rule in IMPORT_RULES.iter().filter(|rule| path.starts_with(rule.directory)) {
            for name in rule.forbidden.iter().filter(|name| has_word(code_of(line), name)) {
                report(index + 1, &format!("{name}: {}", rule.because));
            }
        }
    }
    let count = code_lines(text);
    if count > MAX_CODE_LINES && !is_test_file(path) {
        report(1, &format!("{count} lines of code; {MAX_CODE_LINES} is the limit"));
    }
}

fn check_name(path: &str, report: &mut impl FnMut(usize, &str)) {
    for part in path.trim_end_matches(".rs").split('/').skip(1) {
        // `gateway_manager` says no more than `manager` does.
        let last = part.rsplit('_').next().unwrap_or(part);
        if EMPTY_NAMES.contains(&last) {
            report(1, &format!("`{part}` says nothing about what is inside"));
        }
    }
}

/// A module of tests in a file of its own.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    line.find("//").map_or(line, |comment| &line[..comment])
}

fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = code[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Lines that are neither blank, nor comments, nor in a module of tests.
fn code_lines(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let opens_module = |next: &&str| next.starts_with("mod ") && next.ends_with('{');
        if line == "#[cfg(test)]" && lines.peek().is_some_and(opens_module) {
            // Formatted code closes a top-level module with a brace in the first column.
            let _tests = lines.by_ref().find(|inner| *inner == "}");
        } else if !code_of(line).trim().is_empty() {
            count += 1;
        }
    }
    count
}

#[test]
fn what_is_untidy_is_reported() {
    let found = |path: &str, text: &str| {
        let mut violations = Violations::new();
        check_source(path, text, &mut violations);
        violations.join("\n")
    };
    let cases = [
        ("processors/src/a.rs", "//! x\nuse std::collections::HashMap;", "a.rs:2: HashMap"),
        ("processors/src/a.rs", "//! x\nlet t = rand::random();", "a.rs:2: rand"),
        ("connectors/src/a.rs", "//! x\n\nuse rdkafka::Message;", "a.rs:3: rdkafka"),
        ("topology/src/engine/a.rs", "//! x\nuse processors::decide;", "a.rs:2: processors"),
        ("schemas/src/a.rs", "//! x\nuse topology::engine;", "a.rs:2: topology"),
        ("schemas/src/a.rs", "use std::fmt;", "a.rs:1: a file begins with //!"),
        ("topology/src/utils.rs", "//! x", "`utils` says nothing"),
        ("topology/src/wallet_manager/a.rs", "//! x", "`wallet_manager` says nothing"),
    ];
    for (path, text, expected) in cases {
        let violations = found(path, text);
        assert!(violations.contains(expected), "{path}: {expected:?} not in {violations:?}");
    }
    let tidy = "//! x\n// HashMap would do\nlet operand = 1; // not rand\n";
    assert_eq!(found("processors/src/a.rs", tidy), "");
    let wide = format!("//! x\n// {}", "ä".repeat(98));
    assert!(found("schemas/src/a.rs", &wide).contains("a.rs:2: longer"));
    assert_eq!(found("schemas/src/a.rs", &format!("//! x\n// {}", "ä".repeat(97))), "");
}

#[test]
fn long_files_are_reported_and_tests_do_not_count() {
    let code = "let x = 1;\n".repeat(MAX_CODE_LINES);
    let text = format!("//! x\n\n{code}\n#[cfg(test)]\nmod tests {{\n{code}}}\n");
    assert_eq!(code_lines(&text), MAX_CODE_LINES);
    assert_eq!(code_lines(&format!("{text}let one_more = 1;\n")), MAX_CODE_LINES + 1);
}

#[test]
fn dependencies_point_one_way() {
    let member = CRATES.iter().find(|member| member.name == "connectors").expect("it is listed");
    let manifest = "[package]\nname = \"connectors\"\n[dependencies]\nschemas.workspace = true\n\
                    processors.workspace = true\n[dev-dependencies]\nrdkafka = \"1\"\n";
    let mut violations = Violations::new();
    check_manifest(member, "connectors/Cargo.toml", manifest, &mut violations);
    assert_eq!(
        violations,
        [
            "connectors/Cargo.toml:5: connectors must not depend on processors",
            "connectors/Cargo.toml:7: connectors must not depend on rdkafka",
        ]
    );
    let mut violations = Violations::new();
    check_members("members = [\"schemas\", \"fees\"]", &mut violations);
    assert_eq!(violations.len(), 1);
}
