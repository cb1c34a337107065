//! The followers of the journal in this process, as its roles are, joined to its one tail. Views
//! are of every shard; the gateway follower and those of the ledger are of the shards of this
//! process.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use connectors::gateway::client::GatewayClient;
use schemas::entry::Entry;
use schemas::{Offset, Partition, PartitionCount};
use tokio::sync::mpsc;

use super::follower_runtime::FollowerRuntime;
use super::{Shared, health, ledger_followers};
use crate::engine::feed::FeedSource;
use crate::engine::kafka::tail::JournalTail;
use crate::gateway_follower::claim::Claim;
use crate::gateway_follower::{Checkpoint, GatewayFollower, ServedGateway};
use crate::ledger::Ledger;
use crate::metrics::{self, Exposure, JournalMeter, MetricsFollower};
use crate::roles::Role;
use crate::takeover::Takeover;
use crate::views::{self, PaymentViews, ViewHead};

/// Batches that wait for one follower: enough to bridge a slow write.
pub(super) const FOLLOWER_QUEUE: usize = 64;
/// So many entries behind, the tail catches up in a second.
const NEAR: u64 = 20_000;
/// The wait before the broker is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// The tail and those that follow it.
pub(super) struct Followers {
    tail: JournalTail<Ledger>,
    views: Option<JoinHandle<()>>,
    gateway: Option<tokio::task::JoinHandle<()>>,
    metrics: Option<tokio::task::JoinHandle<()>>,
    ledger: Vec<tokio::task::JoinHandle<()>>,
    /// Where all of them run but the tail and the views, which have threads.
    runtime: FollowerRuntime,
}

impl Followers {
    /// Starts the tail and its followers, each where it stands.
    pub async fn start(
        shared: &Arc<Shared>,
        ledger: &Arc<Ledger>,
        report: &mpsc::Sender<anyhow::Error>,
    ) -> anyhow::Result<Self> {
        let settings = &shared.settings;
        let prefix = &settings.kafka.topic_prefix;
        let count = settings.partitions();
        let partitions = match &shared.views {
            Some(_) => Partition::all(count).collect(),
            None => shared.shards.clone(),
        };
        let application = Arc::clone(ledger);
        let tail =
            JournalTail::start(&shared.connection, prefix, (partitions, count), application)?;
        let tail = Arc::new(tail);
        let ends = ends(shared, &tail).await;
        let runtime = FollowerRuntime::start(report)?;
        let (mut views, mut metrics) = (None, None);
        if let Some(rows) = &shared.views {
            views = Some(start_views(shared, rows, &tail, &ends, report)?);
            metrics = Some(start_metrics(shared, rows, &tail, &ends, &runtime));
        }
        let mut gateway = None;
        if settings.has(Role::Gateway) {
            gateway = Some(start_gateway(shared, &tail, &ends, &runtime)?);
        }
        let mut ledger = Vec::new();
        if settings.has(Role::Ledger) {
            ledger = ledger_followers::start(shared, &tail, &ends, &runtime);
        }
        shared.background.spawn(watch(tail.progress(), report.clone()));
        let tail = Arc::into_inner(tail).context("the tail has one owner")?;
        Ok(Self { tail, views, gateway, metrics, ledger, runtime })
    }

    /// Where the shards of this process offer what they have confirmed.
    pub fn feed(&self) -> &FeedSource<Entry> {
        self.tail.feed()
    }

    /// Waits until the tail is near the end of the journal.
    pub async fn near(&self, shared: &Arc<Shared>) {
        let mut progress = self.tail.progress();
        // An error means that the tail has ended, which is reported elsewhere.
        let _ = progress
            .wait_for(|progress| {
                let behind = progress.lag().is_none_or(|lag| lag > NEAR);
                if behind {
                    shared.health.note_waiting("the journal is being read");
                }
                !behind || progress.failure.is_some()
            })
            .await;
    }

