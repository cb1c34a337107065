//! How many calls of a gateway are under way at once, and who is next.
//!
//! A task is an operation that is being called or reported, and their number is bounded; everything
//! else waits as data. A call gives its place free when the gateway has answered; its result may
//! take longer, while the log is away, and then holds back new calls only when very many do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemas::Partition;
use schemas::event::GatewayOperationRequested;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::answer::{Provenance, when_too_late};
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

/// What waits for a gateway, and what is under way.
pub(super) struct Bulkhead {
    follower: Arc<GatewayFollower>,
    waiting: Waiting,
    /// A permit for each call that may be under way.
    places: Arc<Semaphore>,
    under_way: JoinSet<()>,
    tasks_limit: usize,
}

impl Bulkhead {
    pub(super) fn new(follower: GatewayFollower) -> Self {
        Self {
            waiting: Waiting::default(),
            places: Arc::new(Semaphore::new(follower.concurrency)),
            under_way: JoinSet::new(),
            tasks_limit: follower.concurrency + UNREPORTED,
            follower: Arc::new(follower),
        }
    }

    /// Lets an operation wait for its turn.
    pub(super) fn push(
        &mut self,
        request: &GatewayOperationRequested,
        provenance: Provenance,
        trace: Option<Bytes>,
    ) {
        self.waiting.push(request, provenance, trace);
    }

    /// Claims a shard; the claim counts when it is back in the journal.
    pub(super) fn claim(&mut self, shard: Partition) {
        let follower = Arc::clone(&self.follower);
        self.under_way.spawn(async move {
            let (name, count) = (&follower.name, follower.partitions);
            let record = follower.claim.record(name, shard, count, wall_clock::now());
            offer(&follower, &record).await;
        });
    }

    /// Reports what is too late, and begins as many calls as there are places.
    pub(super) fn begin(&mut self, outstanding: &Outstanding) {
        let now = wall_clock::now();
        while self.has_room()
            && let Some(turn) = self.waiting.next_too_late(outstanding, now)
        {
            let follower = Arc::clone(&self.follower);
            let outcome = when_too_late(turn.provenance);
            self.under_way.spawn(async move { report(&follower, turn, (outcome, None)).await });
        }
        while self.has_room()
            && !self.waiting.is_empty()
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
            && let Some(turn) = self.waiting.next(outstanding)
        {
            let follower = Arc::clone(&self.follower);
            let trace = turn.trace.clone();
            self.under_way.spawn(traces::below(trace.as_deref(), async move {
                let answer = call(&follower, &turn).await;
                drop(place);
                report(&follower, turn, answer).await;
            }));
        }
    }

    /// Returns when [`Self::begin`] may find something to do. Loses nothing when it is dropped.
    pub(super) async fn changed(&mut self) {
        let (has_room, first) = (self.has_room(), self.waiting.first_not_after());
        let too_late = async {
            match first.filter(|_| has_room) {
                Some(last) => {
                    tokio::time::sleep(last.since(wall_clock::now()) + A_MILLISECOND).await;
                }
                None => std::future::pending().await,
            }
        };
        let may_begin = has_room && first.is_some();
        tokio::select! {
            Some(ended) = self.under_way.join_next() => note(ended),
            // An error would mean that the semaphore is closed, which it never is.
            _ = self.places.acquire(), if may_begin => {}
            () = too_late => {}
        }
        while let Some(ended) = self.under_way.try_join_next() {
            note(ended);
        }
    }

    /// Waits for what is under way, as long as one call may take; then cuts it off.
    pub(super) async fn drain(mut self) {
        let last_call = self.follower.call_timeout + LAST_RESULT;
        let ended = async { while self.under_way.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(last_call, ended).await;
        self.under_way.shutdown().await;
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < self.tasks_limit
    }
}

fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        // The ledger's timer turns the missing result into an inquiry.
        tracing::error!(%error, "A gateway call ended without a result.");
    }
}
