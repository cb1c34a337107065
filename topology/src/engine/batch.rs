//! One batch: decided, appended, committed, confirmed on the owner's own tail, stored.
//!
//! The order is fixed: only when the owner's `read_committed` tail has shown the entries, byte for
//! byte, does the store learn of the batch; only then does the next one begin. A commit that was
//! silently aborted or torn is so seen before anything builds on it, and an aborted batch is
//! decided again from the committed head.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use schemas::{Offset, Position, Topic};

use super::application::{Application, DueTimer, EntryRecord, InputRecord, Origin, Record, Source};
use super::chain::ChainLink;
use super::clock::Clock;
use super::decision::{Draft, KeepsEntries, Made, MadeEntry, decide};
use super::failure::{Setback, ShardError};
use super::feed::Confirmed;
use super::fold::input_index;
use super::follower::Tailed;
use super::log::{Log, LogError, LogRecord};
use super::shard::{Running, Shard};
use super::status::Phase;
use super::store::Store;
use crate::crash_window::{CrashWindow, pass, pass_alongside};

/// A batch that was aborted so often in a row is not decided again before the shard was taken over.
const MAX_ABORTS: u32 = 3;
/// How long the owner waits for its own tail. It takes 3 ms; the broker's transaction time-out of
/// 10 s must have passed before nothing can change any more.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(12);
/// One wait within that.
const CONFIRM_WAIT: Duration = Duration::from_millis(100);
/// While records come, the place of the own tail is asked for after so many.
const ASK_POSITION_EVERY: u32 = 1024;

/// What was committed, and where the last entry of it must be.
struct Proposed<E> {
    made: Made<E>,
    records: Vec<EntryRecord>,
    last: Offset,
}

/// One input of a batch.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) item: Item,
    /// Why it could not be handled as what it is.
    pub(super) poison: Option<String>,
}

/// Where the broker put an entry, and when.
struct Place {
    offset: Offset,
    timestamp_ms: i64,
}

#[derive(Debug)]
pub(super) enum Item {
    Record(InputRecord),
    Timer(DueTimer),
}

impl Work {
    fn new(item: Item) -> Self {
        Self { item, poison: None }
    }

    pub(super) fn origin(&self) -> Origin<'_> {
        match &self.item {
            Item::Record(record) => Origin::Record(record),
            Item::Timer(timer) => Origin::Timer(timer),
        }
    }

    pub(super) fn source(&self) -> Source {
        match &self.item {
            Item::Record(InputRecord { topic, partition, offset, .. }) => {
                Source::Input { topic: *topic, partition: *partition, offset: *offset }
            }
            Item::Timer(timer) => Source::Timer {
                id: timer.id.clone(),
                generation: timer.generation,
                due_ms: timer.due_ms,
            },
        }
    }
}

impl<A: Application, L: Log, S: Store, C: Clock> Shard<A, L, S, C> {
    /// Handles a batch, however many Kafka transactions that takes. Gives the number of entries.
    pub(super) async fn handle(
        &mut self,
        running: &mut Running,
        records: Vec<InputRecord>,
        timers: Vec<DueTimer>,
    ) -> Result<usize, Setback> {
        let records = records.into_iter().map(Item::Record);
        let works = records.chain(timers.into_iter().map(Item::Timer)).map(Work::new).collect();
        let mut batches: VecDeque<Vec<Work>> = VecDeque::from([works]);
        let (mut entries, mut aborts) = (0, 0);
        while let Some(mut works) = batches.pop_front() {
            match self.attempt(running, &mut works).await {
                Ok(handled) => {
                    entries += handled;
                    aborts = 0;
                }
                Err(Setback::Aborted(reason)) => {
                    aborts += 1;
                    self.status.count_abort();
                    tracing::warn!(shard = %self.parts.partition, reason, "A batch is aborted.");
                    if aborts > MAX_ABORTS {
                        return Err(Setback::Rebuild(reason));
                    }
                    batches.push_front(works);
                }
                Err(Setback::Refused(reason)) => {
                    self.status.count_abort();
                    for works in isolate(works, reason)?.into_iter().rev() {
                        batches.push_front(works);
                    }
                }
                Err(setback) => return Err(setback),
            }
        }
        Ok(entries)
    }

