//! The subcommands of `holdfast`, one file each.

pub mod audit;
pub mod config;
pub mod dead_letters;
pub mod describe;
pub mod dev;
pub mod explain;
pub mod gateway_sim;
pub mod journal;
pub mod load;
pub mod run;
pub mod status;
pub mod topics;
