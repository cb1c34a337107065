//! What the process says of itself: each component looked at, none assumed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::ports::{Component, ComponentStatus, Health};
use schemas::Partition;
use tokio::sync::{mpsc, watch};

use crate::engine::kafka::connection::KafkaConnection;
use crate::engine::kafka::probe::BrokerProbe;
use crate::engine::status::{ShardState, ShardStatus};
use crate::log_writer::LogWriter;
use crate::roles::Role;
use crate::settings::RunSettings;
use crate::views::PaymentViews;

/// How often the broker is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the process: the log and the schemas, and the parts that its roles have.
pub(crate) struct ProcessHealth {
    /// In a process with the role api.
    views: Option<Arc<PaymentViews>>,
    /// In a process with the role gateway: the shards that it has not taken over yet.
    gateway: Option<watch::Sender<Vec<Partition>>>,
    has_ledger: bool,
    broker: Mutex<Result<(), String>>,
    schemas_registered: AtomicBool,
    /// What start-up waits for, in words; empty when it waits for nothing.
    waiting: Mutex<String>,
    shards: Mutex<Vec<Arc<ShardStatus>>>,
}

impl ProcessHealth {
    /// Of a process with these roles, in a moment when nothing works yet. `shards` are those that
    /// its role gateway will do the operations of.
    pub fn new(
        settings: &RunSettings,
        views: Option<Arc<PaymentViews>>,
        shards: &[Partition],
    ) -> Self {
        let gateway = settings.has(Role::Gateway).then(|| watch::Sender::new(shards.to_vec()));
        Self {
            views,
            gateway,
            has_ledger: settings.has(Role::Ledger),
            broker: Mutex::new(Err("not asked yet".to_owned())),
            schemas_registered: AtomicBool::new(false),
            waiting: Mutex::new(String::new()),
            shards: Mutex::new(Vec::new()),
        }
    }

    pub fn note_waiting(&self, what: &str) {
        what.clone_into(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn note_schemas_registered(&self) {
        self.schemas_registered.store(true, Ordering::Release);
    }

    fn note_broker(&self, answer: Result<(), String>) {
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Where the gateway follower tells which shards it has not taken over yet.
    pub fn gateway_missing(&self) -> watch::Sender<Vec<Partition>> {
        self.gateway.clone().unwrap_or_default()
    }

    pub fn note_shards(&self, shards: Vec<Arc<ShardStatus>>) {
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = shards;
    }

    fn log(&self) -> Component {
        let broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, detail) = match &*broker {
            Ok(()) => (ComponentStatus::Up, "the broker answers".to_owned()),
            Err(reason) => (ComponentStatus::Down, format!("the broker does not answer: {reason}")),
        };
        Component { name: "log", status, detail }
    }

    fn schemas(&self) -> Component {
        if self.schemas_registered.load(Ordering::Acquire) {
            let detail = "registered".to_owned();
            return Component { name: "schemas", status: ComponentStatus::Up, detail };
        }
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Component { name: "schemas", status: ComponentStatus::Starting, detail: waiting }
    }

    fn shards(&self) -> Component {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let describe = |shard: &Arc<ShardStatus>| {
            let snapshot = shard.snapshot();
            let error = snapshot.last_error.map(|error| format!(" ({error})"));
            format!("{} {}{}", shard.partition(), snapshot.state.label(), error.unwrap_or_default())
        };
        let detail = shards.iter().map(describe).collect::<Vec<_>>().join(", ");
        let all = |wanted: ShardState| shards.iter().all(|shard| shard.state() == wanted);
        let any = |wanted: ShardState| shards.iter().any(|shard| shard.state() == wanted);
        let status = if shards.is_empty() {
            ComponentStatus::Starting
        } else if all(ShardState::Running) {
            ComponentStatus::Up
        } else if any(ShardState::Rebuilding) || any(ShardState::Closed) {
            ComponentStatus::Down
        } else {
            ComponentStatus::Starting
        };
        Component { name: "shards", status, detail }
    }

    fn views(views: &PaymentViews) -> Component {
        let (status, detail) = if views.is_caught_up() {
            (ComponentStatus::Up, "caught up")
        } else {
            (ComponentStatus::Starting, "catching up with the journal")
        };
        Component { name: "views", status, detail: detail.to_owned() }
    }

    fn gateway(missing: &[Partition]) -> Component {
        let name = "gateway-follower";
        if missing.is_empty() {
            let detail = "has every shard of its list".to_owned();
            return Component { name, status: ComponentStatus::Up, detail };
        }
        let shards = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let detail = format!("takes over {shards}; a shard's ledger must run for that");
        Component { name, status: ComponentStatus::Starting, detail }
    }
}

impl Health for ProcessHealth {
    fn components(&self) -> Vec<Component> {
        let mut components = vec![self.log(), self.schemas()];
        components.extend(self.has_ledger.then(|| self.shards()));
        components.extend(self.views.as_deref().map(Self::views));
        components.extend(self.gateway.as_ref().map(|missing| Self::gateway(&missing.borrow())));
        components
    }
}

/// Ends the process when its writer to the log can never write again: librdkafka gives up on an
/// idempotent producer whose order is lost. The next start has a new one.
pub(crate) async fn watch_writer(writer: LogWriter, report: mpsc::Sender<anyhow::Error>) {
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

/// Asks the broker again and again, until aborted.
pub(crate) async fn probe(health: Arc<ProcessHealth>, connection: KafkaConnection) {
    let broker = match BrokerProbe::new(&connection) {
        Ok(broker) => Arc::new(broker),
        Err(reason) => return health.note_broker(Err(reason)),
    };
    let mut every = tokio::time::interval(PROBE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let broker = Arc::clone(&broker);
        let answer = tokio::task::spawn_blocking(move || broker.ask()).await;
        health.note_broker(answer.unwrap_or_else(|error| Err(error.to_string())));
    }
}
