//! The gateway follower: does at gateways what the journal asks for, and reports what came of it.
//!
//! At least once, and never a false "not sent". It folds the journal to the end that it found, from
//! its checkpoint on, claims its shards ([`claim`]), and only then calls anything: an operation
//! that was outstanding by then may have been tried by an earlier run. It tries an operation once;
//! retries are the ledger's. A gateway that is slow or away makes its own operations wait, never
//! the journal. A follower whose shard was claimed by another one ends with an error.

mod answer;
mod checkpoint;
pub mod claim;
mod outstanding;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use connectors::gateway::operation::OperationRequest;
use connectors::gateway::simulator_client::SimulatorGateway;
use processors::policy::PlaintextRule;
use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{GatewayOutcome, GatewayResult};
use schemas::{Partition, PartitionCount, Sealed};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use answer::{Provenance, may_send, when_too_late, when_tried};
pub use checkpoint::Checkpoint;
use claim::{Claim, Holdings, Meaning};
pub use outstanding::Outstanding;

use crate::engine::follower::{Follower, Tailed};
use crate::log_writer::LogWriter;
use crate::takeover::Takeover;
use crate::views::ViewHead;
use crate::wall_clock;

/// How often the checkpoint is written: what is folded again after a kill is at most this old.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// The wait before a result that the log did not take is offered again.
const OFFER_AGAIN: Duration = Duration::from_millis(500);

/// When stopping, how long the last result may take into the log.
const LAST_RESULT: Duration = Duration::from_secs(1);

/// What the follower is made of.
pub struct GatewayFollower {
    /// The gateway, by its name in the log.
    pub name: schemas::GatewayName,
    /// Its client.
    pub gateway: SimulatorGateway,
    /// The longest that one call may take.
    pub call_timeout: Duration,
    /// How many calls may be under way.
    pub concurrency: usize,
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

/// Calls under way share this.
struct Caller {
    follower: GatewayFollower,
    bulkhead: Semaphore,
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
        let last_call = self.call_timeout + LAST_RESULT;
        let mut following = Following::new(self, checkpoint);
        let mut write_at = tokio::time::interval(CHECKPOINT_EVERY);
        let mut is_folded = false;
        let ended = loop {
            if !is_folded && takeover.reached(&[]) {
                is_folded = true;
                following.claim();
            }
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
                Some(ended) = following.calls.join_next() => {
                    if let Err(error) = ended {
                        // The ledger's timer turns the missing result into an inquiry.
                        tracing::error!(%error, "A gateway call ended without a result.");
                    }
                }
                _ = write_at.tick() => following.write(),
            }
        };
        // The tail must not wait for somebody who takes no more.
        drop(follower);
        // Calls under way may end; what is cut off stays outstanding in the checkpoint, and the
        // next run treats it as possibly sent.
        let calls = &mut following.calls;
        let drained = async { while calls.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(last_call, drained).await;
        following.calls.shutdown().await;
        if !matches!(ended, Err(FollowerError::Diverged { .. })) {
            following.write();
        }
        ended
    }
}

/// What a follower has at hand while it follows.
struct Following {
    caller: Arc<Caller>,
    checkpoint: Checkpoint,
    holdings: Holdings,
    calls: JoinSet<()>,
}

impl Following {
    fn new(follower: GatewayFollower, checkpoint: Checkpoint) -> Self {
        let bulkhead = Semaphore::new(follower.concurrency);
        let holdings = Holdings::new(follower.claim, &follower.shards);
        let caller = Arc::new(Caller { follower, bulkhead });
        Self { caller, checkpoint, holdings, calls: JoinSet::new() }
    }

    /// The journal is folded: takes the shards over, those that need it by a claim.
    fn claim(&mut self) {
        for shard in self.holdings.folded(&self.checkpoint.outstanding) {
            self.calls.spawn(claim_shard(Arc::clone(&self.caller), shard));
        }
        self.tell();
    }

    fn tell(&self) {
        self.caller.follower.missing.send_replace(self.holdings.missing());
    }

