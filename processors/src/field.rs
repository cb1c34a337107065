//! Turns the plain fields of an input into proven values, or refuses them by name.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemas::account::Account;
use schemas::inputs::Envelope;
use schemas::read_model::WalletStatus;
use schemas::{
    Amount, AmountInvalid, Currency, ErrorCode, IdempotencyKey, Money, Sealed, TenantId, WalletId,
};

use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::policy::PlaintextRule;
use crate::state::ReadLedger;
use crate::wallet::Wallet;

pub(crate) fn parse<T: FromStr>(name: &str, text: &str) -> Result<T, Rejection>
where
    T::Err: Display,
{
    text.parse().map_err(|error| {
        Rejection::because(ErrorCode::FieldInvalid, format!("field {name}: {error}"))
    })
}

pub(crate) fn tenant(envelope: &Envelope) -> Result<TenantId, Rejection> {
    if envelope.tenant.is_empty() {
        return Ok(TenantId::default_tenant());
    }
    parse("tenant", &envelope.tenant)
}

pub(crate) fn idempotency_key(envelope: &Envelope) -> Result<IdempotencyKey, Rejection> {
    if envelope.idempotency_key.is_empty() {
        let detail = "field idempotency_key is empty: name the request, its id derives from that";
        return Err(Rejection::because(ErrorCode::IdempotencyKeyRequired, detail));
    }
    envelope.idempotency_key.parse().map_err(|_| {
        let detail = "field idempotency_key: 1 to 255 visible ASCII characters";
        Rejection::because(ErrorCode::IdempotencyKeyInvalid, detail)
    })
}

pub(crate) fn amount(minor: i64) -> Result<Amount, Rejection> {
    Amount::try_from(minor).map_err(|invalid| {
        let (code, bound) = match invalid {
            AmountInvalid::NotPositive => (ErrorCode::AmountNotPositive, "at least 1"),
            AmountInvalid::TooLarge => (ErrorCode::AmountTooLarge, "at most 2^53-1"),
        };
        let detail = format!("field amount is {minor}: minor units, {bound} (15.00 USD is 1500)");
        Rejection::because(code, detail)
    })
}

pub(crate) fn currency(code: &str) -> Result<Currency, Rejection> {
    code.parse().map_err(|_| Rejection::of(ErrorCode::CurrencyUnknown))
}

pub(crate) fn text(name: &str, text: &str, length: RangeInclusive<usize>) -> Result<(), Rejection> {
    if length.contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let (least, most) = length.into_inner();
    Err(Rejection::because(
        ErrorCode::FieldInvalid,
        format!("field {name}: {least} to {most} bytes of text without control characters"),
    ))
}

/// A sealed text within its bound, and encrypted where the profile asks for it.
pub(crate) fn sealed(
    name: &str,
    sealed: Option<&Sealed>,
    most_bytes: usize,
    ctx: &DecideContext<'_>,
) -> Result<(), Rejection> {
    let Some(sealed) = sealed else { return Ok(()) };
    if sealed.bytes.0.len() > most_bytes || sealed.digest.0.len() != 32 {
        let detail = format!("field {name}: at most {most_bytes} bytes and a digest of 32");
        return Err(Rejection::because(ErrorCode::FieldInvalid, detail));
    }
    if sealed.is_plaintext() && ctx.policy.plaintext == PlaintextRule::Refused {
        let detail = format!("field {name}: an empty key_id is for profile dev only");
        return Err(Rejection::because(ErrorCode::FieldInvalid, detail));
    }
    Ok(())
}

/// An id that a producer derived is the one that its parts give.
pub(crate) fn same_id<T: PartialEq + Display>(
    name: &str,
    given: &T,
    derived: &T,
    parts: &str,
) -> Result<(), Rejection> {
    if given == derived {
        return Ok(());
    }
    let detail = format!("field {name} is {given}, but {parts} derive {derived} (see docs/ids.md)");
    Err(Rejection::because(ErrorCode::IdMismatch, detail))
}

