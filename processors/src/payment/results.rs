//! Decides what a gateway's answer means for a payment.
//!
//! An outcome that is not known is a state, never a failure. A hold is released only on a decline
//! or on proof that nothing was charged; proof of "never received" needs an authoritative gateway
//! and an inquiry that was asked after the last charge could have become visible.

use schemas::event::{Event, GatewayOperationAnswered, PaymentFailed, Proof};
use schemas::inputs::{GatewayOutcome, GatewayResult};
use schemas::{ErrorCode, Timestamp};

use super::outcome::{self, Told};
use super::state::{Charge, Payment, Phase};
use super::steps::{discrepancy, doubt, schedule_inquiry, void_and_cancel, void_and_fail};
use super::unwanted;
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::orphan;
use crate::state::{ReadLedger, StateError};

/// Decides one gateway result about a charge.
pub(crate) fn result(
    state: &dyn ReadLedger,
    result: &GatewayResult,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let unknown = || Rejection::of(ErrorCode::UnknownOperation);
    let Some(payment) = state.payment(result.payment_id)? else {
        return orphan::keep(state, result, ctx);
    };
    let attempts = || payment.attempt().into_iter().chain(payment.earlier());
    if attempts().all(|attempt| attempt.operation_id != result.operation_id) {
        return orphan::keep(state, result, ctx);
    }
    let owner = attempts().find(|attempt| attempt.owns(result));
    // Who hears a gateway unasked may not know the wallet yet.
    let is_unasked = Attempt::is_unasked(result);
    let owner = owner.filter(|_| is_unasked || payment.wallet_id == result.wallet_id);
    let owner = owner.cloned().ok_or_else(unknown)?;
    if !is_unasked && !owner.unanswered.contains(&result.operation_seq) {
        return Ok(Draft::replayed());
    }
    let mut draft = Draft::accepted();
    let mut after = owner;
    let mut proof = Proof::Nothing;
    if !is_unasked {
        proof = after.proof(result, &ctx.policy.payment, ctx);
        draft.event(Event::GatewayOperationAnswered(GatewayOperationAnswered {
            payment_id: payment.id,
            operation_id: after.operation_id,
            operation_seq: result.operation_seq,
            proof,
            refund_id: None,
        }));
        after = after.answered(result.operation_seq, proof);
    }
    let is_current =
        payment.attempt().is_some_and(|attempt| attempt.operation_id == after.operation_id);
    let heard = Heard { payment: &payment, attempt: &after, result, proof, ctx };
    match &payment.phase {
        Phase::Submitting(_) | Phase::InDoubt(_) | Phase::NeedsReview(_) if is_current => {
            heard.while_open(&mut draft, state)?;
        }
        Phase::Completed(charge) if is_current => heard.after_completion(&mut draft, charge),
        Phase::Failed(_) if is_current => {
            heard.of_no_use(&mut draft, state, "success_after_failure")?;
        }
        Phase::Cancelled(_) if is_current => {
            heard.of_no_use(&mut draft, state, "success_after_cancel")?;
        }
        Phase::Requested
        | Phase::Submitting(_)
        | Phase::InDoubt(_)
        | Phase::NeedsReview(_)
        | Phase::Completed(_)
        | Phase::Failed(_)
        | Phase::Cancelled(_) => {
            heard.of_no_use(&mut draft, state, "success_of_abandoned_attempt")?;
        }
    }
    // What a gateway says unasked may be nothing new.
    Ok(if draft.events.is_empty() { Draft::replayed() } else { draft })
}

/// What was heard of an attempt, which is as after the answer.
struct Heard<'a> {
    payment: &'a Payment,
    attempt: &'a Attempt,
    result: &'a GatewayResult,
    proof: Proof,
    ctx: &'a DecideContext<'a>,
}

