//! The index of payments in doubt: what an operator asks for first when a gateway fails.

use connectors::ports::{Doubts, ViewError};
use rocksdb::{Direction, IteratorMode};
use schemas::read_model::{PaymentRow, PaymentStatus};
use schemas::{GatewayName, PaymentId};

use super::store::{PAYMENT_INDEX, PAYMENTS, ViewStore, ViewStoreError};

/// What keys of this index begin with; no other scope of the column does.
const SCOPE: u8 = b'd';
/// Payments that one question looks at, at most: an outage of minutes at full speed.
const MAX_SCANNED: usize = 50_000;

/// The key under which a payment in doubt is found.
pub(super) fn doubt_key(id: PaymentId) -> Vec<u8> {
    let mut key = vec![SCOPE];
    key.extend_from_slice(id.as_bytes());
    key
}

/// Whether nobody knows if the gateway charged.
pub(super) fn is_in_doubt(status: PaymentStatus) -> bool {
    match status {
        PaymentStatus::InDoubt | PaymentStatus::NeedsReview => true,
        PaymentStatus::Accepted
        | PaymentStatus::Processing
        | PaymentStatus::Completed
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::Failed
        | PaymentStatus::Cancelled => false,
    }
}

/// Payments in doubt at this gateway.
pub(super) fn of(store: &ViewStore, gateway: &GatewayName) -> Result<Doubts, ViewError> {
    let unreadable = |error: ViewStoreError| ViewError(error.to_string());
    let mode = IteratorMode::From(&[SCOPE], Direction::Forward);
    let mut doubts = Doubts { payments: Vec::new(), are_all: true };
    for (scanned, item) in store.scan(PAYMENT_INDEX, mode).map_err(unreadable)?.enumerate() {
        let (key, _) = item.map_err(|error| ViewError(error.to_string()))?;
        let Some(id) = key.strip_prefix(&[SCOPE]).and_then(|id| id.try_into().ok()) else { break };
        if scanned == MAX_SCANNED {
            doubts.are_all = false;
            break;
        }
        let id = PaymentId::from_bytes(id);
        let row: Option<PaymentRow> = store.row(PAYMENTS, id.as_bytes()).map_err(unreadable)?;
        let is_here =
            |row: &PaymentRow| is_in_doubt(row.status) && row.gateway.as_ref() == Some(gateway);
        doubts.payments.extend(row.filter(is_here));
    }
    Ok(doubts)
}
