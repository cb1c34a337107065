//! The refund saga: have a charge given back at its gateway, then credit.

pub(crate) mod decide;
pub(crate) mod evolve;
mod outcome;
pub(crate) mod resolve;
pub(crate) mod results;
mod state;
pub(crate) mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::{Phase, Refund};
