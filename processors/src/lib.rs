//! The decisions of holdfast: pure functions from state and input to entry, and from entry to
//! state.
//!
//! No clock, no randomness, no IO, no order that depends on hashing. Time and configuration come in
//! with [`DecideContext`]; where state is kept is not known here. A payment is decided in
//! `payment/decide.rs`, a gateway's answer in `payment/results.rs`.

mod adoption;
mod attempt;
pub mod audit;
mod draft;
mod field;
mod ledger;
#[cfg(test)]
mod model_tests;
mod orphan;
pub mod payment;
pub mod policy;
pub mod projection;
pub mod rail;
#[cfg(test)]
mod random;
pub mod refund;
#[cfg(test)]
mod scenario;
mod state;
pub mod story;
mod suspense;
mod timer;
pub mod transfer;
pub mod wallet;

pub use draft::DecideContext;
pub use ledger::{decide, evolve, key_of, payment_of, refund_of};
pub use orphan::Orphan;
pub use state::{
    AccountState, MemoryLedger, ROW_VERSION, ReadLedger, StateError, WriteLedger, decode_row,
    encode_row,
};
pub use timer::TimerSubject;
