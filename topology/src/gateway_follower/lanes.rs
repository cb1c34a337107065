//! The lanes of all gateways, and the tasks that call and report.
//!
//! A task is an operation that is being called or reported, and their number is bounded, for each
//! gateway alone; everything else waits as data. So a gateway that is slow or away holds up
//! nobody's operations but its own. A call gives its place free when the gateway has answered; its
//! result may take longer, while the log is away, and then holds back new calls only when very many
//! do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::gateway::breaker::BreakerState;
use connectors::gateway::classification::Health;
use schemas::event::GatewayOperationRequested;
use schemas::inputs::GatewayOutcome;
use schemas::{GatewayName, Partition, Timestamp};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::answer::{Provenance, when_too_late, when_tried};
use super::lane::{Lane, Next, Permit};
use super::outstanding::Outstanding;
use super::waiting::Waiting;
use super::{GatewayFollower, call, offer, report};
use crate::traces;
use crate::wall_clock;

/// Results that may be on their way into the log besides the calls under way: what comes in within
/// a second at full speed. Some megabytes at worst.
const UNREPORTED: usize = 4_096;
/// The resolution of `not_after`.
const A_MILLISECOND: Duration = Duration::from_millis(1);
/// When stopping, how long the last result may take into the log.
const LAST_RESULT: Duration = Duration::from_secs(1);

/// What waits for every gateway, and what is under way.
pub(super) struct Lanes {
    follower: Arc<GatewayFollower>,
    /// In the order of the follower's gateways.
    gateways: Vec<(Lane, Tasks)>,
    /// What was asked of gateways that are not configured here.
    strangers: (Waiting, Tasks),
    under_way: JoinSet<()>,
    left: mpsc::UnboundedReceiver<Left>,
    /// Holds at most one message for each call under way.
    leaving: mpsc::UnboundedSender<Left>,
    /// When a lane may have something to do, though nothing happens before.
    look_again: Option<Instant>,
}

/// Counts tasks: each holds a clone, also when it panics.
#[derive(Clone, Default)]
struct Tasks(Arc<()>);

impl Tasks {
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// A call has ended.
struct Left {
    lane: usize,
    permit: Permit,
    heard: Option<Health>,
}

/// A place in a lane while a call is under way. Dropped, it is free, however the task ended.
pub(super) struct Place {
    left: Option<Left>,
    leaving: mpsc::UnboundedSender<Left>,
}

impl Place {
    /// The gateway was called, and this is what it said of itself.
    pub(super) fn heard(&mut self, health: Health) {
        if let Some(left) = &mut self.left {
            left.heard = Some(health);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(left) = self.left.take() {
            // Nobody listens any more when the follower ends.
            let _ = self.leaving.send(left);
        }
    }
}

impl Lanes {
    pub(super) fn new(follower: GatewayFollower) -> Self {
        let now = Instant::now();
        let lanes = follower.gateways.iter().map(|gateway| {
            (Lane::new(gateway.concurrency, gateway.breaker_limits(), now), Tasks::default())
        });
        let lanes = lanes.collect();
        let (leaving, left) = mpsc::unbounded_channel();
        Self {
            follower: Arc::new(follower),
            gateways: lanes,
            strangers: (Waiting::default(), Tasks::default()),
            under_way: JoinSet::new(),
            left,
            leaving,
            look_again: None,
        }
    }

    /// Lets an operation wait for its turn.
    pub(super) fn push(
        &mut self,
        request: &GatewayOperationRequested,
        provenance: Provenance,
        trace: Option<Bytes>,
    ) {
        match self.follower.gateways.iter().position(|it| it.name == request.gateway) {
            Some(at) => self.gateways[at].0.push(request, provenance, trace),
            None => self.strangers.0.push(request, provenance, trace),
        }
    }

    /// Claims a shard; the claim counts when it is back in the journal.
    pub(super) fn claim(&mut self, shard: Partition) {
        let follower = Arc::clone(&self.follower);
        self.under_way.spawn(async move {
            let count = follower.partitions;
            let record = follower.claim.record(&follower.claim_as, shard, count, wall_clock::now());
            offer(&follower, &record).await;
        });
    }

    /// Reports what is too late, and begins as many calls as may be made.
    pub(super) fn begin(&mut self, outstanding: &Outstanding) {
        let (at, now) = (wall_clock::now(), Instant::now());
        while let Ok(left) = self.left.try_recv() {
            self.leave(&left, now);
        }
        self.look_again = None;
        for lane in 0..self.gateways.len() {
            self.report_too_late(lane, outstanding, at);
            self.begin_calls(lane, outstanding, now);
            self.show(lane, now);
        }
        self.answer_strangers(outstanding);
    }

