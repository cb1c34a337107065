//! Applies the events of transfers: dumb on purpose, every choice was made by decide.

use schemas::event::{Event, TransferCredited, TransferRefused, TransferRequested};
use schemas::inputs::LegBody;
use schemas::{Money, TenantId, TransferId};

use super::state::{Phase, Receipt, ReceiptOutcome, Transfer};
use crate::state::{StateError, WriteLedger};

pub(crate) fn requested(
    state: &mut dyn WriteLedger,
    event: &TransferRequested,
) -> Result<(), StateError> {
    let tenant = state.wallet(event.wallet_id)?.map(|wallet| wallet.tenant);
    state.put_transfer(Transfer {
        id: event.transfer_id,
        tenant: tenant.unwrap_or_else(TenantId::default_tenant),
        wallet_id: event.wallet_id,
        to_wallet_id: event.to_wallet_id,
        money: Money::new(event.amount, event.currency),
        fingerprint: event.fingerprint,
        correlation_id: event.correlation_id.clone(),
        legs_sent: 0,
        timer_generation: 0,
        phase: Phase::Requested,
    });
    Ok(())
}

/// Applies an event of a transfer, at its sender.
pub(crate) fn progressed(
    state: &mut dyn WriteLedger,
    id: TransferId,
    event: &Event,
) -> Result<(), StateError> {
    let mut transfer = known(state, id)?;
    match event {
        Event::TransferHeld(_) => transfer.phase = Phase::Held,
        Event::TransferCompleted(_) => transfer.phase = Phase::Completed,
        Event::TransferFailed(_) => transfer.phase = Phase::Failed,
        Event::TransferLegRequested(event) => match event.leg.body {
            LegBody::CreditAsked {} => transfer.legs_sent += 1,
            LegBody::CreditDone {} | LegBody::CreditRefused { .. } => {}
        },
        _ => {}
    }
    state.put_transfer(transfer);
    Ok(())
}

/// The receiver has the money.
pub(crate) fn credited(state: &mut dyn WriteLedger, event: &TransferCredited) {
    state.put_receipt(Receipt {
        transfer_id: event.transfer_id,
        from_wallet_id: event.from_wallet_id,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        outcome: ReceiptOutcome::Credited,
    });
}

/// The receiver cannot have it.
pub(crate) fn refused(state: &mut dyn WriteLedger, event: &TransferRefused) {
    let (code, message) = (event.code.clone(), event.message.clone());
    state.put_receipt(Receipt {
        transfer_id: event.transfer_id,
        from_wallet_id: event.from_wallet_id,
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        outcome: ReceiptOutcome::Refused { code, message },
    });
}

/// Remembers how often the transfer's timer has been set.
pub(crate) fn timer_changed(
    state: &mut dyn WriteLedger,
    id: TransferId,
    generation: i64,
) -> Result<(), StateError> {
    let mut transfer = known(state, id)?;
    transfer.timer_generation = generation;
    state.put_transfer(transfer);
    Ok(())
}

fn known(state: &mut dyn WriteLedger, id: TransferId) -> Result<Transfer, StateError> {
    let missing = || StateError::Contradiction(format!("transfer {id} does not exist"));
    state.transfer(id)?.ok_or_else(missing)
}
