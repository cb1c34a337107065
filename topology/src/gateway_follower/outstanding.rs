//! Which gateway operations were asked for and not answered: a fold of the journal.

use std::collections::BTreeMap;

use schemas::OperationId;
use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use serde::{Deserialize, Serialize};

/// The operations that are owed an answer, by attempt and sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outstanding(pub(super) BTreeMap<(OperationId, i32), GatewayOperationRequested>);

impl Outstanding {
    /// Folds one entry in.
    pub fn fold(&mut self, entry: &Entry) {
        for event in &entry.events {
            if let Event::GatewayOperationRequested(request) = event {
                self.0.insert((request.operation_id, request.operation_seq), request.clone());
            }
            if let Event::GatewayOperationAnswered(answer) = event {
                self.0.remove(&(answer.operation_id, answer.operation_seq));
            }
        }
    }

    /// Every operation that is owed an answer.
    pub fn operations(&self) -> impl Iterator<Item = &GatewayOperationRequested> {
        self.0.values()
    }

    /// The operation, if it is owed an answer.
    pub fn get(
        &self,
        operation_id: OperationId,
        operation_seq: i32,
    ) -> Option<&GatewayOperationRequested> {
        self.0.get(&(operation_id, operation_seq))
    }
}
