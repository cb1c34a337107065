//! The steps that decisions about a refund are made of: ask the gateway, wait, credit, void.

use schemas::account::{Account, Layer};
use schemas::event::{
    DiscrepancyRecorded, Event, GatewayOperationRequested, RefundDestination, RefundFailed,
    RefundInDoubt, RefundOf, RefundRequested, RefundResendScheduled, RefundReviewRequested,
};
use schemas::inputs::GatewayOperationKind;
use schemas::{ErrorCode, Timestamp};

use super::state::{Phase, Refund};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft};
use crate::timer::TimerSubject;

/// The refund exists, and the gateway is asked.
pub(crate) fn begin(draft: &mut Draft, refund: &Refund, ctx: &DecideContext<'_>) {
    if refund.destination == RefundDestination::Wallet {
        let (clearing, wallet) = accounts(refund);
        draft.transfer(Layer::Pending, &clearing, &wallet, refund.money);
    }
    draft.event(Event::RefundRequested(Box::new(RefundRequested {
        refund_id: refund.id,
        payment_id: refund.payment_id,
        wallet_id: refund.wallet_id,
        operation_id: refund.charge,
        gateway: refund.attempt.gateway.clone(),
        gateway_reference: refund.charge_reference.clone(),
        amount: refund.money.amount(),
        currency: refund.money.currency(),
        cause: refund.cause,
        destination: refund.destination,
        fingerprint: refund.fingerprint,
        deadline: refund.deadline,
        correlation_id: refund.correlation_id.clone(),
    })));
    request(draft, refund, &refund.attempt, GatewayOperationKind::Refund, ctx);
}

/// Asks the gateway, and sets the timer that ends the wait.
pub(super) fn request(
    draft: &mut Draft,
    refund: &Refund,
    attempt: &Attempt,
    operation: GatewayOperationKind,
    ctx: &DecideContext<'_>,
) {
    let asked = attempt.next(operation, &ctx.policy.refund, refund.deadline, ctx);
    draft.event(Event::GatewayOperationRequested(GatewayOperationRequested {
        payment_id: refund.payment_id,
        wallet_id: refund.wallet_id,
        operation_id: attempt.operation_id,
        operation_seq: asked.operation_seq,
        operation,
        gateway: attempt.gateway.clone(),
        amount: refund.money.amount(),
        currency: refund.money.currency(),
        not_after: asked.not_after,
        conclusive_after: asked.conclusive_after,
        correlation_id: refund.correlation_id.clone(),
        refund: Some(Box::new(RefundOf {
            refund_id: refund.id,
            charge_operation_id: refund.charge,
            charge_reference: refund.charge_reference.clone(),
        })),
    }));
    set_timer(draft, refund, Some(asked.answer_due));
}

/// Waits, then sends the same refund again.
pub(super) fn schedule_resend(draft: &mut Draft, refund: &Refund, reason: &str, due: Timestamp) {
    draft.event(Event::RefundResendScheduled(RefundResendScheduled {
        refund_id: refund.id,
        payment_id: refund.payment_id,
        reason: reason.to_owned(),
        due,
    }));
    set_timer(draft, refund, Some(due));
}

/// Begins to inquire.
pub(super) fn doubt(
    draft: &mut Draft,
    refund: &Refund,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    let review_at = refund.review_at.unwrap_or_else(|| ctx.at.plus(ctx.policy.refund.review_after));
    draft.event(Event::RefundInDoubt(RefundInDoubt {
        refund_id: refund.id,
        payment_id: refund.payment_id,
        reason: reason.to_owned(),
        review_at,
    }));
    let due = if attempt.refund_can_be_asked(ctx) {
        attempt.inquiry_due(&ctx.policy.refund, ctx).min(review_at)
    } else {
        review_at
    };
    set_timer(draft, refund, Some(due.max(ctx.at)));
}

/// Waits for the back-off and at least until `not_before`, then inquires.
pub(super) fn schedule_inquiry(
    draft: &mut Draft,
    refund: &Refund,
    attempt: &Attempt,
    not_before: Timestamp,
    ctx: &DecideContext<'_>,
) {
    let times = &ctx.policy.refund;
    let due = match refund.phase {
        Phase::NeedsReview => ctx.at.plus(times.review_inquiry_interval),
        Phase::Submitting | Phase::InDoubt | Phase::Succeeded(_) | Phase::Failed => {
            let review_at = refund.review_at.unwrap_or(refund.deadline);
            attempt.inquiry_due(times, ctx).max(not_before).min(review_at)
        }
    };
    set_timer(draft, refund, Some(due.max(ctx.at)));
}

/// Asks for a person, once, and inquires slowly meanwhile.
pub(super) fn request_review(
    draft: &mut Draft,
    refund: &Refund,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    if refund.phase != Phase::NeedsReview {
        draft.event(Event::RefundReviewRequested(RefundReviewRequested {
            refund_id: refund.id,
            payment_id: refund.payment_id,
            reason: reason.to_owned(),
        }));
    }
    let due = ctx.at.plus(ctx.policy.refund.review_inquiry_interval);
    set_timer(draft, refund, attempt.refund_can_be_asked(ctx).then_some(due));
}

/// Nothing came back, and nothing will.
pub(super) fn fail(
    draft: &mut Draft,
    refund: &Refund,
    code: ErrorCode,
    decline_code: &str,
    message: &str,
) {
    release(draft, refund);
    draft.event(Event::RefundFailed(RefundFailed {
        refund_id: refund.id,
        payment_id: refund.payment_id,
        code: code.code().to_owned(),
        decline_code: decline_code.to_owned(),
        message: message.to_owned(),
    }));
    set_timer(draft, refund, None);
}

/// The wallet is told of no money to come any more.
pub(super) fn release(draft: &mut Draft, refund: &Refund) {
    if refund.destination == RefundDestination::Wallet && refund.is_open() {
        let (clearing, wallet) = accounts(refund);
        draft.release(&clearing, &wallet, refund.money);
    }
}

/// Records what does not fit, once for each kind.
pub(super) fn discrepancy(draft: &mut Draft, refund: &Refund, code: &str, detail: String) {
    if refund.discrepancies.contains(code) {
        return;
    }
    draft.event(Event::DiscrepancyRecorded(DiscrepancyRecorded {
        payment_id: refund.payment_id,
        operation_id: refund.attempt.operation_id,
        code: code.to_owned(),
        detail,
        refund_id: Some(refund.id),
    }));
}

/// Where the money comes from, and whose it is.
pub(super) fn accounts(refund: &Refund) -> (Account, Account) {
    let clearing = Account::GatewayClearing(refund.attempt.gateway.clone());
    (clearing, Account::Wallet(refund.wallet_id))
}

pub(super) fn set_timer(draft: &mut Draft, refund: &Refund, due: Option<Timestamp>) {
    let timer_id = TimerSubject::Refund(refund.id).timer_id(refund.wallet_id);
    draft.timer(timer_id, refund.timer_generation + 1, due);
}
