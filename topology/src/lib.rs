//! The machine: runs the decisions on Kafka, keeps the stores and views, and is the command line.

mod backlog;
mod checkpoint_file;
pub mod cli;
pub mod crash_window;
pub mod embedded;
pub mod engine;
pub mod gateway_follower;
mod hops;
pub mod ledger;
mod ledger_state;
mod log_writer;
pub mod logging;
pub mod metrics;
pub mod payments;
pub mod registry;
pub mod roles;
pub mod runtime;
mod schema_ids;
pub mod settings;
mod takeover;
mod traces;
pub mod views;
mod wall_clock;
