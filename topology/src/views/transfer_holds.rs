//! Which transfers hold money of which wallet: an index that shrinks when they end.

use connectors::ports::{Page, PageRequest};
use rocksdb::{Direction, IteratorMode};
use schemas::read_model::{TransferRow, TransferStatus};
use schemas::{Timestamp, TransferId, WalletId};

use super::store::{TRANSFER_HOLDS, TRANSFERS, ViewStore, ViewStoreError};

/// The key of a transfer among those of its sender, oldest first.
pub(super) fn key(row: &TransferRow) -> Vec<u8> {
    key_of(row.from_wallet_id, row.created_at, row.id)
}

fn key_of(wallet: WalletId, created_at: Timestamp, id: TransferId) -> Vec<u8> {
    let mut key = wallet.as_bytes().to_vec();
    key.extend_from_slice(&created_at.millis().max(0).to_be_bytes());
    key.extend_from_slice(id.as_bytes());
    key
}

/// Transfers that hold money of a wallet, newest first.
pub(super) fn list(
    store: &ViewStore,
    wallet: WalletId,
    page: PageRequest<(Timestamp, TransferId)>,
) -> Result<Page<TransferRow, (Timestamp, TransferId)>, ViewStoreError> {
    let last = (Timestamp::from_millis(i64::MAX), TransferId::from_bytes([u8::MAX; 16]));
    let (created_at, id) = page.after.unwrap_or(last);
    let newest = key_of(wallet, created_at, id);
    let mode = IteratorMode::From(&newest, Direction::Reverse);
    let (mut rows, mut last) = (Vec::new(), None);
    for item in store.scan(TRANSFER_HOLDS, mode)? {
        let (key, _) = item.map_err(|error| store.judged(&error))?;
        let Some((created_at, id)) = read_key(wallet, &key) else { break };
        if page.after == Some((created_at, id)) {
            continue;
        }
        if rows.len() == page.limit {
            return Ok(Page { rows, next: last });
        }
        last = Some((created_at, id));
        let row: Option<TransferRow> = store.row(TRANSFERS, id.as_bytes())?;
        // It may have ended since the key was read.
        rows.extend(row.filter(|row| row.status == TransferStatus::Held));
    }
    Ok(Page { rows, next: None })
}

fn read_key(wallet: WalletId, key: &[u8]) -> Option<(Timestamp, TransferId)> {
    let (millis, id) = key.strip_prefix(wallet.as_bytes())?.split_at_checked(8)?;
    let millis = i64::from_be_bytes(millis.try_into().ok()?);
    Some((Timestamp::from_millis(millis), TransferId::from_bytes(id.try_into().ok()?)))
}
