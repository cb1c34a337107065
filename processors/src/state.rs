//! What decisions may read and evolve may write: the state of one shard, as typed rows.
//!
//! Rows are values; where they are kept is not known here. Every row has one byte form, a version
//! byte and postcard, so that a rebuilt store equals the lost one byte for byte.

use std::collections::BTreeMap;

use schemas::account::{Account, Balances};
use schemas::{Currency, DepositId, Fingerprint, PaymentId, RailName, WalletId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::payment::Payment;
use crate::wallet::Wallet;

/// The version of the byte form of every row. A store of another version is rebuilt.
pub const ROW_VERSION: u8 = 2;

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

/// A deposit that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit {
    /// Which.
    pub id: DepositId,
    /// Into which wallet.
    pub wallet_id: WalletId,
    /// How it arrived.
    pub rail: RailName,
    /// The rail's own name of it.
    pub reference: String,
    /// What makes a retry the same request.
    pub fingerprint: Fingerprint,
}

/// State, read only.
pub trait ReadLedger {
    /// A wallet.
    fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StateError>;

    /// An account's numbers; zeros for one that no posting has touched.
    fn account(&self, account: &Account, currency: Currency) -> Result<AccountState, StateError>;

    /// A payment.
    fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StateError>;

    /// A deposit.
    fn deposit(&self, id: DepositId) -> Result<Option<Deposit>, StateError>;

    /// The deposit that bears this reference of a rail in this wallet.
    fn deposit_by_reference(
        &self,
        wallet: WalletId,
        rail: &RailName,
        reference: &str,
    ) -> Result<Option<DepositId>, StateError>;
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

    /// Sets a deposit, findable by id and by reference.
    fn put_deposit(&mut self, deposit: Deposit);
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
    deposits: BTreeMap<DepositId, Deposit>,
    references: BTreeMap<(WalletId, RailName, String), DepositId>,
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

    fn deposit(&self, id: DepositId) -> Result<Option<Deposit>, StateError> {
        Ok(self.deposits.get(&id).cloned())
    }

    fn deposit_by_reference(
        &self,
        wallet: WalletId,
        rail: &RailName,
        reference: &str,
    ) -> Result<Option<DepositId>, StateError> {
        Ok(self.references.get(&(wallet, rail.clone(), reference.to_owned())).copied())
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

    fn put_deposit(&mut self, deposit: Deposit) {
        let reference = (deposit.wallet_id, deposit.rail.clone(), deposit.reference.clone());
        self.references.insert(reference, deposit.id);
        self.deposits.insert(deposit.id, deposit);
    }
}
