//! A shard: partition i of every ledger topic, handled by one loop.
//!
//! The loop is one `async fn` over the ports [`Log`], [`Store`] and [`Clock`], used as a coroutine:
//! production drives it on its own OS thread, the test driver step by step. It takes the shard
//! over, restores the store, and then turns: gather inputs, decide and commit a batch, confirm it
//! on its own tail, write the store. Whatever fails leads back to taking over; nothing continues
//! from memory. The states are drawn at [`ShardState`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemas::{Offset, Partition, Topic, TopicName};

use super::application::Application;
use super::clock::Clock;
use super::failure::{Setback, ShardError};
use super::feed::Feed;
use super::fold::Positions;
use super::governor::Governor;
use super::intake::{Flow, Intake};
use super::log::{Isolation, Log, LogError, LogRecord};
use super::status::{ShardState, ShardStatus};
use super::store::{Head, Store};
use super::timers::{Barrier, ClockGuard, TimerQueue};

/// How long the loop waits for an input when nothing else is to be done: a request to stop is
/// noticed that fast.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// The same while due timers wait for inputs to be drained.
const BARRIER_WAIT: Duration = Duration::from_millis(20);
/// Due timers in one batch, beside its inputs: a flood of them must not keep inputs waiting.
const MAX_BATCH_TIMERS: usize = 64;
/// How often a shard that has written nothing asks whether it is still the owner, and the lag is
/// read: each costs a request or two. Between two owners who are both idle the shard changes hands
/// at this pace, so that [`MAX_FENCES`] come within their window with time to spare.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Inputs that are there and do not come for so long: the client has lost its way to the broker
/// without saying so.
const STALL: Duration = Duration::from_secs(20);

/// The first wait before taking over again, and the longest; it doubles in between.
const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);
/// So many takeovers by somebody else within this time are a rival, not a hiccup of the broker.
const MAX_FENCES: usize = 3;
const FENCE_WINDOW: Duration = Duration::from_mins(1);
/// A store that is rebuilt and found wrong again so often in a row is not the problem.
const MAX_STORE_RESETS: u32 = 3;

/// A request to stop, shared by everybody who must hear it.
#[derive(Debug, Default)]
pub struct StopSignal(AtomicBool);

impl StopSignal {
    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a shard is made of.
pub struct ShardParts<A: Application, L, S, C> {
    /// The product.
    pub application: Arc<A>,
    /// The log, as this shard sees it.
    pub log: L,
    /// Its store.
    pub store: S,
    /// Time. Shards that share a governor share the origin of monotonic time.
    pub clock: C,
    /// Paces the commits of the process.
    pub governor: Arc<Governor>,
    /// The journal's name: part of the genesis hash.
    pub journal: TopicName,
    /// Which shard.
    pub partition: Partition,
    /// Ends the loop.
    pub stop: Arc<StopSignal>,
    /// To the followers of this process.
    pub feed: Feed<A::Entry>,
}

/// What one step of the loop did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The shard was taken over and its store restored.
    TookOver,
    /// A batch became so many entries.
    Handled(usize),
    /// Nothing was decided.
    Idle,
    /// Something failed; the next step takes over again.
    FellBack,
}

/// A shard.
pub struct Shard<A: Application, L, S, C> {
    pub(super) parts: ShardParts<A, L, S, C>,
    pub(super) status: Arc<ShardStatus>,
    /// What is true while RUNNING. Gone with any failure.
    running: Option<Running>,
    clock_guard: ClockGuard,
    /// When somebody else took over, on the monotonic clock.
    fences: VecDeque<Duration>,
    /// Failures since the last batch that was handled.
    pub(super) failures: u32,
    pub(super) store_resets: u32,
    looked_at: Option<Duration>,
}

/// What a running shard remembers of its committed state, and what it has polled.
pub(super) struct Running {
    pub(super) head: Head,
    pub(super) positions: Positions,
    pub(super) timers: TimerQueue,
    pub(super) timers_suspended: bool,
    pub(super) intake: Intake,
    /// When the governor lets the next Kafka transaction begin.
    pub(super) slot: Option<Duration>,
    /// Since when inputs are there and reading stands at these places.
    pub(super) stall: Option<(Duration, Vec<Offset>)>,
    /// The log has taken something from this owner since the last look.
    pub(super) has_written: bool,
}

impl<A: Application, L: Log, S: Store, C: Clock> Shard<A, L, S, C> {
    /// A shard that has done nothing yet.
    pub fn new(parts: ShardParts<A, L, S, C>) -> Self {
        let clock_guard = ClockGuard::new(parts.clock.wall_ms(), parts.clock.monotonic());
        Self {
            status: Arc::new(ShardStatus::new(parts.partition)),
            parts,
            running: None,
            clock_guard,
            fences: VecDeque::new(),
            failures: 0,
            store_resets: 0,
            looked_at: None,
        }
    }

    /// What the shard says about itself.
    pub fn status(&self) -> Arc<ShardStatus> {
        Arc::clone(&self.status)
    }

