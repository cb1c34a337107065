//! Applies the events of wallets.

use schemas::event::{DepositRecorded, WalletOpened};

use crate::state::{Deposit, WriteLedger};
use crate::wallet::Wallet;

pub(crate) fn opened(state: &mut dyn WriteLedger, event: &WalletOpened) {
    state.put_wallet(Wallet {
        id: event.wallet_id,
        tenant: event.tenant.clone(),
        user_id: event.user_id.clone(),
        currency: event.currency,
        label: event.label.clone(),
    });
}

pub(crate) fn deposited(state: &mut dyn WriteLedger, event: &DepositRecorded) {
    state.put_deposit(Deposit {
        id: event.deposit_id,
        wallet_id: event.wallet_id,
        rail: event.rail.clone(),
        reference: event.reference.clone(),
        fingerprint: event.fingerprint,
    });
}