    /// One Kafka transaction for one batch.
    async fn attempt(
        &mut self,
        running: &mut Running,
        works: &mut Vec<Work>,
    ) -> Result<usize, Setback> {
        let inputs = self.decode(running, works);
        if works.is_empty() {
            return Ok(0);
        }
        let outcome = self.propose(running, works, inputs).await;
        if let Err(Setback::Aborted(_) | Setback::Refused(_)) = &outcome {
            self.abort().await?;
        }
        let Some(Proposed { mut made, records, last }) = outcome? else { return Ok(0) };
        let entries = made.headers.len();
        let before = ChainLink { seq: running.head.seq, hash: running.head.hash };
        let kept = std::mem::take(&mut made.entries);
        let mut since = self.parts.clock.monotonic();
        pass(CrashWindow::AfterCommit);
        let places = self.confirm(running, records, last).await?;
        self.status.end_phase(Phase::Confirm, &mut since, self.parts.clock.monotonic());
        // They are in the log for good: whoever follows need not wait for the store.
        self.hand_out(before, kept, &places)?;
        pass(CrashWindow::BeforeStore);
        self.adopt(running, made, last)?;
        pass(CrashWindow::AfterBatch);
        self.status.end_phase(Phase::Store, &mut since, self.parts.clock.monotonic());
        self.status.count_transaction(entries);
        Ok(entries)
    }

    /// Hands confirmed entries to the followers of this process.
    fn hand_out(
        &mut self,
        before: ChainLink,
        kept: Vec<MadeEntry<A::Entry>>,
        places: &[Place],
    ) -> Result<(), Setback> {
        if kept.is_empty() {
            return Ok(());
        }
        let partition = self.parts.partition;
        let tailed = |(made, place): (MadeEntry<A::Entry>, &Place)| {
            let MadeEntry { key, entry, link: ChainLink { seq, hash }, trace } = made;
            let position = Position { partition, offset: place.offset };
            let timestamp_ms = place.timestamp_ms;
            Arc::new(Tailed { position, key: Some(key), entry, seq, hash, timestamp_ms, trace })
        };
        let entries = kept.into_iter().zip(places).map(tailed).collect();
        let reached = self.parts.log.position(Topic::Journal)?;
        self.parts.feed.offer(Confirmed { partition, before, entries, reached });
        Ok(())
    }

    /// An abort that is not possible leaves nothing but taking over.
    async fn abort(&mut self) -> Result<(), Setback> {
        self.parts.log.abort().await.map_err(|error| match error {
            LogError::Fenced(reason) => Setback::Fenced(reason),
            other => Setback::Rebuild(other.to_string()),
        })
    }

