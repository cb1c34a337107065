//! Wallets: opening, freezing, bounding and closing them.

pub(crate) mod decide;
pub(crate) mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use state::day_of;
pub use state::{Bounds, Wallet};
