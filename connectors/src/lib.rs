//! The outside of holdfast: everything that speaks to the world that is not Kafka.

pub mod gateway;
pub mod http;
pub mod ports;

/// The target of log lines about the way of a request, one for each hop: `RUST_LOG=info,hop=debug`
/// shows them.
pub const HOP: &str = "hop";
