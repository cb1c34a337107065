//! Decides a request to cancel a payment.
//!
//! What may have been charged cannot be taken back by wishing: then nothing new is sent, and the
//! payment ends as cancelled when it is proven that nothing was charged, or as completed.

use schemas::event::{CancelRequested, Event};
use schemas::inputs::{self, Envelope};
use schemas::{ErrorCode, PaymentId, WalletId};

use super::state::Phase;
use super::steps::void_and_cancel;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;

/// Decides one request to cancel.
pub(crate) fn cancel(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Cancel,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let payment_id: PaymentId = field::parse("payment_id", &request.payment_id)?;
    field::routed(wallet_id, ctx)?;
    let payment = state.payment(payment_id)?;
    let payment = payment.filter(|one| one.tenant == tenant && one.wallet_id == wallet_id);
    let payment = payment.ok_or_else(|| Rejection::of(ErrorCode::PaymentNotFound))?;
    let attempt = match &payment.phase {
        Phase::Submitting(attempt) | Phase::InDoubt(attempt) => attempt,
        Phase::Cancelled(_) => return Ok(Draft::replayed()),
        Phase::Requested | Phase::NeedsReview(_) | Phase::Completed(_) | Phase::Failed(_) => {
            return Err(Rejection::of(ErrorCode::PaymentNotCancellable).into());
        }
    };
    if payment.cancel_requested {
        return Ok(Draft::replayed());
    }
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    draft.event(Event::CancelRequested(CancelRequested { payment_id }));
    if !attempt.may_have_sent() {
        void_and_cancel(&mut draft, &payment, attempt);
    }
    Ok(draft)
}
