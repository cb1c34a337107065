//! What it means for a refund that its gateway gave money back.

use schemas::account::{Account, Layer, Side};
use schemas::event::{Event, RefundCause, RefundDestination, RefundSucceeded, SuspenseSubject};
use schemas::read_model::WalletStatus;
use schemas::{Amount, Money};

use super::state::{Phase, Refund};
use super::steps::{discrepancy, release, request_review, set_timer};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft};
use crate::payment::UNWANTED_CHARGE;
use crate::state::{ReadLedger, StateError};
use crate::suspense::{self, Booking};

/// What a gateway or a person says was given back.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub reference: &'a str,
    pub amount: i64,
    pub currency: &'a str,
}

/// The gateway gave back, in time or late, what was asked or not.
pub(super) fn given_back(
    draft: &mut Draft,
    state: &dyn ReadLedger,
    refund: &Refund,
    attempt: &Attempt,
    told: Told<'_>,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    let asked = refund.money;
    let detail =
        format!("gave back {} {} as {}, asked {asked}", told.amount, told.currency, told.reference);
    let amount = Amount::try_from(told.amount).ok();
    let amount = amount.filter(|_| told.currency == asked.currency().code());
    let mut tried = draft.clone();
    if let Some(amount) = amount {
        book(&mut tried, state, refund, amount, told.reference, &detail)?;
        if tried.fits(state)? {
            *draft = tried;
            return Ok(());
        }
    }
    discrepancy(draft, refund, "refund_unreadable", detail);
    if refund.is_open() {
        let reason = "the gateway gave back what cannot be credited";
        request_review(draft, refund, attempt, reason, ctx);
    }
    Ok(())
}

fn book(
    draft: &mut Draft,
    state: &dyn ReadLedger,
    refund: &Refund,
    amount: Amount,
    reference: &str,
    detail: &str,
) -> Result<(), StateError> {
    let currency = refund.money.currency();
    let owed = owed(state, refund, amount)?;
    let (clearing, wallet) = super::steps::accounts(refund);
    release(draft, refund);
    let is_closed = || -> Result<bool, StateError> {
        let wallet = state.wallet(refund.wallet_id)?;
        Ok(wallet.is_none_or(|wallet| wallet.status == WalletStatus::Closed))
    };
    let into_wallet = match refund.destination {
        RefundDestination::Wallet if !is_closed()? => owed,
        RefundDestination::Wallet | RefundDestination::Suspense => 0,
    };
    if amount < refund.money.amount() {
        discrepancy(draft, refund, "refunded_less", detail.to_owned());
    }
    if amount > refund.money.amount() {
        discrepancy(draft, refund, "refunded_more", detail.to_owned());
    }
    if refund.phase == Phase::Failed {
        discrepancy(draft, refund, "refund_success_after_failure", detail.to_owned());
    }
    if let Ok(credit) = Amount::try_from(into_wallet) {
        draft.transfer(Layer::Posted, &clearing, &wallet, Money::new(credit, currency));
    }
    if let Ok(rest) = Amount::try_from(amount.minor() - into_wallet) {
        suspend(draft, refund, &clearing, Money::new(rest, currency), detail);
    }
    draft.event(Event::RefundSucceeded(RefundSucceeded {
        refund_id: refund.id,
        payment_id: refund.payment_id,
        gateway_reference: reference.to_owned(),
        amount,
        credited: owed,
    }));
    if refund.is_open() {
        set_timer(draft, refund, None);
    }
    Ok(())
}

/// What of it is owed, minor units: no more than was asked for, and of a refund that had failed no
/// more than is left of the payment.
fn owed(state: &dyn ReadLedger, refund: &Refund, amount: Amount) -> Result<i64, StateError> {
    let given = amount.min(refund.money.amount()).minor();
    match (refund.cause, refund.phase) {
        (RefundCause::UnwantedCharge, _) => Ok(0),
        (RefundCause::Asked, Phase::Failed) => {
            let payment = state.payment(refund.payment_id)?;
            Ok(given.min(payment.map_or(0, |payment| payment.refundable())))
        }
        (
            RefundCause::Asked,
            Phase::Submitting | Phase::InDoubt | Phase::NeedsReview | Phase::Succeeded(_),
        ) => Ok(given),
    }
}

fn suspend(draft: &mut Draft, refund: &Refund, clearing: &Account, money: Money, detail: &str) {
    let code = match (refund.cause, refund.destination) {
        (RefundCause::UnwantedCharge, _) => UNWANTED_CHARGE,
        (RefundCause::Asked, RefundDestination::Suspense) => "wallet_closed",
        (RefundCause::Asked, RefundDestination::Wallet) => "refund_excess",
    };
    let subject = SuspenseSubject::Refund { payment_id: refund.payment_id, refund_id: refund.id };
    let (wallet_id, detail) = (refund.wallet_id, detail.to_owned());
    let booking = Booking { wallet_id, subject, code, detail };
    suspense::book(draft, booking, clearing, Side::Credit, money);
}