    /// Decodes a batch. Drops what was handled before, and puts back what waits for the registry.
    fn decode(&self, running: &mut Running, works: &mut Vec<Work>) -> Vec<A::Input> {
        let application = &*self.parts.application;
        let mut inputs = Vec::with_capacity(works.len());
        let mut kept = Vec::with_capacity(works.len());
        let mut waiting: [Vec<InputRecord>; Topic::INPUTS.len()] = Default::default();
        for work in works.drain(..) {
            let Work { item, poison } = work;
            let input = match (&item, &poison) {
                (Item::Record(record), _)
                    if record.offset < running.positions.next(record.topic) =>
                {
                    continue;
                }
                // A record of this topic before it waits again since its batch was split.
                (Item::Record(record), _)
                    if running.intake.holds_below(record.topic, record.offset) =>
                {
                    Err(input_index(record.topic).unwrap_or_default())
                }
                (Item::Record(record), Some(reason)) => {
                    Ok(application.poisoned(Origin::Record(record), reason))
                }
                (Item::Timer(timer), Some(reason)) => {
                    Ok(application.poisoned(Origin::Timer(timer), reason))
                }
                (Item::Timer(timer), None) => Ok(application.timer(timer)),
                (Item::Record(record), None) => {
                    // Decoded even when one before it waits: every look-up of a batch begins now.
                    let index = input_index(record.topic).unwrap_or_default();
                    let is_first = waiting[index].is_empty();
                    match application.decode(record) {
                        Ok(input) if is_first => Ok(input),
                        Ok(_) => Err(index),
                        Err(wait) => {
                            if is_first {
                                let (shard, topic) = (self.parts.partition, record.topic);
                                let reason = wait.reason;
                                tracing::warn!(%shard, %topic, reason, "An input waits.");
                            }
                            Err(index)
                        }
                    }
                }
            };
            match (input, item) {
                (Ok(input), item) => {
                    inputs.push(input);
                    kept.push(Work { item, poison });
                }
                (Err(index), Item::Record(record)) => waiting[index].push(record),
                (Err(_), Item::Timer(_)) => {}
            }
        }
        let now = self.parts.clock.monotonic();
        for (records, topic) in waiting.into_iter().zip(Topic::INPUTS) {
            if !records.is_empty() {
                running.intake.put_back(topic, records, now);
            }
        }
        *works = kept;
        inputs
    }

    /// Decides a batch, then writes and commits it in one Kafka transaction. `None` when nothing
    /// was decided; then none was begun.
    async fn propose(
        &mut self,
        running: &Running,
        works: &mut [Work],
        inputs: Vec<A::Input>,
    ) -> Result<Option<Proposed<A::Entry>>, Setback> {
        let mut since = self.parts.clock.monotonic();
        let (made, records) = self.decide(running, works, inputs)?;
        let parts = &mut self.parts;
        self.status.end_phase(Phase::Decide, &mut since, parts.clock.monotonic());
        if records.is_empty() {
            return Ok(None);
        }
        pass(CrashWindow::BeforeBegin);
        parts.log.begin().await?;
        pass(CrashWindow::AfterBegin);
        let next = next_positions(works);
        if !next.is_empty() {
            parts.log.send_offsets(&next).await?;
            pass(CrashWindow::AfterPositions);
        }
        self.status.end_phase(Phase::Begin, &mut since, parts.clock.monotonic());
        // All at once: the client sends what it is given together in one request.
        for record in &records {
            parts.log.append(record).await?;
            pass(CrashWindow::MidProduce);
        }
        let last = parts.log.commit().await?;
        self.status.end_phase(Phase::Commit, &mut since, parts.clock.monotonic());
        Ok(Some(Proposed { made, records, last }))
    }

    /// Decides the inputs of a batch one after the other, each on the state after the one before.
    fn decide(
        &self,
        running: &Running,
        works: &mut [Work],
        inputs: Vec<A::Input>,
    ) -> Result<(Made<A::Entry>, Vec<EntryRecord>), Setback> {
        let parts = &self.parts;
        let keeps_entries =
            if parts.feed.is_wanted() { KeepsEntries::Yes } else { KeepsEntries::No };
        let at_ms = parts.clock.wall_ms().max(running.head.at_ms);
        let mut made = Made::after(running.head, running.positions, at_ms);
        let mut records = Vec::with_capacity(works.len());
        for (work, input) in works.iter_mut().zip(inputs) {
            let mut draft = Draft {
                application: &*parts.application,
                store: &parts.store,
                partition: parts.partition,
                made: &mut made,
                keeps_entries,
            };
            let poisoned_before = work.poison.is_some();
            records.extend(decide(&mut draft, work, input)?);
            if work.poison.is_some() && !poisoned_before {
                self.status.count_poisoned();
            }
        }
        Ok((made, records))
    }

