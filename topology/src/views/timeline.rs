//! The timelines of payments: one row for each entry that changed one, linked backwards.
//!
//! Rows are kept in the order of the journal, not by payment: they are written once, at the end, so
//! `RocksDB` never has to sort them again. A payment's own row names its latest entry, and each row
//! the one before.

use processors::encode_row;
use schemas::Position;
use schemas::read_model::PaymentRow;
use schemas::timeline::TimelineRow;

use crate::engine::rows::Rows;

use super::store::{TIMELINE, ViewStore, ViewStoreError};

/// Rows of one payment that are read at most, the newest: a month in doubt with an inquiry every
/// five minutes. What is older still stands in the journal.
const MAX_ROWS: usize = 20_000;

/// Adds rows to those of a batch.
pub(super) fn put(rows: &mut Rows, timeline: &[TimelineRow]) {
    for row in timeline {
        rows.append(TIMELINE, &key(row.position), encode_row(row));
    }
}

/// The rows of a payment up to the entry that its own row names, the oldest first.
pub(super) fn of(
    store: &ViewStore,
    payment: &PaymentRow,
) -> Result<Vec<TimelineRow>, ViewStoreError> {
    let mut rows: Vec<TimelineRow> = Vec::new();
    let mut next = Some(payment.position);
    while let Some(position) = next.filter(|_| rows.len() < MAX_ROWS) {
        let row: Option<TimelineRow> = store.appended_row(TIMELINE, &key(position))?;
        let missing = || store.diverged(format!("the timeline lacks entry {position}"));
        let row = row.ok_or_else(missing)?;
        next = row.previous.map(|offset| Position { offset, ..position });
        rows.push(row);
    }
    rows.reverse();
    Ok(rows)
}

pub(super) fn key(position: Position) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&position.partition.number().to_be_bytes());
    key[4..].copy_from_slice(&position.offset.number().to_be_bytes());
    key
}
