//! A toy application: counters by key, small enough to predict every entry.
//!
//! The value of an input is a text: `add:N`, `set:MS` and `set:MS:GENERATION` (a timer of this key,
//! due at that wall time, which adds 1000), `cancel`, or one of the ways to misbehave. Whatever
//! else is an unreadable input, which is an entry too.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use schemas::{EntryHash, Offset, Partition, Topic};
use serde::{Deserialize, Serialize};

use super::engine::application::{
    Application, DecideContext, DecideError, DecodeWait, DueTimer, EncodeError, EntryDecodeError,
    EntryHeader, EntryRecord, InputRecord, JournalRecord, Origin, ReadState, Record, Source,
    StateError, TimerChange, WriteState,
};

pub const COUNTERS: &str = "counters";

/// What a timer adds when it fires.
pub const TIMER_ADDS: i64 = 1000;

#[derive(Debug, Default)]
pub struct Tally {
    /// While this is set, `registry` inputs wait.
    pub registry_away: AtomicBool,
    /// What a reader of entries this is.
    pub newer: bool,
}

#[derive(Debug, Clone)]
pub struct Input {
    key: String,
    action: Action,
}

#[derive(Debug, Clone)]
enum Action {
    Add(i64),
    Set { due_ms: i64, generation: u64 },
    Cancel,
    Unreadable,
    Poisoned(String),
    MustPoison,
    MustPanic,
    TooLarge,
    Contradict,
    AlwaysFails,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    seq: u64,
    prev_hash: EntryHash,
    pub at_ms: i64,
    origin: Place,
    pub key: String,
    pub added: i64,
    pub balance: i64,
    pub note: String,
    timers: Vec<(String, u64, Option<i64>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Input(Topic, Partition, Offset),
    Timer(String, u64, i64),
}

impl Entry {
    pub fn is_of_timer(&self) -> bool {
        matches!(self.origin, Place::Timer(..))
    }
}

pub fn record(key: &str, value: &str) -> Record {
    Record {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Record::default()
    }
}

pub fn counter(state: &dyn ReadState, key: &str) -> Result<i64, StateError> {
    let stored = state.get(COUNTERS, key.as_bytes())?;
    stored.map_or(Ok(0), |bytes| parse_counter(&bytes))
}

pub fn parse_counter(bytes: &[u8]) -> Result<i64, StateError> {
    let bytes = bytes.try_into().map_err(|_| StateError::Undecodable("a counter".to_owned()))?;
    Ok(i64::from_be_bytes(bytes))
}

fn action(value: &str) -> Action {
    let mut parts = value.split(':');
    let mut next = || parts.next();
    match (next(), next(), next()) {
        (Some("add"), Some(number), None) => number.parse().map_or(Action::Unreadable, Action::Add),
        (Some("set"), Some(due), generation) => {
            match (due.parse(), generation.unwrap_or("1").parse()) {
                (Ok(due_ms), Ok(generation)) => Action::Set { due_ms, generation },
                _ => Action::Unreadable,
            }
        }
        (Some("cancel"), None, None) => Action::Cancel,
        (Some("registry"), None, None) => Action::Add(1),
        (Some("poison"), None, None) => Action::MustPoison,
        (Some("panic"), None, None) => Action::MustPanic,
        (Some("large"), None, None) => Action::TooLarge,
        (Some("contradict"), None, None) => Action::Contradict,
        (Some("fail"), None, None) => Action::AlwaysFails,
        _ => Action::Unreadable,
    }
}

impl Application for Tally {
    type Input = Input;
    type Entry = Entry;

    fn columns(&self) -> &'static [&'static str] {
        &[COUNTERS]
    }

    fn state_version(&self) -> u32 {
        1
    }

    fn decode(&self, record: &InputRecord) -> Result<Input, DecodeWait> {
        let text = |bytes: Option<&Bytes>| bytes.and_then(|b| String::from_utf8(b.to_vec()).ok());
        let value = text(record.record.value.as_ref()).unwrap_or_default();
        if value == "registry" && self.registry_away.load(Ordering::Relaxed) {
            return Err(DecodeWait { reason: "the registry is away".to_owned() });
        }
        let key = text(record.record.key.as_ref()).unwrap_or_default();
        Ok(Input { key, action: action(&value) })
    }

