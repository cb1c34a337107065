//! Facts of external rails: deposits, withdrawals, and their reversals.

pub(crate) mod decide;
pub(crate) mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub use state::{FactId, RailFact, Standing};
