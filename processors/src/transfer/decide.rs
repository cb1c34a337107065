//! Decides a request to move money from one wallet to another, at the sender.

use schemas::account::{Account, Balances, Layer, Side};
use schemas::event::{Event, TransferHeld, TransferRequested};
use schemas::inputs::{self, Envelope};
use schemas::{ErrorCode, Fingerprint, Money, TransferId, WalletId};

use super::state::{Phase, Transfer};
use super::steps::{ask, fail};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::{ReadLedger, StateError};
use crate::wallet::Wallet;

/// The longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1 << 10;

/// Decides one request to transfer.
pub(crate) fn transfer(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Transfer,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let key = field::idempotency_key(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let to_wallet_id: WalletId = field::parse("to_wallet_id", &request.to_wallet_id)?;
    let transfer_id: TransferId = field::parse("transfer_id", &request.transfer_id)?;
    let derived = TransferId::derive(&tenant, wallet_id, &key);
    let parts = "tenant, wallet_id and idempotency_key";
    field::same_id("transfer_id", &transfer_id, &derived, parts)?;
    field::routed(wallet_id, ctx)?;
    if wallet_id == to_wallet_id {
        return Err(Rejection::of(ErrorCode::SameWallet).into());
    }
    let money = Money::new(field::amount(request.amount)?, field::currency(&request.currency)?);
    let description = request.description.as_ref();
    field::sealed("description", description, MAX_DESCRIPTION_BYTES, ctx)?;
    let fingerprint = Fingerprint::of_transfer(wallet_id, to_wallet_id, money, description);
    if let Some(known) = state.transfer(transfer_id)? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let Some(wallet) = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant) else {
        return Err(field::wallet_missing(wallet_id, &tenant).into());
    };
    field::same_currency(wallet.currency, money.currency())?;

    // The point of no return: from here on the transfer exists, even if it fails.
    let transfer = Transfer {
        id: transfer_id,
        tenant,
        wallet_id,
        to_wallet_id,
        money,
        fingerprint,
        correlation_id: envelope.correlation_id.clone(),
        legs_sent: 0,
        timer_generation: 0,
        phase: Phase::Requested,
    };
    let mut draft = Draft::accepted();
    draft.event(Event::TransferRequested(TransferRequested {
        transfer_id,
        wallet_id,
        to_wallet_id,
        user_id: wallet.user_id.clone(),
        amount: money.amount(),
        currency: money.currency(),
        fingerprint,
        correlation_id: transfer.correlation_id.clone(),
    }));
    match forbidden(state, &wallet, money, envelope, ctx)? {
        Some(rejection) => fail(&mut draft, &transfer, &rejection),
        None => hold(&mut draft, &transfer, ctx),
    }
    Ok(draft)
}

/// Why the transfer fails at once, if it does.
fn forbidden(
    state: &dyn ReadLedger,
    wallet: &Wallet,
    money: Money,
    envelope: &Envelope,
    ctx: &DecideContext<'_>,
) -> Result<Option<Rejection>, StateError> {
    if field::deadline_passed(envelope, ctx) {
        return Ok(Some(Rejection::of(ErrorCode::DeadlineExceeded)));
    }
    if let Err(rejection) = field::takes_debits(wallet) {
        return Ok(Some(rejection));
    }
    let (amount, currency) = (money.amount().minor(), money.currency());
    let balances = state.account(&Account::Wallet(wallet.id), currency)?.balances;
    if let Some(rejection) = field::missing_funds(balances.available(), money) {
        return Ok(Some(rejection));
    }
    // The last step cannot be refused, so there must be room for it now.
    let clearing = state.account(&Account::TransfersClearing, currency)?.balances;
    let room = |balances: Balances, side| {
        let held = balances.after(Layer::Pending, side, amount)?;
        let pending = match side {
            Side::Debit => held.debits_pending,
            Side::Credit => held.credits_pending,
        };
        held.after(Layer::Posted, side, pending)
    };
    if room(balances, Side::Debit).is_none() || room(clearing, Side::Credit).is_none() {
        return Ok(Some(Rejection::of(ErrorCode::AmountTooLarge)));
    }
    Ok(None)
}

fn hold(draft: &mut Draft, transfer: &Transfer, ctx: &DecideContext<'_>) {
    let wallet = Account::Wallet(transfer.wallet_id);
    draft.transfer(Layer::Pending, &wallet, &Account::TransfersClearing, transfer.money);
    draft.event(Event::TransferHeld(TransferHeld {
        transfer_id: transfer.id,
        wallet_id: transfer.wallet_id,
        amount: transfer.money.amount(),
        currency: transfer.money.currency(),
    }));
    ask(draft, transfer, ctx);
}
