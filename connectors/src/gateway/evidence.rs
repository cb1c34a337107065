//! Evidence: what was seen of a gateway's answer, kept for the person who must judge it later.
//!
//! Invariants: one JSON object of at most [`MAX_EVIDENCE_BYTES`] by construction; only named fields
//! of an answer go in, never a request header or a credential; of an answer that was not
//! understood, the beginning of the body with everything but printable ASCII replaced.

use serde_json::{Map, Value};

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
pub(super) struct EvidenceFields(Map<String, Value>);

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
        self.insert(name, Value::from(value));
    }

    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.insert(name, Value::from(printable(value.as_bytes(), MAX_FIELD_CHARS)));
    }

    pub(super) fn extract(&mut self, name: &'static str, body: &[u8]) {
        self.insert(name, Value::from(printable(body, MAX_EXTRACT_CHARS)));
    }

    pub(super) fn finish(self) -> Evidence {
        Evidence(Value::Object(self.0).to_string())
    }

    fn insert(&mut self, name: &'static str, value: Value) {
        debug_assert!(self.0.len() < MAX_FIELDS, "evidence has a fixed, short list of fields");
        if self.0.len() < MAX_FIELDS {
            self.0.insert(name.to_owned(), value);
        }
    }
}

/// The first `max_chars` bytes, everything but printable ASCII replaced by a question mark.
fn printable(bytes: &[u8], max_chars: usize) -> String {
    let keep = |byte: &u8| {
        if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' }
    };
    bytes.iter().take(max_chars).map(keep).collect()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(fields.0.len(), MAX_FIELDS);
        let evidence = fields.finish();
        assert!(evidence.as_str().len() <= MAX_EVIDENCE_BYTES, "{}", evidence.as_str().len());
    }

    #[test]
    fn what_is_not_printable_is_replaced() {
        let mut fields = EvidenceFields::default();
        fields.extract("body_extract", b"a\0\xff\n<b>");
        assert_eq!(fields.finish().as_str(), r#"{"body_extract":"a???<b>"}"#);
    }
}
