//! Taking a shard over: fence the predecessor, bring the store to the end of the journal, begin
//! each input at the position folded from the journal.
//!
//! The end of the journal is the high watermark: the last stable offset misses the newest committed
//! entries until their markers are written. Only when a `read_committed` end has reached it does
//! the fold begin, and it ends when the reader stands there. What the store remembers of its newest
//! entry must match the first record read; a store that does not is rebuilt, a journal that does
//! not add up from its beginning is corrupted.

use std::time::Duration;

use schemas::{Offset, Topic};

use super::application::{Application, EntryDecodeError, JournalRecord, StateError};
use super::chain::ChainLink;
use super::clock::Clock;
use super::failure::{Setback, ShardError};
use super::fold::{Positions, fold};
use super::intake::Intake;
use super::log::{Isolation, Log, LogError, LogRecord};
use super::overlay::{Changes, Overlay};
use super::shard::{Running, Shard};
use super::status::ShardState;
use super::store::{Head, Store};
use super::timers::TimerQueue;
use crate::crash_window::{CrashWindow, pass};

/// Entries and bytes of one write to the store while restoring.
const CHUNK_ENTRIES: u64 = 4096;
const CHUNK_BYTES: usize = 8 << 20;
/// How long a broker may take to let a new owner begin, before everything is made anew.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long markers of an open Kafka transaction may keep the journal's end from being readable.
const STABLE_TIMEOUT: Duration = Duration::from_secs(30);
const STABLE_POLL: Duration = Duration::from_millis(5);
/// How long the reader may stand still before the shard is taken over again.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_WAIT: Duration = Duration::from_millis(100);

/// A restore under way.
struct Restore {
    head: Head,
    positions: Positions,
    changes: Changes,
    chunk_entries: u64,
    /// The store had entries when the restore began: what does not fit may be its fault.
    from_store: bool,
}

impl<A: Application, L: Log, S: Store, C: Clock> Shard<A, L, S, C> {
    /// Takes the shard over.
    pub(super) async fn take_over(&mut self) -> Result<Running, Setback> {
        self.status.enter(ShardState::Initializing);
        self.verify_store()?;
        self.fence_predecessor().await?;
        pass(CrashWindow::AfterFencing);
        self.status.enter(ShardState::Restoring);
        let (head, positions) = self.restore().await?;
        self.check_inputs(&positions).await?;
        let inputs: Vec<_> = positions.iter().collect();
        self.parts.log.read_inputs(&inputs).await?;
        let timers = TimerQueue::of(&self.parts.store)?;
        self.status.set_head(&head);
        self.status.set_timers(timers.len());
        let mut nothing = Changes::default();
        let state = Overlay::new(&self.parts.store, &mut nothing);
        self.parts.application.taken_over(self.parts.partition, &state);
        self.status.enter(ShardState::Running);
        Ok(Running {
            head,
            positions,
            timers,
            timers_suspended: false,
            intake: Intake::default(),
            slot: None,
            stall: None,
            has_written: true,
        })
    }

