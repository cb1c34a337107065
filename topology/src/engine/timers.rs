//! Timers: state, set and fired by entries. In memory they are a queue rebuilt from the store.
//!
//! A timer fires only when the inputs that were there at its due time have been handled. So a due
//! timer first raises a *barrier*: the ends of the input topics, read at or after the due time.
//! When the shard has come past the barrier, every timer due before it was raised is cleared to
//! fire. An input that cancels the timer is then always handled first, also after the shard was
//! down.
//!
//! When wall time jumps, or entries carry times from a future, timers are suspended: firing
//! thousands of them because somebody set a clock cannot be undone.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use schemas::{Offset, Topic};

use super::application::{DueTimer, EntryHeader, Source, StateError};
use super::store::{Start, Store, TIMERS};

/// How far wall time may leave monotonic time between two looks, or lie behind the newest entry.
/// Steps of a time daemon stay below a second; a minute is a mistake or a machine that slept.
pub const MAX_CLOCK_JUMP: Duration = Duration::from_mins(1);

/// What the store holds for a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerSetting {
    /// Which setting of the timer.
    pub generation: u64,
    /// When it is due, milliseconds since the epoch.
    pub due_ms: i64,
}

impl TimerSetting {
    /// The bytes in the store.
    pub fn to_bytes(self) -> Vec<u8> {
        [self.generation.to_be_bytes(), self.due_ms.to_be_bytes()].concat()
    }

    /// Reads [`TimerSetting::to_bytes`].
    ///
    /// # Errors
    /// [`StateError::Undecodable`] for other bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, StateError> {
        let (generation, due_ms) = bytes
            .split_first_chunk::<8>()
            .and_then(|(generation, rest)| Some((generation, rest.try_into().ok()?)))
            .ok_or_else(|| StateError::Undecodable("a timer".to_owned()))?;
        let generation = u64::from_be_bytes(*generation);
        Ok(Self { generation, due_ms: i64::from_be_bytes(due_ms) })
    }
}

/// The inputs that must be handled before timers may fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// Timers due until then are cleared, milliseconds since the epoch.
    pub until_ms: i64,
    /// The ends of the input topics at that time or later.
    pub ends: Vec<(Topic, Offset)>,
}

/// The timers of a shard that are set in its committed state.
#[derive(Debug, Default)]
pub struct TimerQueue {
    /// Sorted by due time, then id: the order in which they fire is the same on every machine.
    by_due: BTreeMap<(i64, Arc<str>), u64>,
    by_id: HashMap<Arc<str>, TimerSetting, RandomState>,
    barrier: Option<Barrier>,
    cleared_until_ms: Option<i64>,
}

