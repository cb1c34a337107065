//! Entries: the records of the journal, each all that one input decided.
//!
//! An entry holds the input itself, where it came from, the verdict, the events, the balanced
//! postings, the resulting balances and the timers. Whoever folds the entries of a partition in
//! order has the state of the shard. The first three fields are frozen for ever: any version can
//! read them and tell whether it understands the rest.

use serde::{Deserialize, Serialize};

use crate::account::{AccountBalance, Posting};
use crate::chain::EntryHash;
use crate::event::Event;
use crate::inputs::{Command, GatewayResult, Operation, TransferLeg};
use crate::sealed::ByteString;
use crate::{SchemaId, Timestamp};

/// The version of the journal's meaning that this binary writes and reads.
pub const READER_VERSION: i32 = 2;

/// The most original bytes of an unreadable input that its entry keeps.
pub const MAX_ORIGINAL_BYTES: usize = 64 << 10;

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Dense per partition, from 1.
    pub seq: i64,
    /// The hash of the entry before, or of the partition's genesis.
    #[serde(with = "hash_bytes")]
    pub prev_hash: EntryHash,
    /// The lowest [`READER_VERSION`] that understands this entry.
    pub min_reader: i32,
    /// Shard time: never before that of the entry before.
    pub at: Timestamp,
    /// The version of the configuration that was in force.
    pub policy_version: i64,
    /// Where the input came from.
    pub source: Source,
    /// The input.
    pub input: Input,
    /// Whether it was accepted.
    pub decision: Decision,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The movements of money; they sum to zero per currency and layer.
    pub postings: Vec<Posting>,
    /// The numbers of every account that the postings touch, afterwards.
    pub balances: Vec<AccountBalance>,
    /// Timers set and cancelled.
    pub timers: Vec<TimerChange>,
}

/// Where an input came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A record of an input topic.
    #[serde(rename = "holdfast.InputSource")]
    Input {
        /// The topic's label, without prefix and version: `commands`.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Its offset.
        offset: i64,
    },
    /// A due timer.
    #[serde(rename = "holdfast.TimerSource")]
    Timer {
        /// Which.
        timer_id: String,
        /// How often it had been set.
        generation: i64,
        /// When it was due.
        due: Timestamp,
    },
}

/// An input as the entry keeps it: read, and encoded again under our own schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// BLAKE3 of the record's value as it came; empty for a timer.
    pub raw_hash: ByteString,
    /// The schema id in the record's frame; 0 when it had none.
    pub schema_id: SchemaId,
    /// The record.
    pub body: InputBody,
}

/// What a shard consumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputBody {
    /// What a payer asked.
    #[serde(rename = "holdfast.Command")]
    Command(Command),
    /// What an operator asked.
    #[serde(rename = "holdfast.Operation")]
    Operation(Operation),
    /// What a gateway said.
    #[serde(rename = "holdfast.GatewayResult")]
    GatewayResult(GatewayResult),
    /// A timer was due.
    #[serde(rename = "holdfast.TimerFired")]
    TimerFired {},
    /// Bytes that are none of these.
    #[serde(rename = "holdfast.Unreadable")]
    Unreadable(Unreadable),
    /// A leg of a transfer.
    #[serde(rename = "holdfast.TransferLeg")]
    TransferLeg(TransferLeg),
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Why not, and what its sender should change.
    pub reason: String,
    /// How long its value was, in bytes.
    pub length: i64,
    /// The beginning of its value, at most [`MAX_ORIGINAL_BYTES`].
    pub original: ByteString,
}

/// Whether an input was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Accepted, replayed or refused.
    pub verdict: Verdict,
    /// The stable code of a refusal; empty otherwise.
    pub code: String,
    /// A refusal in words, with the way out; empty otherwise.
    pub detail: String,
}

impl Decision {
    /// The input did what it asked, or failed by the rules of its saga.
    pub fn accepted() -> Self {
        Self { verdict: Verdict::Accepted, code: String::new(), detail: String::new() }
    }

    /// The input is a repetition of one that was handled.
    pub fn replayed() -> Self {
        Self { verdict: Verdict::Replayed, code: String::new(), detail: String::new() }
    }

    /// The input changes nothing, and why.
    pub fn refused(code: &str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Refused, code: code.to_owned(), detail: detail.into() }
    }
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was handled.
    Accepted,
    /// It had been handled before.
    Replayed,
    /// It changes nothing.
    Refused,
}

/// A timer set or cancelled by an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerChange {
    /// Which: `<kind>:<id>`.
    pub timer_id: String,
    /// How often it has been set, this time included: a firing of an older setting is stale.
    pub generation: i64,
    /// When it is due; none cancels it.
    pub due: Option<Timestamp>,
}

impl Entry {
    /// The id by which the one who sent the input recognises his answer; none for timers, results,
    /// legs and unreadable records.
    pub fn command_id(&self) -> Option<&str> {
        match &self.input.body {
            InputBody::Command(command) => Some(&command.envelope.command_id),
            InputBody::Operation(operation) => Some(&operation.envelope.command_id),
            InputBody::GatewayResult(_)
            | InputBody::TransferLeg(_)
            | InputBody::TimerFired {}
            | InputBody::Unreadable(_) => None,
        }
    }

    /// The correlation id that the input carried; empty when it carried none.
    pub fn correlation_id(&self) -> &str {
        match &self.input.body {
            InputBody::Command(command) => &command.envelope.correlation_id,
            InputBody::Operation(operation) => &operation.envelope.correlation_id,
            InputBody::GatewayResult(result) => &result.correlation_id,
            InputBody::TransferLeg(leg) => &leg.correlation_id,
            InputBody::TimerFired {} | InputBody::Unreadable(_) => "",
        }
    }
}

/// The previous hash as Avro bytes.
mod hash_bytes {
    use serde::{Deserializer, Serializer};

    use crate::chain::EntryHash;
    use crate::form;

    pub(super) fn serialize<S: Serializer>(
        hash: &EntryHash,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(hash.as_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EntryHash, D::Error> {
        form::from_bytes(deserializer).map(<EntryHash as From<[u8; 32]>>::from)
    }
}
