//! Follows the journal and counts.
//!
//! It starts at its checkpoint and folds what gauges stand for; it counts only from the end on
//! that the journal had when the process started.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use schemas::Offset;
use schemas::entry::Entry;

use super::catalogue::Metric;
use super::exposure::Exposure;
use super::journal::JournalMeter;
use super::registry::Metrics;
use crate::checkpoint_file;
use crate::engine::follower::{Follower, Tailed};
use crate::views::ViewHead;
use crate::wall_clock;

/// How often the checkpoint is written: what is folded again after a kill is at most this old.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Hashed with the checkpoint: one of another form is unreadable.
const FORM: &[u8] = b"holdfast metrics checkpoint 2";

/// Follows the journal and counts.
pub struct MetricsFollower {
    meter: JournalMeter,
    exposure: Exposure,
    read: IntCounter,
    /// By partition: the first entry that counts.
    counts_from: Vec<Offset>,
    path: PathBuf,
}

/// The follower cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Its checkpoint is of another journal.
    #[error(
        "the checkpoint of the metrics is not of this journal: entry {found} does not follow entry \
         {seq}; the next start folds from the beginning"
    )]
    Diverged {
        /// The last entry folded.
        seq: i64,
        /// The entry that came.
        found: i64,
    },
}

impl MetricsFollower {
    /// A follower that stands where this exposure does, keeps it in this file, and counts from
    /// these offsets on, given by partition.
    pub fn new(
        metrics: &Metrics,
        meter: JournalMeter,
        exposure: Exposure,
        counts_from: Vec<Offset>,
        path: PathBuf,
    ) -> Self {
        let operations = metrics.counters(Metric::EventStoreOperations);
        let read = operations.with_label_values(&["read"]);
        Self { meter, exposure, read, counts_from, path }
    }

    /// The exposure in this file; the beginning when there is none.
    pub fn read(path: &Path) -> Exposure {
        checkpoint_file::read(path, FORM)
    }

    /// Follows until the tail ends.
    ///
    /// # Errors
    /// [`MetricsError`] when the checkpoint was of another journal; it is gone then.
    pub async fn run(mut self, mut follower: Follower<Entry>) -> Result<(), MetricsError> {
        let mut write_at = tokio::time::interval(CHECKPOINT_EVERY);
        self.meter.show(&self.exposure);
        loop {
            tokio::select! {
                batch = follower.next() => {
                    let Some(batch) = batch else { break };
                    self.take(&batch.entries)?;
                }
                _ = write_at.tick() => self.write(),
            }
        }
        self.write();
        Ok(())
    }

    fn take(&mut self, entries: &[Arc<Tailed<Entry>>]) -> Result<(), MetricsError> {
        let now = wall_clock::now();
        for tailed in entries {
            let (position, entry) = (tailed.position, &tailed.entry);
            let heads = &mut self.exposure.heads;
            let hash = tailed.hash;
            let next = ViewHead { offset: position.offset, seq: entry.seq, hash };
            if let Some(head) = heads.insert(position.partition, next)
                && (entry.seq != head.seq + 1 || entry.prev_hash != head.hash)
            {
                checkpoint_file::remove(&self.path);
                return Err(MetricsError::Diverged { seq: head.seq, found: entry.seq });
            }
            let from = self.counts_from.get(position.partition.index());
            if from.is_some_and(|from| position.offset >= *from) {
                self.meter.count(&mut self.exposure, entry, now);
            } else {
                self.meter.fold(&mut self.exposure, entry);
            }
        }
        self.read.inc_by(entries.len() as u64);
        self.meter.show(&self.exposure);
        Ok(())
    }

    fn write(&self) {
        if let Err(error) = checkpoint_file::write(&self.path, FORM, &self.exposure) {
            tracing::warn!(%error, "A checkpoint was not written; a restart folds a little more.");
        }
    }
}
