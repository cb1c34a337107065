//! What every exchange of the simulator shares: the book, the behaviour in force, the outages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderValue;
use tokio::sync::watch;
use uuid::Uuid;

use super::behaviour::Behaviour;
use super::charge_book::ChargeBook;
use super::connections::stopped;
use super::notifier::Notifier;
use super::outage::Outages;
use super::refunds::Refunds;
use super::{Pace, SimulatorOptions};

/// What every exchange needs.
pub(super) struct Desk {
    pub(super) book: ChargeBook,
    pub(super) refunds: Refunds,
    pub(super) notifier: Notifier,
    pub(super) pace: Pace,
    pub(super) outages: Outages,
    /// Becomes true when the simulator stops: every pause ends at once.
    pub(super) stopping: watch::Receiver<bool>,
    /// What the simulator was started with.
    initial: Behaviour,
    behaviour: RwLock<Arc<Behaviour>>,
    /// Charges and inquiries since the behaviour began, each with a latency of its own.
    drawn: AtomicU64,
    /// Charges asked for since the start.
    pub(super) submissions: AtomicU64,
    /// Inquiries since the start.
    pub(super) inquiries: AtomicU64,
    answers: AtomicU64,
    /// What the request ids of this run begin with.
    run: u32,
}

impl Desk {
    pub(super) fn new(
        (book, refunds): (ChargeBook, Refunds),
        options: &SimulatorOptions,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            book,
            refunds,
            notifier: Notifier::new(options.pace.short, stopping.clone()),
            pace: options.pace,
            outages: Outages::none(),
            stopping,
            initial: options.behaviour.clone(),
            behaviour: RwLock::new(Arc::new(options.behaviour.clone())),
            drawn: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            inquiries: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            run: Uuid::new_v4().as_fields().0,
        }
    }

    /// The behaviour in force.
    pub(super) fn behaviour(&self) -> Arc<Behaviour> {
        Arc::clone(&self.behaviour.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Behaves so from now on; the sequence of latencies begins anew.
    pub(super) fn behave(&self, behaviour: Behaviour) {
        let mut current = self.behaviour.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(behaviour);
        self.drawn.store(0, Ordering::Relaxed);
    }

    /// Behaves as at the start.
    pub(super) fn behave_as_at_the_start(&self) {
        self.behave(self.initial.clone());
    }

    /// Holds an answer back for as long as the behaviour wants.
    pub(super) async fn latency(&self, behaviour: &Behaviour) {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        if let Some(latency) = behaviour.latency_of(n) {
            self.pause(latency).await;
        }
    }

    /// Waits for `duration`, or until the simulator stops.
    pub(super) async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = stopped(&self.stopping) => {}
        }
    }

    /// The id of the next answer, which no other has.
    pub(super) fn request_id(&self) -> HeaderValue {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let id = format!("req_{:08x}{number:012x}", self.run);
        HeaderValue::try_from(id).expect("hexadecimal digits are a header value")
    }
}
