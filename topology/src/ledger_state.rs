//! The ledger's typed rows over the engine's bytes: which row lives in which column under which
//! key.

use processors::payment::Payment;
use processors::rail::{FactId, RailFact};
use processors::refund::Refund;
use processors::transfer::{Receipt, Transfer};
use processors::wallet::Wallet;
use processors::{
    AccountState, Orphan, ReadLedger, StateError, WriteLedger, decode_row, encode_row,
};
use schemas::account::Account;
use schemas::{Currency, OperationId, PaymentId, RailName, RefundId, TransferId, WalletId};
use serde::de::DeserializeOwned;

use crate::engine::application::{ReadState, StateError as EngineStateError, WriteState};

const WALLETS: &str = "wallets";
const ACCOUNTS: &str = "accounts";
const PAYMENTS: &str = "payments";
const FACTS: &str = "facts";
const REFERENCES: &str = "references";
const REFUNDS: &str = "refunds";
const TRANSFERS: &str = "transfers";
const RECEIPTS: &str = "receipts";
const POLICY: &str = "policy";
const ORPHANS: &str = "orphans";

/// The one row of its column.
const ADOPTED: &[u8] = b"adopted";
/// The one row of orphans that is none: how many there are. Ids are longer.
const ORPHAN_COUNT: &[u8] = b"count";

/// The columns that the ledger's state takes in a store.
pub const COLUMNS: &[&str] = &[
    WALLETS, ACCOUNTS, PAYMENTS, FACTS, REFERENCES, REFUNDS, TRANSFERS, RECEIPTS, POLICY, ORPHANS,
];

/// How long the key of a wallet's account is.
const ACCOUNT_KEY_BYTES: usize = 20;

/// The ledger's view of a store, read only.
pub struct Reader<'a>(pub &'a dyn ReadState);

/// The ledger's view of a store while one entry is applied. Several events change the same payment,
/// which is read and written once: [`Writer::finish`] writes.
pub struct Writer<'a> {
    state: &'a mut dyn WriteState,
    payments: Vec<Payment>,
}

impl<'a> Writer<'a> {
    /// Over this store.
    pub fn new(state: &'a mut dyn WriteState) -> Self {
        Self { state, payments: Vec::new() }
    }

    /// Writes what was kept back.
    pub fn finish(self) {
        for payment in &self.payments {
            self.state.put(PAYMENTS, payment.id.as_bytes(), encode_row(payment));
        }
    }
}

/// A row of any kind, by its bytes.
trait Rows {
    fn bytes(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// A payment that was changed and not written yet.
    fn changed(&self, id: PaymentId) -> Option<&Payment>;

    fn row<T: DeserializeOwned>(
        &self,
        column: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StateError> {
        self.bytes(column, key)?.map(|bytes| decode_row(&bytes)).transpose()
    }
}

impl Rows for Reader<'_> {
    fn bytes(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.0.get(column, key).map_err(from_engine)
    }

    fn changed(&self, _id: PaymentId) -> Option<&Payment> {
        None
    }
}

impl Rows for Writer<'_> {
    fn bytes(&self, column: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.state.get(column, key).map_err(from_engine)
    }

    fn changed(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }
}

macro_rules! read_ledger {
    ($($type:ident),*) => {$(
        impl ReadLedger for $type<'_> {
            fn wallet(&self, id: WalletId) -> Result<Option<Wallet>, StateError> {
                self.row(WALLETS, id.as_bytes())
            }

            fn account(
                &self,
                account: &Account,
                currency: Currency,
            ) -> Result<AccountState, StateError> {
                Ok(self.row(ACCOUNTS, &account_key(account, currency))?.unwrap_or_default())
            }

            fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StateError> {
                match self.changed(id) {
                    Some(payment) => Ok(Some(payment.clone())),
                    None => self.row(PAYMENTS, id.as_bytes()),
                }
            }

            fn refund(&self, id: RefundId) -> Result<Option<Refund>, StateError> {
                self.row(REFUNDS, id.as_bytes())
            }

            fn transfer(&self, id: TransferId) -> Result<Option<Transfer>, StateError> {
                self.row(TRANSFERS, id.as_bytes())
            }

            fn receipt(&self, id: TransferId) -> Result<Option<Receipt>, StateError> {
                self.row(RECEIPTS, id.as_bytes())
            }

            fn rail_fact(&self, id: FactId) -> Result<Option<RailFact>, StateError> {
                self.row(FACTS, id.as_bytes())
            }

            fn is_recorded(
                &self,
                wallet: WalletId,
                rail: &RailName,
                reference: &str,
            ) -> Result<bool, StateError> {
                Ok(self.bytes(REFERENCES, &reference_key(wallet, rail, reference))?.is_some())
            }

            fn adopted_policy(&self) -> Result<i64, StateError> {
                Ok(self.row(POLICY, ADOPTED)?.unwrap_or_default())
            }

            fn orphan(&self, id: OperationId) -> Result<Option<Orphan>, StateError> {
                self.row(ORPHANS, id.as_bytes())
            }

            fn orphans(&self) -> Result<u32, StateError> {
                Ok(self.row(ORPHANS, ORPHAN_COUNT)?.unwrap_or_default())
            }
        }
    )*};
}

