//! Decides a request to pay. **This is where a payment is accepted or refused.**
//!
//! A column of guards, each with its named refusal; then the point of no return: the payment
//! exists, and it either fails at once or money is held and the gateway is asked to charge.

use schemas::account::{Account, Balances, Layer, Side};
use schemas::event::{AttemptStarted, Event, PaymentRequested};
use schemas::inputs::{self, Envelope};
use schemas::{ErrorCode, Fingerprint, GatewayName, Money, OperationId, PaymentId, WalletId};

use super::state::{Payment, Phase};
use super::steps::{fail, hold_of, request_submit};
use crate::attempt::Attempt;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::{ReadLedger, StateError};
use crate::wallet::{Wallet, day_of};

/// The longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1 << 10;
/// The longest metadata object, in bytes of JSON.
const MAX_METADATA_BYTES: usize = 16 << 10;
/// The longest service id, in bytes.
const MAX_SERVICE_BYTES: usize = 64;

/// Decides one request to pay.
pub(crate) fn pay(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Pay,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let key = field::idempotency_key(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let payment_id: PaymentId = field::parse("payment_id", &request.payment_id)?;
    let derived = PaymentId::derive(&tenant, wallet_id, &key);
    field::same_id("payment_id", &payment_id, &derived, "tenant, wallet_id and idempotency_key")?;
    field::routed(wallet_id, ctx)?;
    let money = Money::new(field::amount(request.amount)?, field::currency(&request.currency)?);
    let named = gateway_of(request, ctx)?;
    check_texts(request, ctx)?;
    let fingerprint = Fingerprint::of_payment(
        wallet_id,
        money,
        named.as_ref(),
        request.service_id.as_deref(),
        request.description.as_ref(),
        request.metadata.as_ref(),
    );
    if let Some(known) = state.payment(payment_id)? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let Some(wallet) = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant) else {
        return Err(field::wallet_missing(wallet_id, &tenant).into());
    };
    field::same_currency(wallet.currency, money.currency())?;

    // The point of no return: from here on the payment exists, even if it fails.
    let payment = Payment {
        id: payment_id,
        tenant,
        wallet_id,
        money,
        fingerprint,
        deadline: ctx.at.plus(ctx.policy.payment.total_deadline),
        correlation_id: envelope.correlation_id.clone(),
        timer_generation: 0,
        is_pinned: named.is_some(),
        cancel_requested: false,
        counted_on: None,
        phase: Phase::Requested,
        rare: None,
    };
    let mut draft = Draft::accepted();
    draft.event(Event::PaymentRequested(PaymentRequested {
        payment_id,
        wallet_id,
        user_id: wallet.user_id.clone(),
        amount: money.amount(),
        currency: money.currency(),
        fingerprint,
        deadline: payment.deadline,
        correlation_id: payment.correlation_id.clone(),
        gateway: named.clone(),
    }));
    let gateway = match named {
        Some(named) => Some(named),
        None => ctx.policy.gateways_for(money).first().map(|gateway| gateway.name.clone()),
    };
    let Some(gateway) = gateway else {
        let detail = format!("no gateway takes {money}");
        fail(&mut draft, &payment, &Rejection::because(ErrorCode::GatewayUnknown, detail));
        return Ok(draft);
    };
    match forbidden(state, &wallet, &payment, envelope, &gateway, ctx)? {
        Some(rejection) => fail(&mut draft, &payment, &rejection),
        None => reserve(&mut draft, &payment, &gateway, ctx),
    }
    Ok(draft)
}

/// Why the payment fails at once, if it does.
fn forbidden(
    state: &dyn ReadLedger,
    wallet: &Wallet,
    payment: &Payment,
    envelope: &Envelope,
    gateway: &GatewayName,
    ctx: &DecideContext<'_>,
) -> Result<Option<Rejection>, StateError> {
    if field::deadline_passed(envelope, ctx) {
        return Ok(Some(Rejection::of(ErrorCode::DeadlineExceeded)));
    }
    if let Err(rejection) = field::takes_debits(wallet) {
        return Ok(Some(rejection));
    }
    if let Some(rejection) = limit_exceeded(wallet, payment.money, ctx) {
        return Ok(Some(rejection));
    }
    funds_missing(state, payment, gateway)
}

