//! The hash chain of a journal partition.
//!
//! Each entry carries `seq`, dense per partition, and `prev_hash`; the hash of an entry is BLAKE3
//! over a domain tag, the previous hash, and key and value as they stand in the log, framing
//! included, each with its length, absent told apart from empty. The first link binds the topic
//! and the partition, so that no partition can pass for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Partition, TopicName};

const ENTRY_TAG: &[u8] = b"holdfast.journal.entry.v1";
const GENESIS_TAG: &[u8] = b"holdfast.journal.genesis.v1";

/// Written in place of a length when the part is absent.
const ABSENT: u64 = u64::MAX;

/// The hash of one entry, or of the genesis of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryHash([u8; 32]);

impl EntryHash {
    /// What the first entry of a partition names as its predecessor.
    pub fn genesis(journal: &TopicName, partition: Partition) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(GENESIS_TAG);
        update_with(&mut hasher, Some(journal.as_str().as_bytes()));
        hasher.update(&partition.number().to_be_bytes());
        Self(hasher.finalize().into())
    }

    /// The hash of the entry with this key and value that follows `self`.
    #[must_use]
    pub fn link(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(ENTRY_TAG).update(&self.0);
        update_with(&mut hasher, key);
        update_with(&mut hasher, value);
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn update_with(hasher: &mut blake3::Hasher, part: Option<&[u8]>) {
    let length = part.map_or(ABSENT, |bytes| bytes.len() as u64);
    hasher.update(&length.to_be_bytes()).update(part.unwrap_or_default());
}

impl From<[u8; 32]> for EntryHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for EntryHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;

    fn genesis(partition: i32) -> EntryHash {
        let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
        EntryHash::genesis(&journal, Partition::new(partition).expect("valid"))
    }

    #[test]
    fn absent_empty_and_shifted_parts_differ() {
        let hashes = [
            genesis(0).link(None, Some(b"ab")),
            genesis(0).link(Some(b""), Some(b"ab")),
            genesis(0).link(Some(b"a"), Some(b"b")),
            genesis(0).link(Some(b"ab"), Some(b"")),
            genesis(0).link(Some(b"ab"), None),
            genesis(1).link(Some(b"ab"), None),
        ];
        for (i, left) in hashes.iter().enumerate() {
            for right in &hashes[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    /// The chain is for ever: these bytes must come out of every future version.
    #[test]
    fn golden() {
        let hash = genesis(3).link(Some(b"key"), Some(b"value"));
        assert_eq!(
            hash.to_string(),
            "c96c23b2d6a978e1fce3609b1d417295d7cedf758e719474611459c66973c20b"
        );
    }
}