    /// Its store. Holds committed data only.
    pub fn store(&self) -> &S {
        &self.parts.store
    }

    /// Runs until asked to stop.
    ///
    /// # Errors
    /// [`ShardError`] when the shard must not go on.
    pub async fn run(mut self) -> Result<(), ShardError> {
        while !self.parts.stop.is_raised() {
            self.step().await?;
        }
        self.status.enter(ShardState::Closed);
        Ok(())
    }

    /// One step of the loop: takes over, or turns once.
    ///
    /// # Errors
    /// [`ShardError`] when the shard must not go on.
    pub async fn step(&mut self) -> Result<Step, ShardError> {
        let outcome = match self.running.take() {
            None => self.take_over().await.map(|running| (Step::TookOver, running)),
            Some(mut running) => self.turn(&mut running).await.map(|step| (step, running)),
        };
        match outcome {
            Ok((step, running)) => {
                self.running = Some(running);
                Ok(step)
            }
            Err(setback) => self.fall_back(setback).await,
        }
    }

    /// Gathers a batch and handles it.
    async fn turn(&mut self, running: &mut Running) -> Result<Step, Setback> {
        self.look_after_timers(running).await?;
        self.gather(running).await?;
        let now = self.parts.clock.monotonic();
        let records = running.intake.take(now);
        let timers = if running.timers_suspended {
            Vec::new()
        } else {
            running.timers.ready(MAX_BATCH_TIMERS)
        };
        self.status.set_inputs_waiting(running.intake.waits_any(now));
        self.steer(running)?;
        let step = if records.is_empty() && timers.is_empty() {
            Step::Idle
        } else {
            running.slot = None;
            match self.handle(running, records, timers).await? {
                0 => Step::Idle,
                entries => {
                    running.has_written = true;
                    Step::Handled(entries)
                }
            }
        };
        self.look(running).await?;
        Ok(step)
    }

