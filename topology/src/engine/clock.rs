//! The port to time. Only the shard loop reads it; decide and evolve get their time from the entry.

#![allow(async_fn_in_trait, reason = "see engine::log")]

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time, monotonic time and waiting.
pub trait Clock {
    /// Wall time, milliseconds since the epoch.
    fn wall_ms(&self) -> i64;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock. `sleep` blocks the thread, which is the shard's own.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock that counts monotonic time from now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }
}

/// A clock that stands still until told otherwise. Waiting moves its monotonic time only.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<(i64, Duration)>,
}

impl ManualClock {
    /// A clock that shows this wall time, in milliseconds since the epoch.
    pub fn at_ms(wall_ms: i64) -> Self {
        Self { now: Mutex::new((wall_ms, Duration::ZERO)) }
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        self.jump_ms(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        self.wait(duration);
    }

    /// Moves wall time alone, as an operator who sets the clock does.
    pub fn jump_ms(&self, by_ms: i64) {
        let mut now = self.now.lock().expect("no holder of the lock can panic");
        now.0 = now.0.saturating_add(by_ms);
    }

    /// Moves monotonic time alone: somebody waited for nothing.
    pub fn wait(&self, duration: Duration) {
        let mut now = self.now.lock().expect("no holder of the lock can panic");
        now.1 = now.1.saturating_add(duration);
    }
}

impl Clock for std::sync::Arc<ManualClock> {
    fn wall_ms(&self) -> i64 {
        self.now.lock().expect("no holder of the lock can panic").0
    }

    fn monotonic(&self) -> Duration {
        self.now.lock().expect("no holder of the lock can panic").1
    }

    async fn sleep(&self, duration: Duration) {
        self.wait(duration);
    }
}