impl TimerQueue {
    /// The timers that a store holds.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn of(store: &impl Store) -> Result<Self, StateError> {
        let mut queue = Self::default();
        let mut bad = None;
        store.visit(TIMERS, Start::First, &mut |id, value| {
            let parsed = std::str::from_utf8(id)
                .map_err(|_| StateError::Undecodable("the id of a timer".to_owned()))
                .and_then(|id| Ok((id, TimerSetting::parse(value)?)));
            match parsed {
                Ok((id, setting)) => queue.set(id, setting),
                Err(error) => {
                    bad = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        bad.map_or(Ok(queue), Err)
    }

    /// Takes over what a committed entry did.
    pub fn apply(&mut self, header: &EntryHeader) {
        if let Source::Timer { id, .. } = &header.source {
            self.remove(id);
        }
        for change in &header.timers {
            match change.due_ms {
                Some(due_ms) => {
                    let generation = change.generation;
                    self.set(&change.id, TimerSetting { generation, due_ms });
                }
                None => self.remove(&change.id),
            }
        }
    }

    fn set(&mut self, id: &str, setting: TimerSetting) {
        self.remove(id);
        let id: Arc<str> = id.into();
        self.by_due.insert((setting.due_ms, Arc::clone(&id)), setting.generation);
        self.by_id.insert(id, setting);
    }

    fn remove(&mut self, id: &str) {
        if let Some((id, setting)) = self.by_id.remove_entry(id) {
            self.by_due.remove(&(setting.due_ms, id));
        }
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// When the next timer is due, milliseconds since the epoch.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.by_due.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// Whether a timer may fire now.
    pub fn is_ready(&self) -> bool {
        let due = self.next_due_ms().zip(self.cleared_until_ms);
        due.is_some_and(|(due_ms, until_ms)| due_ms <= until_ms)
    }

    /// Whether a timer is due and no barrier stands yet.
    pub fn wants_barrier(&self, now_ms: i64) -> bool {
        self.barrier.is_none()
            && !self.is_ready()
            && self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// The barrier that stands.
    pub fn barrier(&self) -> Option<&Barrier> {
        self.barrier.as_ref()
    }

    /// Raises a barrier.
    pub fn raise(&mut self, barrier: Barrier) {
        self.barrier = Some(barrier);
    }

    /// The shard has come past the barrier.
    pub fn clear_barrier(&mut self) {
        if let Some(barrier) = self.barrier.take() {
            let until_ms = self.cleared_until_ms.unwrap_or(barrier.until_ms);
            self.cleared_until_ms = Some(until_ms.max(barrier.until_ms));
        }
    }

    /// The timers that may fire, at most so many. They stay in the queue until their entry is
    /// committed.
    pub fn ready(&self, at_most: usize) -> Vec<DueTimer> {
        let Some(until_ms) = self.cleared_until_ms else { return Vec::new() };
        self.by_due
            .iter()
            .take_while(|((due_ms, _), _)| *due_ms <= until_ms)
            .take(at_most)
            .map(|((due_ms, id), generation)| DueTimer {
                id: id.to_string(),
                generation: *generation,
                due_ms: *due_ms,
            })
            .collect()
    }
}

/// Watches that wall time runs like monotonic time.
#[derive(Debug)]
pub struct ClockGuard {
    /// Wall time minus monotonic time, milliseconds, as last believed.
    offset_ms: i64,
    suspended: bool,
}

impl ClockGuard {
    /// Believes the clock as it is now.
    pub fn new(wall_ms: i64, monotonic: Duration) -> Self {
        Self { offset_ms: wall_ms - millis(monotonic), suspended: false }
    }

    /// Whether timers are suspended, given the clock and the time of the newest entry. Logs an
    /// alarm when that changes.
    pub fn suspends(&mut self, wall_ms: i64, monotonic: Duration, newest_entry_ms: i64) -> bool {
        let offset_ms = wall_ms - millis(monotonic);
        let jump_ms = offset_ms - self.offset_ms;
        let ahead_ms = newest_entry_ms - wall_ms;
        let bound_ms = millis(MAX_CLOCK_JUMP);
        let suspended = jump_ms.abs() > bound_ms || ahead_ms > bound_ms;
        if jump_ms.abs() <= bound_ms {
            // Drift is followed; only a jump is not.
            self.offset_ms = offset_ms;
        }
        if suspended && !self.suspended {
            tracing::error!(
                jump_ms,
                entries_ahead_ms = ahead_ms,
                "The clock jumped: timers are suspended. Set it right; if it is, restart."
            );
        } else if self.suspended && !suspended {
            tracing::info!("The clock is believed again: timers go on.");
        }
        self.suspended = suspended;
        suspended
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(generation: u64, due_ms: i64) -> TimerSetting {
        TimerSetting { generation, due_ms }
    }

    fn due(id: &str, generation: u64, due_ms: i64) -> DueTimer {
        DueTimer { id: id.to_owned(), generation, due_ms }
    }

    #[test]
    fn a_setting_survives_its_bytes() {
        let bytes = setting(7, -3).to_bytes();
        assert_eq!(TimerSetting::parse(&bytes), Ok(setting(7, -3)));
        assert!(TimerSetting::parse(&bytes[1..]).is_err());
    }

    #[test]
    fn timers_fire_in_order_and_only_behind_a_barrier() {
        let mut queue = TimerQueue::default();
        queue.set("b", setting(1, 20));
        queue.set("a", setting(1, 20));
        queue.set("c", setting(1, 10));
        queue.set("d", setting(1, 99));
        assert!(!queue.wants_barrier(9));
        assert!(queue.wants_barrier(20));
        queue.raise(Barrier { until_ms: 20, ends: Vec::new() });
        assert!(!queue.wants_barrier(20) && !queue.is_ready());
        assert_eq!(queue.ready(9), []);
        queue.clear_barrier();
        assert!(queue.is_ready());
        assert_eq!(queue.ready(9), [due("c", 1, 10), due("a", 1, 20), due("b", 1, 20)]);
        assert_eq!(queue.ready(1), [due("c", 1, 10)]);
    }

    #[test]
    fn setting_again_replaces_and_cancelling_removes() {
        let mut queue = TimerQueue::default();
        queue.set("a", setting(1, 10));
        queue.set("a", setting(2, 30));
        assert_eq!((queue.next_due_ms(), queue.len()), (Some(30), 1));
        queue.remove("a");
        assert!(queue.is_empty() && queue.next_due_ms().is_none());
    }

    #[test]
    fn a_jump_suspends_and_drift_does_not() {
        let mut guard = ClockGuard::new(1_000_000, Duration::ZERO);
        // An hour of drift, a second at a time.
        for second in 1..=3600 {
            let monotonic = Duration::from_secs(second);
            let wall_ms = 1_000_000 + i64::try_from(second).expect("small") * 2_000;
            assert!(!guard.suspends(wall_ms, monotonic, wall_ms));
        }
        let (wall_ms, monotonic) = (1_000_000 + 7_200_000, Duration::from_hours(1));
        assert!(guard.suspends(wall_ms + 60_001, monotonic, 0));
        assert!(guard.suspends(wall_ms - 60_001, monotonic, 0));
        assert!(!guard.suspends(wall_ms, monotonic, wall_ms + 60_000));
        assert!(guard.suspends(wall_ms, monotonic, wall_ms + 60_001));
    }
}
