//! Dead letters in words: a table for a terminal, lines of columns for a pipe, JSON for programs.

use std::fmt::Write as _;

use anyhow::Context;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use schemas::dead_letter::DeadLetter;
use serde_json::json;

use crate::cli::journal::rendering::printable;

/// Bytes in a line of a dump.
const DUMPED: usize = 16;

/// How letters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A table.
    Terminal,
    /// One line each, columns with tabs between them.
    Plain,
    /// One line of JSON each.
    Json,
}

/// All of them.
pub(super) fn list(form: Form, letters: &[DeadLetter]) -> anyhow::Result<String> {
    match form {
        Form::Json => letters.iter().map(json_line).collect(),
        Form::Plain => Ok(letters.iter().map(|letter| columns(letter).join("\t") + "\n").collect()),
        Form::Terminal if letters.is_empty() => Ok("There are no dead letters.\n".to_owned()),
        Form::Terminal => {
            let mut table = Table::new();
            table.load_style(UTF8_FULL_CONDENSED);
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["position", "at", "from", "bytes", "kept", "reason"]);
            table.add_rows(letters.iter().map(columns));
            Ok(format!("{table}\n"))
        }
    }
}

/// One of them, with its bytes.
pub(super) fn one(form: Form, letter: &DeadLetter) -> anyhow::Result<String> {
    if form == Form::Json {
        return json_line(letter);
    }
    let [position, at, from, bytes, kept, reason] = columns(letter);
    let hash = hexadecimal(&letter.raw_hash.0);
    let mut text = String::new();
    let id = letter.schema_id.to_string();
    let rows = [
        ("position", &position),
        ("at", &at),
        ("from", &from),
        ("code", &printable(&letter.code)),
        ("reason", &reason),
        ("schema id", &id),
        ("blake3", &hash),
        ("bytes", &bytes),
        ("kept", &kept),
    ];
    for (name, value) in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<10} {value}");
    }
    for (line, bytes) in letter.original.0.chunks(DUMPED).enumerate() {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        let letters: String = bytes.iter().map(shown).collect();
        let _ = writeln!(text, "{:08x}  {:<47}  {letters}", line * DUMPED, hex.join(" "));
    }
    Ok(text)
}

fn columns(letter: &DeadLetter) -> [String; 6] {
    let kept = if letter.is_whole() {
        "all".to_owned()
    } else {
        format!("first {}", letter.original.0.len())
    };
    [
        printable(&letter.position),
        letter.at.to_string(),
        printable(&format!("{}/{}/{}", letter.topic, letter.partition, letter.offset)),
        letter.length.to_string(),
        kept,
        printable(&letter.reason),
    ]
}

fn json_line(letter: &DeadLetter) -> anyhow::Result<String> {
    let value = json!({
        "position": letter.position,
        "at": letter.at.to_string(),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "code": letter.code,
        "reason": letter.reason,
        "schema_id": letter.schema_id.0,
        "raw_hash": hexadecimal(&letter.raw_hash.0),
        "length": letter.length,
        "is_whole": letter.is_whole(),
        "original": hexadecimal(&letter.original.0),
    });
    let line = serde_json::to_string(&value).context("cannot write JSON")?;
    Ok(line + "\n")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use schemas::{ByteString, SchemaId, Timestamp};

    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            position: "1-42".to_owned(),
            at: Timestamp::from_millis(1_767_323_045_678),
            topic: "commands".to_owned(),
            partition: 1,
            offset: 7,
            code: "unreadable".to_owned(),
            reason: "a bell \u{7} rings".to_owned(),
            schema_id: SchemaId(0),
            raw_hash: ByteString(vec![1, 255]),
            length: 3,
            original: ByteString(b"a\x07b".to_vec()),
        }
    }

    #[test]
    fn a_letter_is_one_line_in_a_pipe_and_harmless() {
        let line = list(Form::Plain, &[letter()]).expect("written");
        let at = "2026-01-02T03:04:05.678Z";
        assert_eq!(line, format!("1-42\t{at}\tcommands/1/7\t3\tall\ta bell \u{fffd} rings\n"));
        let cut = DeadLetter { length: 4, ..letter() };
        assert!(list(Form::Plain, &[cut]).expect("written").contains("first 3"));
        let table = list(Form::Terminal, &[letter()]).expect("written");
        assert!(table.contains("1-42") && !table.contains('\u{7}'), "{table}");
        assert!(list(Form::Terminal, &[]).expect("written").contains("no dead letters"));
    }

    #[test]
    fn one_letter_shows_its_bytes() {
        let text = one(Form::Plain, &letter()).expect("written");
        assert!(text.contains("00000000  61 07 62"), "{text}");
        assert!(text.ends_with("a.b\n") && !text.contains('\u{7}'), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&one(Form::Json, &letter()).expect("written")).expect("JSON");
        assert_eq!((&json["original"], &json["is_whole"]), (&"610762".into(), &true.into()));
        assert_eq!(json["raw_hash"], "01ff");
    }
}