    /// Folds one entry, and begins what it asks of this follower.
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
                let directory = self.caller.follower.claim.directory();
                let left = self.checkpoint.outstanding.asked_of(shard, directory);
                for request in left.cloned().collect::<Vec<_>>() {
                    self.begin(request, Provenance::Inherited);
                }
                tracing::info!(%shard, "A shard's gateway operations are done here.");
                self.tell();
            }
            Some(Meaning::Past) | None => {}
        }
        if self.holdings.has(shard) {
            for event in &tailed.entry.events {
                if let Event::GatewayOperationRequested(request) = event {
                    self.begin(request.clone(), Provenance::Fresh);
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, request: GatewayOperationRequested, provenance: Provenance) {
        self.calls.spawn(handle(Arc::clone(&self.caller), request, provenance));
    }

    fn fold(&mut self, tailed: &Tailed<Entry>) -> Result<(), FollowerError> {
        let (position, entry) = (tailed.position, &tailed.entry);
        let checkpoint = &mut self.checkpoint;
        if let Some(head) = checkpoint.heads.get(&position.partition)
            && (entry.seq != head.seq + 1 || entry.prev_hash != head.hash)
        {
            Checkpoint::remove(&self.caller.follower.checkpoint_path);
            return Err(FollowerError::Diverged { seq: head.seq, found: entry.seq });
        }
        checkpoint.outstanding.fold(position.partition, entry);
        let head = ViewHead { offset: position.offset, seq: entry.seq, hash: tailed.hash };
        checkpoint.heads.insert(position.partition, head);
        Ok(())
    }

    fn write(&self) {
        if let Err(error) = self.checkpoint.write(&self.caller.follower.checkpoint_path) {
            tracing::warn!(%error, "A checkpoint was not written; a restart folds a little more.");
        }
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

/// Claims a shard; the claim counts when it is back in the journal.
async fn claim_shard(caller: Arc<Caller>, shard: Partition) {
    let follower = &caller.follower;
    let claim = follower.claim;
    report(&caller, &claim.record(&follower.name, shard, follower.partitions, wall_clock::now()))
        .await;
}

/// Does one operation, once, and reports what came of it until the log has it.
async fn handle(caller: Arc<Caller>, request: GatewayOperationRequested, provenance: Provenance) {
    let (outcome, evidence) = perform(&caller, &request, provenance).await;
    let result = GatewayResult {
        wallet_id: request.wallet_id,
        payment_id: request.payment_id,
        operation_id: request.operation_id,
        operation_seq: request.operation_seq,
        operation: request.operation,
        gateway: request.gateway.clone(),
        outcome,
        evidence,
        observed_at: wall_clock::now(),
        correlation_id: request.correlation_id.clone(),
    };
    report(&caller, &result).await;
}

/// Offers a result to the log until it has it.
async fn report(caller: &Caller, result: &GatewayResult) {
    while let Err(error) = caller.follower.log.append_result(result).await {
        tracing::warn!(
            payment_id = %result.payment_id,
            correlation_id = %result.correlation_id,
            %error,
            "The log did not take a gateway result; offering it again."
        );
        tokio::time::sleep(OFFER_AGAIN).await;
    }
}

async fn perform(
    caller: &Caller,
    request: &GatewayOperationRequested,
    provenance: Provenance,
) -> (GatewayOutcome, Option<Sealed>) {
    let follower = &caller.follower;
    if request.gateway != follower.name {
        let reason = format!("no gateway {} is configured here", request.gateway);
        return (when_tried(provenance, GatewayOutcome::NotSent { reason }), None);
    }
    let left = request.not_after.since(wall_clock::now());
    let Ok(permit) = tokio::time::timeout(left, caller.bulkhead.acquire()).await else {
        return (when_too_late(provenance), None);
    };
    if permit.is_err() || !may_send(wall_clock::now(), request.not_after) {
        return (when_too_late(provenance), None);
    }
    let answer = follower.gateway.perform(&operation(request, follower.call_timeout)).await;
    let evidence = match follower.plaintext {
        PlaintextRule::Allowed => Some(Sealed::plaintext(answer.evidence.as_str())),
        PlaintextRule::Refused => None,
    };
    (when_tried(provenance, answer.outcome.into()), evidence)
}

fn operation(request: &GatewayOperationRequested, call_timeout: Duration) -> OperationRequest {
    OperationRequest {
        kind: request.operation.into(),
        attempt_id: Uuid::from_bytes(*request.operation_id.as_bytes()),
        payment_id: Uuid::from_bytes(*request.payment_id.as_bytes()),
        idempotency_key: request.operation_id.to_string(),
        amount_minor: request.amount.minor(),
        currency: request.currency.code().to_owned(),
        call_timeout,
    }
}
