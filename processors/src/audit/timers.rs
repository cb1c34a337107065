//! Check `timers`: a timer fires as it was set, once, and not before it is due.
//!
//! A stale firing may stand in the journal as a replay, which changes nothing; an accepted one must
//! be of the current setting.

use std::collections::BTreeMap;

use schemas::entry::{Entry, Source, TimerChange, Verdict};
use schemas::{Position, Timestamp};

use super::Check;
use super::report::CheckResult;

pub(super) struct Timers {
    settings: BTreeMap<String, Setting>,
    result: CheckResult,
}

#[derive(Clone, Copy, Default)]
struct Setting {
    generation: i64,
    due: Option<Timestamp>,
    /// The latest generation that fired; 0 for none.
    fired: i64,
}

impl Timers {
    pub(super) fn new() -> Self {
        let meaning = "no timer fired twice, before it was due or otherwise than it was set, and \
                       its settings are numbered without gaps";
        Self { settings: BTreeMap::new(), result: CheckResult::new("timers", meaning) }
    }

    fn fired(&mut self, position: Position, entry: &Entry, id: &str, firing: Setting) {
        self.result.examine();
        if firing.due.is_some_and(|due| entry.at < due) {
            let detail = format!("timer {id} fired at {}, before it was due", entry.at);
            self.result.violated(position, detail);
        }
        let generation = firing.generation;
        let Some(setting) = self.settings.get_mut(id) else {
            self.result.violated(position, format!("timer {id} fired and was never set"));
            return;
        };
        if generation <= setting.fired {
            let detail =
                format!("timer {id} fired as {generation} after it had fired as {}", setting.fired);
            self.result.violated(position, detail);
        }
        let is_current = (setting.generation, setting.due) == (generation, firing.due);
        if entry.decision.verdict == Verdict::Accepted && !is_current {
            let detail = format!(
                "timer {id} fired as {generation}, its setting is {} due {:?}",
                setting.generation,
                setting.due.map(|due| due.to_string())
            );
            self.result.violated(position, detail);
        }
        setting.fired = generation.max(setting.fired);
    }

    fn changed(&mut self, position: Position, change: &TimerChange) {
        self.result.examine();
        let setting = self.settings.entry(change.timer_id.clone()).or_default();
        if Some(change.generation) != setting.generation.checked_add(1) {
            let detail = format!(
                "timer {} was set as {} after {}",
                change.timer_id, change.generation, setting.generation
            );
            self.result.violated(position, detail);
        }
        setting.generation = change.generation;
        setting.due = change.due;
    }
}

impl Check for Timers {
    fn observe(&mut self, position: Position, entry: &Entry) {
        if let Source::Timer { timer_id, generation, due } = &entry.source {
            let firing = Setting { generation: *generation, due: Some(*due), fired: 0 };
            self.fired(position, entry, timer_id, firing);
        }
        for change in &entry.timers {
            self.changed(position, change);
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
