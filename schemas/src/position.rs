//! Where a record stands in the log: partition, offset, and both together.
//!
//! The newtypes keep offsets, partitions and counts from being mixed up. `Position` has a text
//! form, `<partition>-<offset>`, which is what the `Holdfast-Position` header carries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A partition of a topic; shard `i` is partition `i` of every ledger topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(i32);

impl Partition {
    /// A partition by its number. Negative numbers are Kafka's "any partition" and become none.
    pub fn new(number: i32) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// The number as Kafka writes it.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The number as an index of a slice.
    pub fn index(self) -> usize {
        usize::try_from(self.0).expect("a partition is never negative")
    }

    /// All partitions of a topic that has `count` of them.
    pub fn all(count: PartitionCount) -> impl Iterator<Item = Self> {
        (0..count.0).map(Self)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How many partitions every ledger topic has: fixed for the life of the topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct PartitionCount(i32);

/// More shards than this on one cluster is a typing error.
const MAX_PARTITIONS: i32 = 4096;

impl PartitionCount {
    /// The count as Kafka writes it.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for PartitionCount {
    type Error = PartitionCountOutOfRange;

    fn try_from(count: i32) -> Result<Self, Self::Error> {
        if (1..=MAX_PARTITIONS).contains(&count) {
            Ok(Self(count))
        } else {
            Err(PartitionCountOutOfRange(count))
        }
    }
}

impl From<PartitionCount> for i32 {
    fn from(count: PartitionCount) -> Self {
        count.0
    }
}

impl FromStr for PartitionCount {
    type Err = PartitionCountOutOfRange;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.parse::<i32>().map_err(|_| PartitionCountOutOfRange(0))?)
    }
}

impl fmt::Display for PartitionCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A partition count outside 1..=4096.
#[derive(Debug, thiserror::Error)]
#[error("a ledger has 1 to {MAX_PARTITIONS} partitions, not {0}")]
pub struct PartitionCountOutOfRange(i32);

/// The place of a record within its partition. Offsets are not dense: Kafka transactions leave
/// markers between them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(i64);

impl Offset {
    /// The first offset of a partition that never lost a record.
    pub const ZERO: Self = Self(0);

    /// An offset by its number. Negative numbers are Kafka's symbolic offsets and become none.
    pub fn new(number: i64) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }

    /// The number as Kafka writes it.
    pub fn number(self) -> i64 {
        self.0
    }

    /// The offset to read from once the record at this one is handled.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A record of the journal: which partition, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The journal partition.
    pub partition: Partition,
    /// The offset in it.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.partition, self.offset)
    }
}

/// A text that is not `<partition>-<offset>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a position reads <partition>-<offset>, for example 3-1042, not {0:?}")]
pub struct PositionInvalid(String);

impl FromStr for Position {
    type Err = PositionInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (partition, offset) = text.split_once('-')?;
            Some(Self {
                partition: Partition::new(partition.parse().ok()?)?,
                offset: Offset::new(offset.parse().ok()?)?,
            })
        };
        parse().ok_or_else(|| PositionInvalid(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        for text in ["0-0", "3-1042", "4095-9223372036854775807"] {
            assert_eq!(text.parse::<Position>().expect("valid").to_string(), text);
        }
        for text in ["", "-", "1", "1-", "-1-2", "1--2", "a-b", "1-2-3"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ledger_has_at_least_one_partition() {
        assert!(PartitionCount::try_from(0).is_err());
        assert!(PartitionCount::try_from(4097).is_err());
        assert_eq!(PartitionCount::try_from(8).expect("valid").get(), 8);
    }
}