    /// Ends the tail, then waits for those that follow it.
    pub async fn stop(self) {
        let Self { tail, views, gateway, metrics, ledger, runtime } = self;
        let stopped = tokio::task::spawn_blocking(move || {
            tail.stop();
            views.is_none_or(|views| views.join().is_ok())
        });
        if !stopped.await.unwrap_or(false) {
            tracing::error!("The views panicked.");
        }
        if let Some(gateway) = gateway
            && let Err(error) = gateway.await
        {
            tracing::error!(%error, "The gateway follower panicked.");
        }
        if let Some(metrics) = metrics
            && let Err(error) = metrics.await
        {
            tracing::error!(%error, "The follower of the metrics panicked.");
        }
        for follower in ledger {
            if let Err(error) = follower.await {
                tracing::error!(%error, "A follower of the ledger panicked.");
            }
        }
        drop(runtime);
    }
}

/// The ends of the journal now, however long the broker takes to say.
async fn ends(shared: &Arc<Shared>, tail: &Arc<JournalTail<Ledger>>) -> Vec<Offset> {
    loop {
        let asked = Arc::clone(tail);
        match tokio::task::spawn_blocking(move || asked.ends()).await {
            Ok(Ok(ends)) => return ends,
            Ok(Err(error)) => shared.health.note_waiting(&error.to_string()),
            Err(error) => shared.health.note_waiting(&error.to_string()),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The tail ends by itself only when the journal does not add up.
async fn watch(
    mut progress: tokio::sync::watch::Receiver<crate::engine::follower::TailProgress>,
    report: mpsc::Sender<anyhow::Error>,
) {
    let failed = progress.wait_for(|progress| progress.failure.is_some()).await;
    let failure = failed.ok().and_then(|progress| progress.failure.clone());
    if let Some(failure) = failure {
        // Nobody listens any more when the process ends anyway.
        let _ = report.send(anyhow::anyhow!("the journal tail ended: {failure}")).await;
    }
}

/// Where to read on, by partition, from the last entries that were folded.
pub(super) fn starts(heads: &BTreeMap<Partition, ViewHead>, count: PartitionCount) -> Vec<Offset> {
    let next = |partition| heads.get(&partition).map_or(Offset::ZERO, |head| head.offset.next());
    Partition::all(count).map(next).collect()
}

fn start_views(
    shared: &Arc<Shared>,
    rows: &Arc<PaymentViews>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    report: &mpsc::Sender<anyhow::Error>,
) -> anyhow::Result<JoinHandle<()>> {
    let rows = Arc::clone(rows);
    let from = starts(&rows.heads(), shared.settings.partitions());
    if let Some(beyond) = beyond(&from, ends) {
        // Rows of another journal: the answer to every question would be wrong.
        let error = rows.discard(&format!("it has seen {beyond}"));
        return Err(error.into());
    }
    let takeover = Takeover::new(ends, &from);
    let follower = tail.follow("views", from, FOLLOWER_QUEUE);
    let report = report.clone();
    let run = move || {
        let ended = catch_unwind(AssertUnwindSafe(|| views::run(&rows, follower, takeover)));
        let error = match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.into(),
            Err(_) => anyhow::anyhow!("the views panicked; the log above says where"),
        };
        let _ = report.blocking_send(error);
    };
    let thread = std::thread::Builder::new().name("views".to_owned());
    thread.spawn(run).context("the views get no thread")
}

/// Where somebody stands beyond the end of the journal, if he does.
pub(super) fn beyond(from: &[Offset], ends: &[Offset]) -> Option<String> {
    let found = from.iter().zip(ends).position(|(from, end)| from > end)?;
    Some(format!("{} entries of partition {found}, which ends at {}", from[found], ends[found]))
}

/// The gateways of the table, as this process calls them. Reads their secrets.
fn served(shared: &Arc<Shared>) -> anyhow::Result<Vec<ServedGateway>> {
    let window_ms = shared.settings.gateway.gateway_operation_window_ms;
    let operation_window = Duration::from_millis(window_ms);
    let mut served = Vec::new();
    for row in shared.gateways.gateways() {
        let directory = shared.directory.join("gateway-sim");
        let client = row.client(&directory)?;
        if let GatewayClient::InProcess(_) = client {
            tracing::warn!(
                directory = %directory.display(),
                "The gateway is in process: nobody is charged outside."
            );
        }
        let status = shared.board.status(&row.name).context("the board has the whole table")?;
        served.push(ServedGateway {
            name: row.name.clone(),
            client,
            call_timeout: row.call_timeout(),
            concurrency: usize::try_from(row.concurrency).unwrap_or(usize::MAX),
            operation_window,
            breaker_percent: row.breaker_percent,
            status: Arc::clone(status),
        });
    }
    Ok(served)
}

fn start_gateway(
    shared: &Arc<Shared>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    runtime: &FollowerRuntime,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let gateways = served(shared)?;
    for gateway in &gateways {
        health::probe_gateway(shared, &gateway.name, &gateway.client);
    }
    let claim_as = gateways.first().map(|gateway| gateway.name.clone());
    let path = shared.directory.join("gateway-follower.checkpoint");
    let mut checkpoint = Checkpoint::read(&path);
    let count = shared.settings.partitions();
    if let Some(beyond) = beyond(&starts(&checkpoint.heads, count), ends) {
        tracing::warn!(beyond, "The checkpoint is of another journal; folding anew.");
        checkpoint = Checkpoint::default();
    }
    let mut from = starts(&checkpoint.heads, count);
    // What it does not need is past for it.
    for other in Partition::all(count).filter(|shard| !shared.shards.contains(shard)) {
        from[other.index()] = ends[other.index()];
    }
    let takeover = Takeover::new(ends, &from);
    let follower = tail.follow("gateway", from, FOLLOWER_QUEUE);
    let identity = shared.directory.join("gateway-follower.id");
    let claim = Claim::of_directory(&identity)
        .with_context(|| format!("{} cannot be written", identity.display()))?;
    let gateway_follower = GatewayFollower {
        gateways,
        claim_as: claim_as.context("a table of gateways has one")?,
        plaintext: shared.settings.policy()?.plaintext,
        claim,
        shards: shared.shards.clone(),
        partitions: count,
        missing: shared.health.gateway_missing(),
        log: shared.writer.clone(),
        checkpoint_path: path,
    };
    let run = gateway_follower.run(checkpoint, follower, takeover);
    Ok(runtime.spawn("the gateway follower", run))
}

/// Counts from the present ends on; what the gauges stand for is folded from the checkpoint on.
fn start_metrics(
    shared: &Arc<Shared>,
    views: &Arc<PaymentViews>,
    tail: &JournalTail<Ledger>,
    ends: &[Offset],
    runtime: &FollowerRuntime,
) -> tokio::task::JoinHandle<()> {
    let path = shared.directory.join("metrics.checkpoint");
    let mut exposure = MetricsFollower::read(&path);
    let count = shared.settings.partitions();
    if let Some(beyond) = beyond(&starts(&exposure.heads, count), ends) {
        tracing::warn!(beyond, "The metrics' checkpoint is of another journal; folding anew.");
        exposure = Exposure::default();
    }
    let from = starts(&exposure.heads, count);
    let gateways: Vec<_> = shared.gateways.gateways().iter().map(|row| row.name.clone()).collect();
    let meter = JournalMeter::new(&shared.metrics, &gateways);
    shared.health.note_journal(tail.gauge(), meter.newest());
    metrics::watch_journal(&shared.metrics, tail.gauge(), Arc::clone(views));
    let counting = MetricsFollower::new(&shared.metrics, meter, exposure, ends.to_vec(), path);
    let follower = tail.follow("metrics", from, FOLLOWER_QUEUE);
    runtime.spawn("the follower of the metrics", counting.run(follower))
}