/// Which limit of its wallet the payment exceeds, if any.
fn limit_exceeded(wallet: &Wallet, money: Money, ctx: &DecideContext<'_>) -> Option<Rejection> {
    let bounds = wallet.bounds?;
    let (limits, amount) = (bounds.limits, money.amount().minor());
    let spent = bounds.spent_on(day_of(ctx.at)).saturating_add(amount);
    let detail = if limits.per_payment.is_some_and(|limit| amount > limit) {
        format!("{money} is more than one payment may take")
    } else if limits.per_day.is_some_and(|limit| spent > limit) {
        format!("with {money} the payments of the day would be {spent}, more than they may take")
    } else if limits.in_flight.is_some_and(|limit| bounds.in_flight >= limit) {
        format!("{} payments are under way, as many as may be", bounds.in_flight)
    } else {
        return None;
    };
    Some(Rejection::because(ErrorCode::LimitExceeded, detail))
}

/// The gateway that the request names, if it names one that is configured.
fn gateway_of(
    request: &inputs::Pay,
    ctx: &DecideContext<'_>,
) -> Result<Option<GatewayName>, Rejection> {
    let Some(name) = &request.gateway else { return Ok(None) };
    let known = name.parse().ok().filter(|name| ctx.policy.gateway(Some(name)).is_some());
    known.map(Some).ok_or_else(|| {
        let detail = "no gateway of this name is configured; null takes the default one";
        Rejection::because(ErrorCode::GatewayUnknown, detail)
    })
}

fn check_texts(request: &inputs::Pay, ctx: &DecideContext<'_>) -> Result<(), Rejection> {
    if let Some(service) = &request.service_id {
        field::text("service_id", service, 1..=MAX_SERVICE_BYTES)?;
    }
    field::sealed("description", request.description.as_ref(), MAX_DESCRIPTION_BYTES, ctx)?;
    field::sealed("metadata", request.metadata.as_ref(), MAX_METADATA_BYTES, ctx)
}

/// Why the wallet cannot give the money, if it cannot. A hold must also leave room for its own
/// posting, which later cannot be refused.
fn funds_missing(
    state: &dyn ReadLedger,
    payment: &Payment,
    gateway: &GatewayName,
) -> Result<Option<Rejection>, StateError> {
    let (amount, currency) = (payment.money.amount().minor(), payment.money.currency());
    let wallet = state.account(&Account::Wallet(payment.wallet_id), currency)?.balances;
    if let Some(rejection) = field::missing_funds(wallet.available(), payment.money) {
        return Ok(Some(rejection));
    }
    let clearing = state.account(&Account::GatewayClearing(gateway.clone()), currency)?.balances;
    let room = |balances: Balances, side| {
        let held = balances.after(Layer::Pending, side, amount)?;
        let pending = match side {
            Side::Debit => held.debits_pending,
            Side::Credit => held.credits_pending,
        };
        held.after(Layer::Posted, side, pending)
    };
    if room(wallet, Side::Debit).is_none() || room(clearing, Side::Credit).is_none() {
        return Ok(Some(Rejection::of(ErrorCode::AmountTooLarge)));
    }
    Ok(None)
}

/// Holds the money and asks the gateway to charge.
fn reserve(draft: &mut Draft, payment: &Payment, gateway: &GatewayName, ctx: &DecideContext<'_>) {
    let wallet = Account::Wallet(payment.wallet_id);
    let clearing = Account::GatewayClearing(gateway.clone());
    draft.transfer(Layer::Pending, &wallet, &clearing, payment.money);
    draft.event(Event::HoldPlaced(hold_of(payment, payment.money.amount())));
    let operation_id = OperationId::attempt(&payment.tenant, payment.id, 1);
    let attempt = Attempt::begun(operation_id, gateway.clone());
    draft.event(Event::AttemptStarted(AttemptStarted {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        number: 1,
        gateway: gateway.clone(),
    }));
    request_submit(draft, payment, &attempt, ctx);
}
