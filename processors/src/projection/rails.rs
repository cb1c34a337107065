//! Folds facts of external rails, and bookings of the suspense account, into rows.

use schemas::entry::Entry;
use schemas::event::{DepositRecorded, Event, SuspenseBooked, WithdrawalRecorded};
use schemas::read_model::{DepositRow, SuspenseRow, WithdrawalRow};
use schemas::{Money, Position};

use super::{ReadRows, RowChanges, missing, posted_after};
use crate::state::StateError;

pub(super) fn fold(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    if let Event::DepositRecorded(event) = event {
        changes.deposits.push(deposit(event, entry, position));
    }
    if let Event::WithdrawalRecorded(event) = event {
        changes.withdrawals.push(withdrawal(event, entry, position));
    }
    if let Event::DepositReversed(event) = event {
        let id = event.deposit_id;
        let row = rows.deposit(id)?.ok_or_else(|| missing(format_args!("deposit {id}")))?;
        changes.deposits.push(DepositRow { reversed_at: Some(entry.at), position, ..row });
    }
    if let Event::WithdrawalReversed(event) = event {
        let id = event.withdrawal_id;
        let row = rows.withdrawal(id)?.ok_or_else(|| missing(format_args!("withdrawal {id}")))?;
        changes.withdrawals.push(WithdrawalRow { reversed_at: Some(entry.at), position, ..row });
    }
    if let Event::SuspenseBooked(event) = event {
        let number = u32::try_from(changes.suspense.len()).unwrap_or(u32::MAX);
        changes.suspense.push(suspense(event, number, entry, position));
    }
    Ok(())
}

fn deposit(event: &DepositRecorded, entry: &Entry, position: Position) -> DepositRow {
    DepositRow {
        id: event.deposit_id,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        rail: event.rail.clone(),
        reference: event.reference.clone(),
        balance_after: posted_after(entry, event.wallet_id).unwrap_or(0),
        reversed_at: None,
        fingerprint: event.fingerprint,
        correlation_id: entry.correlation_id().to_owned(),
        created_at: entry.at,
        position,
    }
}

fn withdrawal(event: &WithdrawalRecorded, entry: &Entry, position: Position) -> WithdrawalRow {
    WithdrawalRow {
        id: event.withdrawal_id,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        rail: event.rail.clone(),
        reference: event.reference.clone(),
        balance_after: posted_after(entry, event.wallet_id).unwrap_or(0),
        reversed_at: None,
        fingerprint: event.fingerprint,
        correlation_id: entry.correlation_id().to_owned(),
        created_at: entry.at,
        position,
    }
}

fn suspense(event: &SuspenseBooked, number: u32, entry: &Entry, position: Position) -> SuspenseRow {
    SuspenseRow {
        position,
        number,
        at: entry.at,
        wallet_id: event.wallet_id,
        subject: event.subject,
        against: event.against.clone(),
        side: event.side,
        money: Money::new(event.amount, event.currency),
        code: event.code.clone(),
        detail: event.detail.clone(),
    }
}
