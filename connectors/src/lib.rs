//! The outside of holdfast: everything that speaks to the world that is not Kafka.

pub mod gateway;
pub mod http;
pub mod ports;