    /// Polls until a batch is full, or there is something and its slot has come, or idle time is
    /// up.
    async fn gather(&mut self, running: &mut Running) -> Result<(), Setback> {
        let idle_until = self.parts.clock.monotonic() + self.idle_wait(running);
        loop {
            let now = self.parts.clock.monotonic();
            if running.intake.is_full(now) {
                return Ok(());
            }
            let timers_ready = running.timers.is_ready() && !running.timers_suspended;
            let until = if timers_ready || running.intake.has_work(now) {
                *running.slot.get_or_insert_with(|| self.parts.governor.reserve(now))
            } else {
                idle_until
            };
            let wait = until.saturating_sub(now);
            match self.parts.log.poll(wait).await {
                Ok(Some(LogRecord::Input(record))) => {
                    running.intake.push(record);
                    self.steer(running)?;
                }
                Ok(Some(LogRecord::Journal(record))) => {
                    let place = record.position;
                    return Err(Setback::Fenced(format!("{place} was written by somebody else")));
                }
                Ok(None) if wait.is_zero() => return Ok(()),
                Ok(None) => {}
                Err(LogError::Retry(reason)) => {
                    tracing::debug!(shard = %self.parts.partition, reason, "Polling failed.");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn idle_wait(&self, running: &Running) -> Duration {
        let due_ms = running.timers.next_due_ms().filter(|_| !running.timers_suspended);
        let Some(due_ms) = due_ms else { return IDLE_WAIT };
        match u64::try_from(due_ms - self.parts.clock.wall_ms()) {
            Ok(left_ms) if left_ms > 0 => IDLE_WAIT.min(Duration::from_millis(left_ms)),
            _ => BARRIER_WAIT,
        }
    }

    /// Pauses and resumes topics, so that what is held stays bounded.
    pub(super) fn steer(&mut self, running: &mut Running) -> Result<(), Setback> {
        while let Some(flow) = running.intake.flow() {
            match flow {
                Flow::Pause(topic) => self.parts.log.pause(topic)?,
                Flow::Resume(topic) => self.parts.log.resume(topic)?,
            }
        }
        Ok(())
    }

    /// Watches the clock, raises a barrier for due timers, and clears it when it is passed.
    async fn look_after_timers(&mut self, running: &mut Running) -> Result<(), Setback> {
        let (wall_ms, now) = (self.parts.clock.wall_ms(), self.parts.clock.monotonic());
        running.timers_suspended = self.clock_guard.suspends(wall_ms, now, running.head.at_ms);
        self.status.set_turned(wall_ms);
        self.status.set_timers_suspended(running.timers_suspended);
        self.status.set_timers(running.timers.len());
        if running.timers_suspended {
            return Ok(());
        }
        if running.timers.wants_barrier(wall_ms) {
            let inputs = &Topic::INPUTS;
            let ends = match self.parts.log.end_offsets(inputs, Isolation::ReadCommitted).await {
                Ok(ends) => inputs.iter().copied().zip(ends).collect(),
                Err(LogError::Retry(reason)) => {
                    tracing::warn!(shard = %self.parts.partition, reason, "Timers wait.");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            running.timers.raise(Barrier { until_ms: wall_ms, ends });
        }
        if self.is_past_barrier(running, now)? {
            running.timers.clear_barrier();
        }
        Ok(())
    }

    fn is_past_barrier(&mut self, running: &Running, now: Duration) -> Result<bool, Setback> {
        let Some(barrier) = running.timers.barrier() else { return Ok(false) };
        for &(topic, end) in &barrier.ends {
            let handled = running.positions.next(topic) >= end
                || running.intake.waits(topic, now)
                || (!running.intake.holds_below(topic, end)
                    && self.parts.log.position(topic)? >= end);
            if !handled {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Now and then: is this still the owner, and how far behind? Only for the lag may the broker
    /// owe the answer.
    async fn look(&mut self, running: &mut Running) -> Result<(), Setback> {
        let now = self.parts.clock.monotonic();
        if self.looked_at.is_some_and(|at| now < at + LOOK_EVERY) {
            return Ok(());
        }
        self.looked_at = Some(now);
        if !std::mem::take(&mut running.has_written) {
            let next: Vec<_> = running.positions.iter().collect();
            self.parts.log.prove(&next).await?;
            self.failures = 0;
            self.status.set_error(None);
        }
        match self.parts.log.end_offsets(&Topic::INPUTS, Isolation::ReadCommitted).await {
            Ok(ends) => {
                self.watch_for_a_stall(running, &ends, now)?;
                let lags = running.positions.iter().zip(ends).map(|((_, next), end)| {
                    u64::try_from(end.number() - next.number()).unwrap_or_default()
                });
                self.status.set_lags(lags);
                Ok(())
            }
            Err(LogError::Retry(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A client may go on without a leader for ever: new ones are made by taking over again.
    fn watch_for_a_stall(
        &mut self,
        running: &mut Running,
        ends: &[Offset],
        now: Duration,
    ) -> Result<(), Setback> {
        let mut places = Vec::with_capacity(ends.len());
        let mut is_behind = false;
        for (topic, end) in Topic::INPUTS.into_iter().zip(ends) {
            let place = self.parts.log.position(topic)?;
            let is_held =
                running.intake.holds_below(topic, *end) || running.intake.waits(topic, now);
            is_behind |= place < *end && !is_held;
            places.push(place);
        }
        match &running.stall {
            Some((since, before)) if is_behind && *before == places => {
                if now >= *since + STALL {
                    return Err(Setback::Rebuild("there are inputs and none comes".to_owned()));
                }
            }
            _ => running.stall = is_behind.then_some((now, places)),
        }
        Ok(())
    }

    /// Throws away what is in memory and waits before the next takeover, or ends the shard.
    async fn fall_back(&mut self, setback: Setback) -> Result<Step, ShardError> {
        self.parts.feed.interrupt();
        self.status.count_rebuild();
        self.status.enter(ShardState::Rebuilding);
        let ended = match setback {
            Setback::Fatal(error) => Err(error),
            Setback::Store(reason) => self.replace_store(reason),
            Setback::Fenced(reason) => self.count_fence(reason),
            Setback::Aborted(reason) | Setback::Refused(reason) | Setback::Rebuild(reason) => {
                Ok(reason)
            }
        };
        let shard = self.parts.partition;
        match ended {
            Ok(reason) => {
                let back_off = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(10));
                self.failures += 1;
                tracing::warn!(%shard, reason, "A shard is taken over again.");
                self.status.set_error(Some(reason));
                self.wait(back_off.min(MAX_BACK_OFF)).await;
                Ok(Step::FellBack)
            }
            Err(error) => {
                tracing::error!(%shard, %error, "A shard ends.");
                self.status.set_error(Some(error.to_string()));
                self.status.enter(ShardState::Closed);
                Err(error)
            }
        }
    }

    fn replace_store(&mut self, reason: String) -> Result<String, ShardError> {
        self.store_resets += 1;
        if self.store_resets > MAX_STORE_RESETS {
            return Err(ShardError::StoreFailsAgain { times: MAX_STORE_RESETS, reason });
        }
        self.parts.store.reset(&reason)?;
        Ok(reason)
    }

    fn count_fence(&mut self, reason: String) -> Result<String, ShardError> {
        let now = self.parts.clock.monotonic();
        self.status.count_fence();
        self.fences.push_back(now);
        self.fences.retain(|at| *at + FENCE_WINDOW > now);
        if self.fences.len() >= MAX_FENCES {
            return Err(ShardError::FencedRepeatedly { times: MAX_FENCES });
        }
        Ok(reason)
    }

    /// Waits, but not for longer than it takes to be asked to stop.
    async fn wait(&self, duration: Duration) {
        let until = self.parts.clock.monotonic() + duration;
        while !self.parts.stop.is_raised() {
            let left = until.saturating_sub(self.parts.clock.monotonic());
            if left.is_zero() {
                break;
            }
            self.parts.clock.sleep(left.min(IDLE_WAIT)).await;
        }
    }
}
