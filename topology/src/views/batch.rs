//! Entries folded into rows, to be written together.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use processors::projection::{PaymentChange, ReadRows, project};
use processors::{StateError, encode_row};
use schemas::entry::Entry;
use schemas::read_model::{
    DepositRow, PaymentRow, PaymentStatus, RefundRow, TransferRow, TransferStatus, WalletRow,
    WithdrawalRow,
};
use schemas::{
    DepositId, EntryHash, Partition, PaymentId, Position, RefundId, TransferId, WalletId,
    WithdrawalId,
};
use serde::de::DeserializeOwned;

use crate::engine::rows::Rows;

use super::doubts::{is_in_doubt, is_refund_in_doubt, payment_key, refund_key};
use super::numbers::movement_key;
use super::queries::index_keys;
use super::store::{
    DEPOSITS, META, MOVEMENTS, PAYMENT_INDEX, PAYMENTS, REFUNDS, SUSPENSE, TRANSFER_CREDITS,
    TRANSFER_HOLDS, TRANSFERS, ViewHead, ViewStore, ViewStoreError, WALLETS, WITHDRAWALS, head_row,
};
use super::{suspense, timeline, transfer_holds};

/// Rows that are not written yet, over those that are. The order in which rows are handed on means
/// nothing: they are sorted before they are written.
pub(super) struct Batch<'a> {
    store: &'a ViewStore,
    rows: Rows,
    payments: HashMap<PaymentId, PaymentRow, RandomState>,
    wallets: HashMap<WalletId, WalletRow, RandomState>,
    refunds: BTreeMap<RefundId, RefundRow>,
    transfers: BTreeMap<TransferId, TransferRow>,
    deposits: BTreeMap<DepositId, DepositRow>,
    withdrawals: BTreeMap<WithdrawalId, WithdrawalRow>,
    heads: BTreeMap<Partition, ViewHead>,
}

impl ReadRows for Batch<'_> {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, StateError> {
        if let Some(row) = self.payments.get(&id) {
            return Ok(Some(row.clone()));
        }
        self.store.row(PAYMENTS, id.as_bytes()).map_err(|error| unreadable(&error))
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, StateError> {
        if let Some(row) = self.wallets.get(&id) {
            return Ok(Some(row.clone()));
        }
        self.store.row(WALLETS, id.as_bytes()).map_err(|error| unreadable(&error))
    }

    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, StateError> {
        self.rare(&self.refunds, REFUNDS, &id, id.as_bytes())
    }

    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, StateError> {
        self.rare(&self.transfers, TRANSFERS, &id, id.as_bytes())
    }

    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, StateError> {
        self.rare(&self.deposits, DEPOSITS, &id, id.as_bytes())
    }

    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, StateError> {
        self.rare(&self.withdrawals, WITHDRAWALS, &id, id.as_bytes())
    }
}

fn unreadable(error: &ViewStoreError) -> StateError {
    StateError::Unreadable(error.to_string())
}

impl<'a> Batch<'a> {
    /// For so many entries.
    pub fn new(store: &'a ViewStore, entries: usize) -> Self {
        Self {
            store,
            rows: Rows::default(),
            payments: HashMap::with_capacity_and_hasher(entries, RandomState::default()),
            wallets: HashMap::default(),
            refunds: BTreeMap::new(),
            transfers: BTreeMap::new(),
            deposits: BTreeMap::new(),
            withdrawals: BTreeMap::new(),
            heads: BTreeMap::new(),
        }
    }

    /// A row of the batch, or of the store.
    fn rare<I: Ord, R: Clone + DeserializeOwned>(
        &self,
        changed: &BTreeMap<I, R>,
        column: &'static str,
        id: &I,
        key: &[u8],
    ) -> Result<Option<R>, StateError> {
        if let Some(row) = changed.get(id) {
            return Ok(Some(row.clone()));
        }
        self.store.row(column, key).map_err(|error| unreadable(&error))
    }

    /// Folds one entry, whose place in the chain has been checked.
    pub fn fold(
        &mut self,
        position: Position,
        entry: &Entry,
        hash: EntryHash,
    ) -> Result<(), ViewStoreError> {
        let changes = project(self, position, entry)
            .map_err(|error| self.store.diverged(error.to_string()))?;
        for PaymentChange { before, row } in changes.payments {
            match before {
                None => {
                    for key in index_keys(&row) {
                        self.rows.append(PAYMENT_INDEX, &key, Vec::new());
                    }
                }
                Some(before) => self.index_doubt(before, &row),
            }
            self.payments.insert(row.id, row);
        }
        for row in changes.wallets {
            self.wallets.insert(row.id, row);
        }
        self.refunds.extend(changes.refunds.into_iter().map(|row| (row.id, row)));
        self.transfers.extend(changes.transfers.into_iter().map(|row| (row.id, row)));
        self.deposits.extend(changes.deposits.into_iter().map(|row| (row.id, row)));
        self.withdrawals.extend(changes.withdrawals.into_iter().map(|row| (row.id, row)));
        for row in &changes.transfer_credits {
            self.rows.insert(TRANSFER_CREDITS, row.transfer_id.as_bytes(), Some(encode_row(row)));
        }
        for row in &changes.suspense {
            self.rows.insert(SUSPENSE, &suspense::key(row), Some(encode_row(row)));
        }
        for row in &changes.movements {
            let key = movement_key(row.wallet_id, row.position.offset.number());
            self.rows.append(MOVEMENTS, &key, encode_row(row));
        }
        timeline::put(&mut self.rows, &changes.timeline);
        let head = ViewHead { offset: position.offset, seq: entry.seq, hash };
        self.heads.insert(position.partition, head);
        Ok(())
    }

    /// Keeps the index of payments in doubt. None begins in doubt.
    fn index_doubt(&mut self, before: PaymentStatus, row: &PaymentRow) {
        let change = match (is_in_doubt(before), is_in_doubt(row.status)) {
            (false, true) => Some(Vec::new()),
            (true, false) => None,
            (true, true) | (false, false) => return,
        };
        self.rows.insert(PAYMENT_INDEX, &payment_key(row.id), change);
    }

    /// Writes everything at once.
    pub fn commit(mut self) -> Result<(), ViewStoreError> {
        for row in self.payments.values() {
            self.rows.insert(PAYMENTS, row.id.as_bytes(), Some(encode_row(row)));
        }
        for row in self.wallets.values() {
            self.rows.insert(WALLETS, row.id.as_bytes(), Some(encode_row(row)));
        }
        for row in self.refunds.values() {
            self.rows.insert(REFUNDS, row.id.as_bytes(), Some(encode_row(row)));
            let is_in_doubt = is_refund_in_doubt(row.status);
            self.rows.insert(PAYMENT_INDEX, &refund_key(row.id), is_in_doubt.then(Vec::new));
        }
        for row in self.transfers.values() {
            self.rows.insert(TRANSFERS, row.id.as_bytes(), Some(encode_row(row)));
            let is_held = row.status == TransferStatus::Held;
            self.rows.insert(TRANSFER_HOLDS, &transfer_holds::key(row), is_held.then(Vec::new));
        }
        for row in self.deposits.values() {
            self.rows.insert(DEPOSITS, row.id.as_bytes(), Some(encode_row(row)));
        }
        for row in self.withdrawals.values() {
            self.rows.insert(WITHDRAWALS, row.id.as_bytes(), Some(encode_row(row)));
        }
        for (partition, head) in &self.heads {
            let (key, value) = head_row(*partition, head);
            self.rows.insert(META, &key, Some(value));
        }
        self.store.write(self.rows)
    }
}
