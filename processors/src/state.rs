//! What decisions may read and evolve may write: the state of one shard, as typed rows.
//!
//! Rows are values; where they are kept is not known here. Every row has one byte form, a version
//! byte and postcard, so that a rebuilt store equals the lost one byte for byte.

use std::collections::BTreeMap;

use schemas::account::{Account, Balances};
use schemas::{Currency, OperationId, PaymentId, RailName, RefundId, TransferId, WalletId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::orphan::Orphan;
use crate::payment::Payment;
use crate::rail::{FactId, RailFact};
use crate::refund::Refund;
use crate::transfer::{Receipt, Transfer};
use crate::wallet::Wallet;

/// The version of the byte form of every row. A store of another version is rebuilt.
pub const ROW_VERSION: u8 = 4;

/// The state could not be read, or contradicts an entry. Never the fault of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Unreadable(String),
    /// Stored bytes are not a row.
    #[error("the store holds bytes that are no row: {0}")]
    Undecodable(String),
    /// An entry asserts what the state does not show.
    #[error("an entry contradicts the state: {0}")]
    Contradiction(String),
}

/// An account's numbers and how many entries have changed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountState {
    /// The four numbers.
    pub balances: Balances,
    /// Entries that changed them.
    pub version: i64,
}

/// State, read only.
pub trait ReadLedger {
    /// A wallet.
    fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StateError>;

    /// An account's numbers; zeros for one that no posting has touched.
    fn account(&self, account: &Account, currency: Currency) -> Result<AccountState, StateError>;

    /// A payment.
    fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StateError>;

    /// A refund.
    fn refund(&self, id: RefundId) -> Result<Option<Refund>, StateError>;

    /// A transfer, at its sender.
    fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StateError>;

    /// What became of a transfer at its receiver.
    fn receipt(&self, id: TransferId) -> Result<Option<Receipt>, StateError>;

    /// A deposit or a withdrawal.
    fn rail_fact(&self, id: FactId) -> Result<Option<RailFact>, StateError>;

    /// Whether a deposit or a withdrawal of this wallet bears this reference of a rail.
    fn is_recorded(
        &self,
        wallet: WalletId,
        rail: &RailName,
        reference: &str,
    ) -> Result<bool, StateError>;

    /// The version of the configuration that the shard adopted last; 0 before the first.
    fn adopted_policy(&self) -> Result<i64, StateError>;

    /// What a gateway said of an attempt or a refund that is not known.
    fn orphan(&self, id: OperationId) -> Result<Option<Orphan>, StateError>;

    /// How many of those there are.
    fn orphans(&self) -> Result<u32, StateError>;
}

/// State that an entry changes.
pub trait WriteLedger: ReadLedger {
    /// Sets a wallet.
    fn put_wallet(&mut self, wallet: Wallet);

    /// Sets an account's numbers.
    fn put_account(&mut self, account: &Account, currency: Currency, state: AccountState);

    /// Sets a payment.
    fn put_payment(&mut self, payment: Payment);

    /// A payment, to be changed in place.
    fn payment_mut(&mut self, id: PaymentId) -> Result<Option<&mut Payment>, StateError>;

    /// Sets a refund.
    fn put_refund(&mut self, refund: Refund);

    /// Sets a transfer, at its sender.
    fn put_transfer(&mut self, transfer: Transfer);

    /// Sets what became of a transfer at its receiver.
    fn put_receipt(&mut self, receipt: Receipt);

    /// Sets a deposit or a withdrawal, findable by id and by reference.
    fn put_rail_fact(&mut self, fact: RailFact);

    /// Sets the version of the configuration that the shard adopted last.
    fn put_adopted_policy(&mut self, version: i64);

    /// Sets what a gateway said of an operation that is not known.
    fn put_orphan(&mut self, orphan: Orphan);

    /// Forgets it.
    fn remove_orphan(&mut self, id: OperationId);

    /// Sets how many there are.
    fn put_orphans(&mut self, count: u32);
}

/// What most rows fit in: growing byte by byte would move each of them six times.
const USUAL_ROW_BYTES: usize = 192;

/// The bytes of a row.
pub fn encode_row<T: Serialize>(row: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_ROW_BYTES);
    bytes.push(ROW_VERSION);
    postcard::to_extend(row, bytes).expect("a row is serialisable into memory")
}

/// The row in these bytes.
pub fn decode_row<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    match bytes.split_first() {
        Some((&ROW_VERSION, row)) => {
            postcard::from_bytes(row).map_err(|error| StateError::Undecodable(error.to_string()))
        }
        Some((version, _)) => {
            Err(StateError::Undecodable(format!("version {version}, not {ROW_VERSION}")))
        }
        None => Err(StateError::Undecodable("no bytes".to_owned())),
    }
}

