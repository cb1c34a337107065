//! Bookings of the suspense accounts of all shards, by time.

use connectors::ports::{Page, PageRequest, SuspenseKey};
use processors::decode_row;
use rocksdb::{Direction, IteratorMode};
use schemas::WalletId;
use schemas::read_model::SuspenseRow;

use super::queries::MAX_SCANNED_ROWS;
use super::store::{SUSPENSE, ViewStore, ViewStoreError};
use super::timeline;

/// The key of a booking.
pub(super) fn key(row: &SuspenseRow) -> Vec<u8> {
    key_of(listed_by(row))
}

fn listed_by(row: &SuspenseRow) -> SuspenseKey {
    (row.at, row.position, row.number)
}

fn key_of((at, position, number): SuspenseKey) -> Vec<u8> {
    let mut key = at.millis().max(0).to_be_bytes().to_vec();
    key.extend_from_slice(&timeline::key(position));
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Bookings, newest first: those about one wallet, or all.
pub(super) fn list(
    store: &ViewStore,
    wallet: Option<WalletId>,
    page: PageRequest<SuspenseKey>,
) -> Result<Page<SuspenseRow, SuspenseKey>, ViewStoreError> {
    let after = page.after.map(key_of);
    let mode = match &after {
        Some(key) => IteratorMode::From(key, Direction::Reverse),
        None => IteratorMode::End,
    };
    let (mut rows, mut last) = (Vec::new(), None);
    for (scanned, item) in store.scan(SUSPENSE, mode)?.enumerate() {
        let (key, value) = item.map_err(|error| store.judged(&error))?;
        if after.as_deref() == Some(&*key) {
            continue;
        }
        if rows.len() == page.limit || scanned > MAX_SCANNED_ROWS {
            return Ok(Page { rows, next: last });
        }
        let row: SuspenseRow =
            decode_row(&value).map_err(|error| store.diverged(error.to_string()))?;
        last = Some(listed_by(&row));
        if wallet.is_none_or(|wallet| row.wallet_id == wallet) {
            rows.push(row);
        }
    }
    Ok(Page { rows, next: None })
}
