//! Orphans: what a gateway said of an attempt or a refund that the shard does not know.
//!
//! Such a result is kept, never dropped: money may have moved. If the attempt turns up, its timer
//! is set to now, and fires as an input of its own: what had been said then counts as a
//! notification, also when the attempt has been settled or abandoned before it fires. Only outcomes
//! that tell of money are kept; a bounded number for each shard. Of two that contradict each other
//! both stand in the journal, and the one that took money counts.

use schemas::event::{Event, OrphanApplied, OrphanRecorded};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{ErrorCode, GatewayName, OperationId, PaymentId};
use serde::{Deserialize, Serialize};

use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::payment::{self, Payment};
use crate::refund::{self, Refund};
use crate::state::{ReadLedger, StateError, WriteLedger};
use crate::timer::TimerSubject;

/// How many a shard keeps: each is a charge or a decline that somebody must look at, and ten
/// thousand of them are a gateway that is not ours.
pub(crate) const ORPHANS_LIMIT: u32 = 10_000;

/// What was said of something that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// What was said, without its evidence.
    pub result: GatewayResult,
}

/// Keeps a result of an operation that is not known; refuses one that tells nothing of money.
pub(crate) fn keep(
    state: &dyn ReadLedger,
    result: &GatewayResult,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let unknown = || Rejection::of(ErrorCode::UnknownOperation);
    match result.outcome {
        GatewayOutcome::Succeeded { .. } | GatewayOutcome::Declined { .. } => {}
        GatewayOutcome::NotSent { .. }
        | GatewayOutcome::ExpiredUnsent {}
        | GatewayOutcome::OutcomeUnknown { .. }
        | GatewayOutcome::NotFound {} => return Err(unknown().into()),
    }
    field::routed(result.wallet_id, ctx)?;
    if result.payment_id.shard(ctx.policy.partitions) != ctx.partition {
        return Err(unknown().into());
    }
    let known = state.orphan(result.operation_id)?;
    if known.as_ref().is_some_and(|known| known.result.outcome == result.outcome) {
        return Ok(Draft::replayed());
    }
    if known.is_none() && state.orphans()? >= ORPHANS_LIMIT {
        return Err(Rejection::of(ErrorCode::TooManyOrphans).into());
    }
    let mut draft = Draft::accepted();
    let result = GatewayResult { evidence: None, ..result.clone() };
    draft.event(Event::OrphanRecorded(OrphanRecorded { result: Box::new(result) }));
    Ok(draft)
}

/// Lets the timers of payments and refunds fire at once as long as something is unheard that was
/// said of them before: from where they begin here, and whatever else becomes of them meanwhile.
pub(crate) fn turned_up(
    state: &dyn ReadLedger,
    draft: &mut Draft,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    // Nearly always there are none: one row says so.
    if draft.timers.is_empty() || state.orphans()? == 0 {
        return Ok(());
    }
    for at in 0..draft.timers.len() {
        let Some((subject, _)) = TimerSubject::of(&draft.timers[at].timer_id) else { continue };
        let mut attempts = known(state, subject)?;
        attempts.extend(draft.events.iter().filter_map(|event| begun(event, subject)));
        attempts.retain(|(operation_id, _, _)| !is_applied(draft, *operation_id));
        if unheard(state, &attempts)?.is_some() {
            draft.timers[at].due = Some(ctx.at);
        }
    }
    Ok(())
}

/// An attempt or a refund, as what is said of it names it.
type Named = (OperationId, PaymentId, GatewayName);

fn known(state: &dyn ReadLedger, subject: TimerSubject) -> Result<Vec<Named>, StateError> {
    Ok(match subject {
        TimerSubject::Payment(id) => state.payment(id)?.map_or_else(Vec::new, |one| of(&one)),
        TimerSubject::Refund(id) => state.refund(id)?.iter().map(of_refund).collect(),
        TimerSubject::Transfer(_) => Vec::new(),
    })
}