/// State in memory: for tests, and for folds that need no store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryLedger {
    wallets: BTreeMap<WalletId, Wallet>,
    accounts: BTreeMap<(Account, Currency), AccountState>,
    payments: BTreeMap<PaymentId, Payment>,
    refunds: BTreeMap<RefundId, Refund>,
    transfers: BTreeMap<TransferId, Transfer>,
    receipts: BTreeMap<TransferId, Receipt>,
    facts: BTreeMap<FactId, RailFact>,
    references: BTreeMap<(WalletId, RailName, String), FactId>,
    adopted: i64,
    orphans: BTreeMap<OperationId, Orphan>,
    orphan_count: u32,
}

impl MemoryLedger {
    /// Every account and its numbers.
    pub fn accounts(&self) -> impl Iterator<Item = (&Account, Currency, &AccountState)> {
        self.accounts.iter().map(|((account, currency), state)| (account, *currency, state))
    }

    /// Every payment.
    pub fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }

    /// Every refund.
    pub fn refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.values()
    }

    /// Every transfer, at its sender.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.transfers.values()
    }

    /// Every wallet.
    pub fn wallets(&self) -> impl Iterator<Item = &Wallet> {
        self.wallets.values()
    }
}

impl ReadLedger for MemoryLedger {
    fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StateError> {
        Ok(self.wallets.get(&id).cloned())
    }

    fn account(&self, account: &Account, currency: Currency) -> Result<AccountState, StateError> {
        Ok(self.accounts.get(&(account.clone(), currency)).copied().unwrap_or_default())
    }

    fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StateError> {
        Ok(self.payments.get(&id).cloned())
    }

    fn refund(&self, id: RefundId) -> Result<Option<Refund>, StateError> {
        Ok(self.refunds.get(&id).cloned())
    }

    fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StateError> {
        Ok(self.transfers.get(&id).cloned())
    }

    fn receipt(&self, id: TransferId) -> Result<Option<Receipt>, StateError> {
        Ok(self.receipts.get(&id).cloned())
    }

    fn rail_fact(&self, id: FactId) -> Result<Option<RailFact>, StateError> {
        Ok(self.facts.get(&id).cloned())
    }

    fn is_recorded(
        &self,
        wallet: WalletId,
        rail: &RailName,
        reference: &str,
    ) -> Result<bool, StateError> {
        Ok(self.references.contains_key(&(wallet, rail.clone(), reference.to_owned())))
    }

    fn adopted_policy(&self) -> Result<i64, StateError> {
        Ok(self.adopted)
    }

    fn orphan(&self, id: OperationId) -> Result<Option<Orphan>, StateError> {
        Ok(self.orphans.get(&id).cloned())
    }

    fn orphans(&self) -> Result<u32, StateError> {
        Ok(self.orphan_count)
    }
}

impl WriteLedger for MemoryLedger {
    fn put_wallet(&mut self, wallet: Wallet) {
        self.wallets.insert(wallet.id, wallet);
    }

    fn put_account(&mut self, account: &Account, currency: Currency, state: AccountState) {
        self.accounts.insert((account.clone(), currency), state);
    }

    fn put_payment(&mut self, payment: Payment) {
        self.payments.insert(payment.id, payment);
    }

    fn payment_mut(&mut self, id: PaymentId) -> Result<Option<&mut Payment>, StateError> {
        Ok(self.payments.get_mut(&id))
    }

    fn put_refund(&mut self, refund: Refund) {
        self.refunds.insert(refund.id, refund);
    }

    fn put_transfer(&mut self, transfer: Transfer) {
        self.transfers.insert(transfer.id, transfer);
    }

    fn put_receipt(&mut self, receipt: Receipt) {
        self.receipts.insert(receipt.transfer_id, receipt);
    }

    fn put_rail_fact(&mut self, fact: RailFact) {
        let reference = (fact.wallet_id, fact.rail.clone(), fact.reference.clone());
        self.references.insert(reference, fact.id);
        self.facts.insert(fact.id, fact);
    }

    fn put_adopted_policy(&mut self, version: i64) {
        self.adopted = version;
    }

    fn put_orphan(&mut self, orphan: Orphan) {
        self.orphans.insert(orphan.result.operation_id, orphan);
    }

    fn remove_orphan(&mut self, id: OperationId) {
        self.orphans.remove(&id);
    }

    fn put_orphans(&mut self, count: u32) {
        self.orphan_count = count;
    }
}
