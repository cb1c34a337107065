//! The sending side of a run: what was handed to the system, when, and what it said at the door.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schemas::{Partition, WalletId};

use super::latency::{Latencies, microseconds};
use super::live::Live;
use super::schedule::{Due, Schedule};
use super::tag::{RunId, Tag};

/// A wallet that pays.
#[derive(Debug, Clone)]
pub(super) struct Payer {
    /// Its id.
    pub wallet_id: WalletId,
    /// The same as text.
    pub wallet_id_text: String,
    /// Its shard.
    pub partition: Partition,
}

/// What a sender is to send.
pub(super) struct Job {
    /// Names the payments.
    pub run: RunId,
    /// The moment from which due times count.
    pub start: Instant,
    /// What is due before does not count.
    pub warm_up: Duration,
    /// The payments.
    pub schedule: Schedule,
    /// Who pays, by index.
    pub payers: Arc<Vec<Payer>>,
    /// Told of what happens.
    pub live: Arc<Live>,
    /// Raised when nothing more is to be sent.
    pub stop: Arc<AtomicBool>,
    /// The most that may be under way.
    pub max_in_flight: u64,
    /// How long answers are awaited after the last payment.
    pub drain: Duration,
}

/// What is known of one payment on the sending side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// Too many were under way when it was due: it was not sent.
    NotInTime,
    /// Sent, and nobody said that it was refused.
    Taken,
    /// Refused before it reached the log.
    Refused,
    /// No proper answer: it may be in the log or not.
    Unknown,
}

/// What a sender did.
pub(super) struct Handover {
    start: Instant,
    warm_up_us: u64,
    live: Arc<Live>,
    /// By number of the payment.
    pub handed: Vec<Handed>,
    /// The first payment that counts; `None` while there is none.
    pub first_counted: Option<u32>,
    /// How late payments were sent; of those that count.
    pub lateness: Latencies,
    /// From due to the answer; of those that count. Empty when there are no answers.
    pub answers: Latencies,
    /// How many that count got no proper answer, by what came instead.
    pub errors: BTreeMap<String, u64>,
    /// Those that count and were refused at the door, with the code.
    pub refused: Vec<(u32, String)>,
}

impl Job {
    /// The key of a payment.
    pub(super) fn key(&self, due: Due) -> String {
        self.run.key(Tag { number: due.number, at_us: due.at_us })
    }

    /// Whether nothing more is to be sent.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How long until a payment is due; `None` when it is.
    pub(super) fn until(&self, due: Due) -> Option<Duration> {
        let at = self.start + Duration::from_micros(due.at_us);
        let left = at.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Nothing handed over yet.
    pub(super) fn handover(&self) -> Handover {
        Handover {
            start: self.start,
            warm_up_us: microseconds(self.warm_up),
            live: Arc::clone(&self.live),
            handed: Vec::new(),
            first_counted: None,
            lateness: Latencies::none(),
            answers: Latencies::none(),
            errors: BTreeMap::new(),
            refused: Vec::new(),
        }
    }
}

impl Handover {
    /// Numbers rise with due times.
    fn counts(&self, number: u32) -> bool {
        self.first_counted.is_some_and(|first| number >= first)
    }

    fn since_due_us(&self, due: Due) -> u64 {
        microseconds(self.start.elapsed()).saturating_sub(due.at_us)
    }

    /// The next payment is sent now, or cannot be. `handed` is what is known of it until it is
    /// answered.
    pub(super) fn next(&mut self, due: Due, handed: Handed) {
        debug_assert_eq!(self.handed.len(), usize::try_from(due.number).unwrap_or(usize::MAX));
        self.handed.push(handed);
        if handed != Handed::NotInTime {
            self.live.note_sent();
        }
        if due.at_us >= self.warm_up_us {
            self.first_counted.get_or_insert(due.number);
            self.lateness.record(self.since_due_us(due));
        }
    }

    /// The system took it.
    pub(super) fn taken(&mut self, due: Due) {
        self.settle(due.number, Handed::Taken);
        if self.counts(due.number) {
            self.answers.record(self.since_due_us(due));
        }
    }

    /// It was refused at the door; `refuser` says whether the journal has the refusal as well.
    pub(super) fn refused(&mut self, due: Due, code: String, refuser: Refuser) {
        self.settle(due.number, Handed::Refused);
        if refuser == Refuser::Door {
            self.live.note_refused();
        }
        if self.counts(due.number) {
            self.answers.record(self.since_due_us(due));
            self.refused.push((due.number, code));
        }
    }

    /// There was no proper answer.
    pub(super) fn unknown(&mut self, number: u32, kind: String) {
        self.settle(number, Handed::Unknown);
        self.live.note_failed();
        if self.counts(number) {
            *self.errors.entry(kind).or_default() += 1;
        }
    }

    fn settle(&mut self, number: u32, handed: Handed) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(place) = self.handed.get_mut(index) {
            *place = handed;
        }
    }
}

/// Who refused a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refuser {
    /// The API, before anything was written.
    Door,
    /// The ledger: the journal says so too.
    Ledger,
}
