//! Where the follower stood: spares folding the journal from its beginning.

use std::collections::BTreeMap;
use std::path::Path;

use schemas::Partition;
use serde::{Deserialize, Serialize};

use super::Outstanding;
use crate::checkpoint_file;
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
        checkpoint_file::read(path, FORMAT)
    }

    /// Removes the checkpoint: the next start begins at the first entry.
    pub fn remove(path: &Path) {
        checkpoint_file::remove(path);
    }

    /// Writes the checkpoint beside the old one, then takes its place.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let beside = checkpoint_file::write_beside(path, FORMAT, self)?;
        pass(CrashWindow::CheckpointUnnamed);
        std::fs::rename(beside, path)
    }
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
