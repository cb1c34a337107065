//! Decides records of what happened on external rails.
//!
//! They are facts: what is refused is the record, not the movement. A wallet that is closed cannot
//! take the money, so a person must see to it: it goes to suspense.

use schemas::account::{Account, Layer, Side};
use schemas::event::{
    DepositRecorded, DepositReversed, Event, SuspenseSubject, WithdrawalRecorded,
    WithdrawalReversed,
};
use schemas::inputs::{self, Envelope};
use schemas::read_model::WalletStatus;
use schemas::{DepositId, ErrorCode, Fingerprint, Money, RailName, WalletId, WithdrawalId};

use super::state::{FactId, RailFact, Standing};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::field;
use crate::state::ReadLedger;
use crate::suspense::{self, Booking};
use crate::wallet::Wallet;

/// The longest reference of an external rail, in bytes.
const MAX_REFERENCE_BYTES: usize = 255;
/// The longest reason, in bytes.
const MAX_REASON_BYTES: usize = 1 << 10;

/// The code of money in suspense that was for a closed wallet.
const FOR_CLOSED_WALLET: &str = "wallet_closed";

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
    if let Some(known) = state.rail_fact(FactId::Deposit(deposit_id))? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let Some(wallet) = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant) else {
        return Err(field::wallet_missing(wallet_id, &tenant).into());
    };
    field::same_currency(wallet.currency, money.currency())?;
    unrecorded(state, wallet_id, &rail, &reference)?;
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    let from = Account::External(rail.clone());
    draft.event(Event::DepositRecorded(DepositRecorded {
        deposit_id,
        wallet_id,
        amount: money.amount(),
        currency: money.currency(),
        rail,
        reference,
        fingerprint,
    }));
    if wallet.status == WalletStatus::Closed {
        let subject = SuspenseSubject::Deposit { deposit_id };
        suspend(&mut draft, &wallet, subject, &from, money);
    } else {
        draft.transfer(Layer::Posted, &from, &Account::Wallet(wallet_id), money);
    }
    with_room(state, draft)
}

/// Records that money left by an external rail.
pub(crate) fn withdraw(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::Withdraw,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let tenant = field::tenant(envelope)?;
    let key = field::idempotency_key(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", &request.wallet_id)?;
    let withdrawal_id: WithdrawalId = field::parse("withdrawal_id", &request.withdrawal_id)?;
    let derived = WithdrawalId::derive(&tenant, wallet_id, &key);
    let parts = "tenant, wallet_id and idempotency_key";
    field::same_id("withdrawal_id", &withdrawal_id, &derived, parts)?;
    field::routed(wallet_id, ctx)?;
    let money = Money::new(field::amount(request.amount)?, field::currency(&request.currency)?);
    let rail: RailName = field::parse("rail", &request.rail)?;
    let reference = request.reference.clone();
    field::text("reference", &reference, 1..=MAX_REFERENCE_BYTES)?;
    let fingerprint = Fingerprint::of_withdrawal(wallet_id, money, &rail, &reference);
    if let Some(known) = state.rail_fact(FactId::Withdrawal(withdrawal_id))? {
        return field::replay(known.fingerprint == fingerprint);
    }
    let Some(wallet) = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant) else {
        return Err(field::wallet_missing(wallet_id, &tenant).into());
    };
    field::same_currency(wallet.currency, money.currency())?;
    unrecorded(state, wallet_id, &rail, &reference)?;
    field::in_time(envelope, ctx)?;
    field::takes_debits(&wallet)?;
    field::available(state, &wallet, money)?;

    let mut draft = Draft::accepted();
    let to = Account::External(rail.clone());
    draft.event(Event::WithdrawalRecorded(WithdrawalRecorded {
        withdrawal_id,
        wallet_id,
        amount: money.amount(),
        currency: money.currency(),
        rail,
        reference,
        fingerprint,
    }));
    draft.transfer(Layer::Posted, &Account::Wallet(wallet_id), &to, money);
    with_room(state, draft)
}

