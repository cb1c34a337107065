//! The steps that decisions about a transfer are made of: ask the receiver, answer the sender.

use schemas::Timestamp;
use schemas::event::{Event, TransferFailed, TransferLegRequested};
use schemas::inputs::{LegBody, TransferLeg};

use super::state::Transfer;
use crate::attempt::backoff;
use crate::draft::{DecideContext, Draft, Rejection};
use crate::timer::TimerSubject;

/// Asks the receiver to credit, and sets the timer that asks again.
pub(super) fn ask(draft: &mut Draft, transfer: &Transfer, ctx: &DecideContext<'_>) {
    draft.event(Event::TransferLegRequested(TransferLegRequested {
        leg: TransferLeg {
            wallet_id: transfer.to_wallet_id,
            transfer_id: transfer.id,
            tenant: transfer.tenant.clone(),
            from_wallet_id: transfer.wallet_id,
            to_wallet_id: transfer.to_wallet_id,
            amount: transfer.money.amount(),
            currency: transfer.money.currency(),
            body: LegBody::CreditAsked {},
            correlation_id: transfer.correlation_id.clone(),
        },
    }));
    let times = &ctx.policy.transfer;
    let wait = backoff(transfer.legs_sent, times.leg_backoff, times.leg_backoff_limit);
    set_timer(draft, transfer, Some(ctx.at.plus(wait)));
}

/// Answers the sender.
pub(super) fn answer(draft: &mut Draft, asked: &TransferLeg, body: LegBody) {
    let leg = TransferLeg { wallet_id: asked.from_wallet_id, body, ..asked.clone() };
    draft.event(Event::TransferLegRequested(TransferLegRequested { leg }));
}

/// The transfer fails; what was held is for the caller to release.
pub(super) fn fail(draft: &mut Draft, transfer: &Transfer, rejection: &Rejection) {
    draft.event(Event::TransferFailed(TransferFailed {
        transfer_id: transfer.id,
        wallet_id: transfer.wallet_id,
        code: rejection.code.code().to_owned(),
        message: rejection.detail.clone(),
    }));
}

pub(super) fn set_timer(draft: &mut Draft, transfer: &Transfer, due: Option<Timestamp>) {
    let timer_id = TimerSubject::Transfer(transfer.id).timer_id(transfer.wallet_id);
    draft.timer(timer_id, transfer.timer_generation + 1, due);
}
