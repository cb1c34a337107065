//! Folds events into transfer rows: those of the senders, and the credits of the receivers.

use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, TransferRequested};
use schemas::inputs::{CommandBody, LegBody};
use schemas::read_model::{PaymentFailure, TransferCreditRow, TransferRow, TransferStatus};
use schemas::{Money, Position, Sealed, TransferId};

use super::{ReadRows, RowChanges, missing, posted_after};
use crate::state::StateError;

pub(super) fn fold(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    if let Event::TransferRequested(requested) = event {
        changes.transfers.push(first_row(requested, entry, position));
        return Ok(());
    }
    if let Event::TransferCredited(credited) = event {
        changes.transfer_credits.push(TransferCreditRow {
            transfer_id: credited.transfer_id,
            wallet_id: credited.wallet_id,
            at: entry.at,
            position,
        });
        return Ok(());
    }
    let Some(id) = of_sender(event) else { return Ok(()) };
    let at = if let Some(at) = changes.transfers.iter().position(|row| row.id == id) {
        at
    } else {
        let row = rows.transfer(id)?.ok_or_else(|| missing(format_args!("transfer {id}")))?;
        changes.transfers.push(row);
        changes.transfers.len() - 1
    };
    let row = &mut changes.transfers[at];
    apply(row, event, entry);
    row.updated_at = entry.at;
    row.position = position;
    Ok(())
}

/// The transfer that an event moves on at its sender.
fn of_sender(event: &Event) -> Option<TransferId> {
    match event {
        Event::TransferHeld(event) => Some(event.transfer_id),
        Event::TransferCompleted(event) => Some(event.transfer_id),
        Event::TransferFailed(event) => Some(event.transfer_id),
        Event::TransferLegRequested(event) => {
            (event.leg.body == LegBody::CreditAsked {}).then_some(event.leg.transfer_id)
        }
        _ => None,
    }
}

fn first_row(requested: &TransferRequested, entry: &Entry, position: Position) -> TransferRow {
    TransferRow {
        id: requested.transfer_id,
        from_wallet_id: requested.wallet_id,
        to_wallet_id: requested.to_wallet_id,
        user_id: requested.user_id.clone(),
        money: Money::new(requested.amount, requested.currency),
        description: description_of(entry).cloned(),
        status: TransferStatus::Held,
        failure: None,
        legs_sent: 0,
        balance_after: None,
        correlation_id: requested.correlation_id.clone(),
        fingerprint: requested.fingerprint,
        created_at: entry.at,
        updated_at: entry.at,
        position,
    }
}

fn description_of(entry: &Entry) -> Option<&Sealed> {
    let InputBody::Command(command) = &entry.input.body else { return None };
    let CommandBody::Transfer(transfer) = &command.body else { return None };
    transfer.description.as_ref()
}

fn apply(row: &mut TransferRow, event: &Event, entry: &Entry) {
    if let Event::TransferLegRequested(_) = event {
        row.legs_sent += 1;
    }
    if let Event::TransferCompleted(_) = event {
        row.status = TransferStatus::Completed;
        row.balance_after = posted_after(entry, row.from_wallet_id);
    }
    if let Event::TransferFailed(event) = event {
        row.status = TransferStatus::Failed;
        let (code, message) = (event.code.clone(), event.message.clone());
        row.failure = Some(PaymentFailure { code, decline_code: None, message });
    }
}
