//! The payment saga: reserve, charge at a gateway, then post or void.

pub(crate) mod decide;
pub(crate) mod evolve;
mod gateway;
pub(crate) mod results;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::{Attempt, Payment, Phase};
pub(crate) use timers::timer_id;
pub use timers::timer_subject;
