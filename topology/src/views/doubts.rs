//! The index of payments and refunds in doubt: what an operator asks for first when a gateway
//! fails.

use connectors::ports::{Doubts, ViewError};
use rocksdb::{Direction, IteratorMode};
use schemas::read_model::{PaymentRow, PaymentStatus, RefundRow, RefundStatus};
use schemas::{GatewayName, PaymentId, RefundId};
use serde::de::DeserializeOwned;

use super::store::{PAYMENT_INDEX, PAYMENTS, REFUNDS, ViewStore, ViewStoreError};

/// What keys of payments in this index begin with; no other scope of the column does.
const PAYMENT_SCOPE: u8 = b'd';
/// The same of refunds.
const REFUND_SCOPE: u8 = b'r';
/// The length of an id.
const ID_BYTES: usize = 16;
/// Payments or refunds that one question looks at, at most: an outage of minutes at full speed.
const MAX_SCANNED: usize = 50_000;

/// The key under which a payment in doubt is found.
pub(super) fn payment_key(id: PaymentId) -> Vec<u8> {
    [&[PAYMENT_SCOPE], id.as_bytes().as_slice()].concat()
}

/// The key under which a refund in doubt is found.
pub(super) fn refund_key(id: RefundId) -> Vec<u8> {
    [&[REFUND_SCOPE], id.as_bytes().as_slice()].concat()
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

/// Whether nobody knows if the gateway gave back.
pub(super) fn is_refund_in_doubt(status: RefundStatus) -> bool {
    match status {
        RefundStatus::InDoubt | RefundStatus::NeedsReview => true,
        RefundStatus::Accepted
        | RefundStatus::Processing
        | RefundStatus::Succeeded
        | RefundStatus::Failed => false,
    }
}

/// Payments and refunds in doubt at this gateway.
pub(super) fn of(store: &ViewStore, gateway: &GatewayName) -> Result<Doubts, ViewError> {
    let (payments, are_all) = scan(store, PAYMENT_SCOPE, PAYMENTS, |row: &PaymentRow| {
        is_in_doubt(row.status) && row.gateway.as_ref() == Some(gateway)
    })?;
    let (refunds, are_all_refunds) = scan(store, REFUND_SCOPE, REFUNDS, |row: &RefundRow| {
        is_refund_in_doubt(row.status) && row.gateway == *gateway
    })?;
    Ok(Doubts { payments, refunds, are_all: are_all && are_all_refunds })
}

/// The rows that the index names and that are wanted, and whether the index was read to its end.
fn scan<R: DeserializeOwned>(
    store: &ViewStore,
    scope: u8,
    column: &'static str,
    is_wanted: impl Fn(&R) -> bool,
) -> Result<(Vec<R>, bool), ViewError> {
    let unreadable = |error: ViewStoreError| ViewError(error.to_string());
    let from = [scope];
    let mode = IteratorMode::From(&from, Direction::Forward);
    let mut rows = Vec::new();
    for (scanned, item) in store.scan(PAYMENT_INDEX, mode).map_err(unreadable)?.enumerate() {
        let (key, _) = item.map_err(|error| ViewError(error.to_string()))?;
        let Some(id) = key.strip_prefix(&from).filter(|id| id.len() == ID_BYTES) else { break };
        if scanned == MAX_SCANNED {
            return Ok((rows, false));
        }
        rows.extend(store.row(column, id).map_err(unreadable)?.filter(&is_wanted));
    }
    Ok((rows, true))
}