/// The wallet lives on the shard that got the input.
pub(crate) fn routed(wallet: WalletId, ctx: &DecideContext<'_>) -> Result<(), Rejection> {
    let shard = wallet.shard(ctx.policy.partitions);
    if shard == ctx.partition {
        return Ok(());
    }
    let (count, came) = (ctx.policy.partitions.get(), ctx.partition);
    let detail = format!(
        "wallet {wallet} belongs on partition {shard} of {count}, the record came on {came}; use \
         the wallet id as key and Java's partitioner (librdkafka: partitioner=murmur2_random)",
    );
    Err(Rejection::because(ErrorCode::Misrouted, detail))
}

pub(crate) fn wallet_missing(wallet: WalletId, tenant: &TenantId) -> Rejection {
    let detail = format!(
        "tenant {tenant} has no wallet {wallet}; open it first, or derive its id from the right \
         user, currency and label (see docs/ids.md)"
    );
    Rejection::because(ErrorCode::WalletNotFound, detail)
}

pub(crate) fn same_currency(wallet: Currency, asked: Currency) -> Result<(), Rejection> {
    if wallet == asked {
        return Ok(());
    }
    let detail = format!("the wallet holds {wallet}, the request is in {asked}");
    Err(Rejection::because(ErrorCode::CurrencyMismatch, detail))
}

pub(crate) fn deadline_passed(envelope: &Envelope, ctx: &DecideContext<'_>) -> bool {
    envelope.deadline.is_some_and(|deadline| ctx.at > deadline)
}

/// A request that is handled after its deadline changes nothing.
pub(crate) fn in_time(envelope: &Envelope, ctx: &DecideContext<'_>) -> Result<(), Rejection> {
    if deadline_passed(envelope, ctx) {
        return Err(Rejection::of(ErrorCode::DeadlineExceeded));
    }
    Ok(())
}

/// The longest evidence, in bytes.
const MAX_EVIDENCE_BYTES: usize = 4 << 10;
/// The longest name that a gateway may have for something, in bytes.
const MAX_GATEWAY_REFERENCE_BYTES: usize = 128;
/// The longest name of an actor, in bytes.
const MAX_ACTOR_BYTES: usize = 128;

/// A person who decides says who he is and how he knows.
pub(crate) fn accountable(
    envelope: &Envelope,
    evidence: Option<&Sealed>,
    gateway_reference: &str,
    ctx: &DecideContext<'_>,
) -> Result<(), Rejection> {
    text("actor", &envelope.actor, 1..=MAX_ACTOR_BYTES)?;
    text("gateway_reference", gateway_reference, 0..=MAX_GATEWAY_REFERENCE_BYTES)?;
    if evidence.is_none() {
        let detail = "field evidence: say how it is known";
        return Err(Rejection::because(ErrorCode::FieldInvalid, detail));
    }
    sealed("evidence", evidence, MAX_EVIDENCE_BYTES, ctx)
}

/// The wallet takes new debits.
pub(crate) fn takes_debits(wallet: &Wallet) -> Result<(), Rejection> {
    match wallet.status {
        WalletStatus::Active => Ok(()),
        WalletStatus::Frozen => Err(Rejection::of(ErrorCode::WalletFrozen)),
        WalletStatus::Closed => Err(Rejection::of(ErrorCode::WalletClosed)),
    }
}

/// The wallet has so much to spend.
pub(crate) fn available(
    state: &dyn ReadLedger,
    wallet: &Wallet,
    money: Money,
) -> Result<(), Refusal> {
    let balances = state.account(&Account::Wallet(wallet.id), money.currency())?.balances;
    missing_funds(balances.available(), money).map_or(Ok(()), |rejection| Err(rejection.into()))
}

/// Why so much is too little, if it is.
pub(crate) fn missing_funds(available: i64, money: Money) -> Option<Rejection> {
    let (amount, currency) = (money.amount().minor(), money.currency());
    (available < amount).then(|| {
        let detail = format!("{available} {currency} available, {amount} needed");
        Rejection::because(ErrorCode::InsufficientFunds, detail)
    })
}

/// The answer to a key that was used before: the same request is a replay, another is refused.
pub(crate) fn replay(is_same_request: bool) -> Result<Draft, Refusal> {
    if is_same_request {
        Ok(Draft::replayed())
    } else {
        Err(Rejection::of(ErrorCode::IdempotencyKeyReused).into())
    }
}
