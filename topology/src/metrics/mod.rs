//! What the process counts: declared in one table, moved by its parts, served as text.
//!
//! Counters of the business move once for each entry of the journal, by a follower of its tail,
//! and only for entries beyond the end that the journal had when the process started: a replay of
//! history counts nothing again. What parts count for themselves anyway (shards, queues, lags) is
//! read from them at the moment of a scrape. Nothing here decides, waits, or fails a request.

pub mod catalogue;
mod exposure;
mod follower;
mod journal;
mod process;
mod registry;
mod requests;
mod samples;
mod sources;

pub use exposure::{Exposure, Totals};
pub use follower::{MetricsError, MetricsFollower};
pub use journal::{JournalMeter, NewestEntry};
pub use registry::Metrics;
pub use requests::{observed, routes};
pub use samples::Samples;
pub use sources::{watch_gateways, watch_ingress, watch_journal, watch_process, watch_shards};
