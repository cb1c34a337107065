//! Decides what a person found out about a refund that needs review.

use schemas::event::{Event, RefundResolved};
use schemas::inputs::{self, Envelope, ResolvedOutcome};
use schemas::{ErrorCode, RefundId, WalletId};

use super::outcome::{Told, given_back};
use super::state::{Phase, Refund};
use super::steps::fail;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::payment::Resolution;
use crate::state::ReadLedger;

/// Decides one resolution.
pub(crate) fn resolve(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::ResolveRefund,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let refund_id: RefundId = field::parse("refund_id", &request.refund_id)?;
    field::routed(wallet_id, ctx)?;
    field::accountable(envelope, request.evidence.as_ref(), &request.gateway_reference, ctx)?;
    let refund = state.refund(refund_id)?;
    let refund = refund.filter(|one| one.tenant == tenant && one.wallet_id == wallet_id);
    let refund = refund.ok_or_else(|| Rejection::of(ErrorCode::RefundNotFound))?;
    let asked = refund.money.amount();
    let amount = match (request.outcome, request.amount) {
        (ResolvedOutcome::Succeeded, given) => given.map_or(Ok(asked), field::amount)?.minor(),
        (ResolvedOutcome::Failed, None) => 0,
        (ResolvedOutcome::Failed, Some(_)) => {
            let detail = "field amount: what failed has none";
            return Err(Rejection::because(ErrorCode::FieldInvalid, detail).into());
        }
    };
    let resolution = Resolution { outcome: request.outcome, amount };
    match refund.phase {
        Phase::NeedsReview => {}
        Phase::Succeeded(_) | Phase::Failed => {
            return if agrees(&refund, resolution) {
                Ok(Draft::replayed())
            } else {
                Err(Rejection::of(ErrorCode::ResolutionConflicts).into())
            };
        }
        Phase::Submitting | Phase::InDoubt => {
            return Err(Rejection::of(ErrorCode::NotInReview).into());
        }
    }
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    draft.event(Event::RefundResolved(RefundResolved {
        refund_id,
        payment_id: refund.payment_id,
        outcome: request.outcome,
        amount,
        gateway_reference: request.gateway_reference.clone(),
        actor: envelope.actor.clone(),
    }));
    match request.outcome {
        ResolvedOutcome::Succeeded => {
            let currency = refund.money.currency().code();
            let told = Told { reference: &request.gateway_reference, amount, currency };
            given_back(&mut draft, state, &refund, &refund.attempt, told, ctx)?;
            let has_succeeded = |event: &Event| matches!(event, Event::RefundSucceeded(_));
            if !draft.events.iter().any(has_succeeded) {
                return Err(Rejection::of(ErrorCode::AmountTooLarge).into());
            }
        }
        ResolvedOutcome::Failed => {
            let message = format!("{} found that the gateway gave nothing back", envelope.actor);
            fail(&mut draft, &refund, ErrorCode::ResolvedAsFailed, "", &message);
        }
    }
    Ok(draft)
}

/// Whether the refund has ended as the resolution says, whoever said so first.
fn agrees(refund: &Refund, resolution: Resolution) -> bool {
    if let Some(said) = refund.resolution {
        return said == resolution;
    }
    match refund.phase {
        Phase::Succeeded(amount) => {
            resolution.outcome == ResolvedOutcome::Succeeded && amount.minor() == resolution.amount
        }
        Phase::Failed => resolution.outcome == ResolvedOutcome::Failed,
        Phase::Submitting | Phase::InDoubt | Phase::NeedsReview => false,
    }
}
