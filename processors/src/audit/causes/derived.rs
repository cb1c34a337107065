//! What a request derives, worked out from its own words, and whether an event says the same.

use schemas::event::{
    DepositRecorded, PaymentRequested, RefundRequested, TransferRequested, WalletOpened,
    WithdrawalRecorded,
};
use schemas::inputs::{Deposit, Envelope, OpenWallet, Pay, Refund, Transfer, Withdraw};
use schemas::{
    DepositId, IdempotencyKey, PaymentId, RefundId, TenantId, TransferId, WalletId, WithdrawalId,
};

pub(super) fn tenant(envelope: &Envelope) -> Option<TenantId> {
    match envelope.tenant.as_str() {
        "" => Some(TenantId::default_tenant()),
        tenant => tenant.parse().ok(),
    }
}

pub(super) fn opened(event: &WalletOpened, envelope: &Envelope, asked: &OpenWallet) -> bool {
    let derived = WalletId::derive(&event.tenant, &event.user_id, event.currency, &event.label);
    event.wallet_id == derived
        && asked.wallet_id == derived.to_string()
        && Some(&event.tenant) == tenant(envelope).as_ref()
        && asked.user_id == event.user_id.as_str()
        && asked.currency == event.currency.code()
        && asked.label == event.label.as_str()
}

pub(super) fn deposited(event: &DepositRecorded, envelope: &Envelope, asked: &Deposit) -> bool {
    let derived =
        derivation(envelope).map(|(tenant, key)| DepositId::derive(&tenant, event.wallet_id, &key));
    Some(event.deposit_id) == derived
        && asked.deposit_id == event.deposit_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
        && asked.rail == event.rail.as_str()
        && asked.reference == event.reference
}

pub(super) fn requested(event: &PaymentRequested, envelope: &Envelope, asked: &Pay) -> bool {
    let derived =
        derivation(envelope).map(|(tenant, key)| PaymentId::derive(&tenant, event.wallet_id, &key));
    Some(event.payment_id) == derived
        && asked.payment_id == event.payment_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
}

pub(super) fn withdrawn(event: &WithdrawalRecorded, envelope: &Envelope, asked: &Withdraw) -> bool {
    let derived = derivation(envelope)
        .map(|(tenant, key)| WithdrawalId::derive(&tenant, event.wallet_id, &key));
    Some(event.withdrawal_id) == derived
        && asked.withdrawal_id == event.withdrawal_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
        && asked.rail == event.rail.as_str()
        && asked.reference == event.reference
}

pub(super) fn refund_asked(event: &RefundRequested, envelope: &Envelope, asked: &Refund) -> bool {
    let derived =
        derivation(envelope).map(|(tenant, key)| RefundId::derive(&tenant, event.payment_id, &key));
    Some(event.refund_id) == derived
        && asked.refund_id == event.refund_id.to_string()
        && asked.payment_id == event.payment_id.to_string()
        && asked.amount.is_none_or(|amount| amount == event.amount.minor())
}

pub(super) fn sent(event: &TransferRequested, envelope: &Envelope, asked: &Transfer) -> bool {
    let derived = derivation(envelope)
        .map(|(tenant, key)| TransferId::derive(&tenant, event.wallet_id, &key));
    Some(event.transfer_id) == derived
        && asked.transfer_id == event.transfer_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.to_wallet_id == event.to_wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
}

pub(super) fn derivation(envelope: &Envelope) -> Option<(TenantId, IdempotencyKey)> {
    Some((tenant(envelope)?, envelope.idempotency_key.parse().ok()?))
}
