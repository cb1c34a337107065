//! Evidence: what was seen of a gateway's answer, kept for the person who must judge it later.
//!
//! Invariants: one JSON object of at most [`MAX_EVIDENCE_BYTES`] by construction; only named fields
//! of an answer go in, never a request header or a credential; of an answer that was not
//! understood, the beginning of the body with everything but printable ASCII replaced.

use std::fmt::Write as _;

/// The most bytes that evidence may have: the limit of the journal's field.
pub const MAX_EVIDENCE_BYTES: usize = 4096;
/// Longest text of one field, in characters. 12 fields of it, escaped, stay far below the limit.
const MAX_FIELD_CHARS: usize = 96;
/// Longest extract of a body, in characters; escaping doubles it at worst.
const MAX_EXTRACT_CHARS: usize = 512;
/// Most fields; a constructor that wants more is a bug that the limit makes harmless.
const MAX_FIELDS: usize = 12;

/// Bounded JSON text about one call of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence(String);

/// Collects the fields of an [`Evidence`].
#[derive(Debug, Default)]
pub(super) struct EvidenceFields {
    /// The object without its end.
    json: String,
    count: usize,
}

impl Evidence {
    /// The JSON object as text, at most [`MAX_EVIDENCE_BYTES`].
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON object as text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl EvidenceFields {
    pub(super) fn number(&mut self, name: &'static str, value: i64) {
        if self.begin(name) {
            // Writing to a String cannot fail.
            let _ = write!(self.json, "{value}");
        }
    }

    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.printable(name, value.as_bytes(), MAX_FIELD_CHARS);
    }

    pub(super) fn extract(&mut self, name: &'static str, body: &[u8]) {
        self.printable(name, body, MAX_EXTRACT_CHARS);
    }

    pub(super) fn finish(mut self) -> Evidence {
        if self.json.is_empty() {
            self.json.push('{');
        }
        self.json.push('}');
        Evidence(self.json)
    }

    /// The first `max_chars` bytes, everything but printable ASCII replaced by a question mark:
    /// what is left to escape are the quote and the backslash.
    fn printable(&mut self, name: &'static str, bytes: &[u8], max_chars: usize) {
        if !self.begin(name) {
            return;
        }
        self.json.push('"');
        for byte in bytes.iter().take(max_chars) {
            match byte {
                b'"' | b'\\' => self.json.extend(['\\', char::from(*byte)]),
                b' '..=b'~' => self.json.push(char::from(*byte)),
                _ => self.json.push('?'),
            }
        }
        self.json.push('"');
    }

    /// Begins a field, if there may be one more.
    fn begin(&mut self, name: &'static str) -> bool {
        debug_assert!(self.count < MAX_FIELDS, "evidence has a fixed, short list of fields");
        if self.count >= MAX_FIELDS {
            return false;
        }
        self.json.push(if self.count == 0 { '{' } else { ',' });
        self.json.extend(["\"", name, "\":"]);
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    #[test]
    fn evidence_stays_below_its_limit_whatever_goes_in() {
        let mut fields = EvidenceFields::default();
        let hostile = "\"".repeat(100_000);
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
        for name in names {
            fields.text(name, &hostile);
        }
        fields.extract("body_extract", hostile.as_bytes());
        assert_eq!(fields.count, MAX_FIELDS);
        let evidence = fields.finish();
        assert!(evidence.as_str().len() <= MAX_EVIDENCE_BYTES, "{}", evidence.as_str().len());
        let read: serde_json::Value = serde_json::from_str(evidence.as_str()).unwrap();
        assert_eq!(read["k"], "\"".repeat(MAX_FIELD_CHARS));
    }

    #[test]
    fn what_is_not_printable_is_replaced() {
        let mut fields = EvidenceFields::default();
        fields.extract("body_extract", b"a\0\xff\n\\<b>");
        fields.number("http_status", 200);
        let expected = r#"{"body_extract":"a???\\<b>","http_status":200}"#;
        assert_eq!(fields.finish().as_str(), expected);
    }
}
