//! The engine on Kafka: the only place that names the client library.
//!
//! [`connection`] holds every client property in one place; [`log`] is the adapter of a shard's
//! port; [`partition_reader`] is the consumer of both readers; [`tail`] reads the journal once for
//! all followers of a process; [`producer`] writes inputs; [`probe`] asks whether the broker is
//! there; [`admin`] creates topics and refuses
//! dangerous ones; [`ledger`] runs the shards of a process.

pub mod admin;
pub mod connection;
mod delivery;
pub mod ledger;
pub mod log;
mod partition_reader;
pub mod probe;
pub mod producer;
mod records;
pub mod tail;
