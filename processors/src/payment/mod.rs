//! The payment saga: reserve, charge at a gateway, then post or void.

pub(crate) mod cancel;
pub(crate) mod decide;
pub(crate) mod evolve;
mod outcome;
pub(crate) mod resolve;
pub(crate) mod results;
mod state;
mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
mod unwanted;

pub use crate::attempt::Attempt;
pub use state::{Charge, Payment, Phase, Rare, RefundSums, Resolution};
pub(crate) use unwanted::UNWANTED_CHARGE;
