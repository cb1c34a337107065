//! Applies the events of refunds: dumb on purpose, every choice was made by decide.

use std::collections::BTreeSet;

use schemas::event::{Event, RefundCause, RefundRequested};
use schemas::{Money, OperationId, RefundId, TenantId, Timestamp};

use super::state::{Phase, Refund};
use crate::attempt::Attempt;
use crate::payment::{self, Resolution};
use crate::state::{StateError, WriteLedger};

pub(crate) fn requested(
    state: &mut dyn WriteLedger,
    event: &RefundRequested,
) -> Result<(), StateError> {
    let tenant = state.wallet(event.wallet_id)?.map(|wallet| wallet.tenant);
    let id = event.refund_id;
    state.put_refund(Refund {
        id,
        payment_id: event.payment_id,
        tenant: tenant.unwrap_or_else(TenantId::default_tenant),
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        cause: event.cause,
        destination: event.destination,
        charge: event.operation_id,
        charge_reference: event.gateway_reference.clone(),
        fingerprint: event.fingerprint,
        deadline: event.deadline,
        review_at: None,
        correlation_id: event.correlation_id.clone(),
        discrepancies: BTreeSet::new(),
        resolution: None,
        timer_generation: 0,
        attempt: Attempt::begun(OperationId::refund(id), event.gateway.clone()),
        phase: Phase::Submitting,
    });
    payment::evolve::refund_requested(state, event)
}

/// Applies an event of a refund that exists. Events of other things are not for here.
pub(crate) fn progressed(
    state: &mut dyn WriteLedger,
    id: RefundId,
    event: &Event,
    at: Timestamp,
) -> Result<(), StateError> {
    let mut refund = known(state, id)?;
    match event {
        Event::GatewayOperationRequested(event) => {
            refund.attempt = refund.attempt.requested(event, at);
            if event.operation.moves_money() {
                refund.phase = Phase::Submitting;
            }
        }
        Event::GatewayOperationAnswered(event) => {
            refund.attempt = refund.attempt.answered(event.operation_seq, event.proof);
        }
        Event::RefundResendScheduled(_) => refund.phase = Phase::Submitting,
        Event::RefundInDoubt(event) => {
            refund.review_at = Some(event.review_at);
            refund.phase = Phase::InDoubt;
        }
        Event::RefundReviewRequested(_) => refund.phase = Phase::NeedsReview,
        Event::RefundResolved(event) => {
            let (outcome, amount) = (event.outcome, event.amount);
            refund.resolution = Some(Resolution { outcome, amount });
        }
        Event::DiscrepancyRecorded(event) => {
            refund.discrepancies.insert(event.code.clone());
        }
        Event::RefundSucceeded(event) => {
            settle(state, &refund, event.credited)?;
            refund.phase = Phase::Succeeded(event.amount);
        }
        Event::RefundFailed(_) => {
            settle(state, &refund, 0)?;
            refund.phase = Phase::Failed;
        }
        _ => {}
    }
    state.put_refund(refund);
    Ok(())
}

/// What its payment counts as refunded changes.
fn settle(state: &mut dyn WriteLedger, refund: &Refund, credited: i64) -> Result<(), StateError> {
    match refund.cause {
        RefundCause::Asked => {
            let open = if refund.is_open() { refund.money.amount().minor() } else { 0 };
            payment::evolve::refund_settled(state, refund.payment_id, open, credited)
        }
        RefundCause::UnwantedCharge => Ok(()),
    }
}

/// Remembers how often the refund's timer has been set.
pub(crate) fn timer_changed(
    state: &mut dyn WriteLedger,
    id: RefundId,
    generation: i64,
) -> Result<(), StateError> {
    let mut refund = known(state, id)?;
    refund.timer_generation = generation;
    state.put_refund(refund);
    Ok(())
}

fn known(state: &mut dyn WriteLedger, id: RefundId) -> Result<Refund, StateError> {
    let missing = || StateError::Contradiction(format!("refund {id} does not exist"));
    state.refund(id)?.ok_or_else(missing)
}
