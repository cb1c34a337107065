//! The projection of the journal into the rows that people read.
//!
//! A fold like any other: rows before and one entry in, changed rows out. Refused and replayed
//! entries have no events and no postings, so they never touch a row.

mod payments;
mod saga;
#[cfg(test)]
pub(crate) mod tests;
mod timeline;
mod wallets;

use schemas::entry::Entry;
use schemas::read_model::{DepositRow, PaymentRow, WalletMovement, WalletRow};
use schemas::timeline::TimelineRow;
use schemas::{PaymentId, Position, WalletId};

use crate::state::StateError;

pub use saga::saga;

/// The rows as they stood before an entry.
pub trait ReadRows {
    /// A payment.
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, StateError>;

    /// A wallet.
    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, StateError>;
}

/// The rows that an entry changes: each replaces the one with its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowChanges {
    /// Payments.
    pub payments: Vec<PaymentRow>,
    /// Wallets.
    pub wallets: Vec<WalletRow>,
    /// Deposits.
    pub deposits: Vec<DepositRow>,
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
    for event in &entry.events {
        payments::fold(rows, &mut changes, event, entry, position)?;
        wallets::fold_event(&mut changes, event, entry, position);
    }
    wallets::fold_balances(rows, &mut changes, entry, position)?;
    Ok(changes)
}
