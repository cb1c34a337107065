//! Secrets by reference: configuration says where a secret is, never what it is.
//!
//! Invariants: a [`Secret`] is visible ASCII and not empty; neither it nor a file's content appears
//! in a debug output, an error or a log line.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use thiserror::Error;

/// A secret, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where a secret is: `{ env = "NAME" }` or `{ file = "/path" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretReference {
    /// In the environment variable of this name.
    Env(String),
    /// In the file at this path, alone; white space around it does not count.
    File(PathBuf),
}

/// Why a secret cannot be had.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// There is none.
    #[error("{place} cannot be read: {reason}")]
    Missing {
        /// Where it should be.
        place: String,
        /// What is in the way.
        reason: String,
    },
    /// What is there cannot be a secret.
    #[error("{place} is empty, or has characters that are not visible ASCII")]
    Unusable {
        /// Where it is.
        place: String,
    },
}

impl Secret {
    /// A secret, if `text` is visible ASCII and not empty.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_usable.then_some(Self(text))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(formatter, "the environment variable {name}"),
            Self::File(path) => write!(formatter, "the file {}", path.display()),
        }
    }
}

impl SecretReference {
    /// What is there now.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let missing = |reason: String| SecretError::Missing { place: self.to_string(), reason };
        let text = match self {
            Self::Env(name) => {
                // The error of a value that is not Unicode would show the value.
                std::env::var(name).map_err(|error| match error {
                    std::env::VarError::NotPresent => missing("it is not set".to_owned()),
                    std::env::VarError::NotUnicode(_) => missing("it is no text".to_owned()),
                })?
            }
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| missing(error.to_string()))?
            }
        };
        Secret::new(text.trim()).ok_or_else(|| SecretError::Unusable { place: self.to_string() })
    }
}

/// What is said whenever a reference cannot be read. It repeats nothing of what stands there, which
/// may be the secret itself.
const EXPECTED: &str = "where a secret is: { env = \"NAME\" } or { file = \"/path\" }, never the \
                        secret itself";

impl<'de> Deserialize<'de> for SecretReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reference;

        impl<'de> Visitor<'de> for Reference {
            type Value = SecretReference;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<SecretReference, E> {
                Err(refused())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretReference, A::Error> {
                let field: Option<(String, String)> =
                    map.next_entry().map_err(|_| refused::<A::Error>())?;
                let (Some((place, at)), None) = (field, map.next_key::<String>()?) else {
                    return Err(refused());
                };
                match place.as_str() {
                    "env" => Ok(SecretReference::Env(at)),
                    "file" => Ok(SecretReference::File(at.into())),
                    _ => Err(refused()),
                }
            }
        }

        fn refused<E: Error>() -> E {
            E::custom(format_args!("expected {EXPECTED}"))
        }

        deserializer.deserialize_any(Reference)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    #[test]
    fn a_secret_is_read_from_where_it_is_and_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, " sk_test_hidden\n").unwrap();
        let secret = SecretReference::File(path).read().unwrap();
        assert_eq!(secret.expose(), "sk_test_hidden");
        assert_eq!(format!("{secret:?}"), "Secret");
        // Cargo sets it for every test.
        let variable = SecretReference::Env("CARGO_MANIFEST_DIR".to_owned());
        assert_eq!(variable.read().unwrap().expose(), env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_there_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let file = SecretReference::File(path.clone());
        let missing = file.read().unwrap_err().to_string();
        assert!(missing.contains("key") && missing.contains("No such file"), "{missing}");
        for content in ["", "\n", "two words", "sk_t\u{e4}st"] {
            std::fs::write(&path, content).unwrap();
            let refused = file.read().unwrap_err();
            assert_eq!(refused, SecretError::Unusable { place: file.to_string() }, "{content:?}");
        }
        let variable = SecretReference::Env("HOLDFAST_NO_SUCH_SECRET".to_owned());
        let missing = variable.read().unwrap_err().to_string();
        assert!(missing.contains("HOLDFAST_NO_SUCH_SECRET"), "{missing}");
    }
}
