//! What became of the payments of a run, by what the journal says: the judge of the load run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::entry::Verdict;
use uuid::Uuid;

use super::journal_watch::Watcher;
use super::latency::{Latencies, microseconds};
use super::live::Live;
use super::sighting::{Sighting, Step};
use super::tag::{RunId, Tag};

/// How often the latency of the last while is published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What the journal says of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Seen {
    /// Nothing.
    #[default]
    Nothing,
    /// It exists and has not ended.
    Open,
    /// It completed.
    Completed,
    /// It failed, or its command was refused.
    Refused,
}

/// Follows the payments of one run through the journal.
pub(super) struct Tally {
    run: RunId,
    start: Instant,
    warm_up_us: u64,
    live: Arc<Live>,
    open: HashMap<Uuid, Tag>,
    /// By number of the payment.
    pub seen: Vec<Seen>,
    /// From due to the entry of the command; of those that count.
    pub decision: Latencies,
    /// From due to the end of the payment; of those that count.
    pub terminal: Latencies,
    /// How many that count ended in which refusal.
    pub refused: BTreeMap<String, u64>,
    last_second: Latencies,
    published_at: Instant,
}

impl Tally {
    /// Of the run that starts at `start`; what is due before `warm_up` is over does not count.
    pub(super) fn new(run: RunId, start: Instant, warm_up: Duration, live: Arc<Live>) -> Self {
        Self {
            run,
            start,
            warm_up_us: microseconds(warm_up),
            live,
            open: HashMap::new(),
            seen: Vec::new(),
            decision: Latencies::none(),
            terminal: Latencies::none(),
            refused: BTreeMap::new(),
            last_second: Latencies::none(),
            published_at: start,
        }
    }

    fn counts(&self, tag: Tag) -> bool {
        tag.at_us >= self.warm_up_us
    }

    fn latency_us(&self, tag: Tag, at: Instant) -> u64 {
        microseconds(at.saturating_duration_since(self.start)).saturating_sub(tag.at_us)
    }

    fn seen_of(&self, tag: Tag) -> Seen {
        self.seen.get(index_of(tag)).copied().unwrap_or_default()
    }

    fn mark(&mut self, tag: Tag, seen: Seen) {
        let index = index_of(tag);
        if self.seen.len() <= index {
            self.seen.resize(index + 1, Seen::Nothing);
        }
        self.seen[index] = seen;
    }

    /// The client library may send a command twice: only the first decision counts.
    fn decided(&mut self, tag: Tag, sighting: &Sighting<'_>, at: Instant) {
        if self.seen_of(tag) != Seen::Nothing {
            return;
        }
        self.live.note_decided();
        if self.counts(tag) {
            self.decision.record(self.latency_us(tag, at));
        }
        if sighting.decision.verdict == Verdict::Refused {
            self.ended(tag, Some(sighting.decision.code), at);
        } else {
            self.mark(tag, Seen::Open);
        }
    }

    fn ended(&mut self, tag: Tag, refusal: Option<&str>, at: Instant) {
        let latency = self.latency_us(tag, at);
        self.last_second.record(latency);
        if self.counts(tag) {
            self.terminal.record(latency);
        }
        let Some(code) = refusal else {
            self.live.note_completed();
            return self.mark(tag, Seen::Completed);
        };
        self.live.note_refused();
        if self.counts(tag) {
            match self.refused.get_mut(code) {
                Some(count) => *count += 1,
                None => {
                    self.refused.insert(code.to_owned(), 1);
                }
            }
        }
        self.mark(tag, Seen::Refused);
    }

    fn end_of(&mut self, payment_id: &str) -> Option<Tag> {
        let id = Uuid::try_parse(payment_id).ok()?;
        self.open.remove(&id)
    }
}

fn index_of(tag: Tag) -> usize {
    usize::try_from(tag.number).expect("a 32-bit number is an index")
}

impl Watcher for Tally {
    fn see(&mut self, sighting: &Sighting<'_>, at: Instant) {
        let tag = sighting.command_key().and_then(|key| self.run.tag(key));
        if let Some(tag) = tag {
            self.decided(tag, sighting, at);
        }
        for step in sighting.steps() {
            match step {
                Step::Requested(payment_id) => {
                    if let (Some(tag), Ok(id)) = (tag, Uuid::try_parse(payment_id)) {
                        self.open.insert(id, tag);
                    }
                }
                Step::Completed(payment_id) => {
                    if let Some(tag) = self.end_of(payment_id) {
                        self.ended(tag, None, at);
                    }
                }
                Step::Failed(payment_id, code) => {
                    if let Some(tag) = self.end_of(payment_id) {
                        self.ended(tag, Some(code), at);
                    }
                }
            }
        }
        if at.saturating_duration_since(self.published_at) >= PUBLISH_EVERY {
            self.live.note_p95(self.last_second.p95_us());
            self.last_second.clear();
            self.published_at = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::ErrorCode;
    use schemas::entry::Decision;

    use super::super::sighting::tests::{command, entry};
    use super::*;

    #[test]
    fn a_command_that_was_sent_twice_counts_once() {
        let (start, live) = (Instant::now(), Arc::new(Live::default()));
        let run = RunId::random();
        let mut tally = Tally::new(run, start, Duration::ZERO, Arc::clone(&live));
        let key = |number: u32| run.key(Tag { number, at_us: 5 });
        let poor = || Decision::refused(ErrorCode::InsufficientFunds.code(), "too poor");
        let entries = [
            entry(command(&key(0)), Decision::accepted(), vec![]),
            entry(command(&key(0)), Decision::replayed(), vec![]),
            entry(command(&key(1)), poor(), vec![]),
            entry(command(&key(1)), poor(), vec![]),
        ];
        for value in &entries {
            let sighting = Sighting::of(Some(value)).expect("our schema");
            tally.see(&sighting, start);
        }
        assert_eq!(tally.seen, [Seen::Open, Seen::Refused]);
        assert_eq!(tally.refused, BTreeMap::from([("insufficient_funds".to_owned(), 1)]));
        let counts = live.counts();
        assert_eq!((counts.decided, counts.refused, counts.completed), (2, 1, 0));
        tally.mark(Tag { number: 0, at_us: 5 }, Seen::Completed);
        let copy = entry(command(&key(0)), Decision::replayed(), vec![]);
        tally.see(&Sighting::of(Some(&copy)).expect("our schema"), start);
        assert_eq!(tally.seen[0], Seen::Completed, "it is not open again");
    }
}
