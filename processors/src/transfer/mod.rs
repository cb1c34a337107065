//! The transfer saga: hold at the sender, credit at the receiver, then post or void.

pub(crate) mod decide;
pub(crate) mod evolve;
pub(crate) mod legs;
mod state;
mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::{Phase, Receipt, ReceiptOutcome, Transfer};
