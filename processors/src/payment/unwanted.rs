//! Charges that nobody wants: a success after the payment had failed or was cancelled, or of an
//! attempt that is not the settled one. What the payment says stays; the money is booked against
//! suspense, and the charge is refunded at its gateway, once.

use schemas::account::{Account, Side};
use schemas::event::{RefundCause, RefundDestination, SuspenseSubject};
use schemas::{ErrorCode, Fingerprint, RefundId};

use super::outcome::Told;
use super::state::Payment;
use super::steps::discrepancy;
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft};
use crate::refund;
use crate::state::{ReadLedger, StateError};
use crate::suspense::{self, Booking};

/// The code of money in suspense that a gateway charged and nobody wants.
pub(crate) const UNWANTED_CHARGE: &str = "unwanted_charge";

/// Books such a charge and has it refunded; `code` says which kind it is.
pub(super) fn charged(
    draft: &mut Draft,
    state: &dyn ReadLedger,
    payment: &Payment,
    attempt: &Attempt,
    told: Told<'_>,
    code: &str,
    ctx: &DecideContext<'_>,
) -> Result<(), StateError> {
    if payment.is_unwanted(attempt.operation_id) {
        return Ok(());
    }
    let (amount, currency, reference) = (told.amount, told.currency, told.reference);
    let detail = format!("charged {amount} {currency} as {reference}, at {}", attempt.gateway);
    discrepancy(draft, payment, attempt, code, detail.clone());
    let Some(money) = told.money() else {
        discrepancy(draft, payment, attempt, "charge_unreadable", detail);
        return Ok(());
    };
    let mut tried = draft.clone();
    let subject =
        SuspenseSubject::Charge { payment_id: payment.id, operation_id: attempt.operation_id };
    let (wallet_id, code) = (payment.wallet_id, UNWANTED_CHARGE);
    let booking = Booking { wallet_id, subject, code, detail: detail.clone() };
    let clearing = Account::GatewayClearing(attempt.gateway.clone());
    suspense::book(&mut tried, booking, &clearing, Side::Debit, money);
    let id = RefundId::of_charge(&payment.tenant, payment.id, attempt.operation_id);
    let refund = refund::Refund {
        cause: RefundCause::UnwantedCharge,
        destination: RefundDestination::Suspense,
        charge: attempt.operation_id,
        charge_reference: reference.to_owned(),
        fingerprint: Fingerprint::of_unwanted_charge(attempt.operation_id),
        ..refund::Refund::of(payment, &attempt.gateway, money, id, ctx)
    };
    refund::steps::begin(&mut tried, &refund, ctx);
    if tried.fits(state)? {
        *draft = tried;
    } else {
        let detail = format!("{}: {detail}", ErrorCode::AmountTooLarge.code());
        discrepancy(draft, payment, attempt, "charge_unreadable", detail);
    }
    Ok(())
}
