//! The drawings of state machines, as they stand above their enums.

use std::fmt::Write as _;

use super::read;

/// What has states, and the file above whose enum they are drawn.
const DRAWN: [(&str, &str); 6] = [
    ("A payment", "processors/src/payment/state.rs"),
    ("A refund", "processors/src/refund/state.rs"),
    ("A transfer", "processors/src/transfer/state.rs"),
    ("A wallet", "processors/src/wallet/state.rs"),
    ("The breaker of a gateway", "connectors/src/gateway/breaker.rs"),
    ("A shard", "topology/src/engine/status.rs"),
];

/// The drawing in each of these files: its first block of text in a comment.
pub(super) fn drawings() -> String {
    let mut text = String::new();
    for (name, path) in DRAWN {
        let source = read(path);
        let comments = source.lines().filter_map(|line| {
            let line = line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))?;
            Some(line.strip_prefix(' ').unwrap_or(line))
        });
        let drawing: Vec<_> = comments
            .skip_while(|line| *line != "```text")
            .skip(1)
            .take_while(|line| *line != "```")
            .collect();
        assert!(!drawing.is_empty(), "{path} draws nothing");
        let drawing = drawing.join("\n");
        writeln!(text, "## {name}\n\n`{path}`\n\n```text\n{drawing}\n```\n")
            .expect("a string takes all");
    }
    format!("{}\n", text.trim_end())
}
