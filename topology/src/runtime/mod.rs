//! The roles of a process, put together: what starts when, what depends on what, what stops when.
//!
//! Only what the roles need starts: views with the role api, shards and their followers with the
//! role ledger; the journal tail always. HTTP listens first and is truthful about the rest:
//! `/ready` says 503 until the schemas are registered, the topics are safe, and, as far as the
//! roles go, the shards run, the views have caught up and the gateway follower has its shards. A
//! part that ends without being asked to ends the process with its name; a supervisor starts it
//! again, and the log says where to go on.
//!
//! It stops in this order, each step as far as the process has the part: the API takes no more
//! requests and answers those it has, 10 seconds at most; the shards finish their batches; the tail
//! ends; the followers handle what they were given, and gateway calls under way end and are
//! reported, one call time-out and a second at most; what runs in the background is joined, so that
//! no Kafka client is alive when the process ends; the producer is flushed, 5 seconds at most. What
//! does not get done in that time is done from the log by the next start.

mod background;
mod follower_runtime;
mod health;
mod journal;
mod ledger_followers;
mod memory;
mod start;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use connectors::gateway::table::GatewayTable;
use connectors::http::{self, ApiOptions, GatewayDesk, Ports};
use schemas::Partition;
use schemas::codec::SchemaCatalog;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::crash_window::{CrashWindow, pass};
use crate::engine::kafka::connection::KafkaConnection;
use crate::engine::kafka::producer::{IngressLimits, IngressProducer};
use crate::engine::state_directory::StateDirectory;
use crate::gateway_follower::GatewayBoard;
use crate::log_writer::LogWriter;
use crate::metrics::{self, Metrics};
use crate::payments;
use crate::registry::{Registry, WriterIds};
use crate::roles::Role;
use crate::settings::{KafkaSettings, Profile, RunSettings};
use crate::traces;
use crate::views::{PaymentViews, ViewStore};
use crate::wall_clock;

use background::Background;
use health::ProcessHealth;
use start::Parts;

/// What every part of the process shares.
pub(crate) struct Shared {
    pub settings: RunSettings,
    pub gateways: Arc<GatewayTable>,
    /// How calls go: empty in a process without the role gateway.
    pub board: Arc<GatewayBoard>,
    pub connection: KafkaConnection,
    pub directory: Arc<StateDirectory>,
    pub registry: Registry,
    pub catalog: Arc<SchemaCatalog>,
    pub ids: Arc<OnceLock<WriterIds>>,
    /// Of the roles ledger and gateway.
    pub shards: Vec<Partition>,
    /// Of the role api.
    pub views: Option<Arc<PaymentViews>>,
    /// Of every role.
    pub writer: LogWriter,
    pub health: Arc<ProcessHealth>,
    pub metrics: Arc<Metrics>,
    pub background: Background,
}

/// The listeners of the process, open before anything else starts.
struct Listeners {
    api: TcpListener,
    metrics: TcpListener,
}

/// How to reach the brokers.
pub fn connection(kafka: &KafkaSettings) -> KafkaConnection {
    let properties: BTreeMap<String, String> = kafka.kafka_property.iter().cloned().collect();
    KafkaConnection {
        bootstrap_servers: kafka.kafka_bootstrap_servers.clone(),
        application: kafka.topic_prefix.to_string(),
        properties,
    }
}

/// Runs every role until `shutdown`, then stops in order.
///
/// # Errors
/// What does not start, or which part has ended, with the way out.
pub async fn run(
    settings: RunSettings,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let endpoint = settings.telemetry.otlp_endpoint.as_deref().filter(|url| !url.is_empty());
    let export = endpoint.map(traces::Export::start).transpose()?;
    let (shared, listeners) = prepare(settings).await?;
    let metrics_address = listeners.metrics.local_addr()?;
    let (stopping, stop) = watch::channel(false);
    let api = http::serve(listeners.api, router(&shared)?, raised(stop.clone()));
    let mut api = tokio::spawn(api);
    let measured = metrics::routes(&shared.metrics);
    let measured = tokio::spawn(http::serve(listeners.metrics, measured, raised(stop)));
    let (report, mut ended) = mpsc::channel::<anyhow::Error>(8);
    health::probe(&shared);
    shared.background.spawn(health::watch_writer(shared.writer.clone(), report.clone()));
    let mut parts = Parts::default();
    let outcome = {
        let starting = parts.start(&shared, &report);
        tokio::pin!(starting, shutdown);
        let mut is_running = false;
        loop {
            tokio::select! {
                () = &mut shutdown => break Ok(()),
                Some(error) = ended.recv() => break Err(error),
                _ = &mut api => break Err(anyhow::anyhow!("HTTP ended")),
                started = &mut starting, if !is_running => match started {
                    Ok(()) => {
                        say_that_it_runs(&shared.settings, metrics_address);
                        is_running = true;
                    }
                    Err(error) => break Err(error),
                },
            }
        }
    };
    tracing::info!("Stopping: no more requests are taken.");
    stopping.send_replace(true);
    let drained = if api.is_finished() {
        Ok(())
    } else {
        api.await.context("HTTP panicked").and_then(|served| Ok(served?))
    };
    pass(CrashWindow::ApiStopped);
    parts.stop().await;
    pass(CrashWindow::FollowersStopped);
    shared.background.stop().await;
    if let Err(error) = measured.await {
        tracing::error!(%error, "The server of the metrics panicked.");
    }
    shared.metrics.forget_sources();
    let writer = shared.writer.clone();
    tokio::task::spawn_blocking(move || {
        writer.close();
        export.map(traces::Export::stop)
    })
    .await?;
    tracing::info!("Stopped.");
    outcome.and(drained)
}

