//! Which gateway operations were asked for and not answered, and of whom: a fold of the journal.

use std::collections::BTreeMap;

use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::{OperationId, Partition};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::claim::Claim;

/// The operations that are owed an answer, and who has claimed which shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding {
    /// By attempt and sequence.
    operations: BTreeMap<(OperationId, i32), Asked>,
    /// By shard, the state directory that claimed it last.
    claimants: BTreeMap<Partition, Uuid>,
}

/// An operation, and of whom it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    shard: Partition,
    /// The state directory that had the shard; none before the first claim.
    of: Option<Uuid>,
    request: GatewayOperationRequested,
}

impl Outstanding {
    /// Folds one entry of a shard in.
    pub fn fold(&mut self, shard: Partition, entry: &Entry) {
        if let Some(claim) = Claim::stated_in(entry) {
            self.claimants.insert(shard, claim.directory());
        }
        for event in &entry.events {
            if let Event::GatewayOperationRequested(request) = event {
                self.ask(shard, request);
            }
            if let Event::GatewayOperationAnswered(answer) = event {
                self.answer(answer.operation_id, answer.operation_seq);
            }
            if let Event::PaymentCompleted(completed) = event {
                self.forget(completed.operation_id);
            }
            if let Event::RefundSucceeded(succeeded) = event {
                self.forget(OperationId::refund(succeeded.refund_id));
            }
        }
    }

    pub(super) fn ask(&mut self, shard: Partition, request: &GatewayOperationRequested) {
        let asked = Asked { shard, of: self.claimant(shard), request: request.clone() };
        self.operations.insert((request.operation_id, request.operation_seq), asked);
    }

    pub(super) fn answer(&mut self, operation_id: OperationId, operation_seq: i32) {
        self.operations.remove(&(operation_id, operation_seq));
    }

    /// An attempt or a refund has ended: what a claimant that is gone never answered is of no use
    /// any more.
    fn forget(&mut self, attempt: OperationId) {
        let operations = self.operations.range((attempt, i32::MIN)..=(attempt, i32::MAX));
        for (id, seq) in operations.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.answer(id, seq);
        }
    }

    /// The state directory that claimed this shard last.
    pub fn claimant(&self, shard: Partition) -> Option<Uuid> {
        self.claimants.get(&shard).copied()
    }

    /// Every operation of a shard that a state directory owes an answer to.
    pub fn asked_of(
        &self,
        shard: Partition,
        directory: Uuid,
    ) -> impl Iterator<Item = &GatewayOperationRequested> {
        let asked = self.operations.values();
        let asked = asked.filter(move |asked| asked.shard == shard && asked.of == Some(directory));
        asked.map(|asked| &asked.request)
    }

    /// The operation, if it is owed an answer.
    pub fn get(
        &self,
        operation_id: OperationId,
        operation_seq: i32,
    ) -> Option<&GatewayOperationRequested> {
        self.operations.get(&(operation_id, operation_seq)).map(|asked| &asked.request)
    }
}
