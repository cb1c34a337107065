//! Where a follower stood: a file that spares folding the journal from its beginning.
//!
//! Disposable: missing, torn or of another journal, the fold begins at the first entry.

use std::collections::BTreeMap;
use std::path::Path;

use processors::{decode_row, encode_row};
use schemas::Partition;
use serde::{Deserialize, Serialize};

use super::Outstanding;
use crate::crash_window::{CrashWindow, pass};
use crate::views::ViewHead;

/// Hashed with a checkpoint: one of another form is unreadable.
const FORMAT: &[u8] = b"holdfast gateway follower checkpoint 2";

/// A follower's state at a place in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last entry folded, of every partition.
    pub heads: BTreeMap<Partition, ViewHead>,
    /// What was owed an answer then.
    pub outstanding: Outstanding,
}

impl Checkpoint {
    /// The checkpoint in this file; the beginning when there is none that can be read.
    pub fn read(path: &Path) -> Self {
        let Ok(bytes) = std::fs::read(path) else { return Self::default() };
        let whole =
            bytes.split_first_chunk::<32>().filter(|(hash, row)| digest(row).as_bytes() == *hash);
        let checkpoint = whole.and_then(|(_, row)| decode_row(row).ok());
        if checkpoint.is_none() {
            tracing::warn!(path = %path.display(), "A checkpoint is unreadable; folding anew.");
        }
        checkpoint.unwrap_or_default()
    }

    /// Removes the checkpoint: the next start begins at the first entry.
    pub fn remove(path: &Path) {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(%error, "A checkpoint was not removed.");
        }
    }

    /// Writes the checkpoint beside the old one, then takes its place.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let row = encode_row(self);
        let mut bytes = digest(&row).as_bytes().to_vec();
        bytes.extend_from_slice(&row);
        let beside = path.with_extension("new");
        std::fs::write(&beside, bytes)?;
        pass(CrashWindow::CheckpointUnnamed);
        std::fs::rename(beside, path)
    }
}

fn digest(row: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(FORMAT).update(row).finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_checkpoint_is_the_beginning() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("checkpoint");
        assert_eq!(Checkpoint::read(&path), Checkpoint::default());
        let mut checkpoint = Checkpoint::default();
        let head = ViewHead {
            offset: schemas::Offset::ZERO,
            seq: 1,
            hash: schemas::EntryHash::from([7; 32]),
        };
        checkpoint.heads.insert(Partition::new(1).expect("valid"), head);
        checkpoint.write(&path).expect("written");
        assert_eq!(Checkpoint::read(&path), checkpoint);
        let bytes = std::fs::read(&path).expect("readable");
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).expect("writable");
            assert_eq!(Checkpoint::read(&path), Checkpoint::default(), "cut at {cut}");
        }
    }
}
