//! Numbers that the threads of a run share while it runs: for the progress line, for the bound on
//! what is under way, and for the rates between two moments.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that only grow, and the latency of the last second.
#[derive(Debug, Default)]
pub(super) struct Live {
    sent: AtomicU64,
    decided: AtomicU64,
    completed: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    p95_us: AtomicU64,
}

/// What the counters said at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Payments handed to the system.
    pub sent: u64,
    /// Commands that the journal has decided.
    pub decided: u64,
    /// Payments that completed.
    pub completed: u64,
    /// Payments that failed or were refused, at the door too.
    pub refused: u64,
    /// Requests without a proper answer.
    pub failed: u64,
    /// 95 % of the payments that ended within the last second took no longer, microseconds.
    pub p95_us: u64,
}

impl Live {
    /// A payment was handed over.
    pub(super) fn note_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The journal has decided a command.
    pub(super) fn note_decided(&self) {
        self.decided.fetch_add(1, Ordering::Relaxed);
    }

    /// A payment completed.
    pub(super) fn note_completed(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    /// A payment failed or was refused.
    pub(super) fn note_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A request got no proper answer.
    pub(super) fn note_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The latency of the last second.
    pub(super) fn note_p95(&self, microseconds: u64) {
        self.p95_us.store(microseconds, Ordering::Relaxed);
    }

    /// What the counters say now.
    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // What ends is read before what begins: nobody has ended that was not sent.
        let (failed, refused) = (read(&self.failed), read(&self.refused));
        let (completed, decided) = (read(&self.completed), read(&self.decided));
        let (p95_us, sent) = (read(&self.p95_us), read(&self.sent));
        Counts { sent, decided, completed, refused, failed, p95_us }
    }
}

impl Counts {
    /// Payments that have neither ended nor gone wrong.
    pub(super) fn under_way(self) -> u64 {
        self.sent.saturating_sub(self.ended() + self.failed)
    }

    /// Payments that have ended.
    pub(super) fn ended(self) -> u64 {
        self.completed + self.refused
    }

    /// What was added since an earlier moment; the latency as it is.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            decided: self.decided - earlier.decided,
            completed: self.completed - earlier.completed,
            refused: self.refused - earlier.refused,
            failed: self.failed - earlier.failed,
            p95_us: self.p95_us,
        }
    }
}
