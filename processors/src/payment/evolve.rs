//! Applies the events of payments: dumb on purpose, every choice was made by decide.

use std::mem;

use schemas::event::{
    Event, GatewayOperationRequested, PaymentCompleted, PaymentRequested, RefundCause,
    RefundRequested, SuspenseBooked, SuspenseSubject,
};
use schemas::inputs::GatewayOperationKind;
use schemas::{Money, PaymentId, TenantId, Timestamp};

use super::outcome::CHARGED_MORE;
use super::state::{Charge, Payment, Phase, Resolution};
use crate::attempt::Attempt;
use crate::state::{StateError, WriteLedger};
use crate::wallet::{self, Bounds, day_of};

pub(crate) fn requested(
    state: &mut dyn WriteLedger,
    event: &PaymentRequested,
    at: Timestamp,
) -> Result<(), StateError> {
    let wallet = state.wallet(event.wallet_id)?;
    let is_bounded = wallet.as_ref().is_some_and(|wallet| wallet.bounds.is_some());
    let tenant = wallet.map_or_else(TenantId::default_tenant, |wallet| wallet.tenant);
    state.put_payment(Payment {
        id: event.payment_id,
        tenant,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        fingerprint: event.fingerprint,
        deadline: event.deadline,
        correlation_id: event.correlation_id.clone(),
        timer_generation: 0,
        is_pinned: event.gateway.is_some(),
        cancel_requested: false,
        counted_on: is_bounded.then(|| day_of(at)),
        phase: Phase::Requested,
        rare: None,
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
            if let Some(earlier) = before.into_attempt() {
                payment.rare_mut().earlier.push(earlier);
            }
            Phase::Submitting(Attempt::begun(event.operation_id, event.gateway.clone()))
        }
        Event::GatewayOperationRequested(event) => asked(before, event, at, begun)?,
        Event::GatewayOperationAnswered(event) => {
            let answered = |attempt: Attempt| attempt.answered(event.operation_seq, event.proof);
            if payment.earlier().iter().any(|one| one.operation_id == event.operation_id) {
                let earlier = &mut payment.rare_mut().earlier;
                for one in earlier.iter_mut().filter(|one| one.operation_id == event.operation_id) {
                    *one = answered(one.clone());
                }
                before
            } else {
                before.map(answered)
            }
        }
        Event::ResendScheduled(_) => Phase::Submitting(begun(before)?),
        Event::PaymentInDoubt(event) => {
            payment.rare_mut().review_at = event.review_at;
            Phase::InDoubt(begun(before)?)
        }
        Event::PaymentReviewRequested(_) => Phase::NeedsReview(begun(before)?),
        Event::PaymentCompleted(event) => Phase::Completed(charge(begun(before)?, event)),
        Event::PaymentFailed(_) => Phase::Failed(before.into_attempt()),
        Event::PaymentCancelled(_) => Phase::Cancelled(begun(before)?),
        Event::DiscrepancyRecorded(event) => {
            payment.rare_mut().discrepancies.insert(event.code.clone());
            before
        }
        Event::PaymentResolved(event) => {
            let (outcome, amount) = (event.outcome, event.amount);
            payment.rare_mut().resolution = Some(Resolution { outcome, amount });
            before
        }
        Event::CancelRequested(_) => {
            payment.cancel_requested = true;
            before
        }
        _ => before,
    };
    count(state, id, event)
}

fn asked(
    before: Phase,
    event: &GatewayOperationRequested,
    at: Timestamp,
    begun: impl FnOnce(Phase) -> Result<Attempt, StateError>,
) -> Result<Phase, StateError> {
    let needs_review = matches!(before, Phase::NeedsReview(_));
    let attempt = begun(before)?.requested(event, at);
    // A charge makes the payment sure again; an inquiry leaves it where it is.
    Ok(match event.operation {
        GatewayOperationKind::Submit => Phase::Submitting(attempt),
        GatewayOperationKind::Inquire
        | GatewayOperationKind::Refund
        | GatewayOperationKind::InquireRefund
        | GatewayOperationKind::Notify
        | GatewayOperationKind::NotifyRefund => {
            if needs_review {
                Phase::NeedsReview(attempt)
            } else {
                Phase::InDoubt(attempt)
            }
        }
    })
}

