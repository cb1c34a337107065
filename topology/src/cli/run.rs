//! `holdfast run`: the roles of one process, against a Kafka cluster.

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::runtime;
use crate::settings::RunSettings;

/// Run the API, the ledger and the gateway follower: in one process, or each in its own.
///
/// Needs a Kafka cluster, a schema registry and a gateway; `holdfast dev` brings all three. Topics
/// are created when they are missing and checked when they are there. The state directory holds
/// nothing that the log does not give back.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast run --profile dev                                   the broker on 127.0.0.1:9092
  KAFKA_BOOTSTRAP_SERVERS=broker-1:9092,broker-2:9092 holdfast run
  holdfast run --roles api --state-dir api-1 --listen 127.0.0.1:8081
  holdfast run --roles ledger --shards 0-11 --state-dir ledger-1 --listen 127.0.0.1:8082

Processes on one machine need a --state-dir and a --listen each. DEPLOYMENT.md has the layouts.
SIGTERM and SIGINT stop it: requests under way are answered, batches are finished. kill -9 loses
nothing either; the next start takes a little longer.
")]
pub struct RunArguments {
    #[command(flatten)]
    settings: RunSettings,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What does not start, or which part has ended.
pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be heard")?;
    runtime::run(arguments.settings, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}
