//! Payments, refunds and transfers that this process answered 202 `accepted` to: a GET of one of
//! them waits for the view instead of saying at once that there is no such thing.
//!
//! A hint, bounded and lost with the process: without it, the 404 says `retryable`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The most that are remembered; the oldest go first.
const CAPACITY: usize = 1024;

/// The latest objects whose decision nobody has seen yet, by the bytes of their ids, each until
/// when it may come.
#[derive(Default)]
pub(super) struct RecentlyAccepted(Mutex<VecDeque<([u8; 16], Instant)>>);

impl RecentlyAccepted {
    /// Remembers an object for as long as its command may be handled.
    pub fn remember(&self, id: [u8; 16], lifetime: Duration) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.len() == CAPACITY {
            objects.pop_front();
        }
        objects.push_back((id, Instant::now() + lifetime));
    }

    /// Whether the object may yet turn up.
    pub fn contains(&self, id: [u8; 16]) -> bool {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while objects.front().is_some_and(|(_, until)| *until < Instant::now()) {
            objects.pop_front();
        }
        objects.iter().any(|(known, _)| *known == id)
    }
}
