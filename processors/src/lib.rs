//! The decisions of holdfast: pure functions from state and input to entry, and from entry to
//! state.
//!
//! No clock, no randomness, no IO, no order that depends on hashing. Time and configuration come in
//! with [`DecideContext`]; where state is kept is not known here. A payment is decided in
//! `payment/decide.rs`, a gateway's answer in `payment/results.rs`.

pub mod audit;
mod draft;
mod field;
mod ledger;
pub mod payment;
pub mod policy;
pub mod projection;
#[cfg(test)]
mod random;
#[cfg(test)]
mod scenario;
mod state;
pub mod wallet;

pub use draft::DecideContext;
pub use ledger::{decide, evolve, key_of, payment_of};
pub use state::{
    AccountState, Deposit, MemoryLedger, ROW_VERSION, ReadLedger, StateError, WriteLedger,
    decode_row, encode_row,
};
