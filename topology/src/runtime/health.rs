//! What the process says of itself: each component looked at, none assumed.
//!
//! What must be asked (broker, rows, gateway, memory) is asked in the background, and every answer
//! carries its time: a probe that hangs shows as one that has not answered for a while. What parts
//! know of themselves is read when somebody asks. A gateway that is away, or memory that runs
//! short, is degraded: the process still takes requests, and sagas wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use connectors::gateway::client::GatewayClient;
use connectors::ports::{Component, ComponentStatus, Health};
use schemas::entry::Entry;
use schemas::{GatewayName, Partition, Timestamp};
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::memory::Memory;
use crate::deliveries::Deliveries;
use crate::engine::kafka::probe::BrokerProbe;
use crate::engine::kafka::tail::TailGauge;
use crate::engine::status::{ShardState, ShardStatus};
use crate::log_writer::LogWriter;
use crate::metrics::NewestEntry;
use crate::roles::Role;
use crate::settings::RunSettings;
use crate::views::PaymentViews;
use crate::wall_clock;

/// How often the broker, the rows and the memory are looked at.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How often the gateway is asked: it is somebody else's.
const ASK_GATEWAY_EVERY: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(3);
/// An answer this old is none: longer than any probe may take, and then some.
const STALE: Duration = Duration::from_secs(20);
/// A shard turns at least every 100 ms; a commit takes 12 s at most until it is given up.
const STUCK: Duration = Duration::from_secs(30);
/// So many offsets behind, the views catch up in a second.
const FAR_BEHIND: u64 = 20_000;

/// What is known of the process: the log and the schemas, and the parts that its roles have.
pub(crate) struct ProcessHealth {
    /// In a process with the role api.
    views: Option<Arc<PaymentViews>>,
    /// In a process with the role gateway: the shards that it has not taken over yet.
    missing: Option<watch::Sender<Vec<Partition>>>,
    has_ledger: bool,
    broker: Probed,
    rows: Probed,
    /// In a process that calls them, by their names.
    gateways: Mutex<Vec<(GatewayName, Arc<Probed>)>>,
    memory: Probed,
    schemas_registered: AtomicBool,
    /// What start-up waits for, in words; empty when it waits for nothing.
    waiting: Mutex<String>,
    shards: Mutex<Vec<Arc<ShardStatus>>>,
    journal: OnceLock<(TailGauge<Entry>, NewestEntry)>,
    /// In a process with the role ledger: what its followers bring into the log.
    deliveries: OnceLock<Vec<Deliveries>>,
}

/// The latest answer to a probe.
#[derive(Default)]
struct Probed(Mutex<Option<(Timestamp, Result<String, String>)>>);

impl Probed {
    fn note(&self, answer: Result<String, String>) {
        let now = wall_clock::now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, answer));
    }

    /// The component that was asked; `otherwise` is how it is when it does not answer well.
    fn component(&self, name: &'static str, otherwise: ComponentStatus) -> Component {
        let now = wall_clock::now();
        let latest = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (checked_at, status, detail) = match latest {
            None => (now, ComponentStatus::Starting, "not asked yet".to_owned()),
            Some((at, _)) if now.since(at) > STALE => {
                (at, otherwise, format!("has not answered for {} s", now.since(at).as_secs()))
            }
            Some((at, Ok(detail))) => (at, ComponentStatus::Ok, detail),
            Some((at, Err(detail))) => (at, otherwise, detail),
        };
        Component { name, status, detail, checked_at }
    }
}

impl ProcessHealth {
    /// Of a process with these roles, in a moment when nothing works yet. `shards` are those that
    /// its role gateway will do the operations of.
    pub fn new(
        settings: &RunSettings,
        views: Option<Arc<PaymentViews>>,
        shards: &[Partition],
    ) -> Self {
        let missing = settings.has(Role::Gateway).then(|| watch::Sender::new(shards.to_vec()));
        Self {
            views,
            missing,
            has_ledger: settings.has(Role::Ledger),
            broker: Probed::default(),
            rows: Probed::default(),
            gateways: Mutex::default(),
            memory: Probed::default(),
            schemas_registered: AtomicBool::new(false),
            waiting: Mutex::new(String::new()),
            shards: Mutex::new(Vec::new()),
            journal: OnceLock::new(),
            deliveries: OnceLock::new(),
        }
    }

