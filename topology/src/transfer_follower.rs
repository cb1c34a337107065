//! The transfer follower: brings the legs of transfers to the shards that must act.
//!
//! Every `TransferLegRequested` of the journal becomes a record on topic `transfers`, keyed by the
//! wallet whose shard must act: the receiver's for a credit, the sender's for an answer. Both may
//! be on one shard; the way is the same. At least once: the ledger folds a leg by (transfer, leg),
//! so that one that comes again moves nothing.
//!
//! It keeps no checkpoint and begins at the end of the journal that it finds. What a predecessor
//! did not bring is not lost: the sender's timer asks for the credit again until it is answered,
//! and the receiver answers every time that it is asked. So a leg is also tried once only; retries
//! are the ledger's.

use std::convert::Infallible;

use schemas::Partition;
use schemas::entry::Entry;
use schemas::event::{Event, TransferLegRequested};
use schemas::inputs::TransferLeg;
use tokio::task::JoinSet;

use crate::deliveries::Deliveries;
use crate::engine::follower::{Follower, Tailed};
use crate::log_writer::LogWriter;
use crate::traces;

/// Legs that may be on their way at a time: more than a shard asks for in a batch. At the limit the
/// follower takes no more entries; an append ends within seconds, one way or the other.
const LEGS_UNDER_WAY: usize = 1024;

/// What the follower is made of.
pub struct TransferFollower {
    /// Whose legs it brings.
    pub shards: Vec<Partition>,
    /// Where they go.
    pub log: LogWriter,
    /// Counts them.
    pub deliveries: Deliveries,
}

impl TransferFollower {
    /// Follows until the tail ends, then waits for the legs that are under way.
    ///
    /// # Errors
    /// None: what is not brought now is asked for again.
    pub async fn run(self, mut follower: Follower<Entry>) -> Result<(), Infallible> {
        let mut under_way = JoinSet::new();
        loop {
            let has_room = under_way.len() < LEGS_UNDER_WAY;
            tokio::select! {
                batch = follower.next(), if has_room => {
                    let Some(batch) = batch else { break };
                    for tailed in &batch.entries {
                        self.take(tailed, &mut under_way);
                    }
                }
                Some(ended) = under_way.join_next() => note(ended),
            }
        }
        while let Some(ended) = under_way.join_next().await {
            note(ended);
        }
        Ok(())
    }

    fn take(&self, tailed: &Tailed<Entry>, under_way: &mut JoinSet<()>) {
        if !self.shards.contains(&tailed.position.partition) {
            return;
        }
        for leg in legs(&tailed.entry) {
            let (log, deliveries, leg) = (self.log.clone(), self.deliveries.clone(), leg.clone());
            under_way.spawn(traces::below(tailed.trace.as_deref(), async move {
                bring(&log, &deliveries, &leg).await;
            }));
        }
    }
}

/// The legs that an entry asks for.
fn legs(entry: &Entry) -> impl Iterator<Item = &TransferLeg> {
    entry.events.iter().filter_map(|event| {
        let Event::TransferLegRequested(TransferLegRequested { leg }) = event else { return None };
        Some(leg)
    })
}

async fn bring(log: &LogWriter, deliveries: &Deliveries, leg: &TransferLeg) {
    let TransferLeg { transfer_id, correlation_id, .. } = leg;
    match log.append_leg(leg).await {
        Ok(()) => {
            deliveries.appended();
            tracing::debug!(
                target: connectors::HOP, hop = "leg", %transfer_id, correlation_id,
                "A leg of a transfer is in the log."
            );
        }
        Err(error) => {
            tracing::warn!(
                %transfer_id, correlation_id, %error,
                "The log did not take a leg of a transfer; its timer asks for it again."
            );
            deliveries.failed(error.to_string());
        }
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        // The sender's timer asks for the leg again.
        tracing::error!(%error, "A leg of a transfer was not brought.");
    }
}