read_ledger!(Reader, Writer);

impl Writer<'_> {
    fn put(&mut self, column: &'static str, key: &[u8], value: Vec<u8>) {
        self.state.put(column, key, value);
    }
}

impl WriteLedger for Writer<'_> {
    fn put_wallet(&mut self, wallet: Wallet) {
        self.put(WALLETS, wallet.id.as_bytes(), encode_row(&wallet));
    }

    fn put_account(&mut self, account: &Account, currency: Currency, state: AccountState) {
        self.put(ACCOUNTS, &account_key(account, currency), encode_row(&state));
    }

    fn put_payment(&mut self, payment: Payment) {
        match self.payments.iter_mut().find(|changed| changed.id == payment.id) {
            Some(changed) => *changed = payment,
            None => self.payments.push(payment),
        }
    }

    fn payment_mut(&mut self, id: PaymentId) -> Result<Option<&mut Payment>, StateError> {
        let changed = self.payments.iter().position(|payment| payment.id == id);
        let Some(at) = changed else {
            let stored: Option<Payment> = self.row(PAYMENTS, id.as_bytes())?;
            self.payments.extend(stored);
            return Ok(self.payments.last_mut().filter(|payment| payment.id == id));
        };
        Ok(self.payments.get_mut(at))
    }

    fn put_refund(&mut self, refund: Refund) {
        self.put(REFUNDS, refund.id.as_bytes(), encode_row(&refund));
    }

    fn put_transfer(&mut self, transfer: Transfer) {
        self.put(TRANSFERS, transfer.id.as_bytes(), encode_row(&transfer));
    }

    fn put_receipt(&mut self, receipt: Receipt) {
        self.put(RECEIPTS, receipt.transfer_id.as_bytes(), encode_row(&receipt));
    }

    fn put_rail_fact(&mut self, fact: RailFact) {
        let key = reference_key(fact.wallet_id, &fact.rail, &fact.reference);
        self.put(REFERENCES, &key, encode_row(&fact.id));
        self.put(FACTS, fact.id.as_bytes(), encode_row(&fact));
    }

    fn put_adopted_policy(&mut self, version: i64) {
        self.put(POLICY, ADOPTED, encode_row(&version));
    }

    fn put_orphan(&mut self, orphan: Orphan) {
        self.put(ORPHANS, orphan.result.operation_id.as_bytes(), encode_row(&orphan));
    }

    fn remove_orphan(&mut self, id: OperationId) {
        self.state.delete(ORPHANS, id.as_bytes());
    }

    fn put_orphans(&mut self, count: u32) {
        self.put(ORPHANS, ORPHAN_COUNT, encode_row(&count));
    }
}

fn account_key(account: &Account, currency: Currency) -> Vec<u8> {
    let mut key = Vec::with_capacity(ACCOUNT_KEY_BYTES);
    match account {
        Account::Wallet(id) => {
            key.push(b'w');
            key.extend_from_slice(id.as_bytes());
        }
        Account::GatewayClearing(gateway) => {
            key.push(b'g');
            key.extend_from_slice(gateway.as_str().as_bytes());
        }
        Account::External(rail) => {
            key.push(b'x');
            key.extend_from_slice(rail.as_str().as_bytes());
        }
        Account::Suspense => key.push(b's'),
        Account::TransfersClearing => key.push(b't'),
    }
    // Always three bytes, so that no two accounts have one key.
    key.extend_from_slice(currency.code().as_bytes());
    key
}

/// The reference may hold any character, so it comes last.
fn reference_key(wallet: WalletId, rail: &RailName, reference: &str) -> Vec<u8> {
    let mut key = wallet.as_bytes().to_vec();
    key.extend_from_slice(rail.as_str().as_bytes());
    key.push(b'|');
    key.extend_from_slice(reference.as_bytes());
    key
}

fn from_engine(error: EngineStateError) -> StateError {
    match error {
        EngineStateError::Unreadable(text) => StateError::Unreadable(text),
        EngineStateError::Undecodable(text) => StateError::Undecodable(text),
        EngineStateError::Contradiction(text) => StateError::Contradiction(text),
    }
}

/// The engine's word for a failure of the ledger's state.
pub fn to_engine(error: StateError) -> EngineStateError {
    match error {
        StateError::Unreadable(text) => EngineStateError::Unreadable(text),
        StateError::Undecodable(text) => EngineStateError::Undecodable(text),
        StateError::Contradiction(text) => EngineStateError::Contradiction(text),
    }
}