fn begun(event: &Event, subject: TimerSubject) -> Option<Named> {
    match event {
        Event::AttemptStarted(event) if subject == TimerSubject::Payment(event.payment_id) => {
            Some((event.operation_id, event.payment_id, event.gateway.clone()))
        }
        Event::RefundRequested(event) if subject == TimerSubject::Refund(event.refund_id) => {
            let operation_id = OperationId::refund(event.refund_id);
            Some((operation_id, event.payment_id, event.gateway.clone()))
        }
        _ => None,
    }
}

fn is_applied(draft: &Draft, operation_id: OperationId) -> bool {
    let mut applied = draft.events.iter().filter_map(|event| match event {
        Event::OrphanApplied(event) => Some(event.result.operation_id),
        _ => None,
    });
    applied.any(|applied| applied == operation_id)
}

/// Whether the draft sets or cancels the timer of this.
pub(crate) fn is_timed(draft: &Draft, subject: TimerSubject) -> bool {
    let mut subjects = draft.timers.iter().map(|change| TimerSubject::of(&change.timer_id));
    subjects.any(|found| found.is_some_and(|(found, _)| found == subject))
}

/// The attempts of a payment, the current one first.
pub(crate) fn of(payment: &Payment) -> Vec<Named> {
    let attempts = payment.attempt().into_iter().chain(payment.earlier());
    attempts.map(|one| (one.operation_id, payment.id, one.gateway.clone())).collect()
}

/// A refund.
pub(crate) fn of_refund(refund: &Refund) -> Named {
    (refund.attempt.operation_id, refund.payment_id, refund.attempt.gateway.clone())
}

/// What was said of one of these before it was known, and has not been heard.
pub(crate) fn unheard(
    state: &dyn ReadLedger,
    attempts: &[Named],
) -> Result<Option<Orphan>, StateError> {
    for (operation_id, payment_id, gateway) in attempts {
        let is_own = |orphan: &Orphan| {
            (orphan.result.payment_id, &orphan.result.gateway) == (*payment_id, gateway)
        };
        if let Some(orphan) = state.orphan(*operation_id)?.filter(is_own) {
            return Ok(Some(orphan));
        }
    }
    Ok(None)
}

/// Decides what had been said as if the gateway said it now, unasked.
pub(crate) fn apply(
    state: &dyn ReadLedger,
    orphan: Orphan,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let result = orphan.result;
    let is_of_refund = result.operation.is_of_refund();
    let operation = if is_of_refund {
        GatewayOperationKind::NotifyRefund
    } else {
        GatewayOperationKind::Notify
    };
    let said = GatewayResult { operation, operation_seq: 0, ..result.clone() };
    let heard = if is_of_refund {
        refund::results::result(state, &said, ctx)?
    } else {
        payment::results::result(state, &said, ctx)?
    };
    let mut draft = Draft::accepted();
    draft.event(Event::OrphanApplied(OrphanApplied { result: Box::new(result) }));
    draft.events.extend(heard.events);
    draft.postings = heard.postings;
    draft.timers = heard.timers;
    Ok(draft)
}

/// Applies the recording.
pub(crate) fn recorded(
    state: &mut dyn WriteLedger,
    event: &OrphanRecorded,
) -> Result<(), StateError> {
    let known = state.orphan(event.result.operation_id)?;
    if known.is_none() {
        let count = state.orphans()?;
        state.put_orphans(count.saturating_add(1));
    }
    let took = |one: &Orphan| matches!(one.result.outcome, GatewayOutcome::Succeeded { .. });
    if !known.as_ref().is_some_and(took) {
        state.put_orphan(Orphan { result: (*event.result).clone() });
    }
    Ok(())
}

/// Applies the application: it is nobody's orphan any more.
pub(crate) fn applied(
    state: &mut dyn WriteLedger,
    event: &OrphanApplied,
) -> Result<(), StateError> {
    let operation_id = event.result.operation_id;
    if state.orphan(operation_id)?.is_some() {
        let count = state.orphans()?;
        state.remove_orphan(operation_id);
        state.put_orphans(count.saturating_sub(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
