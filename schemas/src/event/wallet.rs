//! What happens to wallets, on external rails, and in suspense.

use serde::{Deserialize, Serialize};

use crate::account::{Account, Side};
use crate::fingerprint::Fingerprint;
use crate::{
    Amount, Currency, DepositId, OperationId, PaymentId, RailName, RefundId, TenantId, UserId,
    WalletId, WalletLabel, WithdrawalId,
};

/// A wallet exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletOpened {
    /// Which.
    pub wallet_id: WalletId,
    /// In whose installation.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// Of what.
    pub currency: Currency,
    /// Which of the user's.
    pub label: WalletLabel,
}

/// Money arrived on an external rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositRecorded {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Whose wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// How it arrived.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
}

/// New debits of a wallet are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletFrozen {
    /// Which.
    pub wallet_id: WalletId,
}

/// New debits of a wallet are allowed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletUnfrozen {
    /// Which.
    pub wallet_id: WalletId,
}

/// A wallet, empty, has ended for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletClosed {
    /// Which.
    pub wallet_id: WalletId,
}

/// What payments may take from a wallet is bounded so, and no more as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsSet {
    /// Which.
    pub wallet_id: WalletId,
    /// Minor units of one payment.
    #[serde(default)]
    pub per_payment: Option<i64>,
    /// Minor units of one day in UTC.
    #[serde(default)]
    pub per_day: Option<i64>,
    /// Payments that may be under way.
    #[serde(default)]
    pub in_flight: Option<i32>,
}

/// Money left by an external rail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRecorded {
    /// Which withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Whose wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// How it left.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
}

/// The rail took a deposit back. The wallet may have less than nothing afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositReversed {
    /// Which deposit.
    pub deposit_id: DepositId,
    /// Whose wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// How it had arrived.
    pub rail: RailName,
}

/// The rail gave a withdrawal back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalReversed {
    /// Which withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Whose wallet.
    pub wallet_id: WalletId,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// How it had left.
    pub rail: RailName,
}

/// Money went to the suspense account, or came from it: a person must look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspenseBooked {
    /// The wallet that it is about.
    pub wallet_id: WalletId,
    /// What it is about.
    pub subject: SuspenseSubject,
    /// The other account.
    pub against: Account,
    /// The side of the suspense account: a credit is money that somebody else may own, a debit is
    /// money that somebody else owes.
    pub side: Side,
    /// Minor units.
    pub amount: Amount,
    /// ISO 4217.
    pub currency: Currency,
    /// The stable code of the kind.
    pub code: String,
    /// In words.
    pub detail: String,
}

/// What money in suspense is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuspenseSubject {
    /// A charge at a gateway.
    #[serde(rename = "holdfast.SuspendedCharge")]
    Charge {
        /// For which payment.
        payment_id: PaymentId,
        /// By which attempt.
        operation_id: OperationId,
    },
    /// A refund.
    #[serde(rename = "holdfast.SuspendedRefund")]
    Refund {
        /// Of which payment.
        payment_id: PaymentId,
        /// Which.
        refund_id: RefundId,
    },
    /// A deposit, or its reversal.
    #[serde(rename = "holdfast.SuspendedDeposit")]
    Deposit {
        /// Which.
        deposit_id: DepositId,
    },
    /// A withdrawal that came back.
    #[serde(rename = "holdfast.SuspendedWithdrawal")]
    Withdrawal {
        /// Which.
        withdrawal_id: WithdrawalId,
    },
}

/// A shard decides by another configuration from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAdopted {
    /// Follows from the configuration; entries name it.
    pub version: i64,
    /// Canonical JSON.
    pub configuration: String,
}
