//! What starts once Kafka and the registry are there, in order, however long they take.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemas::codec::RecordKind;
use tokio::sync::mpsc;

use super::Shared;
use super::journal::Followers;
use crate::crash_window::{CrashWindow, pass};
use crate::engine::kafka::admin::{TopicProfile, TopicsError, TopicsReport, prepare_topics};
use crate::engine::kafka::ledger::{Ledger as Shards, LedgerOptions};
use crate::engine::rocks_options::StoreMemory;
use crate::ledger::{Ledger, WrittenWith};
use crate::metrics;
use crate::policy_adoption;
use crate::registry::{Registry, WriterIds};
use crate::roles::Role;
use crate::schema_ids;
use crate::settings::Profile;

/// Block cache and write buffers of all shards of the process, in bytes.
const STORE_MEMORY_BYTES: usize = 256 << 20;
/// The wait before a broker that was away is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The parts that run. Filled while they start, so that a stop half way finds what there is.
#[derive(Default)]
pub(super) struct Parts {
    followers: Option<Followers>,
    shards: Option<RunningShards>,
}

struct RunningShards {
    stop: mpsc::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Parts {
    /// Starts everything that needs Kafka and that the roles need. Whatever ends by itself later is
    /// reported. Cut off wherever it waits, it leaves nothing running but what is in here.
    pub async fn start(
        &mut self,
        shared: &Arc<Shared>,
        report: &mpsc::Sender<anyhow::Error>,
    ) -> anyhow::Result<()> {
        let topics = topics(shared).await?;
        for topic in &topics.created {
            tracing::info!(%topic, "A topic was created.");
        }
        let ledger = register(shared, report).await?;
        let settings = &shared.settings;
        self.followers = Some(Followers::start(shared, &ledger, report).await?);
        if settings.has(Role::Ledger) {
            if let Some(followers) = &self.followers {
                // Shards that run while the tail is far behind would ask the gateway follower for
                // what it cannot do in time.
                followers.near(shared).await;
            }
            let adopting = ledger.watch_takeovers();
            let policy = ledger.policy().clone();
            shared.background.spawn(policy_adoption::adopt(
                shared.writer.clone(),
                policy,
                adopting,
            ));
            let running = start_shards(shared, &ledger, self.followers.as_ref())?;
            shared.health.note_shards(running.statuses().to_vec());
            let governor = Arc::clone(running.governor());
            metrics::watch_shards(&shared.metrics, running.statuses().to_vec(), governor);
            let (stop, stopped) = mpsc::channel(1);
            let task = tokio::spawn(watch(running, stopped, report.clone()));
            self.shards = Some(RunningShards { stop, task });
        }
        Ok(())
    }

    /// Stops the shards after their batches, then the tail and its followers.
    pub async fn stop(self) {
        if let Some(shards) = self.shards {
            // An error means that the shards have ended by themselves.
            let _ = shards.stop.send(()).await;
            if let Err(error) = shards.task.await {
                tracing::error!(%error, "The shards panicked.");
            }
        }
        pass(CrashWindow::ShardsStopped);
        if let Some(followers) = self.followers {
            followers.stop().await;
        }
    }
}

/// Creates and checks the topics, waiting for a broker that is away.
async fn topics(shared: &Arc<Shared>) -> anyhow::Result<TopicsReport> {
    let profile = match shared.settings.profile {
        Profile::Dev => TopicProfile::Dev,
        Profile::Production => TopicProfile::Production,
    };
    loop {
        let (connection, prefix) =
            (shared.connection.clone(), shared.settings.kafka.topic_prefix.clone());
        let count = shared.settings.partitions();
        let prepared = tokio::task::spawn_blocking(move || {
            prepare_topics(&connection, &prefix, count, profile)
        });
        match prepared.await? {
            Ok(report) => return Ok(report),
            Err(error @ TopicsError::Away(_)) => {
                tracing::warn!(%error, "Waiting for the broker.");
                shared.health.note_waiting(&error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Makes the ledger ready to write. A process that has written with all its schemas before starts
/// without the registry; otherwise it waits for it.
async fn register(
    shared: &Arc<Shared>,
    report: &mpsc::Sender<anyhow::Error>,
) -> anyhow::Result<Arc<Ledger>> {
    let path = shared.directory.join("schema-ids.json");
    let ids = if let Some(ids) = schema_ids::read(&path) {
        for kind in RecordKind::ALL {
            shared.catalog.learn_own(ids.of(kind), kind)?;
        }
        let again = register_again(Arc::clone(shared), ids, path, report.clone());
        shared.background.spawn(again);
        ids
    } else {
        let ids = ask_registry(shared).await?;
        schema_ids::write(&path, ids);
        ids
    };
    let policy = shared.settings.policy()?;
    let catalog = Arc::clone(&shared.catalog);
    tracing::info!(version = policy.version, "The policy in force.");
    let (ledger, seen) = Ledger::new(policy, catalog, Some(shared.registry.clone()));
    let ledger = Arc::new(ledger);
    shared.background.spawn(verify(shared.registry.clone(), seen, report.clone()));
    ledger.set_entry_schema(ids.entry);
    shared.ids.get_or_init(|| ids);
    shared.health.note_schemas_registered();
    Ok(ledger)
}

/// Registers the schemas, waiting for a registry that is away.
async fn ask_registry(shared: &Arc<Shared>) -> anyhow::Result<WriterIds> {
    let away = |reason: &str| {
        tracing::warn!(reason, "Waiting for the schema registry.");
        shared.health.note_waiting(reason);
    };
    let prefix = &shared.settings.kafka.topic_prefix;
    Ok(shared.registry.register(prefix, &shared.catalog, away).await?)
}

/// Holds remembered ids against the registry, whenever it answers.
async fn register_again(
    shared: Arc<Shared>,
    ids: WriterIds,
    path: PathBuf,
    report: mpsc::Sender<anyhow::Error>,
) {
    let checked = async {
        for kind in RecordKind::ALL {
            shared.registry.verify(ids.of(kind), kind.schema().fingerprint()).await?;
        }
        ask_registry(&shared).await
    };
    match checked.await {
        Ok(now) => schema_ids::write(&path, now),
        Err(error) => {
            // Nobody listens any more when the process ends anyway.
            let _ = report.send(error).await;
        }
    }
}

/// Holds every schema id that the log uses against the registry.
async fn verify(
    registry: Registry,
    mut seen: mpsc::UnboundedReceiver<WrittenWith>,
    report: mpsc::Sender<anyhow::Error>,
) {
    while let Some(WrittenWith { id, fingerprint }) = seen.recv().await {
        if let Err(error) = registry.verify(id, fingerprint).await {
            // Nobody listens any more when the process ends anyway.
            let _ = report.send(error.into()).await;
        }
    }
}

fn start_shards(
    shared: &Arc<Shared>,
    ledger: &Arc<Ledger>,
    followers: Option<&Followers>,
) -> anyhow::Result<Shards> {
    let options = LedgerOptions {
        connection: shared.connection.clone(),
        prefix: shared.settings.kafka.topic_prefix.clone(),
        shards: shared.shards.clone(),
        directory: Arc::clone(&shared.directory),
        memory: StoreMemory::of_bytes(STORE_MEMORY_BYTES),
    };
    Ok(Shards::start(ledger, &options, followers.map(Followers::feed))?)
}

/// Waits until the shards shall stop, or one of them ends by itself.
async fn watch(
    mut shards: Shards,
    mut stopped: mpsc::Receiver<()>,
    report: mpsc::Sender<anyhow::Error>,
) {
    tokio::select! {
        ended = shards.ended() => {
            // Nobody listens any more when the process ends anyway.
            let _ = report.send(ended.into()).await;
        }
        _ = stopped.recv() => {}
    }
    if let Err(error) = tokio::task::spawn_blocking(move || shards.stop()).await {
        tracing::error!(%error, "The shards did not stop cleanly.");
    }
}
