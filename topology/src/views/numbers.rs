//! The numbers of wallets, entry by entry: statements, and what a wallet had at a time.
//!
//! A row for each entry that changed them, by wallet and offset. Shard time never goes back, so the
//! rows of a wallet are in the order of their times too, and a time is found by halving.

use connectors::ports::{AsOf, Page, PageRequest};
use processors::decode_row;
use rocksdb::{Direction, IteratorMode};
use schemas::read_model::WalletMovement;
use schemas::{Timestamp, WalletId};

use super::store::{MOVEMENTS, ViewStore, ViewStoreError};

/// The key of a wallet's numbers after the entry at this offset.
pub(super) fn movement_key(wallet: WalletId, offset: i64) -> Vec<u8> {
    [wallet.as_bytes().as_slice(), &offset.to_be_bytes()].concat()
}

/// Entries that moved posted money of a wallet, newest first by offset.
pub(super) fn statement(
    store: &ViewStore,
    wallet: WalletId,
    page: PageRequest<i64>,
) -> Result<Page<WalletMovement, i64>, ViewStoreError> {
    let newest = page.after.unwrap_or(i64::MAX);
    let mut rows: Vec<WalletMovement> = Vec::new();
    for row in movements(store, wallet, newest)? {
        let row = row?;
        if row.line.is_none() || page.after == Some(row.position.offset.number()) {
            continue;
        }
        if rows.len() == page.limit {
            let next = rows.last().map(|row| row.position.offset.number());
            return Ok(Page { rows, next });
        }
        rows.push(row);
    }
    Ok(Page { rows, next: None })
}

/// The numbers of a wallet as they stood; none before its opening.
pub(super) fn at(
    store: &ViewStore,
    wallet: WalletId,
    as_of: AsOf,
) -> Result<Option<WalletMovement>, ViewStoreError> {
    match as_of {
        AsOf::Offset(offset) => latest(store, wallet, offset.number()),
        AsOf::Time(time) => at_time(time, |offset| latest(store, wallet, offset)),
    }
}

/// The latest row of a time or before, where `latest` gives that of an offset or before.
fn at_time<E>(
    time: Timestamp,
    latest: impl Fn(i64) -> Result<Option<WalletMovement>, E>,
) -> Result<Option<WalletMovement>, E> {
    let (mut low, mut high) = (0, i64::MAX);
    let mut found = None;
    while low <= high {
        // Most who ask want to know of lately.
        let middle = if high == i64::MAX { high } else { low + (high - low) / 2 };
        match latest(middle)? {
            Some(row) if row.at <= time => {
                found = Some(row);
                let Some(next) = middle.checked_add(1) else { break };
                low = next;
            }
            Some(row) => high = row.position.offset.number() - 1,
            None if middle == i64::MAX => break,
            None => low = middle + 1,
        }
    }
    Ok(found)
}

fn latest(
    store: &ViewStore,
    wallet: WalletId,
    offset: i64,
) -> Result<Option<WalletMovement>, ViewStoreError> {
    movements(store, wallet, offset)?.next().transpose()
}

/// The rows of a wallet from an offset on, back to the oldest.
fn movements(
    store: &ViewStore,
    wallet: WalletId,
    from: i64,
) -> Result<impl Iterator<Item = Result<WalletMovement, ViewStoreError>>, ViewStoreError> {
    let newest = movement_key(wallet, from);
    let scanned = store.scan(MOVEMENTS, IteratorMode::From(&newest, Direction::Reverse))?;
    let rows = scanned.map(move |item| {
        let (key, value) = item.map_err(|error| store.judged(&error))?;
        if !key.starts_with(wallet.as_bytes()) {
            return Ok(None);
        }
        let row = decode_row(&value).map_err(|error| store.diverged(error.to_string()))?;
        Ok(Some(row))
    });
    Ok(rows.map_while(Result::transpose))
}

#[cfg(test)]
mod tests {
    use schemas::account::Balances;
    use schemas::{Offset, Partition, Position};

    use super::*;

    fn movement(offset: i64, at: i64) -> WalletMovement {
        let partition = Partition::new(0).expect("a partition");
        let offset = Offset::new(offset).expect("an offset");
        WalletMovement {
            wallet_id: WalletId::from_bytes([1; 16]),
            position: Position { partition, offset },
            at: Timestamp::from_millis(at),
            balances: Balances::default(),
            line: None,
        }
    }

    /// Halving finds what looking at every row finds, whatever lies between the rows.
    #[test]
    fn a_time_is_found() {
        for count in 0..40_i64 {
            let rows: Vec<_> = (0..count)
                .map(|row| movement(row * (count + 3) + row % 3, row / 3 * (count % 4)))
                .collect();
            assert!(rows.is_sorted_by_key(|row| (row.at, row.position)));
            let latest = |offset: i64| -> Result<Option<WalletMovement>, ()> {
                let is_before = |row: &&WalletMovement| row.position.offset.number() <= offset;
                Ok(rows.iter().rev().find(is_before).cloned())
            };
            for time in -1..60 {
                let time = Timestamp::from_millis(time);
                let expected = rows.iter().rev().find(|row| row.at <= time).cloned();
                assert_eq!(at_time(time, latest), Ok(expected), "{count} rows, {time}");
            }
        }
    }
}