    pub fn note_waiting(&self, what: &str) {
        what.clone_into(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn note_schemas_registered(&self) {
        self.schemas_registered.store(true, Ordering::Release);
    }

    /// Where the gateway follower tells which shards it has not taken over yet.
    pub fn gateway_missing(&self) -> watch::Sender<Vec<Partition>> {
        self.missing.clone().unwrap_or_default()
    }

    pub fn note_shards(&self, shards: Vec<Arc<ShardStatus>>) {
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = shards;
    }

    pub fn note_journal(&self, tail: TailGauge<Entry>, newest: NewestEntry) {
        // The journal is followed once in a process.
        let _ = self.journal.set((tail, newest));
    }

    pub fn note_deliveries(&self, deliveries: Vec<Deliveries>) {
        // The followers of the ledger start once in a process.
        let _ = self.deliveries.set(deliveries);
    }

    /// What is not brought now is brought later: nothing stands still for it.
    fn bringing(deliveries: &Deliveries) -> Component {
        let (status, detail) = match deliveries.seen() {
            (count, None) => (ComponentStatus::Ok, format!("{count} records appended")),
            (_, Some(trouble)) => (ComponentStatus::Degraded, trouble),
        };
        known(deliveries.name(), status, detail)
    }

    fn schemas(&self) -> Component {
        if self.schemas_registered.load(Ordering::Acquire) {
            return known("schemas", ComponentStatus::Ok, "registered".to_owned());
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known("schemas", ComponentStatus::Starting, waiting)
    }

    fn shards(&self) -> Component {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = wall_clock::now().millis();
        let seen: Vec<_> = shards.iter().map(|shard| shard_health(shard, now_ms)).collect();
        let detail: Vec<_> = seen.iter().map(|(_, detail)| detail.as_str()).collect();
        let worst = seen.iter().map(|(status, _)| *status).max();
        known("shards", worst.unwrap_or(ComponentStatus::Starting), detail.join(", "))
    }

    fn views(&self, views: &PaymentViews) -> Component {
        let rows = self.rows.component("views", ComponentStatus::Failing);
        if rows.status != ComponentStatus::Ok {
            return rows;
        }
        let behind = self.journal.get().map_or(0, |(tail, _)| {
            let ends = tail.progress().ends;
            let behind = ends.iter().zip(views.reached()).map(|(end, reached)| {
                u64::try_from(end.number() - reached.number()).unwrap_or_default()
            });
            behind.sum()
        });
        let (status, detail) = if !views.is_caught_up() {
            (ComponentStatus::Starting, "catching up with the journal".to_owned())
        } else if behind > FAR_BEHIND {
            (ComponentStatus::Degraded, format!("{behind} offsets behind the journal"))
        } else {
            (ComponentStatus::Ok, format!("{}, {behind} offsets behind", rows.detail))
        };
        Component { status, detail, ..rows }
    }

    fn follower(missing: &[Partition]) -> Component {
        let name = "gateway-follower";
        if missing.is_empty() {
            return known(name, ComponentStatus::Ok, "has every shard of its list".to_owned());
        }
        let shards = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let detail = format!("takes over {shards}; a shard's ledger must run for that");
        known(name, ComponentStatus::Starting, detail)
    }

    /// All gateways as one component: as bad as the worst, as old as the oldest answer.
    fn gateways(&self) -> Option<Component> {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |(name, probed): &(GatewayName, Arc<Probed>)| {
            let one = probed.component("gateways", ComponentStatus::Degraded);
            Component { detail: format!("{name}: {}", one.detail), ..one }
        };
        gateways.iter().map(each).reduce(|all, one| Component {
            name: all.name,
            status: all.status.max(one.status),
            detail: format!("{}, {}", all.detail, one.detail),
            checked_at: all.checked_at.min(one.checked_at),
        })
    }

    /// Only tells: a system that nobody uses has no recent entries.
    fn entries(newest: &NewestEntry) -> Component {
        let detail = match newest.at() {
            Some(at) => {
                let age = wall_clock::now().since(at).as_secs();
                format!("the newest is {age} s old")
            }
            None => "none yet".to_owned(),
        };
        known("entries", ComponentStatus::Ok, detail)
    }
}

/// A component that is known without asking anybody.
fn known(name: &'static str, status: ComponentStatus, detail: String) -> Component {
    Component { name, status, detail, checked_at: wall_clock::now() }
}

fn shard_health(shard: &ShardStatus, now_ms: i64) -> (ComponentStatus, String) {
    let snapshot = shard.snapshot();
    let silent_ms = u64::try_from(now_ms - snapshot.turned_at_ms).unwrap_or_default();
    let is_stuck = Duration::from_millis(silent_ms) > STUCK;
    let (number, state) = (shard.partition(), snapshot.state);
    let mut detail = format!("{number} {}", state.label());
    let status = match state {
        ShardState::Running if is_stuck => {
            detail = format!("{detail}, silent for {} s", silent_ms / 1000);
            ComponentStatus::Failing
        }
        ShardState::Running if snapshot.timers_suspended => {
            detail.push_str(", timers suspended: the clock jumped");
            ComponentStatus::Degraded
        }
        ShardState::Running if snapshot.inputs_waiting => {
            detail.push_str(", an input waits for the schema registry");
            ComponentStatus::Degraded
        }
        ShardState::Running => ComponentStatus::Ok,
        ShardState::Created | ShardState::Initializing | ShardState::Restoring => {
            ComponentStatus::Starting
        }
        ShardState::Rebuilding | ShardState::Closed => ComponentStatus::Failing,
    };
    if let Some(error) = snapshot.last_error {
        detail = format!("{detail} ({error})");
    }
    (status, detail)
}

impl Health for ProcessHealth {
    fn components(&self) -> Vec<Component> {
        let log = self.broker.component("log", ComponentStatus::Failing);
        let mut components = vec![log, self.schemas()];
        components.extend(self.has_ledger.then(|| self.shards()));
        components.extend(self.deliveries.get().into_iter().flatten().map(Self::bringing));
        components.extend(self.views.as_deref().map(|views| self.views(views)));
        components.extend(self.missing.as_ref().map(|missing| Self::follower(&missing.borrow())));
        components.extend(self.gateways());
        components.push(self.memory.component("memory", ComponentStatus::Degraded));
        components.extend(self.journal.get().map(|(_, newest)| Self::entries(newest)));
        components
    }
}

/// Ends the process when its writer to the log can never write again: librdkafka gives up on an
/// idempotent producer whose order is lost. The next start has a new one.
pub(super) async fn watch_writer(writer: LogWriter, report: mpsc::Sender<anyhow::Error>) {
    let mut every = tokio::time::interval(PROBE_EVERY);
    loop {
        every.tick().await;
        if let Some(reason) = writer.failure() {
            // Nobody listens any more when the process ends anyway.
            let _ = report.send(anyhow::anyhow!("the writer to the log failed: {reason}")).await;
            return;
        }
    }
}

/// Begins to look at everything but the gateway, again and again.
pub(super) fn probe(shared: &Arc<Shared>) {
    probe_broker(shared);
    let (health, memory) = (Arc::clone(&shared.health), Memory::of(&shared.settings.telemetry));
    shared.background.repeat(PROBE_EVERY, move || {
        health.memory.note(memory.look());
        std::future::ready(())
    });
    if let Some(views) = &shared.views {
        let (health, views) = (Arc::clone(&shared.health), Arc::clone(views));
        shared.background.repeat(PROBE_EVERY, move || {
            let (health, views) = (Arc::clone(&health), Arc::clone(&views));
            on_a_thread(move || health.rows.note(views.probe()))
        });
    }
}

fn probe_broker(shared: &Arc<Shared>) {
    let health = Arc::clone(&shared.health);
    let broker = match BrokerProbe::new(&shared.connection) {
        Ok(broker) => Arc::new(broker),
        Err(reason) => return health.broker.note(Err(reason)),
    };
    shared.background.repeat(PROBE_EVERY, move || {
        let (health, broker) = (Arc::clone(&health), Arc::clone(&broker));
        on_a_thread(move || {
            let answer = broker.ask().map(|()| "the broker answers".to_owned());
            let answer = answer.map_err(|reason| format!("the broker does not answer: {reason}"));
            health.broker.note(answer);
        })
    });
}

/// Begins to ask a gateway again and again.
pub(super) fn probe_gateway(shared: &Arc<Shared>, name: &GatewayName, gateway: &GatewayClient) {
    let probed = Arc::new(Probed::default());
    let mut gateways = shared.health.gateways.lock().unwrap_or_else(PoisonError::into_inner);
    gateways.push((name.clone(), Arc::clone(&probed)));
    drop(gateways);
    let gateway = gateway.clone();
    shared.background.repeat(ASK_GATEWAY_EVERY, move || {
        let (probed, gateway) = (Arc::clone(&probed), gateway.clone());
        async move {
            let answer = gateway.probe(GATEWAY_TIMEOUT).await;
            let answer = answer.map(|()| "answers".to_owned());
            probed.note(answer.map_err(|reason| format!("does not answer: {reason}")));
        }
    });
}

/// Runs what blocks where it may.
async fn on_a_thread(turn: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(turn).await {
        tracing::error!(%error, "A probe panicked.");
    }
}
