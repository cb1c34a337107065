//! Decides what a person found out about a payment that needs review.

use schemas::event::{Event, PaymentResolved};
use schemas::inputs::{self, Envelope, ResolvedOutcome};
use schemas::{ErrorCode, PaymentId, WalletId};

use super::outcome::{self, Told};
use super::state::{Payment, Phase, Resolution};
use super::steps::{failure, void_and_fail};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;

/// Decides one resolution.
pub(crate) fn resolve(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::ResolvePayment,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let payment_id: PaymentId = field::parse("payment_id", &request.payment_id)?;
    field::routed(wallet_id, ctx)?;
    field::accountable(envelope, request.evidence.as_ref(), &request.gateway_reference, ctx)?;
    let payment = state.payment(payment_id)?;
    let payment = payment.filter(|one| one.tenant == tenant && one.wallet_id == wallet_id);
    let payment = payment.ok_or_else(|| Rejection::of(ErrorCode::PaymentNotFound))?;
    let asked = payment.money.amount();
    let amount = match (request.outcome, request.amount) {
        (ResolvedOutcome::Succeeded, given) => given.map_or(Ok(asked), field::amount)?.minor(),
        (ResolvedOutcome::Failed, None) => 0,
        (ResolvedOutcome::Failed, Some(_)) => {
            let detail = "field amount: what failed has none";
            return Err(Rejection::because(ErrorCode::FieldInvalid, detail).into());
        }
    };
    let resolution = Resolution { outcome: request.outcome, amount };
    let attempt = match &payment.phase {
        Phase::NeedsReview(attempt) => attempt,
        Phase::Completed(_) | Phase::Failed(_) | Phase::Cancelled(_) => {
            return if agrees(&payment, resolution) {
                Ok(Draft::replayed())
            } else {
                Err(Rejection::of(ErrorCode::ResolutionConflicts).into())
            };
        }
        Phase::Requested | Phase::Submitting(_) | Phase::InDoubt(_) => {
            return Err(Rejection::of(ErrorCode::NotInReview).into());
        }
    };
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    draft.event(Event::PaymentResolved(PaymentResolved {
        payment_id,
        operation_id: attempt.operation_id,
        outcome: request.outcome,
        amount,
        gateway_reference: request.gateway_reference.clone(),
        actor: envelope.actor.clone(),
    }));
    match request.outcome {
        ResolvedOutcome::Succeeded => {
            let currency = payment.money.currency().code();
            let told = Told { reference: &request.gateway_reference, amount, currency };
            outcome::charged(&mut draft, state, &payment, attempt, told, ctx)?;
            let is_completed = |event: &Event| matches!(event, Event::PaymentCompleted(_));
            if !draft.events.iter().any(is_completed) {
                return Err(Rejection::of(ErrorCode::AmountTooLarge).into());
            }
        }
        ResolvedOutcome::Failed => {
            let detail = format!("{} found that the gateway did not charge", envelope.actor);
            let rejection = Rejection::because(ErrorCode::ResolvedAsFailed, detail);
            void_and_fail(&mut draft, &payment, attempt, failure(&payment, &rejection));
        }
    }
    Ok(draft)
}

/// Whether the payment has ended as the resolution says, whoever said so first.
fn agrees(payment: &Payment, resolution: Resolution) -> bool {
    if let Some(said) = payment.rare.as_ref().and_then(|rare| rare.resolution) {
        return said == resolution;
    }
    match (&payment.phase, resolution.outcome) {
        (Phase::Completed(charge), ResolvedOutcome::Succeeded) => {
            charge.captured.minor() == resolution.amount
        }
        (Phase::Failed(_) | Phase::Cancelled(_), outcome) => outcome == ResolvedOutcome::Failed,
        (_, ResolvedOutcome::Succeeded | ResolvedOutcome::Failed) => false,
    }
}
