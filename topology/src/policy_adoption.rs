//! Tells each shard which configuration it decides by, as an input: the journal then holds every
//! configuration that its entries name.
//!
//! The process that runs a shard writes it, when it has taken the shard over and finds another
//! configuration adopted there than its own. That may happen twice; the ledger takes the second as
//! a repetition.

use std::time::Duration;

use processors::policy::Policy;
use schemas::Partition;
use schemas::inputs::{AdoptPolicy, Envelope, Operation, OperationBody};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use crate::log_writer::LogWriter;

/// The wait before an input that the log did not take is offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(500);

/// Writes the configuration to every shard that is named, until nobody can name one any more.
pub async fn adopt(log: LogWriter, policy: Policy, mut shards: UnboundedReceiver<Partition>) {
    let version = policy.version;
    let configuration = match serde_json::to_string(&policy) {
        Ok(configuration) => configuration,
        Err(error) => {
            tracing::error!(%error, "The configuration has no text; no shard is told of it.");
            return;
        }
    };
    while let Some(shard) = shards.recv().await {
        let operation = operation(version, &configuration);
        while let Err(error) = log.append_adoption(shard, &operation).await {
            tracing::warn!(%shard, %error, "A shard was not told its configuration; again.");
            tokio::time::sleep(OFFER_AGAIN).await;
        }
        tracing::info!(%shard, version, "A shard is told its configuration.");
    }
}

fn operation(version: i64, configuration: &str) -> Operation {
    Operation {
        envelope: Envelope {
            command_id: Uuid::new_v4().to_string(),
            tenant: String::new(),
            idempotency_key: String::new(),
            correlation_id: String::new(),
            actor: "holdfast".to_owned(),
            deadline: None,
        },
        body: OperationBody::AdoptPolicy(AdoptPolicy {
            version,
            configuration: configuration.to_owned(),
        }),
    }
}
