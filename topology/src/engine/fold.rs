//! How an entry changes what the engine itself keeps: positions, timers, and through `evolve` the
//! application's state. Live decisions, restores and replays all come through [`fold`], so they
//! cannot differ.

use schemas::{Offset, Topic};

use super::application::{Application, EntryHeader, Source, StateError, WriteState};
use super::overlay::{Changes, Overlay};
use super::store::{POSITIONS, Store, TIMERS};
use super::timers::TimerSetting;

/// The next offset of each input topic, folded from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Positions {
    next: [Offset; Topic::INPUTS.len()],
}

impl Positions {
    /// The positions that a store holds.
    ///
    /// # Errors
    /// [`StateError`] when they cannot be read.
    pub fn of(store: &impl Store) -> Result<Self, StateError> {
        let mut positions = Self::default();
        for (slot, topic) in positions.next.iter_mut().zip(Topic::INPUTS) {
            if let Some(value) = store.get(POSITIONS, topic.label().as_bytes())? {
                *slot = parse_offset(&value)
                    .ok_or_else(|| StateError::Undecodable(format!("the position of {topic}")))?;
            }
        }
        Ok(positions)
    }

    /// The next offset to handle of an input topic.
    pub fn next(&self, topic: Topic) -> Offset {
        input_index(topic).map_or(Offset::ZERO, |index| self.next[index])
    }

    /// Marks the record at this offset as handled.
    pub fn advance(&mut self, topic: Topic, handled: Offset) {
        if let Some(index) = input_index(topic) {
            self.next[index] = handled.next();
        }
    }

    /// Adds them to the changes of their own batch.
    pub fn put(&self, changes: &mut Changes) {
        for (topic, next) in self.iter().filter(|(_, next)| *next > Offset::ZERO) {
            changes.put(POSITIONS, topic.label().as_bytes(), next.number().to_be_bytes().to_vec());
        }
    }

    /// Every input topic with its next offset.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, Offset)> + '_ {
        Topic::INPUTS.into_iter().zip(self.next)
    }
}

/// Where a topic stands among the inputs; `None` for the others.
pub fn input_index(topic: Topic) -> Option<usize> {
    Topic::INPUTS.iter().position(|&input| input == topic)
}

fn parse_offset(value: &[u8]) -> Option<Offset> {
    Offset::new(i64::from_be_bytes(value.try_into().ok()?))
}

/// Applies one entry to the state, and accepts what it changed. On an error nothing is accepted;
/// the caller discards the entry.
///
/// # Errors
/// [`StateError::Contradiction`] when the entry handles an input a second time or asserts what the
/// state does not show, others when the store fails.
pub fn fold<A: Application, S: Store>(
    application: &A,
    overlay: &mut Overlay<'_, S>,
    positions: &mut Positions,
    (header, entry): (&EntryHeader, &A::Entry),
) -> Result<(), StateError> {
    application.evolve(overlay, entry)?;
    match &header.source {
        Source::Input { topic, offset, .. } => {
            if input_index(*topic).is_none() {
                return Err(StateError::Contradiction(format!("{topic} is no input")));
            }
            if *offset < positions.next(*topic) {
                return Err(StateError::Contradiction(format!(
                    "{topic} {offset} was handled before"
                )));
            }
        }
        Source::Timer { id, .. } => overlay.delete(TIMERS, id.as_bytes()),
    }
    for change in &header.timers {
        match change.due_ms {
            Some(due_ms) => {
                let setting = TimerSetting { generation: change.generation, due_ms };
                overlay.put(TIMERS, change.id.as_bytes(), setting.to_bytes());
            }
            None => overlay.delete(TIMERS, change.id.as_bytes()),
        }
    }
    overlay.accept();
    if let Source::Input { topic, offset, .. } = header.source {
        positions.advance(topic, offset);
    }
    Ok(())
}
