//! From a proven request to its decision: wait, append, look.

use std::time::Duration;

use schemas::entry::{Decision, Verdict};
use schemas::inputs::Envelope;
use schemas::{ErrorCode, Position, WalletId};
use tokio::time::{Instant, timeout_at};

use super::Api;
use super::exchange::RequestIds;
use super::headers::LONGEST_WAIT;
use super::problem::Problem;
use crate::ports::{AppendError, CommandOutcome, Request, ViewError};

/// The deadline of a command, in decision time-outs after its request: twelve times what its caller
/// waits by default is long enough to outlast a restart of the ledger, and a minute, after which
/// nobody expects money to be held.
const LIFETIME_FACTOR: u32 = 12;

/// Who asks, in the audit trail.
const ACTOR: &str = "api";

impl Api {
    /// How long after its request a command may be handled; later it fails with
    /// `deadline_exceeded`. Never before the longest wait of a caller is over.
    pub(super) fn command_lifetime(&self) -> Duration {
        (self.options.decision_timeout * LIFETIME_FACTOR).max(LONGEST_WAIT)
    }

    /// What every command of this request carries. `idempotency_key` is empty where the object's
    /// identity is its key.
    pub(super) fn envelope(&self, ids: &RequestIds, idempotency_key: &str) -> Envelope {
        Envelope {
            command_id: ids.request_id.to_string(),
            tenant: self.tenant.as_str().to_owned(),
            idempotency_key: idempotency_key.to_owned(),
            correlation_id: ids.correlation_id.as_str().to_owned(),
            actor: ACTOR.to_owned(),
            deadline: Some((self.ports.now)().plus(self.command_lifetime())),
        }
    }

    /// Appends a request and waits for its decision until the deadline; none if there was none by
    /// then. Either way the request is in the log.
    ///
    /// # Errors
    /// There is too much to do; or the log did not confirm, or did not take the request.
    pub(super) async fn submit(
        &self,
        wallet: WalletId,
        request: Request,
        deadline: Instant,
    ) -> Result<Option<CommandOutcome>, Problem> {
        let _admitted = self.admission.undecided(wallet).map_err(Problem::of)?;
        // Whoever cannot be decided in time is told now, while the log has only those who can.
        let wait = self.ports.log.expected_wait(wallet, &request);
        if let Some(late) = wait.checked_sub(self.options.decision_timeout) {
            return Err(Problem::of(ErrorCode::Overloaded).retry_after(late));
        }
        let envelope = match &request {
            Request::Command(command) => &command.envelope,
            Request::Operation(operation) => &operation.envelope,
        };
        // Registered first: the decision may be there before the append returns.
        let outcome = self.ports.views.outcome(&envelope.command_id);
        self.ports.log.append(wallet, request).await?;
        // A view that stops has not decided either.
        Ok(timeout_at(deadline, outcome).await.ok().and_then(Result::ok))
    }

    /// The same, with refusals as problems at their positions, and what is safe to repeat said.
    ///
    /// # Errors
    /// As above, or the ledger's refusal.
    pub(super) async fn decision(
        &self,
        wallet: WalletId,
        request: Request,
        deadline: Instant,
    ) -> Result<Option<Decided>, Problem> {
        let envelope = match &request {
            Request::Command(command) => &command.envelope,
            Request::Operation(operation) => &operation.envelope,
        };
        let key = envelope.idempotency_key.parse().ok();
        let submitted = self.submit(wallet, request, deadline).await;
        let outcome = submitted.map_err(|problem| match &key {
            Some(key) => problem.repeat_with(key),
            None => problem,
        })?;
        let Some(CommandOutcome { position, decision }) = outcome else { return Ok(None) };
        match effect(&decision) {
            Ok(effect) => Ok(Some(Decided { effect, position })),
            Err(problem) => Err(problem.position(position)),
        }
    }
}

/// A decision that is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decided {
    /// What the request did.
    pub effect: Effect,
    /// Its entry.
    pub position: Position,
}

/// What became of a request that the ledger did not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It did what it asked.
    Done,
    /// An earlier request had done it.
    Replayed,
}

/// The effect of a decision.
///
/// # Errors
/// The refusal, in the ledger's words.
pub(super) fn effect(decision: &Decision) -> Result<Effect, Problem> {
    match decision.verdict {
        Verdict::Accepted => Ok(Effect::Done),
        Verdict::Replayed => Ok(Effect::Replayed),
        Verdict::Refused => Err(match ErrorCode::from_code(&decision.code) {
            Some(code) => Problem::because(code, decision.detail.clone()),
            None => Problem::internal(format!("unknown refusal {}", decision.code)),
        }),
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let code = match &error {
            AppendError::Unconfirmed(_) => ErrorCode::LogUnavailable,
            AppendError::QueueFull => ErrorCode::Overloaded,
            AppendError::NotReady(_) => ErrorCode::NotReady,
        };
        Problem::of(code).caused_by(error)
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        Problem::internal(error)
    }
}
