//! The one timer of a payment: what it means follows from where the payment stands.
//!
//! Submitting and awaiting an answer: the wait is over, the outcome is in doubt. Submitting and not
//! awaiting: the back-off is over, send again. In doubt: ask the gateway, or ask again; past the
//! review deadline, ask for a person, too. Whatever a gateway had said of the attempt before it was
//! known comes first.

use schemas::{ErrorCode, PaymentId};

use super::state::Phase;
use super::steps::{
    cancel_timer, doubt, failure, request_inquiry, request_review, request_submit, set_timer,
    void_and_fail,
};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::orphan;
use crate::state::ReadLedger;
use crate::timer::TimerSubject;

/// Decides a due timer.
pub(crate) fn fired(
    state: &dyn ReadLedger,
    id: PaymentId,
    generation: i64,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let Some(payment) = state.payment(id)? else {
        let detail = format!("a timer is about payment {id}, which does not exist");
        return Err(Rejection::because(ErrorCode::UnknownOperation, detail).into());
    };
    if payment.timer_generation != generation {
        return Ok(Draft::replayed());
    }
    if let Some(orphan) = orphan::unheard(state, &orphan::of(&payment))? {
        let mut draft = orphan::apply(state, orphan, ctx)?;
        if orphan::is_timed(&draft, TimerSubject::Payment(id)) {
            return Ok(draft);
        }
        if payment.is_held() {
            set_timer(&mut draft, &payment, ctx.at.plus(ctx.policy.payment.operation_window));
        } else {
            cancel_timer(&mut draft, &payment);
        }
        return Ok(draft);
    }
    let mut draft = Draft::accepted();
    match &payment.phase {
        Phase::Submitting(attempt) if attempt.awaits_answer() => {
            let reason = "the gateway follower gave no result in time";
            doubt(&mut draft, &payment, attempt, reason, ctx);
        }
        Phase::Submitting(attempt) if ctx.at > payment.deadline => {
            let rejection = Rejection::of(ErrorCode::DeadlineExceeded);
            void_and_fail(&mut draft, &payment, attempt, failure(&payment, &rejection));
        }
        Phase::Submitting(attempt) => request_submit(&mut draft, &payment, attempt, ctx),
        Phase::InDoubt(attempt) | Phase::NeedsReview(attempt) => {
            // A gateway that cannot be asked any more leaves nothing to wait for.
            if ctx.at >= payment.review_at() || !attempt.can_be_asked(ctx) {
                let reason = "no authoritative answer by the review deadline";
                request_review(&mut draft, &payment, attempt, reason);
            }
            if attempt.can_be_asked(ctx) {
                request_inquiry(&mut draft, &payment, attempt, ctx);
            } else if !draft.events.is_empty() {
                cancel_timer(&mut draft, &payment);
            }
        }
        Phase::Requested | Phase::Completed(_) | Phase::Failed(_) | Phase::Cancelled(_) => {
            return Ok(Draft::replayed());
        }
    }
    Ok(if draft.events.is_empty() { Draft::replayed() } else { draft })
}
