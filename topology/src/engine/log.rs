//! The port between the shard loop and the log, as one shard sees it.
//!
//! A handle stands for shard i: it reads partition i of the input topics and of the journal, and
//! writes partition i of the journal in Kafka transactions. There are two adapters, `kafka::log`
//! and `memory_log`. The futures of the first complete synchronously, on the shard's own thread; a
//! simulated log may suspend at every call.
//!
//! Errors are grouped by the reaction they ask for. A call that returns anything but `Retry`,
//! `Aborted` or `Refused` leaves the handle unusable until `init`.

#![allow(
    async_fn_in_trait,
    reason = "the futures of a shard are driven on its own thread, none of them needs to be Send"
)]

use std::time::Duration;

use schemas::{Offset, Topic};

use super::application::{EntryRecord, InputRecord, JournalRecord};

/// The log, as shard i sees it.
pub trait Log {
    /// Takes the shard over: fences any earlier owner, aborts its open Kafka transaction, and makes
    /// this handle the one that may write. Whatever the handle did before is thrown away. `Retry`
    /// when the broker takes its time; the next call waits on.
    async fn init(&mut self) -> Result<(), LogError>;

    /// Reads the journal from here on, and nothing else yet. Once after each `init`.
    async fn read_journal(&mut self, from: Offset) -> Result<(), LogError>;

    /// Reads inputs too, from these places on; the journal goes on where reading stands. Once after
    /// each `init`.
    async fn read_inputs(&mut self, from: &[(Topic, Offset)]) -> Result<(), LogError>;

    /// The next committed record of any partition that is read, waiting at most so long for it.
    async fn poll(&mut self, max_wait: Duration) -> Result<Option<LogRecord>, LogError>;

    /// Where reading stands: everything below has been returned by `poll`, or is a marker or
    /// belongs to an aborted Kafka transaction.
    fn position(&mut self, topic: Topic) -> Result<Offset, LogError>;

    /// Stops returning records of an input topic.
    fn pause(&mut self, topic: Topic) -> Result<(), LogError>;

    /// Goes on after [`Log::pause`] with the record after the last one returned.
    fn resume(&mut self, topic: Topic) -> Result<(), LogError>;

    /// Begins a Kafka transaction.
    async fn begin(&mut self) -> Result<(), LogError>;

    /// Adds the next positions of the inputs to the Kafka transaction. They serve lag and fencing
    /// only; nobody starts from them.
    async fn send_offsets(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError>;

    /// Appends an entry to the journal, in the Kafka transaction. Acknowledged by `commit`.
    async fn append(&mut self, entry: &EntryRecord) -> Result<(), LogError>;

    /// Waits until every entry is acknowledged, then commits. Gives the offset of the last entry.
    async fn commit(&mut self) -> Result<Offset, LogError>;

    /// Aborts the Kafka transaction.
    async fn abort(&mut self) -> Result<(), LogError>;

    /// A Kafka transaction of positions alone: `Fenced` when the shard has another owner, which one
    /// that has nothing to write does not notice otherwise.
    async fn prove(&mut self, next: &[(Topic, Offset)]) -> Result<(), LogError>;

    /// The ends of these topics, in their order: the offset the next record will have.
    async fn end_offsets(
        &mut self,
        topics: &[Topic],
        isolation: Isolation,
    ) -> Result<Vec<Offset>, LogError>;

    /// The first offsets that the broker still has of these topics, in their order.
    async fn low_watermarks(&mut self, topics: &[Topic]) -> Result<Vec<Offset>, LogError>;

    /// What the group has committed for these topics, in their order.
    async fn committed(&mut self, topics: &[Topic]) -> Result<Vec<Option<Offset>>, LogError>;
}

/// Which end of a partition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// The last stable offset: nothing below it belongs to an open Kafka transaction. Lags behind a
    /// commit until the broker has written its markers.
    ReadCommitted,
    /// The high watermark.
    ReadUncommitted,
}

/// A record that was polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRecord {
    /// Of an input topic.
    Input(InputRecord),
    /// Of the journal.
    Journal(JournalRecord),
}

/// A call to the log failed. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Nothing happened: the same call may be made again.
    #[error("the log is away: {0}")]
    Retry(String),
    /// The Kafka transaction cannot be committed: abort it and decide the batch again.
    #[error("the Kafka transaction must be aborted: {0}")]
    Aborted(String),
    /// The log refuses this entry for what it is; the Kafka transaction must be aborted.
    #[error("the log refuses an entry: {0}")]
    Refused(String),
    /// Another owner, or a time-out of the broker that looks like one.
    #[error("the shard was taken over: {0}")]
    Fenced(String),
    /// It is not known what happened, or the handle is broken: take over again.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// The place to read from does not exist: records were lost.
    #[error("records are missing from the log: {0}")]
    Lost(String),
}