fn charge(attempt: Attempt, event: &PaymentCompleted) -> Charge {
    let (reference, captured) = (event.gateway_reference.clone(), event.captured_amount);
    Charge { attempt, reference, captured }
}

/// Counts against the limits of the wallet, where there are any.
fn count(state: &mut dyn WriteLedger, id: PaymentId, event: &Event) -> Result<(), StateError> {
    let payment = known(state, id)?;
    let Some(day) = payment.counted_on else { return Ok(()) };
    let (wallet, was_held) = (payment.wallet_id, payment.attempt().is_some());
    match event {
        Event::HoldPlaced(hold) => {
            wallet::evolve::counted(state, wallet, |bounds| bounds.begin(day, hold.amount.minor()))
        }
        Event::HoldVoided(hold) => wallet::evolve::counted(state, wallet, |bounds| {
            bounds.give_back(day, hold.amount.minor());
        }),
        Event::PaymentCompleted(_) | Event::PaymentFailed(_) | Event::PaymentCancelled(_)
            if was_held =>
        {
            wallet::evolve::counted(state, wallet, Bounds::end)
        }
        _ => Ok(()),
    }
}

/// What a gateway took beyond what was asked is in suspense.
pub(crate) fn suspended(
    state: &mut dyn WriteLedger,
    event: &SuspenseBooked,
) -> Result<(), StateError> {
    if let SuspenseSubject::Charge { payment_id, .. } = event.subject
        && event.code == CHARGED_MORE
    {
        known(state, payment_id)?.rare_mut().surplus = event.amount.minor();
    }
    Ok(())
}

/// A refund of this payment was asked for; the refund of a charge that nobody wants is none.
pub(crate) fn refund_requested(
    state: &mut dyn WriteLedger,
    event: &RefundRequested,
) -> Result<(), StateError> {
    let rare = known(state, event.payment_id)?.rare_mut();
    match event.cause {
        RefundCause::Asked => rare.refunds.open += event.amount.minor(),
        RefundCause::UnwantedCharge => {
            rare.unwanted.insert(event.operation_id);
        }
    }
    Ok(())
}

/// A refund of this payment has an outcome: so much is open no more, so much came back.
pub(crate) fn refund_settled(
    state: &mut dyn WriteLedger,
    id: PaymentId,
    closed: i64,
    credited: i64,
) -> Result<(), StateError> {
    let refunds = &mut known(state, id)?.rare_mut().refunds;
    refunds.open -= closed;
    refunds.succeeded += credited;
    Ok(())
}

/// Remembers how often the payment's timer has been set.
pub(crate) fn timer_changed(
    state: &mut dyn WriteLedger,
    id: PaymentId,
    generation: i64,
) -> Result<(), StateError> {
    known(state, id)?.timer_generation = generation;
    Ok(())
}

fn known(state: &mut dyn WriteLedger, id: PaymentId) -> Result<&mut Payment, StateError> {
    state
        .payment_mut(id)?
        .ok_or_else(|| StateError::Contradiction(format!("payment {id} does not exist")))
}

impl Phase {
    /// The same phase, its attempt changed.
    fn map(self, with: impl FnOnce(Attempt) -> Attempt) -> Self {
        match self {
            Self::Submitting(attempt) => Self::Submitting(with(attempt)),
            Self::InDoubt(attempt) => Self::InDoubt(with(attempt)),
            Self::NeedsReview(attempt) => Self::NeedsReview(with(attempt)),
            Self::Completed(charge) => {
                Self::Completed(Charge { attempt: with(charge.attempt), ..charge })
            }
            Self::Failed(attempt) => Self::Failed(attempt.map(with)),
            Self::Cancelled(attempt) => Self::Cancelled(with(attempt)),
            Self::Requested => Self::Requested,
        }
    }

    fn into_attempt(self) -> Option<Attempt> {
        match self {
            Self::Submitting(attempt)
            | Self::InDoubt(attempt)
            | Self::NeedsReview(attempt)
            | Self::Cancelled(attempt) => Some(attempt),
            Self::Completed(charge) => Some(charge.attempt),
            Self::Failed(attempt) => attempt,
            Self::Requested => None,
        }
    }
}
