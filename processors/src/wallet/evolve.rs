//! Applies the events of wallets.

use schemas::WalletId;
use schemas::event::{LimitsSet, WalletOpened};
use schemas::read_model::{WalletLimits, WalletStatus};

use super::{Bounds, Wallet};
use crate::state::{StateError, WriteLedger};

pub(crate) fn opened(state: &mut dyn WriteLedger, event: &WalletOpened) {
    state.put_wallet(Wallet {
        id: event.wallet_id,
        tenant: event.tenant.clone(),
        user_id: event.user_id.clone(),
        currency: event.currency,
        label: event.label.clone(),
        status: WalletStatus::Active,
        bounds: None,
    });
}

/// Sets what a wallet may be used for.
pub(crate) fn stands(
    state: &mut dyn WriteLedger,
    id: WalletId,
    status: WalletStatus,
) -> Result<(), StateError> {
    let wallet = known(state, id)?;
    state.put_wallet(Wallet { status, ..wallet });
    Ok(())
}

/// Sets the limits. From now on payments are counted, whatever becomes of the limits.
pub(crate) fn limited(state: &mut dyn WriteLedger, event: &LimitsSet) -> Result<(), StateError> {
    let wallet = known(state, event.wallet_id)?;
    let limits = WalletLimits {
        per_payment: event.per_payment,
        per_day: event.per_day,
        in_flight: event.in_flight,
    };
    let bounds = Bounds { limits, ..wallet.bounds.unwrap_or_default() };
    state.put_wallet(Wallet { bounds: Some(bounds), ..wallet });
    Ok(())
}

/// Changes what payments have taken, where that is bounded.
pub(crate) fn counted(
    state: &mut dyn WriteLedger,
    id: WalletId,
    change: impl FnOnce(&mut Bounds),
) -> Result<(), StateError> {
    let mut wallet = known(state, id)?;
    if let Some(bounds) = &mut wallet.bounds {
        change(bounds);
        state.put_wallet(wallet);
    }
    Ok(())
}

fn known(state: &mut dyn WriteLedger, id: WalletId) -> Result<Wallet, StateError> {
    let missing = || StateError::Contradiction(format!("wallet {id} does not exist"));
    state.wallet(id)?.ok_or_else(missing)
}
