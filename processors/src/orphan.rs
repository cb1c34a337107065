//! Orphans: what a gateway said of an attempt or a refund that the shard does not know.
//!
//! Such a result is kept, never dropped: money may have moved. If the attempt turns up, its timer
//! is set to now, and fires as an input of its own: what had been said then counts as a
//! notification. Only outcomes that tell of money are kept; a bounded number for each shard. Of two
//! that contradict each other both stand in the journal, and the one that took money counts.

use schemas::event::{Event, OrphanApplied, OrphanRecorded};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{ErrorCode, GatewayName, OperationId, PaymentId};
use serde::{Deserialize, Serialize};

use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::state::{ReadLedger, StateError, WriteLedger};
use crate::timer::TimerSubject;
use crate::{field, payment, refund};

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
    draft.event(Event::OrphanRecorded(OrphanRecorded { result }));
    Ok(draft)
}

/// Lets the timers of attempts and refunds that begin here, and of which something was said before,
/// fire at once.
pub(crate) fn turned_up(
    state: &dyn ReadLedger,
    draft: &mut Draft,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    let begun = |event: &Event| match event {
        Event::AttemptStarted(event) => {
            let subject = TimerSubject::Payment(event.payment_id);
            Some((event.operation_id, event.payment_id, event.gateway.clone(), subject))
        }
        Event::RefundRequested(event) => {
            let subject = TimerSubject::Refund(event.refund_id);
            let operation_id = OperationId::refund(event.refund_id);
            Some((operation_id, event.payment_id, event.gateway.clone(), subject))
        }
        _ => None,
    };
    let begun: Vec<_> = draft.events.iter().filter_map(begun).collect();
    // Nearly always there are none: one row says so.
    if begun.is_empty() || state.orphans()? == 0 {
        return Ok(());
    }
    for (operation_id, payment_id, gateway, subject) in begun {
        if of(state, operation_id, payment_id, &gateway)?.is_none() {
            continue;
        }
        let is_its =
            |timer_id: &str| TimerSubject::of(timer_id).is_some_and(|(of, _)| of == subject);
        for change in draft.timers.iter_mut().filter(|change| is_its(&change.timer_id)) {
            change.due = change.due.map(|_| ctx.at);
        }
    }
    Ok(())
}

/// What was said of this operation at this gateway, before it was known.
pub(crate) fn of(
    state: &dyn ReadLedger,
    operation_id: OperationId,
    payment_id: PaymentId,
    gateway: &GatewayName,
) -> Result<Option<Orphan>, StateError> {
    let is_own = |orphan: &Orphan| {
        (orphan.result.payment_id, &orphan.result.gateway) == (payment_id, gateway)
    };
    Ok(state.orphan(operation_id)?.filter(is_own))
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
    draft.event(Event::OrphanApplied(OrphanApplied { result }));
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
        state.put_orphan(Orphan { result: event.result.clone() });
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
