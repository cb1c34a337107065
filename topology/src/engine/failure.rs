//! How a shard fails: setbacks, which it recovers from by itself, and errors, which end it.

use schemas::{Offset, Position, Topic};

use super::application::{Source, StateError};
use super::log::LogError;
use super::store::StoreError;

/// The named errors that end a shard. The process reports them and exits: going on would need a
/// decision that only a person can take.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Inputs that were never handled are gone.
    #[error(
        "{topic} lost records: the journal has handled it up to {folded}, the broker keeps it from \
         {low} on. Restore the missing records, or accept the loss by hand"
    )]
    InputsLost {
        /// The input topic.
        topic: Topic,
        /// The next offset to handle, folded from the journal.
        folded: Offset,
        /// The first offset that the broker still has.
        low: Offset,
    },
    /// An input topic is shorter than what was handled of it: it was truncated or made anew.
    #[error(
        "{topic} was cut: the journal has handled it up to {folded}, it ends at {end}. New records \
         would be skipped as handled"
    )]
    InputsTruncated {
        /// The input topic.
        topic: Topic,
        /// The next offset to handle, folded from the journal.
        folded: Offset,
        /// The end of the topic.
        end: Offset,
    },
    /// The beginning of the journal is gone.
    #[error("the journal lost its beginning: the broker keeps it from {low} on")]
    JournalLost {
        /// The first offset that the broker still has.
        low: Offset,
    },
    /// The journal does not add up.
    #[error("the journal is corrupted at {position}: {reason}")]
    Corrupted {
        /// The record that does not fit.
        position: Position,
        /// What does not fit.
        reason: String,
    },
    /// The journal holds what only a newer binary understands.
    #[error("the journal at {position} was written by a newer version: {reason}")]
    NewerEntry {
        /// The record.
        position: Position,
        /// What it asks for.
        reason: String,
    },
    /// Somebody else takes the shard over again and again.
    #[error(
        "the shard was taken over {times} times within a minute: another process runs the same \
         shards, or the broker is too slow for its own time-outs. Stop one of the processes, or \
         give each its own --shards"
    )]
    FencedRepeatedly {
        /// How often.
        times: usize,
    },
    /// An input cannot be handled, and neither can the entry that says so.
    #[error("the input {origin:?} cannot be handled, nor set aside: {reason}")]
    PoisonRepeated {
        /// Where it came from.
        origin: Source,
        /// What failed.
        reason: String,
    },
    /// The store cannot be replaced.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store fails again each time it was rebuilt.
    #[error("the store was rebuilt {times} times and fails again: {reason}")]
    StoreFailsAgain {
        /// How often.
        times: u32,
        /// What failed last.
        reason: String,
    },
}

/// What keeps a shard from going on with what it was doing, by what it does instead.
#[derive(Debug)]
pub(super) enum Setback {
    /// Abort the Kafka transaction, decide the batch again.
    Aborted(String),
    /// Abort the Kafka transaction, find the input at fault.
    Refused(String),
    /// Throw everything in memory away and take over again.
    Rebuild(String),
    /// The same, and count: somebody else may own the shard.
    Fenced(String),
    /// The same, and replace the store: it is not what the journal gives.
    Store(String),
    /// The end.
    Fatal(ShardError),
}

impl From<LogError> for Setback {
    fn from(error: LogError) -> Self {
        let text = error.to_string();
        match error {
            LogError::Aborted(_) => Self::Aborted(text),
            LogError::Refused(_) => Self::Refused(text),
            LogError::Fenced(_) => Self::Fenced(text),
            // What is missing is found and named by the next takeover.
            LogError::Retry(_) | LogError::Unknown(_) | LogError::Lost(_) => Self::Rebuild(text),
        }
    }
}

impl From<StateError> for Setback {
    fn from(error: StateError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<ShardError> for Setback {
    fn from(error: ShardError) -> Self {
        Self::Fatal(error)
    }
}