    fn timer(&self, timer: &DueTimer) -> Input {
        Input { key: timer.id.clone(), action: Action::Add(TIMER_ADDS) }
    }

    fn poisoned(&self, origin: Origin<'_>, reason: &str) -> Input {
        let fails_always = match origin {
            Origin::Record(record) => record.record.value.as_deref() == Some(b"fail"),
            Origin::Timer(_) => false,
        };
        let action =
            if fails_always { Action::AlwaysFails } else { Action::Poisoned(reason.to_owned()) };
        Input { key: "poison".to_owned(), action }
    }

    fn decide(
        &self,
        state: &dyn ReadState,
        input: Input,
        ctx: &DecideContext,
    ) -> Result<Entry, DecideError> {
        let balance = counter(state, &input.key)?;
        let (mut added, mut note, mut timers) = (0, String::new(), Vec::new());
        match input.action {
            Action::Add(number) => added = number,
            Action::Set { due_ms, generation } => {
                timers.push((input.key.clone(), generation, Some(due_ms)));
            }
            Action::Cancel => timers.push((input.key.clone(), 0, None)),
            Action::Unreadable => note = String::from("unreadable"),
            Action::Poisoned(reason) => note = reason,
            Action::TooLarge => note = String::from("too large"),
            Action::Contradict => note = String::from("contradict"),
            Action::MustPanic => panic!("asked to"),
            Action::MustPoison | Action::AlwaysFails => {
                return Err(DecideError::Poison("asked to".to_owned()));
            }
        }
        let origin = match &ctx.source {
            Source::Input { topic, partition, offset } => Place::Input(*topic, *partition, *offset),
            Source::Timer { id, generation, due_ms } => {
                Place::Timer(id.clone(), *generation, *due_ms)
            }
        };
        Ok(Entry {
            seq: ctx.seq,
            prev_hash: ctx.prev_hash,
            at_ms: ctx.at_ms,
            origin,
            key: input.key,
            added,
            balance: balance + added,
            note,
            timers,
        })
    }

    fn evolve(&self, state: &mut dyn WriteState, entry: &Entry) -> Result<(), StateError> {
        let balance = counter(state, &entry.key)? + entry.added;
        state.put(COUNTERS, entry.key.as_bytes(), balance.to_be_bytes().to_vec());
        if balance != entry.balance || entry.note == "contradict" {
            return Err(StateError::Contradiction(format!("{balance} is not {}", entry.balance)));
        }
        Ok(())
    }

    fn header(&self, entry: &Entry) -> EntryHeader {
        let source = match entry.origin.clone() {
            Place::Input(topic, partition, offset) => Source::Input { topic, partition, offset },
            Place::Timer(id, generation, due_ms) => Source::Timer { id, generation, due_ms },
        };
        let timers = entry.timers.iter().cloned();
        EntryHeader {
            seq: entry.seq,
            prev_hash: entry.prev_hash,
            min_reader: 1,
            at_ms: entry.at_ms,
            source,
            timers: timers
                .map(|(id, generation, due_ms)| TimerChange { id, generation, due_ms })
                .collect(),
        }
    }

    fn encode(&self, entry: &Entry) -> Result<EntryRecord, EncodeError> {
        if entry.note == "too large" {
            return Err(EncodeError("asked to".to_owned()));
        }
        let value = postcard::to_stdvec(entry).map_err(|error| EncodeError(error.to_string()))?;
        let key = Bytes::copy_from_slice(entry.key.as_bytes());
        Ok(EntryRecord { key, value: value.into(), headers: Vec::new() })
    }

    fn decode_entry(&self, record: &JournalRecord) -> Result<Entry, EntryDecodeError> {
        if self.newer {
            return Err(EntryDecodeError::Newer { min_reader: 2, reader: 1 });
        }
        let value = record.record.value.as_deref().unwrap_or_default();
        postcard::from_bytes(value)
            .map_err(|error| EntryDecodeError::Undecodable(error.to_string()))
    }
}
