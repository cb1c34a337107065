//! Wallets: opening them and recording what arrives on external rails.

pub(crate) mod decide;
pub(crate) mod evolve;
mod state;
#[cfg(test)]
mod tests;

pub use state::Wallet;
