//! Payments that this process answered 202 `accepted` to: a GET of one of them waits for the view
//! instead of saying at once that there is no such payment.
//!
//! A hint, bounded and lost with the process: without it, the 404 says `retryable`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use schemas::PaymentId;
use tokio::time::Instant;

/// The most that are remembered; the oldest go first.
const CAPACITY: usize = 1024;

/// The latest payments whose decision nobody has seen yet, each until when it may come.
#[derive(Default)]
pub(super) struct RecentlyAccepted(Mutex<VecDeque<(PaymentId, Instant)>>);

impl RecentlyAccepted {
    /// Remembers a payment for as long as its command may be handled.
    pub fn remember(&self, id: PaymentId, lifetime: Duration) {
        let mut payments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if payments.len() == CAPACITY {
            payments.pop_front();
        }
        payments.push_back((id, Instant::now() + lifetime));
    }

    /// Whether the payment may yet turn up.
    pub fn contains(&self, id: PaymentId) -> bool {
        let mut payments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while payments.front().is_some_and(|(_, until)| *until < Instant::now()) {
            payments.pop_front();
        }
        payments.iter().any(|(known, _)| *known == id)
    }
}
