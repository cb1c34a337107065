//! The followers of the role ledger: what its own shards set in motion beyond their journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::{Offset, Partition};
use tokio::task::JoinHandle;

use super::Shared;
use super::follower_runtime::FollowerRuntime;
use super::journal::{FOLLOWER_QUEUE, beyond, starts};
use crate::dead_letter_follower::{Checkpoint, DeadLetterFollower};
use crate::deliveries::Deliveries;
use crate::engine::kafka::tail::JournalTail;
use crate::ledger::Ledger;
use crate::transfer_follower::TransferFollower;

/// Starts them.
pub(super) fn start(
    shared: &Arc<Shared>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    runtime: &FollowerRuntime,
) -> Vec<JoinHandle<()>> {
    let followers = [("transfers", "transfer-follower"), ("dead-letters", "dead-letter-follower")];
    let [transfers, letters] = Deliveries::of(&shared.metrics, followers);
    shared.health.note_deliveries(vec![transfers.clone(), letters.clone()]);
    vec![
        start_transfers(shared, tail, ends, transfers, runtime),
        start_dead_letters(shared, tail, ends, letters, runtime),
    ]
}

fn start_transfers(
    shared: &Arc<Shared>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    deliveries: Deliveries,
    runtime: &FollowerRuntime,
) -> JoinHandle<()> {
    let (shards, log) = (shared.shards.clone(), shared.writer.clone());
    let transfers = TransferFollower { shards, log, deliveries };
    let follower = tail.follow("transfers", ends.to_vec(), FOLLOWER_QUEUE);
    runtime.spawn("the transfer follower", transfers.run(follower))
}

fn start_dead_letters(
    shared: &Arc<Shared>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    deliveries: Deliveries,
    runtime: &FollowerRuntime,
) -> JoinHandle<()> {
    let path = shared.directory.join("dead-letters.checkpoint");
    let mut checkpoint = Checkpoint::read(&path);
    let count = shared.settings.partitions();
    if let Some(beyond) = beyond(&starts(&checkpoint.heads, count), ends) {
        tracing::warn!(beyond, "The dead letters' checkpoint is of another journal; anew.");
        checkpoint = Checkpoint { heads: BTreeMap::new() };
    }
    let mut from = starts(&checkpoint.heads, count);
    // What it does not need is past for it.
    for other in Partition::all(count).filter(|shard| !shared.shards.contains(shard)) {
        from[other.index()] = ends[other.index()];
    }
    let (shards, log) = (shared.shards.clone(), shared.writer.clone());
    let letters = DeadLetterFollower { shards, log, deliveries, checkpoint_path: path };
    let follower = tail.follow("dead-letters", from, FOLLOWER_QUEUE);
    runtime.spawn("the dead-letter follower", letters.run(checkpoint, follower))
}
