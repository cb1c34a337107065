//! A story on a terminal, in a pipe, and for programs.

use std::fmt::Write as _;

use anyhow::Context;
use processors::story::{Step, Story, WalletNumbers};
use serde_json::{Value, json};

use crate::cli::journal::rendering::printable;

/// How a story is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines with colours, unless `NO_COLOR` is set.
    Terminal,
    /// The same lines without.
    Plain,
    /// One JSON object.
    Json,
}

/// The story in this form: its newest steps, so many at most.
pub(super) fn render(form: Form, story: &Story, shown: usize) -> anyhow::Result<String> {
    let left_out = story.steps.len().saturating_sub(shown);
    let steps = &story.steps[left_out..];
    match form {
        Form::Json => json_of(story, steps, left_out),
        Form::Terminal | Form::Plain => {
            let is_coloured = form == Form::Terminal && std::env::var_os("NO_COLOR").is_none();
            Ok(lines(&Ink { is_coloured }, story, steps, left_out))
        }
    }
}

/// Colours, where they are wanted.
struct Ink {
    is_coloured: bool,
}

impl Ink {
    fn draw(&self, code: &str, text: &str) -> String {
        let text = printable(text);
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text }
    }

    fn bold(&self, text: &str) -> String {
        self.draw("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.draw("2", text)
    }

    fn loud(&self, text: &str) -> String {
        self.draw("33", text)
    }
}

fn lines(ink: &Ink, story: &Story, steps: &[Step], left_out: usize) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", ink.bold(&story.headline));
    if left_out > 0 {
        let note = format!("{left_out} earlier steps are not shown: --all shows them");
        let _ = writeln!(text, "\n{}", ink.dim(&note));
    }
    for step in steps {
        let place = format!("{}  entry {}", step.at, step.position);
        let _ = writeln!(text, "\n{}", ink.dim(&place));
        for sentence in &step.sentences {
            let _ = writeln!(text, "  {}", printable(sentence));
        }
        if let Some(evidence) = &step.evidence {
            let _ = writeln!(text, "  {}", ink.dim(&format!("evidence: {evidence}")));
        }
        for numbers in &step.wallets {
            let _ = writeln!(text, "  {}", ink.dim(&format!("then {}", numbers.sentence())));
        }
    }
    text.push('\n');
    match &story.waits_for {
        Some(waits) => {
            let _ = writeln!(text, "{}", ink.loud(&format!("It waits for {waits}.")));
        }
        None => {
            let _ = writeln!(text, "It waits for nothing.");
        }
    }
    text
}

fn json_of(story: &Story, steps: &[Step], left_out: usize) -> anyhow::Result<String> {
    let value = json!({
        "kind": story.subject.kind(),
        "id": story.subject.id(),
        "headline": story.headline,
        "steps_left_out": left_out,
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "waits_for": story.waits_for,
        "wallets": story.wallets.iter().map(numbers).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string(&value).context("cannot write JSON")? + "\n")
}

fn step(step: &Step) -> Value {
    json!({
        "position": step.position.to_string(),
        "at": step.at.to_string(),
        "sentences": step.sentences,
        "evidence": step.evidence,
        "wallets": step.wallets.iter().map(numbers).collect::<Vec<_>>(),
    })
}

fn numbers(numbers: &WalletNumbers) -> Value {
    json!({
        "wallet_id": numbers.wallet_id.to_string(),
        "currency": numbers.currency.code(),
        "posted": numbers.posted,
        "pending_debits": numbers.pending_debits,
        "pending_credits": numbers.pending_credits,
        "available": numbers.available,
    })
}

#[cfg(test)]
mod tests {
    use processors::story::Subject;
    use schemas::{Timestamp, WalletId};

    use super::*;

    fn story(steps: usize) -> Story {
        let wallet_id = WalletId::from_bytes([7; 16]);
        let wallets = vec![WalletNumbers {
            wallet_id,
            currency: "USD".parse().expect("valid"),
            posted: 1_000,
            pending_debits: 400,
            pending_credits: 0,
            available: 600,
        }];
        let step = |number: usize| Step {
            position: format!("1-{number}").parse().expect("valid"),
            at: Timestamp::from_millis(1_767_323_045_678),
            sentences: vec![format!("Step {number} \u{7}rings.")],
            evidence: Some("seen".to_owned()),
            wallets: wallets.clone(),
        };
        Story {
            subject: Subject::Wallet(wallet_id),
            headline: "Wallet: active.".to_owned(),
            steps: (0..steps).map(step).collect(),
            waits_for: None,
            wallets: wallets.clone(),
        }
    }

    #[test]
    fn a_pipe_gets_lines_without_colours_or_commands() {
        let text = render(Form::Plain, &story(2), 200).expect("written");
        assert!(text.starts_with("Wallet: active.\n\n2026-01-02T03:04:05.678Z  entry 1-0\n"));
        assert!(text.contains("  Step 1 \u{fffd}rings.\n  evidence: seen\n"), "{text}");
        assert!(text.contains("held 4.00 USD, to come 0.00 USD, available 6.00 USD"), "{text}");
        assert!(text.ends_with("It waits for nothing.\n") && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn only_the_newest_steps_are_shown_unless_all_are_asked_for() {
        let text = render(Form::Plain, &story(5), 2).expect("written");
        assert!(text.contains("3 earlier steps") && text.contains("Step 4"), "{text}");
        assert!(!text.contains("Step 2 "), "{text}");
        let json = render(Form::Json, &story(5), 2).expect("written");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(
            (json["steps"].as_array().map(Vec::len), &json["steps_left_out"]),
            (Some(2), &3.into())
        );
        assert_eq!(json["wallets"][0]["available"], 600);
    }
}
