//! Dead letters: inputs that nobody could read, for people who look after them.
//!
//! Derived from the journal, where the refusal stands for ever: a dead letter may be there twice,
//! and is the same one by its position.

use serde::{Deserialize, Serialize};

use crate::entry::{Entry, InputBody, Source, Unreadable};
use crate::sealed::ByteString;
use crate::{Position, SchemaId, Timestamp};

/// An input that nobody could read: topic `dead-letters`, keyed by the position of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Of the entry that refused it: `<partition>-<offset>`.
    pub position: String,
    /// Shard time of that entry.
    pub at: Timestamp,
    /// Where it came from: the topic's label, without prefix and version.
    pub topic: String,
    /// Its partition there.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The stable code of the refusal.
    pub code: String,
    /// Why it could not be read, and what its sender should change.
    pub reason: String,
    /// The schema id in its frame; 0 when it had none.
    pub schema_id: SchemaId,
    /// BLAKE3 of its value.
    pub raw_hash: ByteString,
    /// How long its value was, in bytes.
    pub length: i64,
    /// The beginning of its value, as much as its entry keeps.
    pub original: ByteString,
}

impl DeadLetter {
    /// The dead letter that an entry at this position makes; none when its input was read. A timer
    /// that could not be handled is none: nobody sent it, and nothing of it can be sent again.
    pub fn of(position: Position, entry: &Entry) -> Option<Self> {
        let InputBody::Unreadable(Unreadable { reason, length, original }) = &entry.input.body
        else {
            return None;
        };
        let Source::Input { topic, partition, offset } = &entry.source else { return None };
        Some(Self {
            position: position.to_string(),
            at: entry.at,
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
            code: entry.decision.code.clone(),
            reason: reason.clone(),
            schema_id: entry.input.schema_id,
            raw_hash: entry.input.raw_hash.clone(),
            length: *length,
            original: original.clone(),
        })
    }

    /// Whether all of the value is here: what was cut off cannot be written again.
    pub fn is_whole(&self) -> bool {
        usize::try_from(self.length) == Ok(self.original.0.len())
    }
}
