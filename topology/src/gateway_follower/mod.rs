//! The gateway follower: does at gateways what the journal asks for, and reports what came of it.
//!
//! At least once, and never a false "not sent". After taking over it folds the journal to the end
//! that it found, from its checkpoint on, and only then calls anything: an operation that was
//! outstanding by then may have been tried by a predecessor. It tries an operation once; retries
//! are the ledger's. A gateway that is slow or away makes its own operations wait, never the
//! journal.

mod answer;
mod checkpoint;
mod outstanding;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connectors::gateway::client::GatewayClient;
use connectors::gateway::operation::OperationRequest;
use processors::policy::PlaintextRule;
use schemas::Sealed;
use schemas::entry::Entry;
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{GatewayOutcome, GatewayResult};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use answer::{Provenance, may_send, when_too_late, when_tried};
pub use checkpoint::Checkpoint;
pub use outstanding::Outstanding;

use crate::engine::follower::{Follower, Tailed};
use crate::hops;
use crate::log_writer::LogWriter;
use crate::metrics::CallGauge;
use crate::takeover::Takeover;
use crate::traces;
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
    pub gateway: GatewayClient,
    /// The longest that one call may take.
    pub call_timeout: Duration,
    /// How many calls may be under way.
    pub concurrency: usize,
    /// Whether evidence may stand in the log as plaintext; otherwise it is left out.
    pub plaintext: PlaintextRule,
    /// Where results go.
    pub log: LogWriter,
    /// Shows how many calls are under way.
    pub calls: CallGauge,
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
    /// the journal ended when it took over.
    pub async fn run(
        self,
        mut checkpoint: Checkpoint,
        mut follower: Follower<Entry>,
        mut takeover: Takeover,
    ) -> Result<(), FollowerError> {
        let path = self.checkpoint_path.clone();
        let last_call = self.call_timeout + LAST_RESULT;
        let bulkhead = Semaphore::new(self.concurrency);
        let caller = Arc::new(Caller { follower: self, bulkhead });
        let mut calls = JoinSet::new();
        let mut write_at = tokio::time::interval(CHECKPOINT_EVERY);
        let mut has_taken_over = false;
        loop {
            if !has_taken_over && takeover.reached(&[]) {
                has_taken_over = true;
                for request in checkpoint.outstanding.operations().cloned() {
                    calls.spawn(handle(caller.clone(), request, Provenance::Inherited));
                }
            }
            tokio::select! {
                batch = follower.next() => {
                    let Some(batch) = batch else { break };
                    for tailed in &batch.entries {
                        // The batch that reaches the end may hold some from beyond it: they count
                        // as inherited, which claims less.
                        let new = fold(&mut checkpoint, tailed, &path)?;
                        for request in new.into_iter().filter(|_| has_taken_over) {
                            let call = handle(caller.clone(), request, Provenance::Fresh);
                            calls.spawn(traces::below(tailed.trace.as_deref(), call));
                        }
                    }
                    takeover.reached(&batch.reached);
                }
                Some(ended) = calls.join_next() => {
                    if let Err(error) = ended {
                        // The ledger's timer turns the missing result into an inquiry.
                        tracing::error!(%error, "A gateway call ended without a result.");
                    }
                }
                _ = write_at.tick() => write(&checkpoint, &path),
            }
        }
        // Calls under way may end; what is cut off stays outstanding in the checkpoint, and whoever
        // follows next treats it as possibly sent.
        let _ =
            tokio::time::timeout(last_call, async { while calls.join_next().await.is_some() {} })
                .await;
        calls.shutdown().await;
        write(&checkpoint, &path);
        Ok(())
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
}

/// Folds one entry; gives the operations that it newly asks for.
fn fold(
    checkpoint: &mut Checkpoint,
    tailed: &Tailed<Entry>,
    path: &Path,
) -> Result<Vec<GatewayOperationRequested>, FollowerError> {
    let (position, entry) = (tailed.position, &tailed.entry);
    if let Some(head) = checkpoint.heads.get(&position.partition)
        && (entry.seq != head.seq + 1 || entry.prev_hash != head.hash)
    {
        Checkpoint::remove(path);
        return Err(FollowerError::Diverged { seq: head.seq, found: entry.seq });
    }
    checkpoint.outstanding.fold(entry);
    let head = ViewHead { offset: position.offset, seq: entry.seq, hash: tailed.hash };
    checkpoint.heads.insert(position.partition, head);
    let mut new = Vec::new();
    for event in &entry.events {
        if let Event::GatewayOperationRequested(request) = event {
            new.push(request.clone());
        }
    }
    Ok(new)
}

fn write(checkpoint: &Checkpoint, path: &Path) {
    if let Err(error) = checkpoint.write(path) {
        tracing::warn!(%error, "A checkpoint was not written; a restart folds a little more.");
    }
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
    while let Err(error) = caller.follower.log.append_result(&result).await {
        tracing::warn!(
            payment_id = %result.payment_id,
            correlation_id = %result.correlation_id,
            %error,
            "The log did not take a gateway result; offering it again."
        );
        tokio::time::sleep(OFFER_AGAIN).await;
    }
    hops::reported(&result);
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
    let (_call, hop) = (follower.calls.enter(), hops::call(request));
    let mut asked = operation(request, follower.call_timeout);
    asked.traceparent = hop.traceparent();
    let answer = follower.gateway.perform(&asked).await;
    hop.answered(&answer.outcome);
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
        traceparent: None,
        call_timeout,
    }
}