    /// Waits until the owner's own tail has shown all entries of the batch, byte for byte, and none
    /// between them: that is what their hashes say, for less. Inputs that arrive meanwhile are kept
    /// for the next batch. Gives the places of the entries.
    async fn confirm(
        &mut self,
        running: &mut Running,
        records: Vec<EntryRecord>,
        last: Offset,
    ) -> Result<Vec<Place>, Setback> {
        let (mut places, mut polled) = (Vec::with_capacity(records.len()), 0_u32);
        let deadline = self.parts.clock.monotonic() + CONFIRM_TIMEOUT;
        while let Some(expected) = records.get(places.len()) {
            if self.parts.clock.monotonic() >= deadline {
                return Err(Setback::Rebuild("a commit does not show in the journal".to_owned()));
            }
            let mut is_due = false;
            match self.parts.log.poll(CONFIRM_WAIT).await {
                Ok(Some(LogRecord::Input(record))) => {
                    running.intake.push(record);
                    self.steer(running)?;
                }
                Ok(Some(LogRecord::Journal(journal))) => {
                    let offset = journal.position.offset;
                    let Record { timestamp_ms, key, value, .. } = journal.record;
                    if key.as_ref() != Some(&expected.key)
                        || value.as_ref() != Some(&expected.value)
                        || offset > last
                    {
                        return Err(Setback::Rebuild(format!(
                            "the journal shows another entry at {offset} than was committed"
                        )));
                    }
                    places.push(Place { offset, timestamp_ms });
                }
                Ok(None) | Err(LogError::Retry(_)) => is_due = true,
                Err(error) => return Err(error.into()),
            }
            polled += 1;
            // An aborted Kafka transaction leaves no records, only a place behind them. Asking for
            // it is a call to another thread.
            if (is_due || polled % ASK_POSITION_EVERY == 0)
                && places.len() < records.len()
                && self.parts.log.position(Topic::Journal)? > last
            {
                return Err(Setback::Rebuild(format!(
                    "the journal shows {} of {} entries that were committed",
                    places.len(),
                    records.len()
                )));
            }
        }
        Ok(places)
    }

    /// One batch into the store: state, timers, positions and head; then memory follows.
    fn adopt(
        &mut self,
        running: &mut Running,
        made: Made<A::Entry>,
        last: Offset,
    ) -> Result<(), Setback> {
        let Made { mut changes, mut head, positions, headers, .. } = made;
        head.applied = Some(last);
        head.put(&mut changes);
        positions.put(&mut changes);
        pass_alongside(CrashWindow::StoreUnderWay);
        self.parts.store.write(changes)?;
        pass(CrashWindow::AfterStore);
        for header in &headers {
            running.timers.apply(header);
        }
        running.head = head;
        running.positions = positions;
        self.status.set_head(&head);
        self.status.set_timers(running.timers.len());
        if self.failures > 0 {
            self.failures = 0;
            self.store_resets = 0;
            self.status.set_error(None);
        }
        Ok(())
    }
}

/// After the log refused an entry: every input alone, so that the one at fault is found; one that
/// is alone already is poison.
fn isolate(mut works: Vec<Work>, reason: String) -> Result<Vec<Vec<Work>>, Setback> {
    if let [work] = &mut works[..] {
        if work.poison.is_some() {
            let origin = work.source();
            return Err(ShardError::PoisonRepeated { origin, reason }.into());
        }
        work.poison = Some(reason);
        return Ok(vec![works]);
    }
    Ok(works.into_iter().map(|work| vec![work]).collect())
}

/// For each topic of a batch, the offset after its last record.
fn next_positions(works: &[Work]) -> Vec<(Topic, Offset)> {
    let mut next = [None; Topic::INPUTS.len()];
    for work in works {
        if let Item::Record(record) = &work.item
            && let Some(index) = input_index(record.topic)
        {
            next[index] = Some(record.offset.next());
        }
    }
    Topic::INPUTS.into_iter().zip(next).filter_map(|(topic, next)| Some((topic, next?))).collect()
}
