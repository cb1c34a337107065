//! Decides a request to refund a payment, or a part of it.

use schemas::event::RefundDestination;
use schemas::inputs::{self, Envelope};
use schemas::read_model::WalletStatus;
use schemas::{ErrorCode, Fingerprint, Money, PaymentId, RefundId, WalletId};

use super::state::Refund;
use super::steps::begin;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::payment::Phase;
use crate::state::ReadLedger;

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1 << 10;

/// Decides one request to refund.
pub(crate) fn refund(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Refund,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let key = field::idempotency_key(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let payment_id: PaymentId = field::parse("payment_id", &request.payment_id)?;
    let refund_id: RefundId = field::parse("refund_id", &request.refund_id)?;
    let derived = RefundId::derive(&tenant, payment_id, &key);
    field::same_id("refund_id", &refund_id, &derived, "tenant, payment_id and idempotency_key")?;
    field::routed(wallet_id, ctx)?;
    let amount = request.amount.map(field::amount).transpose()?;
    field::sealed("reason", request.reason.as_ref(), MAX_REASON_BYTES, ctx)?;
    let fingerprint = Fingerprint::of_refund(payment_id, amount, request.reason.as_ref());
    if let Some(known) = state.refund(refund_id)? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let payment = state.payment(payment_id)?;
    let payment = payment.filter(|one| one.tenant == tenant && one.wallet_id == wallet_id);
    let payment = payment.ok_or_else(|| Rejection::of(ErrorCode::PaymentNotFound))?;
    let Phase::Completed(charge) = &payment.phase else {
        return Err(Rejection::of(ErrorCode::PaymentNotRefundable).into());
    };
    let left = payment.refundable();
    let amount = match amount {
        Some(amount) if amount.minor() <= left => amount,
        None if left > 0 => field::amount(left)?,
        Some(_) | None => {
            let detail = format!("{left} {} can be refunded", payment.money.currency());
            return Err(Rejection::because(ErrorCode::RefundExceedsCaptured, detail).into());
        }
    };
    field::in_time(envelope, ctx)?;

    let money = Money::new(amount, payment.money.currency());
    let is_closed =
        state.wallet(wallet_id)?.is_some_and(|wallet| wallet.status == WalletStatus::Closed);
    let destination =
        if is_closed { RefundDestination::Suspense } else { RefundDestination::Wallet };
    let refund = Refund {
        destination,
        charge: charge.attempt.operation_id,
        charge_reference: charge.reference.clone(),
        fingerprint,
        correlation_id: envelope.correlation_id.clone(),
        ..Refund::of(&payment, &charge.attempt.gateway, money, refund_id, ctx)
    };
    let mut draft = Draft::accepted();
    begin(&mut draft, &refund, ctx);
    if !draft.fits(state)? {
        return Err(Rejection::of(ErrorCode::AmountTooLarge).into());
    }
    Ok(draft)
}
