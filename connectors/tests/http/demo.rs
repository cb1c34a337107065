//! The ids of what [`crate::caller::Caller::with_demo`] asks for.

use schemas::{
    DepositId, PaymentId, RefundId, TenantId, TransferId, WalletId, WalletLabel, WithdrawalId,
};

use crate::caller::USER;

fn wallet_of(user: &str) -> WalletId {
    let (user, currency) = (user.parse().unwrap(), "USD".parse().unwrap());
    WalletId::derive(&TenantId::default_tenant(), &user, currency, &WalletLabel::main())
}

/// The demo wallet.
pub fn wallet() -> WalletId {
    wallet_of(USER)
}

/// Somebody else's wallet.
pub fn other() -> WalletId {
    wallet_of("other")
}

pub fn deposit() -> DepositId {
    DepositId::derive(&TenantId::default_tenant(), wallet(), &"demo".parse().unwrap())
}

pub fn withdrawal() -> WithdrawalId {
    WithdrawalId::derive(&TenantId::default_tenant(), wallet(), &"demo".parse().unwrap())
}

pub fn payment() -> PaymentId {
    PaymentId::derive(&TenantId::default_tenant(), wallet(), &"demo".parse().unwrap())
}

pub fn refund() -> RefundId {
    RefundId::derive(&TenantId::default_tenant(), payment(), &"demo".parse().unwrap())
}

pub fn transfer() -> TransferId {
    TransferId::derive(&TenantId::default_tenant(), wallet(), &"demo".parse().unwrap())
}
