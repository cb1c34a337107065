//! What documents name is there: targets of links, paths, files, targets of make.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{documents, read, root};

/// Beginnings of paths that a document may mention: what the checkout holds at its top.
const TOP: [&str; 10] = [
    "schemas/",
    "processors/",
    "connectors/",
    "topology/",
    "tests/",
    "docs/",
    "deploy/",
    "examples/",
    ".ci/",
    "Cargo.toml",
];
/// How the names of files end that a document mentions without their directory.
const NAMED: [&str; 4] = [".rs", ".avsc", ".tsv", ".toml"];

/// What a document names: targets of links, and paths in code.
#[derive(Debug, Default)]
struct Mentions {
    /// As they stand in `](target)`, those to other sites left out.
    links: Vec<String>,
    /// Paths from the root of the checkout.
    paths: Vec<String>,
    /// Files named without their directory.
    names: Vec<String>,
    /// Targets of make.
    targets: Vec<String>,
}

fn mentions(document: &str) -> Mentions {
    let mut found = Mentions::default();
    let mut in_block = false;
    for line in document.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        }
        if !in_block {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if !target.contains("://") {
                    found.links.push(target.to_owned());
                }
            }
        }
        let codes: Vec<&str> = if in_block { vec![line] } else { codes(line) };
        for code in codes {
            let words = code.split(|c: char| c.is_whitespace() || "()[]{}\"'`,;|=".contains(c));
            let words: Vec<&str> = words.map(|word| word.trim_end_matches([':', '.'])).collect();
            for word in words.iter().filter(|word| !word.contains(['*', '<', '…'])) {
                if TOP.iter().any(|top| word.starts_with(top)) {
                    found.paths.push((*word).to_owned());
                } else if NAMED.iter().any(|ending| word.ends_with(ending)) && !word.contains('/') {
                    found.names.push((*word).to_owned());
                }
            }
            if let [make, target, ..] = words[..]
                && make == "make"
            {
                found.targets.push(target.to_owned());
            }
        }
    }
    found
}

/// What stands between single backticks in a line.
fn codes(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The anchors of a document: of its headings as GitHub makes them, and those set by hand.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut in_block = false;
    for line in document.lines() {
        in_block ^= line.starts_with("```");
        if line.starts_with('#') && !in_block {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
        }
        for rest in line.split("<a id=\"").skip(1) {
            anchors.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    anchors
}

/// What is wrong with a link of a document.
fn broken(document: &str, link: &str) -> Option<String> {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let directory = Path::new(document).parent().unwrap_or(Path::new(""));
    let path: PathBuf = if target.is_empty() { document.into() } else { directory.join(target) };
    if !root().join(&path).exists() {
        return Some(format!("{document}: the link {link} leads nowhere"));
    }
    let has_anchor = || anchors(&read(path.to_str().expect("UTF-8"))).contains(anchor);
    if !anchor.is_empty() && !has_anchor() {
        return Some(format!("{document}: there is no heading for {link}"));
    }
    None
}

/// The names of the files in a directory, and of those further down.
fn collect_names(directory: &Path, deep: bool, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory of the checkout") {
        let entry = entry.expect("it is listed");
        if entry.path().is_dir() && deep {
            collect_names(&entry.path(), deep, names);
        } else {
            names.insert(entry.file_name().into_string().expect("UTF-8"));
        }
    }
}

#[test]
fn links_paths_and_targets_exist() {
    let makefile = read("Makefile");
    let mut files = BTreeSet::new();
    for directory in TOP.iter().filter(|top| top.ends_with('/')).chain([&"."]) {
        collect_names(&root().join(directory), *directory != ".", &mut files);
    }
    let mut faults = Vec::new();
    let mut count = 0;
    for document in documents() {
        let mentions = mentions(&read(&document));
        count += mentions.links.len() + mentions.paths.len();
        faults.extend(mentions.links.iter().filter_map(|link| broken(&document, link)));
        let missing = mentions.paths.iter().filter(|path| !root().join(path).exists());
        faults.extend(missing.map(|path| format!("{document}: there is no {path}")));
        let is_unknown = |name: &&String| !files.contains(name.as_str());
        let nowhere = mentions.names.iter().filter(is_unknown);
        faults.extend(nowhere.map(|name| format!("{document}: no file is called {name}")));
        let is_target =
            |name: &str| makefile.lines().any(|line| line.starts_with(&format!("{name}:")));
        let unknown = mentions.targets.iter().filter(|name| !is_target(name));
        faults.extend(unknown.map(|name| format!("{document}: there is no make {name}")));
    }
    assert!(count > 100, "{count} mentions: the test looks at the wrong place");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_not_there_is_noticed() {
    let text = "See [a](docs/no.md#x), [b](https://x.y/z) and `schemas/no.rs`.\n\
                ```sh\nmake nothing\ncat tests/no.rs:3\n```\n`make up` `a/b` \
                `processors/src/*/decide.rs` `no.rs`\n";
    let found = mentions(text);
    assert_eq!(found.links, ["docs/no.md#x"]);
    assert_eq!(found.paths, ["schemas/no.rs", "tests/no.rs:3"]);
    assert_eq!(found.names, ["no.rs"]);
    assert_eq!(found.targets, ["nothing", "up"]);
    assert!(broken("README.md", "docs/no.md").is_some());
    assert!(broken("docs/ids.md", "../README.md").is_none());
    assert!(broken("docs/ids.md", "#no-such-heading").is_some());
    let anchors = anchors("# One: `two`, 3!\n```\n# no\n```\n<a id=\"x_y\"></a>\n");
    assert_eq!(anchors.into_iter().collect::<Vec<_>>(), ["one-two-3", "x_y"]);
}
