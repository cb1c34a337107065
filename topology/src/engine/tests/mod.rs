//! The shard loop on a log in memory, with a toy application.

use crate::engine;

mod damaged;
mod described;
mod driven;
mod faults;
mod on_disk;
mod tally;
