//! The machine: runs the decisions on Kafka, keeps the stores and views, and is the command line.

mod backlog;
mod checkpoint_file;
pub mod cli;
pub mod crash_window;
mod dead_letter_follower;
mod deliveries;
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
mod policy_adoption;
pub mod registry;
pub mod roles;
pub mod runtime;
mod schema_ids;
pub mod settings;
mod takeover;
mod traces;
mod transfer_follower;
pub mod views;
mod wall_clock;
