//! What a shard remembers of a wallet. Its money is in the account of the same name.

use schemas::{Currency, TenantId, UserId, WalletId, WalletLabel};
use serde::{Deserialize, Serialize};

/// A holder of money in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// Derived from all that follows.
    pub id: WalletId,
    /// In whose installation.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// Of what.
    pub currency: Currency,
    /// Which of the user's.
    pub label: WalletLabel,
}
