//! The machine that runs an application on a log, and knows nothing of payments.
//!
//! An application decides inputs into entries ([`application`]); the engine makes that happen
//! exactly once. A shard ([`shard`]) reads inputs from the log ([`log`]), writes entries in Kafka
//! transactions, keeps the state in a store ([`store`]) and folds it from the journal again
//! whenever anything is in doubt (`restore`). The laws it keeps:
//!
//! - The journal is the only truth: stores and positions are folds of it.
//! - One input, one entry; what cannot be handled is an entry too.
//! - A store shows committed data only, after the owner's own tail has shown it.
//! - A shard has one owner, fenced by its transactional id; nothing continues from memory.
//! - Every queue, batch and wait has a bound.
//!
//! What is absent: payments, schemas of records, HTTP. Clocks are read in the loop only, and Kafka
//! appears below `kafka` only.

pub mod application;
mod batch;
pub mod chain;
pub mod clock;
mod decision;
pub mod failure;
pub mod feed;
pub mod fold;
pub mod follower;
pub mod governor;
mod intake;
pub mod kafka;
pub mod log;
mod marks;
pub mod memory_broker;
pub mod memory_log;
pub mod memory_store;
pub mod overlay;
mod restore;
pub mod rocks_options;
pub mod rocks_store;
pub mod rows;
pub mod shard;
pub mod state_directory;
pub mod status;
pub mod store;
pub mod test_driver;
pub mod timers;
pub mod topology_description;
pub mod verification;

#[cfg(test)]
mod tests;
