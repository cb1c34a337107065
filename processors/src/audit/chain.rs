//! Check `chain`: the journal is whole and nobody has touched it.
//!
//! The hash is computed here from the bytes in the log, not taken from any decoded value. After a
//! break the check goes on from what the next entry names, so one break counts once.

use std::collections::BTreeMap;

use schemas::entry::{Entry, READER_VERSION};
use schemas::{EntryHash, Partition, Position, Timestamp, TopicName};

use super::AuditRecord;
use super::report::CheckResult;

pub(super) struct Chain {
    journal: TopicName,
    heads: BTreeMap<Partition, Head>,
    result: CheckResult,
}

/// The end of a partition so far.
#[derive(Clone, Copy)]
struct Head {
    hash: EntryHash,
    seq: i64,
    at: Timestamp,
}

impl Chain {
    pub(super) fn new(journal: TopicName) -> Self {
        let meaning = "every entry can be read, names the hash of the one before it, has the next \
                       sequence and is not older than it";
        Self { journal, heads: BTreeMap::new(), result: CheckResult::new("chain", meaning) }
    }

    pub(super) fn observe(&mut self, record: &AuditRecord<'_>) {
        self.result.examine();
        let position = record.position;
        let head = self.heads.get(&position.partition).copied().unwrap_or_else(|| Head {
            hash: EntryHash::genesis(&self.journal, position.partition),
            seq: 0,
            at: Timestamp::from_millis(i64::MIN),
        });
        let next = match &record.entry {
            Ok(entry) => {
                self.judge(position, entry, head);
                Head {
                    hash: entry.prev_hash.link(record.key, record.value),
                    seq: entry.seq,
                    at: entry.at.max(head.at),
                }
            }
            Err(error) => {
                self.result.violated(position, format!("the entry cannot be read: {error}"));
                let hash = head.hash.link(record.key, record.value);
                Head { hash, seq: head.seq.saturating_add(1), at: head.at }
            }
        };
        self.heads.insert(position.partition, next);
    }

    fn judge(&mut self, position: Position, entry: &Entry, head: Head) {
        if entry.prev_hash != head.hash {
            let (named, found) = (entry.prev_hash, head.hash);
            let detail = format!("names {named} as the hash before it, which is {found}");
            self.result.violated(position, detail);
        }
        if Some(entry.seq) != head.seq.checked_add(1) {
            let detail = format!("sequence {} follows {}", entry.seq, head.seq);
            self.result.violated(position, detail);
        }
        if entry.at < head.at {
            let detail = format!("is of {}, after an entry of {}", entry.at, head.at);
            self.result.violated(position, detail);
        }
        if !(1..=READER_VERSION).contains(&entry.min_reader) {
            let detail = format!(
                "needs reader version {}, this binary has {READER_VERSION}: audit with a newer one",
                entry.min_reader
            );
            self.result.violated(position, detail);
        }
    }

    pub(super) fn result(&self) -> &CheckResult {
        &self.result
    }
}
