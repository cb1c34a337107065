//! The steps that decisions about a payment are made of: ask the gateway, hold on, post, void.

use std::time::Duration;

use schemas::account::{Account, Layer};
use schemas::entry::TimerChange;
use schemas::event::{
    Event, GatewayOperationRequested, Hold, PaymentCompleted, PaymentFailed, PaymentInDoubt,
    ResendScheduled,
};
use schemas::inputs::GatewayOperationKind;
use schemas::{GatewayName, Timestamp};

use super::state::{Attempt, Payment};
use super::timers::timer_id;
use crate::draft::{DecideContext, Draft, Rejection};
use crate::policy::GatewayPolicy;

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
    let (call_time, ingestion) = call_times(&attempt.gateway, ctx);
    let not_after = ctx.at.plus(ctx.policy.payment.operation_window);
    let last_answer = not_after.plus(call_time);
    draft.event(Event::GatewayOperationRequested(GatewayOperationRequested {
        payment_id: payment.id,
        wallet_id: payment.wallet_id,
        operation_id: attempt.operation_id,
        operation_seq: attempt.latest_seq + 1,
        operation,
        gateway: attempt.gateway.clone(),
        amount: payment.money.amount(),
        currency: payment.money.currency(),
        not_after,
        conclusive_after: last_answer.plus(ingestion),
        correlation_id: payment.correlation_id.clone(),
    }));
    set_timer(draft, payment, last_answer.plus(ctx.policy.payment.answer_grace));
}

/// Maximum call time and ingestion window of a gateway. One that is configured no longer gets the
/// longest of those that are: waiting longer is always safe.
fn call_times(gateway: &GatewayName, ctx: &DecideContext<'_>) -> (Duration, Duration) {
    let times = |policy: &GatewayPolicy| (policy.maximum_call_time, policy.ingestion_window);
    let longest = |all: &[GatewayPolicy]| {
        let call = all.iter().map(|one| one.maximum_call_time).max().unwrap_or_default();
        (call, all.iter().map(|one| one.ingestion_window).max().unwrap_or_default())
    };
    ctx.policy.gateway(Some(gateway)).map_or_else(|| longest(&ctx.policy.gateways), times)
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
    draft.event(Event::PaymentInDoubt(PaymentInDoubt {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        reason: reason.to_owned(),
    }));
    schedule_inquiry(draft, payment, attempt, ctx.at, ctx);
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
    let wait = backoff(attempt.inquiries, times.inquiry_backoff, times.inquiry_backoff_limit);
    set_timer(draft, payment, ctx.at.plus(wait).max(not_before));
}

/// `first` doubled so many times, at most `limit`.
pub(super) fn backoff(doublings: u32, first: Duration, limit: Duration) -> Duration {
    2u32.checked_pow(doublings)
        .and_then(|factor| first.checked_mul(factor))
        .unwrap_or(limit)
        .min(limit)
}

/// The gateway charged: what was held goes out.
pub(super) fn complete(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    gateway_reference: &str,
) {
    let (wallet, clearing) = accounts(payment, attempt);
    draft.release(&wallet, &clearing, payment.money);
    draft.transfer(Layer::Posted, &wallet, &clearing, payment.money);
    draft.event(Event::HoldPosted(hold_of(payment)));
    draft.event(Event::PaymentCompleted(PaymentCompleted {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        gateway: attempt.gateway.clone(),
        gateway_reference: gateway_reference.to_owned(),
        captured_amount: payment.money.amount(),
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
    let (wallet, clearing) = accounts(payment, attempt);
    draft.release(&wallet, &clearing, payment.money);
    draft.event(Event::HoldVoided(hold_of(payment)));
    draft.event(Event::PaymentFailed(failure));
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

fn accounts(payment: &Payment, attempt: &Attempt) -> (Account, Account) {
    (Account::Wallet(payment.wallet_id), Account::GatewayClearing(attempt.gateway.clone()))
}

fn hold_of(payment: &Payment) -> Hold {
    Hold {
        payment_id: payment.id,
        wallet_id: payment.wallet_id,
        amount: payment.money.amount(),
        currency: payment.money.currency(),
    }
}

fn set_timer(draft: &mut Draft, payment: &Payment, due: Timestamp) {
    change_timer(draft, payment, Some(due));
}

fn cancel_timer(draft: &mut Draft, payment: &Payment) {
    change_timer(draft, payment, None);
}

fn change_timer(draft: &mut Draft, payment: &Payment, due: Option<Timestamp>) {
    let generation = payment.timer_generation + 1;
    draft.timers.push(TimerChange {
        timer_id: timer_id(payment.id, payment.wallet_id),
        generation,
        due,
    });
}
