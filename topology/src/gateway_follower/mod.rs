//! The gateway follower: does at gateways what the journal asks for, and reports what came of it.
//!
//! At least once, and never a false "not sent". It folds the journal to the end that it found, from
//! its checkpoint on, claims its shards ([`claim`]), and only then calls anything: an operation
//! that was outstanding by then may have been tried by an earlier run. It tries an operation once;
//! retries are the ledger's. A gateway that is slow or away makes its own operations wait, never
//! the journal and never those of another one: each has a lane ([`lane`]) with its own bulkhead,
//! breaker and retry budget. What waits is a row ([`waiting`]), what is under way a task
//! ([`lanes`]). A follower whose shard was claimed by another one ends with an error.

mod answer;
mod asked;
mod checkpoint;
pub mod claim;
mod lane;
mod lanes;
mod outstanding;
mod status;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connectors::gateway::breaker::BreakerLimits;
use connectors::gateway::client::GatewayClient;
use processors::policy::PlaintextRule;
use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{GatewayOutcome, GatewayResult};
use schemas::{Partition, PartitionCount, Sealed};
use tokio::sync::watch;
use tokio::time::Instant;

use answer::{Provenance, may_send, when_too_late, when_tried};
use asked::asked;
pub use checkpoint::Checkpoint;
use claim::{Claim, Holdings, Meaning};
use lanes::{Lanes, Place};
pub use outstanding::Outstanding;
pub use status::{GatewayBoard, GatewayStatus};
use waiting::Turn;

use crate::crash_window::{CrashWindow, pass};
use crate::engine::follower::{Follower, Tailed};
use crate::hops;
use crate::log_writer::LogWriter;
use crate::takeover::Takeover;
use crate::views::ViewHead;
use crate::wall_clock;

/// How often the checkpoint is written: what is folded again after a kill is at most this old.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// The wait before a result that the log did not take is offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(500);

/// A gateway that the follower calls.
pub struct ServedGateway {
    /// Its name in the log.
    pub name: schemas::GatewayName,
    /// Its client.
    pub client: GatewayClient,
    /// The longest that one call may take.
    pub call_timeout: Duration,
    /// How many calls may be under way.
    pub concurrency: usize,
    /// How long operations wait for their turn.
    pub operation_window: Duration,
    /// How many of the last calls, in percent, open the breaker when they are ill.
    pub breaker_percent: u32,
    /// Where it is shown how they go.
    pub status: Arc<GatewayStatus>,
}

impl ServedGateway {
    fn breaker_limits(&self) -> BreakerLimits {
        BreakerLimits::of(self.breaker_percent, self.operation_window, self.call_timeout)
    }
}

/// What the follower is made of.
pub struct GatewayFollower {
    /// The gateways, each by its own name.
    pub gateways: Vec<ServedGateway>,
    /// The gateway that claims name: any.
    pub claim_as: schemas::GatewayName,
    /// Whether evidence may stand in the log as plaintext; otherwise it is left out.
    pub plaintext: PlaintextRule,
    /// Who this follower is.
    pub claim: Claim,
    /// Whose operations it does.
    pub shards: Vec<Partition>,
    /// How many shards there are.
    pub partitions: PartitionCount,
    /// Tells which shards it has not taken over yet.
    pub missing: watch::Sender<Vec<Partition>>,
    /// Where results go.
    pub log: LogWriter,
    /// Where the checkpoint is kept.
    pub checkpoint_path: PathBuf,
}

impl GatewayFollower {
    /// Follows until the tail ends. `checkpoint` is where this follower stands; `takeover` is where
    /// the journal ended when it began.
    pub async fn run(
        self,
        checkpoint: Checkpoint,
        mut follower: Follower<Entry>,
        mut takeover: Takeover,
    ) -> Result<(), FollowerError> {
        let mut following = Following::new(self, checkpoint);
        let mut write_at = tokio::time::interval(CHECKPOINT_EVERY);
        let mut is_folded = false;
        let ended = loop {
            if !is_folded && takeover.reached(&[]) {
                is_folded = true;
                following.claim();
            }
            following.lanes.begin(&following.checkpoint.outstanding);
            tokio::select! {
                batch = follower.next() => {
                    let Some(batch) = batch else { break Ok(()) };
                    let taken = batch.entries.iter().try_for_each(|tailed| following.take(tailed));
                    if let Err(error) = taken {
                        break Err(error);
                    }
                    // The batch that reaches the end may hold some from beyond it: they count as
                    // inherited, which claims less.
                    takeover.reached(&batch.reached);
                }
                () = following.lanes.changed() => {}
                _ = write_at.tick() => following.write(),
            }
        };
        // The tail must not wait for somebody who takes no more.
        drop(follower);
        following.end(ended).await
    }
}

/// What a follower has at hand while it follows.
struct Following {
    checkpoint: Checkpoint,
    checkpoint_path: PathBuf,
    me: Claim,
    holdings: Holdings,
    missing: watch::Sender<Vec<Partition>>,
    lanes: Lanes,
}

