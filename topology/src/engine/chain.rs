//! The check of the hash chain that every fold of the journal makes: `seq` is dense, `prev_hash` is
//! the hash of the entry before. A gap or a mismatch is never ignored.

use schemas::{EntryHash, Partition, TopicName};

use super::application::{EntryHeader, Record};

/// The newest entry seen: what the next one must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// Its sequence; 0 before the first.
    pub seq: u64,
    /// Its hash; the genesis hash before the first.
    pub hash: EntryHash,
}

/// An entry that does not follow the one before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// Entries are missing, or there is one too many.
    #[error("the entry has sequence {found}, {wanted} must come next")]
    Sequence {
        /// What the entry says.
        found: u64,
        /// What would follow.
        wanted: u64,
    },
    /// The entry follows another one.
    #[error("the entry follows {found}, the entry before it is {wanted}")]
    Hash {
        /// What the entry says.
        found: EntryHash,
        /// What would follow.
        wanted: EntryHash,
    },
}

impl ChainLink {
    /// Before the first entry of a journal partition.
    pub fn genesis(journal: &TopicName, partition: Partition) -> Self {
        Self { seq: 0, hash: EntryHash::genesis(journal, partition) }
    }

    /// The link that this entry makes, whatever it follows: where a fold begins in the middle.
    pub fn of(header: &EntryHeader, record: &Record) -> Self {
        let hash = header.prev_hash.link(record.key.as_deref(), record.value.as_deref());
        Self { seq: header.seq, hash }
    }

    /// The link after this one, when the entry follows it.
    ///
    /// # Errors
    /// [`ChainBreak`] otherwise.
    pub fn follow(&self, header: &EntryHeader, record: &Record) -> Result<Self, ChainBreak> {
        let wanted = self.seq + 1;
        if header.seq != wanted {
            return Err(ChainBreak::Sequence { found: header.seq, wanted });
        }
        if header.prev_hash != self.hash {
            return Err(ChainBreak::Hash { found: header.prev_hash, wanted: self.hash });
        }
        Ok(Self::of(header, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::application::Source;
    use bytes::Bytes;
    use schemas::Topic;

    fn genesis() -> ChainLink {
        let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
        ChainLink::genesis(&journal, Partition::new(0).expect("valid"))
    }

    fn header(seq: u64, prev_hash: EntryHash) -> EntryHeader {
        let source = Source::Timer { id: "t".to_owned(), generation: 1, due_ms: 0 };
        EntryHeader { seq, prev_hash, min_reader: 1, at_ms: 0, source, timers: Vec::new() }
    }

    fn record(value: &'static str) -> Record {
        Record { value: Some(Bytes::from(value)), ..Record::default() }
    }

    #[test]
    fn only_the_next_entry_follows() {
        let start = genesis();
        let first = start.follow(&header(1, start.hash), &record("a")).expect("follows");
        let gap = first.follow(&header(3, first.hash), &record("b"));
        assert_eq!(gap, Err(ChainBreak::Sequence { found: 3, wanted: 2 }));
        let altered = start.follow(&header(1, start.hash), &record("A")).expect("follows");
        let broken = altered.follow(&header(2, first.hash), &record("b"));
        assert!(matches!(broken, Err(ChainBreak::Hash { .. })));
        first.follow(&header(2, first.hash), &record("b")).expect("follows");
    }
}