/// Records that the rail took a deposit back. The wallet may have less than nothing afterwards.
pub(crate) fn reverse_deposit(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::ReverseDeposit,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    field::sealed("reason", request.reason.as_ref(), MAX_REASON_BYTES, ctx)?;
    let deposit_id: DepositId = field::parse("deposit_id", &request.deposit_id)?;
    let id = FactId::Deposit(deposit_id);
    let missing = ErrorCode::DepositNotFound;
    let (wallet, fact) = known(state, envelope, &request.wallet_id, id, missing, ctx)?;
    if fact.standing == Standing::Reversed {
        return Ok(Draft::replayed());
    }
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    draft.event(Event::DepositReversed(DepositReversed {
        deposit_id,
        wallet_id: wallet.id,
        amount: fact.money.amount(),
        currency: fact.money.currency(),
        rail: fact.rail.clone(),
    }));
    let rail = Account::External(fact.rail.clone());
    if fact.standing == Standing::Suspended || wallet.status == WalletStatus::Closed {
        let subject = SuspenseSubject::Deposit { deposit_id };
        unsuspend(&mut draft, &wallet, subject, &rail, fact.money);
    } else {
        draft.transfer(Layer::Posted, &Account::Wallet(wallet.id), &rail, fact.money);
    }
    with_room(state, draft)
}

/// Records that the rail gave a withdrawal back.
pub(crate) fn reverse_withdrawal(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    request: &inputs::ReverseWithdrawal,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    field::sealed("reason", request.reason.as_ref(), MAX_REASON_BYTES, ctx)?;
    let withdrawal_id: WithdrawalId = field::parse("withdrawal_id", &request.withdrawal_id)?;
    let id = FactId::Withdrawal(withdrawal_id);
    let missing = ErrorCode::WithdrawalNotFound;
    let (wallet, fact) = known(state, envelope, &request.wallet_id, id, missing, ctx)?;
    if fact.standing == Standing::Reversed {
        return Ok(Draft::replayed());
    }
    field::in_time(envelope, ctx)?;

    let mut draft = Draft::accepted();
    draft.event(Event::WithdrawalReversed(WithdrawalReversed {
        withdrawal_id,
        wallet_id: wallet.id,
        amount: fact.money.amount(),
        currency: fact.money.currency(),
        rail: fact.rail.clone(),
    }));
    let rail = Account::External(fact.rail.clone());
    if wallet.status == WalletStatus::Closed {
        let subject = SuspenseSubject::Withdrawal { withdrawal_id };
        suspend(&mut draft, &wallet, subject, &rail, fact.money);
    } else {
        draft.transfer(Layer::Posted, &rail, &Account::Wallet(wallet.id), fact.money);
    }
    with_room(state, draft)
}

/// The fact that a reversal is about, and its wallet.
fn known(
    state: &dyn ReadLedger,
    envelope: &Envelope,
    wallet_id: &str,
    id: FactId,
    missing: ErrorCode,
    ctx: &DecideContext<'_>,
) -> Result<(Wallet, RailFact), Refusal> {
    let tenant = field::tenant(envelope)?;
    let wallet_id: WalletId = field::parse("wallet_id", wallet_id)?;
    field::routed(wallet_id, ctx)?;
    let wallet = state.wallet(wallet_id)?.filter(|wallet| wallet.tenant == tenant);
    let fact = state.rail_fact(id)?.filter(|fact| fact.wallet_id == wallet_id);
    wallet.zip(fact).ok_or_else(|| Rejection::of(missing).into())
}

/// One reference of a rail is recorded once, whichever way the money went.
fn unrecorded(
    state: &dyn ReadLedger,
    wallet: WalletId,
    rail: &RailName,
    reference: &str,
) -> Result<(), Refusal> {
    if state.is_recorded(wallet, rail, reference)? {
        return Err(Rejection::of(ErrorCode::ReferenceAlreadyRecorded).into());
    }
    Ok(())
}

fn suspend(
    draft: &mut Draft,
    wallet: &Wallet,
    subject: SuspenseSubject,
    from: &Account,
    money: Money,
) {
    let detail = format!("{money} arrived for a closed wallet");
    let booking = Booking { wallet_id: wallet.id, subject, code: FOR_CLOSED_WALLET, detail };
    suspense::book(draft, booking, from, Side::Credit, money);
}

fn unsuspend(
    draft: &mut Draft,
    wallet: &Wallet,
    subject: SuspenseSubject,
    to: &Account,
    money: Money,
) {
    let detail = format!("{money} went back that a closed wallet does not have");
    let booking = Booking { wallet_id: wallet.id, subject, code: FOR_CLOSED_WALLET, detail };
    suspense::book(draft, booking, to, Side::Debit, money);
}

fn with_room(state: &dyn ReadLedger, draft: Draft) -> Result<Draft, Refusal> {
    if draft.fits(state)? {
        return Ok(draft);
    }
    Err(Rejection::of(ErrorCode::AmountTooLarge).into())
}