    async fn fence_predecessor(&mut self) -> Result<(), Setback> {
        let deadline = self.parts.clock.monotonic() + INIT_TIMEOUT;
        loop {
            match self.parts.log.init().await {
                Err(LogError::Retry(_))
                    if self.parts.clock.monotonic() < deadline && !self.parts.stop.is_raised() => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Brings the store to the end of the journal.
    async fn restore(&mut self) -> Result<(Head, Positions), Setback> {
        let stored = Head::of(&self.parts.store)?;
        let genesis = Head::genesis(&self.parts.journal, self.parts.partition);
        let end = self.stable_end().await?;
        let low = self.parts.log.low_watermarks(&[Topic::Journal]).await?;
        if let Some(&low) = low.first().filter(|low| **low > Offset::ZERO) {
            return Err(ShardError::JournalLost { low }.into());
        }
        let mut restore = Restore {
            head: stored.unwrap_or(genesis),
            positions: Positions::of(&self.parts.store)?,
            changes: Changes::default(),
            chunk_entries: 0,
            from_store: stored.is_some(),
        };
        if restore.head.next_offset() > end {
            return Err(Setback::Store(format!(
                "the store has applied {}, the journal ends at {end}: entries were lost, or the \
                 journal was made anew",
                restore.head.next_offset()
            )));
        }
        let from = restore.head.applied.unwrap_or(Offset::ZERO);
        self.parts.log.read_journal(from).await?;
        let mut must_match = stored;
        let mut moved_at = self.parts.clock.monotonic();
        while self.parts.log.position(Topic::Journal)? < end {
            if self.parts.stop.is_raised() {
                return Err(Setback::Rebuild("the process stops".to_owned()));
            }
            let now = self.parts.clock.monotonic();
            match self.parts.log.poll(POLL_WAIT).await {
                Ok(Some(LogRecord::Journal(record))) => {
                    moved_at = now;
                    match must_match.take() {
                        Some(head) => self.match_store(&head, &record)?,
                        None => self.apply(&mut restore, &record)?,
                    }
                }
                Ok(Some(LogRecord::Input(_))) => {}
                Ok(None) | Err(LogError::Retry(_)) if now < moved_at + STALL_TIMEOUT => {}
                Ok(None) | Err(LogError::Retry(_)) => {
                    return Err(Setback::Rebuild("the journal cannot be read".to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if must_match.is_some() {
            return Err(Setback::Store("its newest entry is not in the journal".to_owned()));
        }
        self.write_chunk(&mut restore)?;
        Ok((restore.head, restore.positions))
    }

    /// The high watermark of the journal, once a `read_committed` reader can reach it.
    async fn stable_end(&mut self) -> Result<Offset, Setback> {
        let journal = [Topic::Journal];
        let end = self.parts.log.end_offsets(&journal, Isolation::ReadUncommitted).await?;
        let deadline = self.parts.clock.monotonic() + STABLE_TIMEOUT;
        loop {
            let stable = self.parts.log.end_offsets(&journal, Isolation::ReadCommitted).await?;
            if stable >= end {
                return Ok(end.first().copied().unwrap_or_default());
            }
            if self.parts.stop.is_raised() {
                return Err(Setback::Rebuild("the process stops".to_owned()));
            }
            if self.parts.clock.monotonic() >= deadline {
                return Err(Setback::Rebuild("the journal's end stays in doubt".to_owned()));
            }
            self.parts.clock.sleep(STABLE_POLL).await;
        }
    }

    /// Holds the first record read against what the store remembers of it.
    fn match_store(&self, head: &Head, record: &JournalRecord) -> Result<(), Setback> {
        let entry = self.decode_entry(record, true)?;
        let header = self.parts.application.header(&entry);
        let found = ChainLink::of(&header, &record.record);
        let wanted = ChainLink { seq: head.seq, hash: head.hash };
        if Some(record.position.offset) == head.applied && found == wanted {
            return Ok(());
        }
        Err(Setback::Store(format!(
            "its newest entry is not the one at {} in the journal",
            record.position
        )))
    }

    fn apply(&self, restore: &mut Restore, record: &JournalRecord) -> Result<(), Setback> {
        let blame = |reason: String| blame(restore.from_store, record, reason);
        let entry = self.decode_entry(record, restore.from_store)?;
        let header = self.parts.application.header(&entry);
        let link = ChainLink { seq: restore.head.seq, hash: restore.head.hash };
        let next =
            link.follow(&header, &record.record).map_err(|broken| blame(broken.to_string()))?;
        let mut overlay = Overlay::new(&self.parts.store, &mut restore.changes);
        let application = &*self.parts.application;
        match fold(application, &mut overlay, &mut restore.positions, (&header, &entry)) {
            Ok(()) => {}
            Err(StateError::Unreadable(reason)) => return Err(Setback::Store(reason)),
            Err(error) => return Err(blame(error.to_string())),
        }
        restore.head = Head {
            applied: Some(record.position.offset),
            seq: next.seq,
            hash: next.hash,
            at_ms: header.at_ms,
        };
        restore.chunk_entries += 1;
        pass(CrashWindow::MidRestore);
        if restore.chunk_entries >= CHUNK_ENTRIES || restore.changes.weight() >= CHUNK_BYTES {
            self.write_chunk(restore)?;
        }
        Ok(())
    }

    fn decode_entry(&self, record: &JournalRecord, from_store: bool) -> Result<A::Entry, Setback> {
        let position = record.position;
        self.parts.application.decode_entry(record).map_err(|error| match error {
            EntryDecodeError::Newer { .. } => {
                ShardError::NewerEntry { position, reason: error.to_string() }.into()
            }
            EntryDecodeError::Undecodable(reason) => blame(from_store, record, reason),
        })
    }

    fn write_chunk(&self, restore: &mut Restore) -> Result<(), Setback> {
        if restore.chunk_entries > 0 {
            let mut changes = std::mem::take(&mut restore.changes);
            restore.head.put(&mut changes);
            restore.positions.put(&mut changes);
            self.parts.store.write(changes)?;
            pass(CrashWindow::AfterRestoreChunk);
            self.status.count_restored(restore.chunk_entries);
            self.status.set_head(&restore.head);
            restore.chunk_entries = 0;
        }
        Ok(())
    }

    /// Refuses inputs that lost records, and raises an alarm when the group has committed more than
    /// the journal shows.
    async fn check_inputs(&mut self, positions: &Positions) -> Result<(), Setback> {
        let inputs = &Topic::INPUTS;
        let ends = self.parts.log.end_offsets(inputs, Isolation::ReadUncommitted).await?;
        let lows = self.parts.log.low_watermarks(inputs).await?;
        for ((topic, folded), (low, end)) in positions.iter().zip(lows.into_iter().zip(ends)) {
            if folded < low {
                return Err(ShardError::InputsLost { topic, folded, low }.into());
            }
            if folded > end {
                return Err(ShardError::InputsTruncated { topic, folded, end }.into());
            }
        }
        let committed = match self.parts.log.committed(inputs).await {
            Ok(committed) => committed,
            // They serve lag only: a coordinator that does not answer is no reason to wait.
            Err(LogError::Retry(reason)) => {
                tracing::warn!(shard = %self.parts.partition, reason, "No committed positions.");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for ((topic, folded), committed) in positions.iter().zip(committed) {
            if committed.is_some_and(|committed| committed > folded) {
                let shard = self.parts.partition;
                let text = "The group has committed more than the journal shows.";
                tracing::error!(%shard, %topic, %folded, ?committed, "{text}");
            }
        }
        Ok(())
    }
}

/// What does not fit is the fault of a store that was there before; of the journal, when the store
/// began with nothing.
fn blame(from_store: bool, record: &JournalRecord, reason: String) -> Setback {
    if from_store {
        Setback::Store(reason)
    } else {
        ShardError::Corrupted { position: record.position, reason }.into()
    }
}
