//! Applies the events of payments: dumb on purpose, every choice was made by decide.

use std::collections::BTreeSet;
use std::mem;

use schemas::entry::TimerChange;
use schemas::event::{Event, PaymentRequested};
use schemas::inputs::GatewayOperationKind;
use schemas::{Money, PaymentId, TenantId, Timestamp};

use super::state::{Attempt, Payment, Phase};
use super::timers::timer_subject;
use crate::state::{StateError, WriteLedger};

pub(crate) fn requested(
    state: &mut dyn WriteLedger,
    event: &PaymentRequested,
) -> Result<(), StateError> {
    let wallet = state.wallet(event.wallet_id)?;
    let tenant = wallet.map_or_else(TenantId::default_tenant, |wallet| wallet.tenant);
    state.put_payment(Payment {
        id: event.payment_id,
        tenant,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        fingerprint: event.fingerprint,
        deadline: event.deadline,
        correlation_id: event.correlation_id.clone(),
        discrepancies: BTreeSet::new(),
        timer_generation: 0,
        phase: Phase::Requested,
    });
    Ok(())
}

/// Applies an event of a payment that exists. Events of other things are not for here.
pub(crate) fn progressed(
    state: &mut dyn WriteLedger,
    id: PaymentId,
    event: &Event,
    at: Timestamp,
) -> Result<(), StateError> {
    let payment = known(state, id)?;
    let before = mem::replace(&mut payment.phase, Phase::Requested);
    let begun = |phase: Phase| {
        phase
            .into_attempt()
            .ok_or_else(|| StateError::Contradiction(format!("payment {id} has no attempt")))
    };
    payment.phase = match event {
        Event::AttemptStarted(event) => {
            Phase::Submitting(Attempt::begun(event.operation_id, event.gateway.clone()))
        }
        Event::GatewayOperationRequested(event) => {
            let attempt = begun(before)?.requested(event, at);
            // A charge makes the payment sure again; an inquiry leaves it in doubt.
            match event.operation {
                GatewayOperationKind::Submit => Phase::Submitting(attempt),
                GatewayOperationKind::Inquire => Phase::InDoubt(attempt),
            }
        }
        Event::GatewayOperationAnswered(event) => {
            let of = before.with();
            of(begun(before)?.answered(event.operation_seq, event.proof))
        }
        Event::ResendScheduled(_) => Phase::Submitting(begun(before)?),
        Event::PaymentInDoubt(_) => Phase::InDoubt(begun(before)?),
        Event::PaymentCompleted(_) => Phase::Completed(begun(before)?),
        Event::PaymentFailed(_) => Phase::Failed(before.into_attempt()),
        Event::DiscrepancyRecorded(event) => {
            payment.discrepancies.insert(event.code.clone());
            before
        }
        Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::PaymentRequested(_)
        | Event::WalletOpened(_)
        | Event::DepositRecorded(_) => before,
    };
    Ok(())
}

/// Remembers how often the payment's timer has been set.
pub(crate) fn timer_changed(
    state: &mut dyn WriteLedger,
    change: &TimerChange,
) -> Result<(), StateError> {
    let Some((id, _)) = timer_subject(&change.timer_id) else { return Ok(()) };
    known(state, id)?.timer_generation = change.generation;
    Ok(())
}

fn known(state: &mut dyn WriteLedger, id: PaymentId) -> Result<&mut Payment, StateError> {
    state
        .payment_mut(id)?
        .ok_or_else(|| StateError::Contradiction(format!("payment {id} does not exist")))
}

impl Phase {
    /// The same phase, of another attempt.
    fn with(&self) -> fn(Attempt) -> Self {
        match self {
            Self::Submitting(_) => Self::Submitting,
            Self::InDoubt(_) => Self::InDoubt,
            Self::Completed(_) => Self::Completed,
            Self::Failed(_) => |attempt| Self::Failed(Some(attempt)),
            Self::Requested => |_| Self::Requested,
        }
    }

    fn into_attempt(self) -> Option<Attempt> {
        match self {
            Self::Submitting(attempt) | Self::InDoubt(attempt) | Self::Completed(attempt) => {
                Some(attempt)
            }
            Self::Failed(attempt) => attempt,
            Self::Requested => None,
        }
    }
}
