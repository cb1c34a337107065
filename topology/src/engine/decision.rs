//! One input of a batch becomes an entry: decided, encoded, folded into the overlay.
//!
//! Nothing that one input does may harm the shard or the rest of the batch. An input that cannot be
//! handled (an error of decide, an entry over its bounds, an assertion that fails, a panic) leaves
//! no trace in the overlay and is decided a second time as poisoned; failing that too ends the
//! shard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use compact_str::CompactString;
use schemas::Partition;

use super::application::{
    Application, CARRIED_HEADER, DecideContext, DecideError, EntryHeader, EntryRecord, ReadState,
    RecordHeader, StateError,
};
use super::batch::{Item, Work};
use super::chain::ChainLink;
use super::failure::{Setback, ShardError};
use super::fold::{Positions, fold};
use super::overlay::{Changes, Overlay};
use super::store::{Head, Store, TIMERS};
use super::timers::TimerSetting;

/// What a batch has made so far: the state after its entries.
pub(super) struct Made<E> {
    pub(super) changes: Changes,
    pub(super) head: Head,
    pub(super) positions: Positions,
    pub(super) headers: Vec<EntryHeader>,
    /// The entries, where followers of this process want them.
    pub(super) entries: Vec<MadeEntry<E>>,
    at_ms: i64,
}

/// An entry that a batch has made.
pub(super) struct MadeEntry<E> {
    pub(super) key: Bytes,
    pub(super) entry: E,
    pub(super) link: ChainLink,
    pub(super) trace: Option<Bytes>,
}

impl<E> Made<E> {
    pub(super) fn after(head: Head, positions: Positions, at_ms: i64) -> Self {
        let (changes, headers, entries) = (Changes::default(), Vec::new(), Vec::new());
        Self { changes, head, positions, headers, entries, at_ms }
    }

    pub(super) fn link(&self) -> ChainLink {
        ChainLink { seq: self.head.seq, hash: self.head.hash }
    }
}

/// Where the next entry is made.
pub(super) struct Draft<'a, A: Application, S> {
    pub(super) application: &'a A,
    pub(super) store: &'a S,
    pub(super) partition: Partition,
    pub(super) made: &'a mut Made<A::Entry>,
    pub(super) keeps_entries: KeepsEntries,
}

/// Whether a batch keeps its entries for the followers of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeepsEntries {
    Yes,
    No,
}

/// Why an input did not become an entry.
enum Failed {
    State(StateError),
    Input(String),
}

/// The entry of one input. `None` for a timer that was cancelled or set again meanwhile.
pub(super) fn decide<A: Application, S: Store>(
    draft: &mut Draft<'_, A, S>,
    work: &mut Work,
    input: A::Input,
) -> Result<Option<EntryRecord>, Setback> {
    if let Item::Timer(timer) = &work.item {
        let overlay = Overlay::new(draft.store, &mut draft.made.changes);
        let Some(stored) = overlay.get(TIMERS, timer.id.as_bytes())? else { return Ok(None) };
        let wanted = TimerSetting { generation: timer.generation, due_ms: timer.due_ms };
        if TimerSetting::parse(&stored)? != wanted {
            return Ok(None);
        }
    }
    let reason = match make(draft, work, input) {
        Ok(record) => return Ok(Some(record)),
        Err(Failed::State(error)) => return Err(error.into()),
        Err(Failed::Input(reason)) => reason,
    };
    let origin = work.source();
    tracing::error!(shard = %draft.partition, ?origin, reason, "An input cannot be handled.");
    if work.poison.is_some() {
        return Err(ShardError::PoisonRepeated { origin, reason }.into());
    }
    let input = draft.application.poisoned(work.origin(), &reason);
    work.poison = Some(reason);
    match make(draft, work, input) {
        Ok(record) => Ok(Some(record)),
        Err(Failed::State(error)) => Err(error.into()),
        Err(Failed::Input(reason)) => Err(ShardError::PoisonRepeated { origin, reason }.into()),
    }
}

/// Makes the entry, or leaves everything as it was.
fn make<A: Application, S: Store>(
    draft: &mut Draft<'_, A, S>,
    work: &Work,
    input: A::Input,
) -> Result<EntryRecord, Failed> {
    // Until an entry is accepted it changes only a list that is discarded, so a panic in the
    // application cannot leave half of it behind.
    let made = catch_unwind(AssertUnwindSafe(|| try_make(draft, work, input)))
        .unwrap_or_else(|panic| Err(Failed::Input(panic_text(&*panic))));
    if made.is_err() {
        draft.made.changes.discard_entry();
    }
    made
}

fn try_make<A: Application, S: Store>(
    draft: &mut Draft<'_, A, S>,
    work: &Work,
    input: A::Input,
) -> Result<EntryRecord, Failed> {
    let made = &mut *draft.made;
    let ctx = DecideContext {
        partition: draft.partition,
        at_ms: made.at_ms,
        seq: made.head.seq + 1,
        prev_hash: made.head.hash,
        source: work.source(),
        carried: match &work.item {
            Item::Record(input) => input.record.carried().cloned(),
            Item::Timer(_) => None,
        },
    };
    let mut overlay = Overlay::new(draft.store, &mut made.changes);
    let entry = draft.application.decide(&overlay, input, &ctx).map_err(|error| match error {
        DecideError::State(StateError::Contradiction(reason)) | DecideError::Poison(reason) => {
            Failed::Input(reason)
        }
        DecideError::State(error) => Failed::State(error),
    })?;
    let header = draft.application.header(&entry);
    if (header.seq, header.prev_hash, &header.source) != (ctx.seq, ctx.prev_hash, &ctx.source) {
        return Err(Failed::Input("the entry does not carry what its context says".to_owned()));
    }
    let mut record =
        draft.application.encode(&entry).map_err(|error| Failed::Input(error.to_string()))?;
    let trace = ctx.carried;
    if let Some(trace) = &trace {
        let name = CompactString::const_new(CARRIED_HEADER);
        record.headers.push(RecordHeader { name, value: Some(trace.clone()) });
    }
    fold(draft.application, &mut overlay, &mut made.positions, (&header, &entry)).map_err(
        |error| match error {
            StateError::Contradiction(reason) => Failed::Input(reason),
            error => Failed::State(error),
        },
    )?;
    made.head.seq = header.seq;
    made.head.hash = header.prev_hash.link(Some(&record.key), Some(&record.value));
    made.head.at_ms = header.at_ms;
    made.headers.push(header);
    if draft.keeps_entries == KeepsEntries::Yes {
        let (key, link) = (record.key.clone(), made.link());
        made.entries.push(MadeEntry { key, entry, link, trace });
    }
    Ok(record)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without a text".to_owned()))
}
