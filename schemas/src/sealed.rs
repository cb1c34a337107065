//! Texts that may name a person, sealed at the edge.
//!
//! Free text and evidence travel as [`Sealed`]: encrypted with the subject's key, so that erasing
//! the key erases the person from a log that never forgets. Decisions compare digests and never
//! look inside. An empty key id means plaintext, which only profile `dev` may write.

use std::fmt;
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;

/// Bytes that serde and Avro see as bytes, not as a list of numbers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ByteString(pub Vec<u8>);

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = ByteString;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<ByteString, E> {
                Ok(ByteString(bytes.to_vec()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<ByteString, E> {
                Ok(ByteString(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Visitor)
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

/// A text under a subject's key. Never read by a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which key; empty for plaintext.
    pub key_id: String,
    /// The ciphertext, or the plaintext when `key_id` is empty.
    pub bytes: ByteString,
    /// HMAC-SHA-256 of the plaintext under the subject's key (the empty key for plaintext), so
    /// that an honest retry compares equal.
    pub digest: ByteString,
}

/// The empty key, taken in: half of the work for a short text.
static NO_KEY: LazyLock<Hmac<Sha256>> =
    LazyLock::new(|| Hmac::new_from_slice(b"").expect("HMAC takes a key of any length"));

impl Sealed {
    /// The text as it is, under no key. For profile `dev` alone.
    pub fn plaintext(text: &str) -> Self {
        let mut mac = NO_KEY.clone();
        mac.update(text.as_bytes());
        Self {
            key_id: String::new(),
            bytes: ByteString(text.as_bytes().to_vec()),
            digest: ByteString(mac.finalize().into_bytes().to_vec()),
        }
    }

    /// The text, when it is not encrypted and is UTF-8.
    pub fn read_plaintext(&self) -> Option<&str> {
        if self.key_id.is_empty() { std::str::from_utf8(&self.bytes.0).ok() } else { None }
    }

    /// Whether anyone who can read the log can read the text.
    pub fn is_plaintext(&self) -> bool {
        self.key_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_equal_digests() {
        let sealed = Sealed::plaintext("Order 1");
        assert_eq!(sealed, Sealed::plaintext("Order 1"));
        assert_ne!(sealed.digest, Sealed::plaintext("Order 2").digest);
        assert_eq!(sealed.read_plaintext(), Some("Order 1"));
        assert_eq!(sealed.digest.0.len(), 32);
    }
}
