//! The one timer of a refund: what it means follows from where the refund stands.

use schemas::inputs::GatewayOperationKind;
use schemas::{ErrorCode, RefundId};

use super::state::Phase;
use super::steps::{doubt, fail, request, request_review, set_timer};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::orphan;
use crate::state::ReadLedger;

/// Decides a due timer.
pub(crate) fn fired(
    state: &dyn ReadLedger,
    id: RefundId,
    generation: i64,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let Some(refund) = state.refund(id)? else {
        let detail = format!("a timer is about refund {id}, which does not exist");
        return Err(Rejection::because(ErrorCode::UnknownOperation, detail).into());
    };
    if refund.timer_generation != generation {
        return Ok(Draft::replayed());
    }
    let attempt = &refund.attempt;
    if let Some(orphan) = orphan::unheard(state, &[orphan::of_refund(&refund)])? {
        let mut draft = orphan::apply(state, orphan, ctx)?;
        if draft.timers.is_empty() {
            let due = ctx.at.plus(ctx.policy.refund.operation_window);
            set_timer(&mut draft, &refund, refund.is_open().then_some(due));
        }
        return Ok(draft);
    }
    let mut draft = Draft::accepted();
    match refund.phase {
        Phase::Submitting if attempt.awaits_answer() => {
            let reason = "the gateway follower gave no result in time";
            doubt(&mut draft, &refund, attempt, reason, ctx);
        }
        Phase::Submitting if ctx.at > refund.deadline => {
            let code = ErrorCode::DeadlineExceeded;
            fail(&mut draft, &refund, code, "", code.meaning());
        }
        Phase::Submitting => {
            request(&mut draft, &refund, attempt, GatewayOperationKind::Refund, ctx);
        }
        Phase::InDoubt if !attempt.refund_can_be_asked(ctx) => {
            let reason = "the gateway cannot be asked";
            request_review(&mut draft, &refund, attempt, reason, ctx);
        }
        Phase::InDoubt | Phase::NeedsReview => {
            let is_late = refund.review_at.is_some_and(|review_at| ctx.at >= review_at);
            if refund.phase == Phase::InDoubt && is_late {
                let reason = "no authoritative answer by the review deadline";
                request_review(&mut draft, &refund, attempt, reason, ctx);
                draft.timers.clear();
            }
            if attempt.refund_can_be_asked(ctx) {
                request(&mut draft, &refund, attempt, GatewayOperationKind::InquireRefund, ctx);
            }
        }
        Phase::Succeeded(_) | Phase::Failed => return Ok(Draft::replayed()),
    }
    Ok(if draft.events.is_empty() { Draft::replayed() } else { draft })
}
