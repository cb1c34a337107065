//! The steps that decisions about a payment are made of: ask the gateway, hold on, post, void.

use schemas::account::{Account, Layer};
use schemas::event::{
    DiscrepancyRecorded, Event, GatewayOperationRequested, Hold, PaymentCancelled,
    PaymentCompleted, PaymentFailed, PaymentInDoubt, PaymentReviewRequested, ResendScheduled,
};
use schemas::inputs::GatewayOperationKind;
use schemas::{Amount, Money, Timestamp};

use super::state::{Payment, Phase};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft, Rejection};
use crate::timer::TimerSubject;

/// Asks the gateway to charge, with the attempt's key, and sets the timer that ends the wait.
pub(super) fn request_submit(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    ctx: &DecideContext<'_>,
) {
    request(draft, payment, attempt, GatewayOperationKind::Submit, ctx);
}

/// Asks the gateway what became of the attempt, and sets the timer that ends the wait.
pub(super) fn request_inquiry(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    ctx: &DecideContext<'_>,
) {
    request(draft, payment, attempt, GatewayOperationKind::Inquire, ctx);
}

fn request(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    operation: GatewayOperationKind,
    ctx: &DecideContext<'_>,
) {
    let asked = attempt.next(operation, &ctx.policy.payment, payment.deadline, ctx);
    draft.event(Event::GatewayOperationRequested(GatewayOperationRequested {
        payment_id: payment.id,
        wallet_id: payment.wallet_id,
        operation_id: attempt.operation_id,
        operation_seq: asked.operation_seq,
        operation,
        gateway: attempt.gateway.clone(),
        amount: payment.money.amount(),
        currency: payment.money.currency(),
        not_after: asked.not_after,
        conclusive_after: asked.conclusive_after,
        correlation_id: payment.correlation_id.clone(),
        refund: None,
    }));
    set_timer(draft, payment, asked.answer_due);
}

/// Waits, then sends the same attempt again.
pub(super) fn schedule_resend(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
    due: Timestamp,
) {
    draft.event(Event::ResendScheduled(ResendScheduled {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        reason: reason.to_owned(),
        due,
    }));
    set_timer(draft, payment, due);
}

/// Keeps the hold and begins to inquire.
pub(super) fn doubt(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    // A payment that was in doubt before has no new time to stay so.
    let review_at = match payment.rare.as_ref().and_then(|rare| rare.review_at) {
        Some(review_at) => review_at,
        None => ctx.at.plus(ctx.policy.payment.review_after),
    };
    draft.event(Event::PaymentInDoubt(PaymentInDoubt {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        reason: reason.to_owned(),
        review_at: Some(review_at),
    }));
    let due = if attempt.can_be_asked(ctx) {
        attempt.inquiry_due(&ctx.policy.payment, ctx).min(review_at)
    } else {
        review_at
    };
    set_timer(draft, payment, due.max(ctx.at));
}

/// Waits for the back-off and at least until `not_before`, then inquires.
pub(super) fn schedule_inquiry(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    not_before: Timestamp,
    ctx: &DecideContext<'_>,
) {
    let times = &ctx.policy.payment;
    let due = match &payment.phase {
        Phase::NeedsReview(_) => ctx.at.plus(times.review_inquiry_interval),
        Phase::Requested
        | Phase::Submitting(_)
        | Phase::InDoubt(_)
        | Phase::Completed(_)
        | Phase::Failed(_)
        | Phase::Cancelled(_) => {
            attempt.inquiry_due(times, ctx).max(not_before).min(payment.review_at())
        }
    };
    set_timer(draft, payment, due.max(ctx.at));
}

/// Asks for a person, once. The gateway is asked slowly meanwhile.
pub(super) fn request_review(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
) {
    if let Phase::NeedsReview(_) = payment.phase {
        return;
    }
    draft.event(Event::PaymentReviewRequested(PaymentReviewRequested {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        reason: reason.to_owned(),
    }));
}

/// The gateway charged: what the wallet pays of it goes out, the rest of the hold is free again.
pub(super) fn complete(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    captured: Amount,
    gateway_reference: &str,
) {
    let (wallet, clearing) = accounts(payment, attempt);
    draft.release(&wallet, &clearing, payment.money);
    let paid = Money::new(captured, payment.money.currency());
    draft.transfer(Layer::Posted, &wallet, &clearing, paid);
    draft.event(Event::HoldPosted(hold_of(payment, captured)));
    let rest = payment.money.amount().minor() - captured.minor();
    if let Ok(rest) = Amount::try_from(rest) {
        draft.event(Event::HoldVoided(hold_of(payment, rest)));
    }
    draft.event(Event::PaymentCompleted(PaymentCompleted {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        gateway: attempt.gateway.clone(),
        gateway_reference: gateway_reference.to_owned(),
        captured_amount: captured,
    }));
    cancel_timer(draft, payment);
}

/// Nothing was charged: what was held is free again, and the payment has failed.
pub(super) fn void_and_fail(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    failure: PaymentFailed,
) {
    void(draft, payment, attempt);
    draft.event(Event::PaymentFailed(failure));
}

/// Nothing was charged: what was held is free again, as the payment's caller wished.
pub(super) fn void_and_cancel(draft: &mut Draft, payment: &Payment, attempt: &Attempt) {
    void(draft, payment, attempt);
    draft.event(Event::PaymentCancelled(PaymentCancelled { payment_id: payment.id }));
}

fn void(draft: &mut Draft, payment: &Payment, attempt: &Attempt) {
    let (wallet, clearing) = accounts(payment, attempt);
    draft.release(&wallet, &clearing, payment.money);
    draft.event(Event::HoldVoided(hold_of(payment, payment.money.amount())));
    cancel_timer(draft, payment);
}

/// The payment fails before anything was held.
pub(super) fn fail(draft: &mut Draft, payment: &Payment, rejection: &Rejection) {
    draft.event(Event::PaymentFailed(failure(payment, rejection)));
}

/// The failure that a refusal amounts to.
pub(super) fn failure(payment: &Payment, rejection: &Rejection) -> PaymentFailed {
    PaymentFailed {
        payment_id: payment.id,
        code: rejection.code.code().to_owned(),
        decline_code: String::new(),
        message: rejection.detail.clone(),
    }
}

/// Records what does not fit, once for each kind: every inquiry finds it again.
pub(super) fn discrepancy(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    code: &str,
    detail: String,
) {
    if payment.has_discrepancy(code) {
        return;
    }
    draft.event(Event::DiscrepancyRecorded(DiscrepancyRecorded {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        code: code.to_owned(),
        detail,
        refund_id: None,
    }));
}

pub(super) fn accounts(payment: &Payment, attempt: &Attempt) -> (Account, Account) {
    (Account::Wallet(payment.wallet_id), Account::GatewayClearing(attempt.gateway.clone()))
}

pub(super) fn hold_of(payment: &Payment, amount: Amount) -> Hold {
    Hold {
        payment_id: payment.id,
        wallet_id: payment.wallet_id,
        amount,
        currency: payment.money.currency(),
    }
}

pub(super) fn set_timer(draft: &mut Draft, payment: &Payment, due: Timestamp) {
    change_timer(draft, payment, Some(due));
}

pub(super) fn cancel_timer(draft: &mut Draft, payment: &Payment) {
    change_timer(draft, payment, None);
}

fn change_timer(draft: &mut Draft, payment: &Payment, due: Option<Timestamp>) {
    let timer_id = TimerSubject::Payment(payment.id).timer_id(payment.wallet_id);
    draft.timer(timer_id, payment.timer_generation + 1, due);
}
