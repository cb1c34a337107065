//! What happens to transfers, on the shards of the sender and of the receiver.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::inputs::TransferLeg;
use crate::{Amount, Currency, TransferId, UserId, WalletId};

/// A transfer exists, on the shard of the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRequested {
    /// Which.
    pub transfer_id: TransferId,
    /// The sender.
    pub wallet_id: WalletId,
    /// The receiver.
    pub to_wallet_id: WalletId,
    /// Whose the sending wallet is.
    pub user_id: UserId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
    /// Joins what one request set in motion.
    pub correlation_id: String,
}

/// The sender's money is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferHeld {
    /// Which.
    pub transfer_id: TransferId,
    /// The sender.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
}

/// The transfer follower is to bring a leg to the shard that must act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferLegRequested {
    /// The record as it goes out.
    pub leg: TransferLeg,
}

/// The receiver has the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCredited {
    /// Which.
    pub transfer_id: TransferId,
    /// The receiver.
    pub wallet_id: WalletId,
    /// The sender.
    pub from_wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// Joins what one request set in motion.
    pub correlation_id: String,
}

/// The receiver cannot have the money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRefused {
    /// Which.
    pub transfer_id: TransferId,
    /// The receiver.
    pub wallet_id: WalletId,
    /// The sender.
    pub from_wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// The stable code.
    pub code: String,
    /// In words.
    pub message: String,
}

/// The sender's money is gone: the receiver has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferCompleted {
    /// Which.
    pub transfer_id: TransferId,
    /// The sender.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
}

/// The transfer failed for good; what was held is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferFailed {
    /// Which.
    pub transfer_id: TransferId,
    /// The sender.
    pub wallet_id: WalletId,
    /// The stable code.
    pub code: String,
    /// In words.
    pub message: String,
}
