//! Decides operations on wallets.

use schemas::account::Account;
use schemas::event::{Event, LimitsSet, WalletClosed, WalletFrozen, WalletOpened, WalletUnfrozen};
use schemas::inputs::{self, Envelope};
use schemas::read_model::{WalletLimits, WalletStatus};
use schemas::{Currency, ErrorCode, UserId, WalletId, WalletLabel};

use super::Wallet;
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;

/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1 << 10;

/// Opens a wallet; one that exists is a replay, since its id says all there is to know.
pub(crate) fn open(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::OpenWallet,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let user_id: UserId = field::parse("user_id", &request.user_id)?;
    let currency: Currency = field::currency(&request.currency)?;
    let label: WalletLabel = field::parse("label", &request.label)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let derived = WalletId::derive(&tenant, &user_id, currency, &label);
    field::same_id("wallet_id", &wallet_id, &derived, "tenant, user_id, currency and label")?;
    field::routed(wallet_id, ctx)?;
    if state.wallet(wallet_id)?.is_some() {
        return Ok(Draft::replayed());
    }

    let mut draft = Draft::accepted();
    draft.event(Event::WalletOpened(WalletOpened { wallet_id, tenant, user_id, currency, label }));
    Ok(draft)
}

/// Refuses new debits of a wallet.
pub(crate) fn freeze(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::WalletChange,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let wallet = changed(state, envelope, request, ctx)?;
    match wallet.status {
        WalletStatus::Active => {}
        WalletStatus::Frozen => return Ok(Draft::replayed()),
        WalletStatus::Closed => return Err(Rejection::of(ErrorCode::WalletClosed).into()),
    }
    let mut draft = Draft::accepted();
    draft.event(Event::WalletFrozen(WalletFrozen { wallet_id: wallet.id }));
    Ok(draft)
}

/// Allows new debits again.
pub(crate) fn unfreeze(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::WalletChange,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let wallet = changed(state, envelope, request, ctx)?;
    match wallet.status {
        WalletStatus::Frozen => {}
        WalletStatus::Active => return Ok(Draft::replayed()),
        WalletStatus::Closed => return Err(Rejection::of(ErrorCode::WalletClosed).into()),
    }
    let mut draft = Draft::accepted();
    draft.event(Event::WalletUnfrozen(WalletUnfrozen { wallet_id: wallet.id }));
    Ok(draft)
}

/// Ends a wallet. Payments and transfers under way hold money, refunds under way announce some: the
/// pending numbers tell of all of them.
pub(crate) fn close(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::WalletChange,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let wallet = changed(state, envelope, request, ctx)?;
    if wallet.status == WalletStatus::Closed {
        return Ok(Draft::replayed());
    }
    let balances = state.account(&Account::Wallet(wallet.id), wallet.currency)?.balances;
    if balances.debits_pending != 0 || balances.credits_pending != 0 {
        return Err(Rejection::of(ErrorCode::WalletHasOpenOperations).into());
    }
    if balances.posted() != 0 {
        let detail = format!("{} {} in the wallet", balances.posted(), wallet.currency);
        return Err(Rejection::because(ErrorCode::WalletNotEmpty, detail).into());
    }

    let mut draft = Draft::accepted();
    draft.event(Event::WalletClosed(WalletClosed { wallet_id: wallet.id }));
    Ok(draft)
}

/// Bounds what payments may take from a wallet.
pub(crate) fn set_limits(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::SetLimits,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let wallet = existing(state, envelope, &request.wallet_id, ctx)?;
    if request.per_payment.is_some_and(|limit| limit < 0)
        || request.per_day.is_some_and(|limit| limit < 0)
        || request.in_flight.is_some_and(|limit| limit < 0)
    {
        let detail = "a limit is 0 or more; null is no limit";
        return Err(Rejection::because(ErrorCode::FieldInvalid, detail).into());
    }
    let limits = WalletLimits {
        per_payment: request.per_payment,
        per_day: request.per_day,
        in_flight: request.in_flight,
    };
    if wallet.status == WalletStatus::Closed {
        return Err(Rejection::of(ErrorCode::WalletClosed).into());
    }
    if wallet.bounds.unwrap_or_default().limits == limits {
        return Ok(Draft::replayed());
    }

    let mut draft = Draft::accepted();
    draft.event(Event::LimitsSet(LimitsSet {
        wallet_id: wallet.id,
        per_payment: limits.per_payment,
        per_day: limits.per_day,
        in_flight: limits.in_flight,
    }));
    Ok(draft)
}

fn changed(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::WalletChange,
    ctx: &DecideContext<'_>,
) -> Result<Wallet, Refusal> {
    field::sealed("reason", request.reason.as_ref(), MAX_REASON_BYTES, ctx)?;
    existing(state, envelope, &request.wallet_id, ctx)
}

/// The wallet that a request is about, unless the request is late.
fn existing(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    wallet_id: &str,
    ctx: &DecideContext<'_>,
) -> Result<Wallet, Refusal> {
    let tenant = field::tenant(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", wallet_id)?;
    field::routed(wallet_id, ctx)?;
    let wallet = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant);
    let wallet = wallet.ok_or_else(|| field::wallet_missing(wallet_id, &tenant))?;
    field::in_time(envelope, ctx)?;
    Ok(wallet)
}