    fn report_too_late(&mut self, lane: usize, outstanding: &Outstanding, at: Timestamp) {
        let room = self.room(lane);
        let (lane, tasks) = &mut self.gateways[lane];
        while tasks.count() < room
            && let Some(turn) = lane.next_too_late(outstanding, at)
        {
            let (follower, task) = (Arc::clone(&self.follower), tasks.clone());
            let outcome = when_too_late(turn.provenance);
            self.under_way.spawn(async move {
                report(&follower, turn, (outcome, None)).await;
                drop(task);
            });
        }
    }

    fn begin_calls(&mut self, at: usize, outstanding: &Outstanding, now: Instant) {
        let room = self.room(at);
        let (lane, tasks) = &mut self.gateways[at];
        while tasks.count() < room {
            let (turn, permit) = match lane.next(outstanding, now) {
                Next::Call(turn, permit) => (turn, permit),
                Next::Wait(until) => {
                    let times = [self.look_again, until];
                    self.look_again = times.into_iter().flatten().min();
                    return;
                }
            };
            let left = Some(Left { lane: at, permit, heard: None });
            let mut place = Place { left, leaving: self.leaving.clone() };
            let (follower, task) = (Arc::clone(&self.follower), tasks.clone());
            let trace = turn.trace.clone();
            self.under_way.spawn(traces::below(trace.as_deref(), async move {
                let answer = call(&follower, &follower.gateways[at], &turn, &mut place).await;
                drop(place);
                report(&follower, *turn, answer).await;
                drop(task);
            }));
        }
    }

    /// Nobody here can ask a gateway that is not configured: that is all there is to report.
    fn answer_strangers(&mut self, outstanding: &Outstanding) {
        let (waiting, tasks) = &mut self.strangers;
        while tasks.count() < UNREPORTED
            && let Some(turn) = waiting.next(outstanding)
        {
            let outcome = when_tried(turn.provenance, not_configured(&turn.request.gateway));
            let (follower, task) = (Arc::clone(&self.follower), tasks.clone());
            self.under_way.spawn(async move {
                report(&follower, turn, (outcome, None)).await;
                drop(task);
            });
        }
    }

    /// Returns when [`Self::begin`] may find something to do. Loses nothing when it is dropped.
    pub(super) async fn changed(&mut self) {
        let with_room =
            (0..self.gateways.len()).filter(|at| self.gateways[*at].1.count() < self.room(*at));
        let first = with_room.filter_map(|at| self.gateways[at].0.first_not_after()).min();
        let too_late =
            first.map(|last| Instant::now() + last.since(wall_clock::now()) + A_MILLISECOND);
        let look_again = [too_late, self.look_again].into_iter().flatten().min();
        let pause = async {
            match look_again {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(left) = self.left.recv() => self.leave(&left, Instant::now()),
            Some(ended) = self.under_way.join_next() => note(ended),
            () = pause => {}
        }
        while let Some(ended) = self.under_way.try_join_next() {
            note(ended);
        }
    }

    /// Waits for what is under way, as long as one call may take; then cuts it off.
    pub(super) async fn drain(mut self) {
        let calls = self.follower.gateways.iter().map(|gateway| gateway.call_timeout);
        let last_call = calls.max().unwrap_or_default() + LAST_RESULT;
        let ended = async { while self.under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(last_call, ended).await;
        self.under_way.shutdown().await;
    }

    fn leave(&mut self, left: &Left, now: Instant) {
        self.gateways[left.lane].0.leave(left.permit, left.heard, now);
    }

    /// How many tasks a lane may have.
    fn room(&self, lane: usize) -> usize {
        self.gateways[lane].0.limit() + UNREPORTED
    }

    /// Shows how the lane is, and tells when its gateway is left alone or called again.
    fn show(&self, lane: usize, now: Instant) {
        let gateway = &self.follower.gateways[lane];
        let lane = &self.gateways[lane].0;
        let (before, after) = (gateway.status.show(lane, now), lane.breaker(now));
        let (gateway, waiting) = (&gateway.name, lane.waiting());
        match (before, after) {
            (BreakerState::Closed, BreakerState::Open { .. }) => {
                tracing::warn!(%gateway, waiting, "A gateway fails: it is left alone for a while.");
            }
            (BreakerState::Open { .. } | BreakerState::HalfOpen, BreakerState::Closed) => {
                tracing::info!(%gateway, waiting, "A gateway does its work again.");
            }
            (
                BreakerState::Closed | BreakerState::Open { .. } | BreakerState::HalfOpen,
                BreakerState::Closed | BreakerState::Open { .. } | BreakerState::HalfOpen,
            ) => {}
        }
    }
}

fn not_configured(gateway: &GatewayName) -> GatewayOutcome {
    GatewayOutcome::NotSent { reason: format!("no gateway {gateway} is configured here") }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        // The ledger's timer turns the missing result into an inquiry.
        tracing::error!(%error, "A gateway call ended without a result.");
    }
}
