//! What an outcome means for a payment that still holds money: the gateway charged, or it is proven
//! that it did not.

use schemas::account::{Account, Layer, Side};
use schemas::event::{AttemptAbandoned, AttemptStarted, Event, SuspenseSubject};
use schemas::{Amount, Currency, ErrorCode, GatewayName, Money, OperationId};

use super::state::{Payment, Phase};
use super::steps::{
    accounts, complete, discrepancy, failure, request_review, request_submit, schedule_inquiry,
    schedule_resend, set_timer, void_and_cancel, void_and_fail,
};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft, Rejection};
use crate::state::{ReadLedger, StateError};
use crate::suspense::{self, Booking};

/// The code of a charge of more than was asked, and of what it put into suspense.
pub(super) const CHARGED_MORE: &str = "charged_more";

/// A charge as the gateway or a person tells of it.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub reference: &'a str,
    pub amount: i64,
    pub currency: &'a str,
}

impl Told<'_> {
    /// The money, when it can be some.
    pub fn money(&self) -> Option<Money> {
        let currency: Currency = self.currency.parse().ok()?;
        Some(Money::new(Amount::try_from(self.amount).ok()?, currency))
    }
}

/// The gateway charged, whether it charged what was asked or not. `attempt` is as after the answer.
pub(super) fn charged(
    draft: &mut Draft,
    state: &dyn ReadLedger,
    payment: &Payment,
    attempt: &Attempt,
    told: Told<'_>,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    let asked = payment.money;
    let detail = || {
        format!("charged {} {} as {}, asked {asked}", told.amount, told.currency, told.reference)
    };
    let money = told.money().filter(|money| money.currency() == asked.currency());
    let Some(money) = money else {
        let code = match told.money() {
            Some(_) => "currency_differs",
            None => "charge_unreadable",
        };
        discrepancy(draft, payment, attempt, code, detail());
        let reason = "the gateway charged what the hold cannot pay";
        review(draft, payment, attempt, reason, ctx);
        return Ok(());
    };
    let captured = money.amount().min(asked.amount());
    let Ok(surplus) = Amount::try_from(money.amount().minor() - asked.amount().minor()) else {
        if captured < asked.amount() {
            discrepancy(draft, payment, attempt, "charged_less", detail());
        }
        complete(draft, payment, attempt, captured, told.reference);
        return Ok(());
    };
    let mut tried = draft.clone();
    discrepancy(&mut tried, payment, attempt, CHARGED_MORE, detail());
    complete(&mut tried, payment, attempt, captured, told.reference);
    let subject =
        SuspenseSubject::Charge { payment_id: payment.id, operation_id: attempt.operation_id };
    let (wallet_id, code) = (payment.wallet_id, CHARGED_MORE);
    let booking = Booking { wallet_id, subject, code, detail: detail() };
    let (_, clearing) = accounts(payment, attempt);
    let surplus = Money::new(surplus, asked.currency());
    suspense::book(&mut tried, booking, &clearing, Side::Debit, surplus);
    if tried.fits(state)? {
        *draft = tried;
    } else {
        discrepancy(draft, payment, attempt, "charge_unreadable", detail());
        review(draft, payment, attempt, "no account has room for what was charged", ctx);
    }
    Ok(())
}

/// A person must look, and until then the gateway is asked slowly. Once that is so it stays so.
fn review(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    request_review(draft, payment, attempt, reason);
    if !attempt.can_be_asked(ctx) {
        return;
    }
    match &payment.phase {
        Phase::NeedsReview(_) => schedule_inquiry(draft, payment, attempt, ctx.at, ctx),
        Phase::Requested
        | Phase::Submitting(_)
        | Phase::InDoubt(_)
        | Phase::Completed(_)
        | Phase::Failed(_)
        | Phase::Cancelled(_) => {
            let due = ctx.at.plus(ctx.policy.payment.review_inquiry_interval);
            set_timer(draft, payment, due);
        }
    }
}

/// Nothing of the attempt ever reached the gateway, or nothing will come of it: send it again, try
/// the next gateway, or give up.
pub(super) fn uncharged(
    draft: &mut Draft,
    state: &dyn ReadLedger,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    let times = &ctx.policy.payment;
    if payment.cancel_requested {
        void_and_cancel(draft, payment, attempt);
        return Ok(());
    }
    let unavailable = Rejection::because(ErrorCode::GatewayUnavailable, reason);
    if let Phase::NeedsReview(_) = payment.phase {
        void_and_fail(draft, payment, attempt, failure(payment, &unavailable));
        return Ok(());
    }
    let due = attempt.resend_due(times, ctx);
    let is_exhausted = attempt.is_exhausted(due, times, ctx);
    let next = if is_exhausted && ctx.at < payment.deadline {
        next_gateway(state, payment, attempt, ctx)?
    } else {
        None
    };
    if let Some(gateway) = next {
        fail_over(draft, payment, attempt, &gateway, reason, ctx);
    } else if due > payment.deadline {
        let rejection = Rejection::of(ErrorCode::DeadlineExceeded);
        void_and_fail(draft, payment, attempt, failure(payment, &rejection));
    } else if is_exhausted {
        void_and_fail(draft, payment, attempt, failure(payment, &unavailable));
    } else if attempt.inquiries > 0 {
        // The proof took longer than any back-off.
        request_submit(draft, payment, attempt, ctx);
    } else {
        schedule_resend(draft, payment, attempt, reason, due);
    }
    Ok(())
}

/// The first gateway for such money that has not been tried and has room for it.
fn next_gateway(
    state: &dyn ReadLedger,
    payment: &Payment,
    attempt: &Attempt,
    ctx: &DecideContext<'_>,
) -> Result<Option<GatewayName>, StateError> {
    if payment.is_pinned {
        return Ok(None);
    }
    let is_tried = |name: &GatewayName| {
        attempt.gateway == *name || payment.earlier().iter().any(|one| one.gateway == *name)
    };
    let (amount, currency) = (payment.money.amount().minor(), payment.money.currency());
    for gateway in ctx.policy.gateways_for(payment.money) {
        if is_tried(&gateway.name) {
            continue;
        }
        let clearing = Account::GatewayClearing(gateway.name.clone());
        let balances = state.account(&clearing, currency)?.balances;
        let held = balances.after(Layer::Pending, Side::Credit, amount);
        let room =
            held.and_then(|held| held.after(Layer::Posted, Side::Credit, held.credits_pending));
        if room.is_some() {
            return Ok(Some(gateway.name.clone()));
        }
    }
    Ok(None)
}

/// Gives the attempt up, which is proven to have charged nothing, and begins one at another
/// gateway. The hold stays; what it is for changes.
fn fail_over(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    gateway: &GatewayName,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    draft.event(Event::AttemptAbandoned(AttemptAbandoned {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        reason: reason.to_owned(),
    }));
    let from = Account::GatewayClearing(attempt.gateway.clone());
    let to = Account::GatewayClearing(gateway.clone());
    draft.redirect(&from, &to, payment.money);
    let number = u32::try_from(payment.earlier().len()).unwrap_or(u32::MAX).saturating_add(2);
    let operation_id = OperationId::attempt(&payment.tenant, payment.id, number);
    let next = Attempt::begun(operation_id, gateway.clone());
    draft.event(Event::AttemptStarted(AttemptStarted {
        payment_id: payment.id,
        operation_id,
        number: i32::try_from(number).unwrap_or(i32::MAX),
        gateway: gateway.clone(),
    }));
    request_submit(draft, payment, &next, ctx);
}
