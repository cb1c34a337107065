//! Decides what a gateway's answer means for a refund: the same rules as for a charge.

use schemas::event::{Event, GatewayOperationAnswered, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{ErrorCode, RefundId, Timestamp};

use super::outcome::{Told, given_back};
use super::state::{Phase, Refund};
use super::steps::{discrepancy, doubt, fail, request, schedule_inquiry, schedule_resend};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::orphan;
use crate::state::{ReadLedger, StateError};

/// Decides one gateway result about a refund.
pub(crate) fn result(
    state: &dyn ReadLedger,
    result: &GatewayResult,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let unknown = || Rejection::of(ErrorCode::UnknownOperation);
    let Some(refund) = state.refund(RefundId::of_operation(result.operation_id))? else {
        return orphan::keep(state, result, ctx);
    };
    // Who hears a gateway unasked may not know the wallet yet.
    let is_unasked = Attempt::is_unasked(result);
    let is_own = |refund: &Refund| {
        refund.attempt.owns(result)
            && refund.payment_id == result.payment_id
            && (is_unasked || refund.wallet_id == result.wallet_id)
    };
    let refund = Some(refund).filter(is_own).ok_or_else(unknown)?;
    if !is_unasked && !refund.attempt.unanswered.contains(&result.operation_seq) {
        return Ok(Draft::replayed());
    }
    let mut draft = Draft::accepted();
    let mut after = refund.attempt.clone();
    let mut proof = Proof::Nothing;
    if !is_unasked {
        proof = after.proof(result, &ctx.policy.refund, ctx);
        draft.event(Event::GatewayOperationAnswered(GatewayOperationAnswered {
            payment_id: refund.payment_id,
            operation_id: after.operation_id,
            operation_seq: result.operation_seq,
            proof,
            refund_id: Some(refund.id),
        }));
        after = after.answered(result.operation_seq, proof);
    }
    let heard = Heard { refund: &refund, attempt: &after, result, proof, ctx };
    match refund.phase {
        Phase::Submitting | Phase::InDoubt | Phase::NeedsReview => {
            heard.while_open(&mut draft, state)?;
        }
        Phase::Succeeded(amount) => heard.after_success(&mut draft, amount.minor()),
        Phase::Failed => {
            if let Some(told) = heard.told() {
                given_back(&mut draft, state, &refund, &after, told, ctx)?;
            }
        }
    }
    // What a gateway says unasked may be nothing new.
    Ok(if draft.events.is_empty() { Draft::replayed() } else { draft })
}

/// What was heard of a refund; its attempt is as after the answer.
struct Heard<'a> {
    refund: &'a Refund,
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

    fn while_open(&self, draft: &mut Draft, state: &dyn ReadLedger) -> Result<(), StateError> {
        match &self.result.outcome {
            GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
                let told = Told { reference: gateway_reference, amount: *amount, currency };
                return given_back(draft, state, self.refund, self.attempt, told, self.ctx);
            }
            GatewayOutcome::Declined { decline_code, message } => {
                let code = ErrorCode::RefundDeclined;
                fail(draft, self.refund, code, decline_code, message);
            }
            GatewayOutcome::ExpiredUnsent {} => {
                self.unsuccessful(draft, "the operation expired before it was sent");
            }
            GatewayOutcome::NotSent { reason } | GatewayOutcome::OutcomeUnknown { reason } => {
                self.unsuccessful(draft, reason);
            }
            GatewayOutcome::NotFound {} => {
                self.unsuccessful(draft, "the gateway does not know the refund");
            }
        }
        Ok(())
    }

    /// Neither success nor decline: what is proven decides.
    fn unsuccessful(&self, draft: &mut Draft, reason: &str) {
        let (refund, attempt, ctx) = (self.refund, self.attempt, self.ctx);
        if Attempt::is_unasked(self.result) {
            return;
        }
        let is_sure = refund.phase == Phase::Submitting;
        if is_sure && self.result.operation_seq != attempt.latest_submit {
            return;
        }
        if !attempt.may_have_sent() {
            resend_or_fail(draft, refund, attempt, reason, ctx);
        } else if is_sure {
            doubt(draft, refund, attempt, reason, ctx);
        } else if attempt.is_latest_inquiry(self.result) {
            let is_not_found = matches!(self.result.outcome, GatewayOutcome::NotFound {});
            let not_before =
                if is_not_found { attempt.conclusive_from() } else { Timestamp::default() };
            schedule_inquiry(draft, refund, attempt, not_before, ctx);
        }
    }

    fn after_success(&self, draft: &mut Draft, known: i64) {
        if let GatewayOutcome::Declined { decline_code, .. } = &self.result.outcome {
            let detail = format!("declined ({decline_code}) after it had succeeded");
            discrepancy(draft, self.refund, "decline_after_success", detail);
        }
        if self.proof == Proof::NeverReceived {
            let detail = "the gateway does not know a refund that had succeeded".to_owned();
            discrepancy(draft, self.refund, "not_found_after_success", detail);
        }
        let Some(told) = self.told() else { return };
        if told.amount != known || told.currency != self.refund.money.currency().code() {
            let detail = format!("gave back {} {}, {known} before", told.amount, told.currency);
            discrepancy(draft, self.refund, "success_contradicts", detail);
        }
    }
}

/// Nothing of it ever reached the gateway: send it again, or give up.
fn resend_or_fail(
    draft: &mut Draft,
    refund: &Refund,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    let times = &ctx.policy.refund;
    let due = attempt.resend_due(times, ctx);
    if refund.phase == Phase::NeedsReview || attempt.is_exhausted(due, times, ctx) {
        fail(draft, refund, ErrorCode::GatewayUnavailable, "", reason);
    } else if due > refund.deadline {
        let code = ErrorCode::DeadlineExceeded;
        fail(draft, refund, code, "", code.meaning());
    } else if attempt.inquiries > 0 {
        // The proof took longer than any back-off.
        request(draft, refund, attempt, GatewayOperationKind::Refund, ctx);
    } else {
        schedule_resend(draft, refund, reason, due);
    }
}
