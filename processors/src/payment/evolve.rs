//! Applies the events of payments: dumb on purpose, every choice was made by decide.

use std::collections::BTreeSet;

use schemas::entry::TimerChange;
use schemas::event::{Event, PaymentRequested};
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
    let mut payment = known(state, id)?;
    let attempt = payment.attempt().cloned();
    let begun = || {
        attempt
            .clone()
            .ok_or_else(|| StateError::Contradiction(format!("payment {id} has no attempt")))
    };
    payment.phase = match event {
        Event::AttemptStarted(event) => {
            Phase::Submitting(Attempt::begun(event.operation_id, event.gateway.clone()))
        }
        Event::GatewayOperationRequested(event) => {
            let attempt = begun()?.requested(event, at);
            // A charge makes the payment sure again; an inquiry leaves it in doubt.
            match event.operation {
                schemas::inputs::GatewayOperationKind::Submit => Phase::Submitting(attempt),
                schemas::inputs::GatewayOperationKind::Inquire => Phase::InDoubt(attempt),
            }
        }
        Event::GatewayOperationAnswered(event) => {
            let attempt = begun()?.answered(event.operation_seq, event.proof);
            payment.phase.with(attempt)
        }
        Event::ResendScheduled(_) => Phase::Submitting(begun()?),
        Event::PaymentInDoubt(_) => Phase::InDoubt(begun()?),
        Event::PaymentCompleted(_) => Phase::Completed(begun()?),
        Event::PaymentFailed(_) => Phase::Failed(attempt),
        Event::DiscrepancyRecorded(event) => {
            payment.discrepancies.insert(event.code.clone());
            payment.phase
        }
        Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::PaymentRequested(_)
        | Event::WalletOpened(_)
        | Event::DepositRecorded(_) => payment.phase,
    };
    state.put_payment(payment);
    Ok(())
}

/// Remembers how often the payment's timer has been set.
pub(crate) fn timer_changed(
    state: &mut dyn WriteLedger,
    change: &TimerChange,
) -> Result<(), StateError> {
    let Some((id, _)) = timer_subject(&change.timer_id) else { return Ok(()) };
    let mut payment = known(state, id)?;
    payment.timer_generation = change.generation;
    state.put_payment(payment);
    Ok(())
}

fn known(state: &dyn WriteLedger, id: PaymentId) -> Result<Payment, StateError> {
    state
        .payment(id)?
        .ok_or_else(|| StateError::Contradiction(format!("payment {id} does not exist")))
}

impl Phase {
    /// The same phase with another attempt.
    fn with(&self, attempt: Attempt) -> Self {
        match self {
            Self::Submitting(_) => Self::Submitting(attempt),
            Self::InDoubt(_) => Self::InDoubt(attempt),
            Self::Completed(_) => Self::Completed(attempt),
            Self::Failed(_) => Self::Failed(Some(attempt)),
            Self::Requested => Self::Requested,
        }
    }
}
