//! Applies the events of external rails.

use schemas::Money;
use schemas::event::{DepositRecorded, SuspenseBooked, SuspenseSubject, WithdrawalRecorded};

use super::state::{FactId, RailFact, Standing};
use crate::state::{StateError, WriteLedger};

pub(crate) fn deposited(state: &mut dyn WriteLedger, event: &DepositRecorded) {
    state.put_rail_fact(RailFact {
        id: FactId::Deposit(event.deposit_id),
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        rail: event.rail.clone(),
        reference: event.reference.clone(),
        fingerprint: event.fingerprint,
        standing: Standing::Booked,
    });
}

pub(crate) fn withdrawn(state: &mut dyn WriteLedger, event: &WithdrawalRecorded) {
    state.put_rail_fact(RailFact {
        id: FactId::Withdrawal(event.withdrawal_id),
        wallet_id: event.wallet_id,
        money: Money::new(event.amount, event.currency),
        rail: event.rail.clone(),
        reference: event.reference.clone(),
        fingerprint: event.fingerprint,
        standing: Standing::Booked,
    });
}

pub(crate) fn reversed(state: &mut dyn WriteLedger, id: FactId) -> Result<(), StateError> {
    stands(state, id, Standing::Reversed)
}

/// The money of a deposit for a closed wallet is in suspense. One that was reversed stays so.
pub(crate) fn suspended(
    state: &mut dyn WriteLedger,
    event: &SuspenseBooked,
) -> Result<(), StateError> {
    let SuspenseSubject::Deposit { deposit_id } = event.subject else { return Ok(()) };
    let id = FactId::Deposit(deposit_id);
    let standing = state.rail_fact(id)?.map(|fact| fact.standing);
    match standing {
        Some(Standing::Booked) => stands(state, id, Standing::Suspended),
        Some(Standing::Suspended | Standing::Reversed) | None => Ok(()),
    }
}

fn stands(state: &mut dyn WriteLedger, id: FactId, standing: Standing) -> Result<(), StateError> {
    let missing = || StateError::Contradiction(format!("{id:?} was never recorded"));
    let fact = state.rail_fact(id)?.ok_or_else(missing)?;
    state.put_rail_fact(RailFact { standing, ..fact });
    Ok(())
}
