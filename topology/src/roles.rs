//! Which parts of the product a process runs, and for which shards.
//!
//! A process has one role or several. The api role answers from full views and takes no notice of
//! shards; ledger and gateway work for a list of them, which is fixed while the process runs.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::ValueEnum;
use schemas::{Partition, PartitionCount};

/// One part of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// Answers HTTP from views of all shards, and writes commands and operations.
    Api,
    /// Decides inputs into entries: the only role that writes the journal.
    Ledger,
    /// Does at gateways what the journal asks for, and writes what came of it.
    Gateway,
}

impl Role {
    /// Its name, as in `--roles`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ledger => "ledger",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// The shards of a process, as they are written: `all`, or numbers and ranges like `0,2-3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardList {
    /// Every shard there is.
    All,
    /// These, in any order.
    Some(Vec<RangeInclusive<i32>>),
}

/// A list of shards that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardListError {
    /// It cannot be read.
    #[error("{0:?} is no list of shards: write `all`, or numbers and ranges like 0,2-3")]
    Unreadable(String),
    /// A shard that the ledger does not have.
    #[error(
        "--shards names shard {shard}, but the ledger has {count}: they are numbered from 0 to {}",
        .count.get() - 1
    )]
    OutOfRange {
        /// What was named.
        shard: i32,
        /// How many there are.
        count: PartitionCount,
    },
}

impl ShardList {
    /// The shards of this list, of so many, in their order.
    ///
    /// # Errors
    /// [`ShardListError::OutOfRange`].
    pub fn of(&self, count: PartitionCount) -> Result<Vec<Partition>, ShardListError> {
        let Self::Some(ranges) = self else { return Ok(Partition::all(count).collect()) };
        let mut shards = BTreeSet::new();
        for range in ranges {
            if *range.end() >= count.get() {
                return Err(ShardListError::OutOfRange { shard: *range.end(), count });
            }
            shards.extend(range.clone().filter_map(Partition::new));
        }
        Ok(shards.into_iter().collect())
    }
}

impl FromStr for ShardList {
    type Err = ShardListError;

    fn from_str(text: &str) -> Result<Self, ShardListError> {
        let unreadable = || ShardListError::Unreadable(text.to_owned());
        if text.trim() == "all" {
            return Ok(Self::All);
        }
        let number = |text: &str| {
            let digits = text.trim();
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<i32>().ok()).flatten().ok_or_else(unreadable)
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = number(first)?..=number(last)?;
            if range.is_empty() { Err(unreadable()) } else { Ok(range) }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self::Some)
    }
}

impl fmt::Display for ShardList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Some(ranges) = self else { return formatter.write_str("all") };
        for (number, range) in ranges.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(formatter, "{comma}{first}")?,
                (first, last) => write!(formatter, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_shards_is_numbers_and_ranges() {
        let count = PartitionCount::try_from(6).expect("valid");
        let cases: [(&str, &[i32]); 5] = [
            ("all", &[0, 1, 2, 3, 4, 5]),
            ("0", &[0]),
            ("0,2-3", &[0, 2, 3]),
            (" 5 , 1 - 2 ", &[1, 2, 5]),
            ("3,2-4,3", &[2, 3, 4]),
        ];
        for (text, expected) in cases {
            let list: ShardList = text.parse().expect(text);
            let shards = list.of(count).expect(text);
            let numbers: Vec<_> = shards.into_iter().map(Partition::number).collect();
            assert_eq!(numbers, expected, "{text}");
            assert_eq!(list.to_string().parse(), Ok(list), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_way_out() {
        for text in ["", ",", "one", "1,", "-1", "3-2", "1-2-3", "+1", "0x1", "99999999999"] {
            let error = text.parse::<ShardList>().expect_err(text);
            assert!(error.to_string().contains("0,2-3"), "{error}");
        }
        let list: ShardList = "0-2".parse().expect("a list");
        let error = list.of(PartitionCount::try_from(2).expect("valid")).expect_err("too many");
        assert_eq!(
            error.to_string(),
            "--shards names shard 2, but the ledger has 2: they are numbered from 0 to 1"
        );
    }
}
