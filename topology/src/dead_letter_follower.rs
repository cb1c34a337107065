//! The dead-letter follower: what nobody could read becomes a record that people can look after.
//!
//! Every entry that refused an unreadable or oversize input becomes a [`DeadLetter`] on topic
//! `dead-letters`, keyed by the position of the entry, on the partition of its shard. At least
//! once: a letter may be there twice, and is the same one by its key. The checkpoint never passes a
//! letter that is not in the log, so a restart goes on with it; without the checkpoint all of them
//! are written again.
//!
//! A letter that the log refuses for good (no right to write, no such topic) is given up with an
//! error that names it: the refusal stays in the journal, and the tail must not wait for ever.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use schemas::Partition;
use schemas::dead_letter::DeadLetter;
use schemas::entry::Entry;
use serde::{Deserialize, Serialize};

use crate::checkpoint_file;
use crate::deliveries::Deliveries;
use crate::engine::follower::{Follower, Tailed};
use crate::engine::kafka::producer::IngressError;
use crate::log_writer::LogWriter;
use crate::views::ViewHead;

/// How often the checkpoint is written: what is written again after a kill is at most this old.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// The wait before a letter that the log did not take is offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(500);
/// Letters that are offered at a time: each has up to 64 KiB.
const LETTERS_UNDER_WAY: usize = 64;
/// Hashed with a checkpoint: one of another form is unreadable.
const FORM: &[u8] = b"holdfast dead letters checkpoint 1";

/// Where the follower stands: every letter up to these entries is in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last entry taken, of every partition.
    pub heads: BTreeMap<Partition, ViewHead>,
}

impl Checkpoint {
    /// The checkpoint in this file; the beginning when there is none that can be read.
    pub fn read(path: &Path) -> Self {
        checkpoint_file::read(path, FORM)
    }
}

/// What the follower is made of.
pub struct DeadLetterFollower {
    /// Whose letters it writes.
    pub shards: Vec<Partition>,
    /// Where they go.
    pub log: LogWriter,
    /// Counts them.
    pub deliveries: Deliveries,
    /// Where the checkpoint is kept.
    pub checkpoint_path: PathBuf,
}

/// The follower cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// Its checkpoint is of another journal.
    #[error(
        "the checkpoint of the dead letters is not of this journal: entry {found} does not follow \
         entry {seq}; the next start begins with the first entry"
    )]
    Diverged {
        /// The last entry taken.
        seq: i64,
        /// The entry that came.
        found: i64,
    },
}

impl DeadLetterFollower {
    /// Follows until the tail ends. `checkpoint` is where this follower stands.
    ///
    /// # Errors
    /// [`DeadLetterError`] when the checkpoint was of another journal; it is gone then.
    pub async fn run(
        self,
        mut checkpoint: Checkpoint,
        mut follower: Follower<Entry>,
    ) -> Result<(), DeadLetterError> {
        let mut write_at = tokio::time::interval(CHECKPOINT_EVERY);
        loop {
            tokio::select! {
                batch = follower.next() => {
                    let Some(batch) = batch else { break };
                    let next = self.heads_after(&checkpoint, &batch.entries)?;
                    if !self.deliver(&batch.entries, &follower).await {
                        break;
                    }
                    checkpoint = next;
                }
                _ = write_at.tick() => self.write(&checkpoint),
            }
        }
        self.write(&checkpoint);
        Ok(())
    }

    fn heads_after(
        &self,
        checkpoint: &Checkpoint,
        entries: &[Arc<Tailed<Entry>>],
    ) -> Result<Checkpoint, DeadLetterError> {
        let mut next = checkpoint.clone();
        for tailed in entries.iter().filter(|tailed| self.is_own(tailed)) {
            let (position, entry) = (tailed.position, &tailed.entry);
            let head = ViewHead { offset: position.offset, seq: entry.seq, hash: tailed.hash };
            if let Some(before) = next.heads.insert(position.partition, head)
                && (entry.seq != before.seq + 1 || entry.prev_hash != before.hash)
            {
                checkpoint_file::remove(&self.checkpoint_path);
                return Err(DeadLetterError::Diverged { seq: before.seq, found: entry.seq });
            }
        }
        Ok(next)
    }

    fn is_own(&self, tailed: &Tailed<Entry>) -> bool {
        self.shards.contains(&tailed.position.partition)
    }

    /// Writes the letters of these entries; whether all of them were dealt with before the tail
    /// ended.
    async fn deliver(&self, entries: &[Arc<Tailed<Entry>>], follower: &Follower<Entry>) -> bool {
        let mut letters = Vec::new();
        for tailed in entries.iter().filter(|tailed| self.is_own(tailed)) {
            let letter = DeadLetter::of(tailed.position, &tailed.entry);
            letters.extend(letter.map(|letter| (tailed.position.partition, letter)));
        }
        let offers = futures::stream::iter(letters)
            .map(|(shard, letter)| self.offer(shard, letter, follower))
            .buffer_unordered(LETTERS_UNDER_WAY);
        offers.fold(true, |all, one| std::future::ready(all && one)).await
    }

    /// Offers a letter until the log has it, or refuses it for good, or the tail has ended.
    async fn offer(&self, shard: Partition, letter: DeadLetter, to: &Follower<Entry>) -> bool {
        loop {
            let error = match self.log.append_dead_letter(shard, &letter).await {
                Ok(()) => {
                    self.deliveries.appended();
                    return true;
                }
                Err(error) => error,
            };
            self.deliveries.failed(error.to_string());
            match error {
                IngressError::Refused(reason) => {
                    let position = letter.position;
                    tracing::error!(
                        position,
                        reason,
                        "The log refuses a dead letter, which is given up; `holdfast journal` \
                         shows the input. May this process write to the topic dead-letters?"
                    );
                    return true;
                }
                IngressError::Overloaded | IngressError::Away | IngressError::Unknown(_) => {
                    if to.has_ended() {
                        return false;
                    }
                    tokio::time::sleep(OFFER_AGAIN).await;
                }
            }
        }
    }

    fn write(&self, checkpoint: &Checkpoint) {
        if let Err(error) = checkpoint_file::write(&self.checkpoint_path, FORM, checkpoint) {
            tracing::warn!(%error, "A checkpoint was not written; a restart reads a little more.");
        }
    }
}
