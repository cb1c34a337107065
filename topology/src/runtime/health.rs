//! What the process says of itself: each component looked at, none assumed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectors::ports::{Component, ComponentStatus, Health};
use tokio::sync::mpsc;

use crate::engine::kafka::connection::KafkaConnection;
use crate::engine::kafka::probe::BrokerProbe;
use crate::engine::status::{ShardState, ShardStatus};
use crate::log_writer::LogWriter;
use crate::views::PaymentViews;

/// How often the broker is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is known of the process.
pub(crate) struct ProcessHealth {
    views: Arc<PaymentViews>,
    broker: Mutex<Result<(), String>>,
    schemas_registered: AtomicBool,
    /// What start-up waits for, in words; empty when it waits for nothing.
    waiting: Mutex<String>,
    shards: Mutex<Vec<Arc<ShardStatus>>>,
}

impl ProcessHealth {
    pub fn new(views: Arc<PaymentViews>) -> Self {
        Self {
            views,
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

    fn views(&self) -> Component {
        let (status, detail) = if self.views.is_caught_up() {
            (ComponentStatus::Up, "caught up")
        } else {
            (ComponentStatus::Starting, "catching up with the journal")
        };
        Component { name: "views", status, detail: detail.to_owned() }
    }
}

impl Health for ProcessHealth {
    fn components(&self) -> Vec<Component> {
        vec![self.log(), self.schemas(), self.shards(), self.views()]
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