impl Following {
    fn new(follower: GatewayFollower, checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint,
            checkpoint_path: follower.checkpoint_path.clone(),
            me: follower.claim,
            holdings: Holdings::new(follower.claim, &follower.shards),
            missing: follower.missing.clone(),
            lanes: Lanes::new(follower),
        }
    }

    /// The journal is folded: takes the shards over, those that need it by a claim.
    fn claim(&mut self) {
        for shard in self.holdings.folded(&self.checkpoint.outstanding) {
            self.lanes.claim(shard);
        }
        self.missing.send_replace(self.holdings.missing());
    }

    /// Folds one entry, and lets wait what it asks of this follower.
    fn take(&mut self, tailed: &Tailed<Entry>) -> Result<(), FollowerError> {
        let shard = tailed.position.partition;
        if !self.holdings.includes(shard) {
            return Ok(());
        }
        self.fold(tailed)?;
        let meaning = Claim::stated_in(&tailed.entry).map(|claim| self.holdings.note(shard, claim));
        match meaning {
            Some(Meaning::Superseded) => return Err(FollowerError::Superseded { shard }),
            Some(Meaning::TakenOver) => {
                for request in self.checkpoint.outstanding.asked_of(shard, self.me.directory()) {
                    self.lanes.push(request, Provenance::Inherited, None);
                }
                tracing::info!(%shard, "A shard's gateway operations are done here.");
                self.missing.send_replace(self.holdings.missing());
            }
            Some(Meaning::Past) | None => {}
        }
        if self.holdings.has(shard) {
            for request in requests(&tailed.entry) {
                self.lanes.push(request, Provenance::Fresh, tailed.trace.clone());
            }
        }
        Ok(())
    }

    fn fold(&mut self, tailed: &Tailed<Entry>) -> Result<(), FollowerError> {
        let (position, entry) = (tailed.position, &tailed.entry);
        let checkpoint = &mut self.checkpoint;
        if let Some(head) = checkpoint.heads.get(&position.partition)
            && (entry.seq != head.seq + 1 || entry.prev_hash != head.hash)
        {
            return Err(FollowerError::Diverged { seq: head.seq, found: entry.seq });
        }
        checkpoint.outstanding.fold(position.partition, entry);
        let head = ViewHead { offset: position.offset, seq: entry.seq, hash: tailed.hash };
        checkpoint.heads.insert(position.partition, head);
        Ok(())
    }

    fn write(&self) {
        if let Err(error) = self.checkpoint.write(&self.checkpoint_path) {
            tracing::warn!(%error, "A checkpoint was not written; a restart folds a little more.");
        }
    }

    /// What is cut off, and what still waits, stays outstanding in the checkpoint: the next run
    /// treats it as possibly sent.
    async fn end(self, ended: Result<(), FollowerError>) -> Result<(), FollowerError> {
        if let Err(FollowerError::Diverged { .. }) = ended {
            Checkpoint::remove(&self.checkpoint_path);
        } else {
            self.write();
        }
        self.lanes.drain().await;
        ended
    }
}

/// The follower cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FollowerError {
    /// Its checkpoint is of another journal.
    #[error(
        "the checkpoint of the gateway follower is not of this journal: entry {found} does not \
         follow entry {seq}; the next start folds from the beginning"
    )]
    Diverged {
        /// The last entry folded.
        seq: i64,
        /// The entry that came.
        found: i64,
    },
    /// Another follower has claimed a shard of this one.
    #[error(
        "another process with the role gateway has taken over shard {shard}. Stop one of the two, \
         or give each its own --shards; what was asked of this one is kept for its next start"
    )]
    Superseded {
        /// The shard.
        shard: Partition,
    },
}

/// The operations that an entry asks for.
fn requests(entry: &Entry) -> impl Iterator<Item = &GatewayOperationRequested> {
    entry.events.iter().filter_map(|event| {
        let Event::GatewayOperationRequested(request) = event else { return None };
        Some(request)
    })
}

/// What is to be reported of an operation.
type Answer = (GatewayOutcome, Option<Sealed>);

/// Calls the gateway once, if it still may.
async fn call(
    follower: &GatewayFollower,
    gateway: &ServedGateway,
    turn: &Turn,
    place: &mut Place,
) -> Answer {
    let Turn { request, provenance, trace: _ } = turn;
    // The call's time begins before the look at the clock: a process that is stopped in between
    // finds the time used up when it wakes.
    let Some(mut question) = asked(request, Instant::now(), gateway.call_timeout) else {
        let reason = format!("{:?} is nothing that a gateway is asked", request.operation);
        return (when_tried(*provenance, GatewayOutcome::NotSent { reason }), None);
    };
    if !may_send(wall_clock::now(), request.not_after) {
        return (when_too_late(*provenance), None);
    }
    pass(CrashWindow::BeforeCall);
    let hop = hops::call(request);
    question.traceparent = hop.traceparent();
    let answer = gateway.client.perform(&question).await;
    place.heard(answer.health);
    hop.answered(&answer.outcome);
    pass(CrashWindow::AfterCall);
    let evidence = match follower.plaintext {
        PlaintextRule::Allowed => Some(Sealed::plaintext(answer.evidence.as_str())),
        PlaintextRule::Refused => None,
    };
    (when_tried(*provenance, answer.outcome.into()), evidence)
}

/// Reports what came of an operation, until the log has it.
async fn report(follower: &GatewayFollower, turn: Turn, (outcome, evidence): Answer) {
    let request = turn.request;
    let result = GatewayResult {
        wallet_id: request.wallet_id,
        payment_id: request.payment_id,
        operation_id: request.operation_id,
        operation_seq: request.operation_seq,
        operation: request.operation,
        gateway: request.gateway,
        outcome,
        evidence,
        observed_at: wall_clock::now(),
        correlation_id: request.correlation_id,
        notification_id: String::new(),
    };
    offer(follower, &result).await;
}

/// Offers a record to the log until it has it.
async fn offer(follower: &GatewayFollower, result: &GatewayResult) {
    while let Err(error) = follower.log.append_result(result).await {
        tracing::warn!(
            payment_id = %result.payment_id,
            correlation_id = %result.correlation_id,
            %error,
            "The log did not take a gateway result; offering it again."
        );
        tokio::time::sleep(OFFER_AGAIN).await;
    }
    pass(CrashWindow::AfterResult);
    hops::reported(result);
}
