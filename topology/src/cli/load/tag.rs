//! The idempotency key of a payment under load: says which run it is of, which payment of the run,
//! and when it was due. So whoever sees the payment in the journal needs no other memory of it.

use std::fmt;

/// What every key begins with.
const PREFIX: &str = "load-";

/// One run: keys of other runs are not its payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunId(u64);

/// One payment of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    /// Counted from 0 within the run.
    pub number: u32,
    /// When it was due, microseconds after the start of the run.
    pub at_us: u64,
}

impl RunId {
    /// A run that never was.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The idempotency key of a payment of this run.
    pub(super) fn key(self, tag: Tag) -> String {
        format!("{PREFIX}{self}-{:08x}-{:x}", tag.number, tag.at_us)
    }

    /// The payment with this key, if it is one of this run.
    pub(super) fn tag(self, key: &str) -> Option<Tag> {
        let (run, rest) = key.strip_prefix(PREFIX)?.split_at_checked(16)?;
        let (number, at_us) = rest.strip_prefix('-')?.split_once('-')?;
        let is_of_this_run = u64::from_str_radix(run, 16) == Ok(self.0);
        let number = u32::from_str_radix(number, 16).ok()?;
        let at_us = u64::from_str_radix(at_us, 16).ok()?;
        is_of_this_run.then_some(Tag { number, at_us })
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_tag_back_to_its_run_only() {
        let run = RunId(7);
        for tag in [Tag { number: 0, at_us: 0 }, Tag { number: u32::MAX, at_us: u64::MAX }] {
            let key = run.key(tag);
            assert_eq!(run.tag(&key), Some(tag), "{key}");
            assert_eq!(RunId(8).tag(&key), None, "{key}");
            assert!(key.parse::<schemas::IdempotencyKey>().is_ok(), "{key}");
        }
        for other in ["", "load-", "order-1", "load-0000000000000007", "load-0000000000000007-x-1"]
        {
            assert_eq!(run.tag(other), None, "{other:?}");
        }
    }
}