impl Heard<'_> {
    fn told(&self) -> Option<Told<'_>> {
        match &self.result.outcome {
            GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
                Some(Told { reference: gateway_reference, amount: *amount, currency })
            }
            GatewayOutcome::Declined { .. }
            | GatewayOutcome::NotSent { .. }
            | GatewayOutcome::ExpiredUnsent {}
            | GatewayOutcome::OutcomeUnknown { .. }
            | GatewayOutcome::NotFound {} => None,
        }
    }

    /// The current attempt of a payment that still holds money.
    fn while_open(&self, draft: &mut Draft, state: &dyn ReadLedger) -> Result<(), StateError> {
        let (payment, attempt) = (self.payment, self.attempt);
        match &self.result.outcome {
            GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
                let told = Told { reference: gateway_reference, amount: *amount, currency };
                outcome::charged(draft, state, payment, attempt, told, self.ctx)
            }
            GatewayOutcome::Declined { .. } if payment.cancel_requested => {
                void_and_cancel(draft, payment, attempt);
                Ok(())
            }
            GatewayOutcome::Declined { decline_code, message } => {
                let failure = PaymentFailed {
                    payment_id: payment.id,
                    code: ErrorCode::PaymentDeclined.code().to_owned(),
                    decline_code: decline_code.clone(),
                    message: message.clone(),
                };
                void_and_fail(draft, payment, attempt, failure);
                Ok(())
            }
            GatewayOutcome::ExpiredUnsent {} => {
                self.unsuccessful(draft, state, "the operation expired before it was sent")
            }
            GatewayOutcome::NotSent { reason } | GatewayOutcome::OutcomeUnknown { reason } => {
                self.unsuccessful(draft, state, reason)
            }
            GatewayOutcome::NotFound {} => {
                self.unsuccessful(draft, state, "the gateway does not know the charge")
            }
        }
    }

    /// Neither success nor decline: what is proven decides.
    fn unsuccessful(
        &self,
        draft: &mut Draft,
        state: &dyn ReadLedger,
        reason: &str,
    ) -> Result<(), StateError> {
        let (payment, attempt, ctx) = (self.payment, self.attempt, self.ctx);
        if Attempt::is_unasked(self.result) {
            // Nothing was asked, so nothing is proven and nothing ends.
            return Ok(());
        }
        let is_sure = matches!(payment.phase, Phase::Submitting(_));
        if is_sure && self.result.operation_seq != attempt.latest_submit {
            // A late answer to something older says nothing about the charge under way.
            return Ok(());
        }
        if !attempt.may_have_sent() {
            return outcome::uncharged(draft, state, payment, attempt, reason, ctx);
        }
        if is_sure {
            doubt(draft, payment, attempt, reason, ctx);
        } else if attempt.is_latest_inquiry(self.result) {
            // "Not found" now: ask again when it begins to prove something.
            let is_not_found = matches!(self.result.outcome, GatewayOutcome::NotFound {});
            let not_before =
                if is_not_found { attempt.conclusive_from() } else { Timestamp::default() };
            schedule_inquiry(draft, payment, attempt, not_before, ctx);
        }
        // Otherwise the next inquiry is planned already: a late answer must not plan a second.
        Ok(())
    }

    /// The settled attempt of a completed payment.
    fn after_completion(&self, draft: &mut Draft, charge: &Charge) {
        let (payment, attempt) = (self.payment, self.attempt);
        if let GatewayOutcome::Declined { decline_code, .. } = &self.result.outcome {
            let detail = format!("declined ({decline_code}) after it had succeeded");
            discrepancy(draft, payment, attempt, "decline_after_success", detail);
        }
        if self.proof == Proof::NeverReceived {
            let detail = "the gateway does not know a charge that had succeeded".to_owned();
            discrepancy(draft, payment, attempt, "not_found_after_success", detail);
        }
        let Some(told) = self.told() else { return };
        let known = payment.money.currency();
        // What was charged too much is known, though the wallet did not pay it.
        let took = charge.captured.minor() + payment.surplus();
        let is_same = told
            .money()
            .is_some_and(|money| money.currency() == known && money.amount().minor() == took);
        if !is_same {
            let detail = format!(
                "charged {} {} as {}, {took} {known} as {} before",
                told.amount, told.currency, told.reference, charge.reference
            );
            discrepancy(draft, payment, attempt, "success_contradicts", detail);
        }
    }

    /// An attempt that is not the one that counts, or of a payment that has ended without a charge.
    fn of_no_use(
        &self,
        draft: &mut Draft,
        state: &dyn ReadLedger,
        code: &str,
    ) -> Result<(), StateError> {
        let Some(told) = self.told() else { return Ok(()) };
        unwanted::charged(draft, state, self.payment, self.attempt, told, code, self.ctx)
    }
}
