//! The one timer of a payment: what it means follows from where the payment stands.
//!
//! Submitting and awaiting an answer: the wait is over, the outcome is in doubt. Submitting and not
//! awaiting: the back-off is over, send again. In doubt: ask the gateway, or ask again.

use schemas::{ErrorCode, PaymentId, WalletId};

use super::gateway::{doubt, failure, request_inquiry, request_submit, void_and_fail};
use super::state::Phase;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::state::ReadLedger;

/// `payment:<payment id>:<wallet id>`: the wallet makes the entry's key.
pub(crate) fn timer_id(payment: PaymentId, wallet: WalletId) -> String {
    format!("payment:{payment}:{wallet}")
}

/// The payment and the wallet that a timer is about; none for a timer of another kind.
pub fn timer_subject(timer_id: &str) -> Option<(PaymentId, WalletId)> {
    let mut parts = timer_id.strip_prefix("payment:")?.split(':');
    let subject = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(subject)
}

/// Decides a due timer.
pub(crate) fn fired(
    state: &dyn ReadLedger,
    timer_id: &str,
    generation: i64,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let subject = timer_subject(timer_id);
    let payment = match subject {
        Some((id, _)) => state.payment(id)?,
        None => None,
    };
    let Some(payment) = payment else {
        let detail = format!("timer {timer_id:?} is about nothing that the ledger knows");
        return Err(Rejection::because(ErrorCode::UnknownOperation, detail).into());
    };
    if payment.timer_generation != generation {
        return Ok(Draft::replayed());
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
        Phase::InDoubt(attempt) => request_inquiry(&mut draft, &payment, attempt, ctx),
        Phase::Requested | Phase::Completed(_) | Phase::Failed(_) => {
            return Ok(Draft::replayed());
        }
    }
    Ok(draft)
}
