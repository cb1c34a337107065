//! Decides operations on wallets.

use schemas::account::{Account, Layer, Side};
use schemas::event::{DepositRecorded, Event, WalletOpened};
use schemas::inputs::{self, Envelope};
use schemas::{
    Currency, DepositId, ErrorCode, Fingerprint, Money, RailName, UserId, WalletId, WalletLabel,
};

use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;

/// The longest reference of an external rail, in bytes.
const MAX_REFERENCE_BYTES: usize = 255;

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

/// Records that money arrived on an external rail.
pub(crate) fn deposit(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Deposit,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let key = field::idempotency_key(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let deposit_id: DepositId = field::parse("deposit_id", &request.deposit_id)?;
    let derived = DepositId::derive(&tenant, wallet_id, &key);
    field::same_id("deposit_id", &deposit_id, &derived, "tenant, wallet_id and idempotency_key")?;
    field::routed(wallet_id, ctx)?;
    let money = Money::new(field::amount(request.amount)?, field::currency(&request.currency)?);
    let rail: RailName = field::parse("rail", &request.rail)?;
    let reference = request.reference.clone();
    field::text("reference", &reference, 1..=MAX_REFERENCE_BYTES)?;
    let fingerprint = Fingerprint::of_deposit(wallet_id, money, &rail, &reference);
    if let Some(known) = state.deposit(deposit_id)? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let Some(wallet) = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant) else {
        return Err(field::wallet_missing(wallet_id, &tenant).into());
    };
    field::same_currency(wallet.currency, money.currency())?;
    if state.deposit_by_reference(wallet_id, &rail, &reference)?.is_some() {
        return Err(Rejection::of(ErrorCode::ReferenceAlreadyRecorded).into());
    }
    if field::deadline_passed(envelope, ctx) {
        return Err(Rejection::of(ErrorCode::DeadlineExceeded).into());
    }
    let (from, to) = (Account::External(rail.clone()), Account::Wallet(wallet_id));
    for (account, side) in [(&from, Side::Debit), (&to, Side::Credit)] {
        let balances = state.account(account, money.currency())?.balances;
        if balances.after(Layer::Posted, side, money.amount().minor()).is_none() {
            return Err(Rejection::of(ErrorCode::AmountTooLarge).into());
        }
    }

    let mut draft = Draft::accepted();
    draft.transfer(Layer::Posted, &from, &to, money);
    draft.event(Event::DepositRecorded(DepositRecorded {
        deposit_id,
        wallet_id,
        amount: money.amount(),
        currency: money.currency(),
        rail,
        reference,
        fingerprint,
    }));
    Ok(draft)
}