fn say_that_it_runs(settings: &RunSettings, metrics: SocketAddr) {
    let roles = settings.roles.iter().map(|role| role.label()).collect::<Vec<_>>().join(",");
    let (listen, shards) = (settings.listen, &settings.shards);
    tracing::info!(%listen, %metrics, roles, %shards, "Holdfast runs.");
}

/// Completes when it is true, or when nobody can make it true any more.
async fn raised(mut signal: watch::Receiver<bool>) {
    let _ = signal.wait_for(|raised| *raised).await;
}

/// Listens, or says which setting chooses another address.
async fn listen(address: SocketAddr, [flag, variable]: [&str; 2]) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address}: every process needs an address of its own, chosen with \
             {flag} or {variable}"
        )
    })
}

async fn prepare(settings: RunSettings) -> anyhow::Result<(Arc<Shared>, Listeners)> {
    let faults = payments::topology().validate();
    anyhow::ensure!(faults.is_empty(), "the topology is not valid: {faults:?}");
    settings.policy()?;
    let shards = settings.shards()?;
    let connection = connection(&settings.kafka);
    let directory = StateDirectory::lock(&settings.state_dir)
        .context("--state-dir or HOLDFAST_STATE_DIR must name a directory of this process alone")?;
    let directory = Arc::new(directory);
    let api = listen(settings.listen, ["--listen", "HOLDFAST_LISTEN"]).await?;
    let names = ["--metrics-listen", "HOLDFAST_METRICS_LISTEN"];
    let metrics = listen(settings.telemetry.metrics_listen, names).await?;
    let listeners = Listeners { api, metrics };
    let partitions = settings.partitions();
    let views = if settings.has(Role::Api) {
        let store = ViewStore::open(&directory.join("views"))?;
        Some(Arc::new(PaymentViews::new(store, partitions)?))
    } else {
        None
    };
    let ids = Arc::new(OnceLock::new());
    let prefix = &settings.kafka.topic_prefix;
    let producer = IngressProducer::new(&connection, prefix, "ingress", IngressLimits::default())?;
    let writer = LogWriter::new(producer, partitions, Arc::clone(&ids));
    if let Some(views) = &views {
        views.feed(writer.backlog());
    }
    let gateways = settings.gateways()?;
    let is_caller = settings.has(Role::Gateway);
    let board = if is_caller { GatewayBoard::of(&gateways) } else { GatewayBoard::default() };
    let shared = Shared {
        gateways,
        board: Arc::new(board),
        registry: Registry::new(&settings.schema_registry_url)?,
        catalog: Arc::new(SchemaCatalog::default()),
        writer,
        health: Arc::new(ProcessHealth::new(&settings, views.clone(), &shards)),
        metrics: Arc::new(Metrics::default()),
        background: Background::default(),
        ids,
        shards,
        views,
        connection,
        directory,
        settings,
    };
    metrics::watch_process(&shared.metrics);
    metrics::watch_ingress(&shared.metrics, shared.writer.clone());
    metrics::watch_gateways(&shared.metrics, shared.board.statuses().to_vec());
    Ok((Arc::new(shared), listeners))
}

fn router(shared: &Shared) -> anyhow::Result<axum::Router> {
    let Some(views) = &shared.views else {
        let router = http::health_router(Arc::clone(&shared.health) as _);
        return Ok(metrics::observed(router, &shared.metrics));
    };
    let profile = match shared.settings.profile {
        Profile::Dev => http::Profile::Dev,
        Profile::Production => http::Profile::Production,
    };
    let mut options = ApiOptions::new(profile);
    options.decision_timeout =
        std::time::Duration::from_millis(shared.settings.decision_timeout_ms);
    options.in_flight_limit = limit(shared.settings.in_flight_limit);
    options.wallet_in_flight_limit = limit(shared.settings.wallet_in_flight_limit);
    let ports = Ports {
        log: Arc::new(shared.writer.clone()),
        views: Arc::clone(views) as _,
        health: Arc::clone(&shared.health) as _,
        gateways: GatewayDesk::new(
            Arc::clone(&shared.gateways),
            Arc::new(shared.writer.clone()),
            Arc::clone(&shared.board) as _,
        )?,
        now: wall_clock::now,
    };
    Ok(traces::observed(metrics::observed(http::router(options, ports), &shared.metrics)))
}

fn limit(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}
