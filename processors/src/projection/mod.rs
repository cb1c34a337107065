//! The projection of the journal into the rows that people read.
//!
//! A fold like any other: rows before and one entry in, changed rows out. Refused and replayed
//! entries have no events and no postings, so they never touch a row.

mod payments;
mod rails;
mod refunds;
mod saga;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod transfers;
mod wallets;

use schemas::account::Account;
use schemas::entry::Entry;
use schemas::read_model::{
    DepositRow, PaymentRow, PaymentStatus, RefundRow, SuspenseRow, TransferCreditRow, TransferRow,
    WalletMovement, WalletRow, WithdrawalRow,
};
use schemas::timeline::TimelineRow;
use schemas::{DepositId, PaymentId, Position, RefundId, TransferId, WalletId, WithdrawalId};

use crate::state::StateError;

pub use saga::saga;

/// The rows as they stood before an entry.
pub trait ReadRows {
    /// A payment.
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, StateError>;

    /// A wallet.
    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, StateError>;

    /// A refund.
    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, StateError>;

    /// A transfer.
    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, StateError>;

    /// A deposit.
    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, StateError>;

    /// A withdrawal.
    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, StateError>;
}

/// A payment's row that an entry changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentChange {
    /// Where the payment stood before; none for a new one.
    pub before: Option<PaymentStatus>,
    /// Its row.
    pub row: PaymentRow,
}

/// The rows that an entry changes: each replaces the one with its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowChanges {
    /// Payments.
    pub payments: Vec<PaymentChange>,
    /// Wallets.
    pub wallets: Vec<WalletRow>,
    /// Refunds.
    pub refunds: Vec<RefundRow>,
    /// Transfers, as their senders see them.
    pub transfers: Vec<TransferRow>,
    /// Transfers that their receivers got.
    pub transfer_credits: Vec<TransferCreditRow>,
    /// Deposits.
    pub deposits: Vec<DepositRow>,
    /// Withdrawals.
    pub withdrawals: Vec<WithdrawalRow>,
    /// Money that went to suspense or came from it.
    pub suspense: Vec<SuspenseRow>,
    /// The numbers of wallets after this entry, with statement lines: one row for each position.
    pub movements: Vec<WalletMovement>,
    /// What this entry adds to the timelines of the payments that it changes: one row for each.
    pub timeline: Vec<TimelineRow>,
}

/// Folds one entry into the rows.
///
/// # Errors
/// When rows cannot be read, or an event is about a row that does not exist.
pub fn project(
    rows: &dyn ReadRows,
    position: Position,
    entry: &Entry,
) -> Result<RowChanges, StateError> {
    let mut changes = RowChanges::default();
    // Hardly any entry changes two rows of a kind, and of itself a list makes room for four.
    if !entry.events.is_empty() {
        changes.payments.reserve_exact(1);
        changes.timeline.reserve_exact(1);
        changes.wallets.reserve_exact(1);
        changes.movements.reserve_exact(1);
    }
    for event in &entry.events {
        payments::fold(rows, &mut changes, event, entry, position)?;
        refunds::fold(rows, &mut changes, event, entry, position)?;
        transfers::fold(rows, &mut changes, event, entry, position)?;
        rails::fold(rows, &mut changes, event, entry, position)?;
        wallets::fold_event(rows, &mut changes, event, entry, position)?;
    }
    wallets::fold_balances(rows, &mut changes, entry, position)?;
    Ok(changes)
}

/// What a wallet has, posted, after an entry that moved its money.
fn posted_after(entry: &Entry, wallet: WalletId) -> Option<i64> {
    let account = Account::Wallet(wallet);
    entry.balances.iter().find(|row| row.account == account).map(|row| row.balances().posted())
}

fn missing(what: impl std::fmt::Display) -> StateError {
    StateError::Contradiction(format!("{what} has no row"))
}
