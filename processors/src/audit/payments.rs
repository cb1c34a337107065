//! Check `payments`: a payment is requested once, ends once, and its money ends where it says.
//!
//! Its fold, where each payment stands, is also what the summary and the ground truth are held
//! against.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::Entry;
use schemas::event::{Event, Hold, PaymentRequested, RefundCause};
use schemas::inputs::GatewayOperationKind;
use schemas::{Amount, Currency, OperationId, PartitionCount, PaymentId, Position, WalletId};

use super::report::{CheckResult, PaymentTotals};
use super::{Check, is_of_refund, payment_of};

pub(super) struct Payments {
    partitions: PartitionCount,
    all: BTreeMap<PaymentId, Payment>,
    result: CheckResult,
}

/// Where a payment stands.
pub(super) struct Payment {
    pub wallet_id: WalletId,
    pub amount: Amount,
    pub currency: Currency,
    /// The entry that requested it.
    pub requested: Position,
    money: HeldMoney,
    course: Course,
    /// What of its hold is posted, minor units.
    posted: i64,
    /// What of its hold is voided, minor units.
    voided: i64,
    /// The entry that brought its outcome.
    ended: Option<Position>,
    /// Attempts whose charge is refunded because nobody wants it.
    unwanted: BTreeSet<OperationId>,
    /// Whether more was charged than asked, and booked so.
    surplus_known: bool,
    /// Whether a person said what came of it.
    by_hand: bool,
}

/// How far a payment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    Processing,
    InDoubt,
    NeedsReview,
    Completed { captured: Amount },
    Failed { code: Box<str> },
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldMoney {
    Untouched,
    Held,
    Closed,
}

impl Payment {
    fn requested(position: Position, event: &PaymentRequested) -> Self {
        Self {
            wallet_id: event.wallet_id,
            amount: event.amount,
            currency: event.currency,
            requested: position,
            money: HeldMoney::Untouched,
            course: Course::Processing,
            posted: 0,
            voided: 0,
            ended: None,
            unwanted: BTreeSet::new(),
            surplus_known: false,
            by_hand: false,
        }
    }

    pub(super) fn course(&self) -> &Course {
        &self.course
    }

    /// Whether a charge of this attempt is refunded because nobody wants it.
    pub(super) fn is_unwanted(&self, attempt: OperationId) -> bool {
        self.unwanted.contains(&attempt)
    }

    /// Whether more was charged than asked, and booked so.
    pub(super) fn is_surplus_known(&self) -> bool {
        self.surplus_known
    }

    /// Whether a person said what came of it.
    pub(super) fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// What is wrong with where it stands after an entry, if anything.
    fn contradiction(&self) -> Option<&'static str> {
        let (posted, voided, asked) = (self.posted, self.voided, self.amount.minor());
        match (&self.course, self.money) {
            (Course::Processing | Course::InDoubt | Course::NeedsReview, HeldMoney::Held)
            | (Course::Failed { .. }, HeldMoney::Untouched) => {
                (posted != 0 || voided != 0).then_some("has moved a part of its money")
            }
            (Course::Failed { .. } | Course::Cancelled, HeldMoney::Closed) => {
                (voided != asked || posted != 0).then_some("ended and its money is not all free")
            }
            (Course::Completed { captured }, HeldMoney::Closed) => {
                let fits = captured.minor() == posted && posted + voided == asked;
                (!fits).then_some("captured another amount than its hold gave")
            }
            (Course::Processing | Course::InDoubt | Course::NeedsReview, _) => {
                Some("is open and holds no money")
            }
            (Course::Completed { .. }, _) => Some("is completed and its hold is not posted"),
            (Course::Failed { .. } | Course::Cancelled, _) => {
                Some("has ended and its money is held")
            }
        }
    }
}

impl Payments {
    pub(super) fn new(partitions: PartitionCount) -> Self {
        let meaning = "every payment is requested once and has at most one outcome, after which \
                       nothing of its hold moves; completed ones took what was captured, failed \
                       and cancelled ones nothing";
        Self { partitions, all: BTreeMap::new(), result: CheckResult::new("payments", meaning) }
    }

    pub(super) fn get(&self, id: PaymentId) -> Option<&Payment> {
        self.all.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PaymentId, &Payment)> {
        self.all.iter().map(|(id, payment)| (*id, payment))
    }

    pub(super) fn totals(&self) -> PaymentTotals {
        let mut totals = PaymentTotals::default();
        for payment in self.all.values() {
            totals.requested += 1;
            match &payment.course {
                Course::Processing => totals.processing += 1,
                Course::InDoubt => totals.in_doubt += 1,
                Course::NeedsReview => totals.needs_review += 1,
                Course::Cancelled => totals.cancelled += 1,
                Course::Completed { .. } => totals.completed += 1,
                Course::Failed { code } => *totals.failed.entry(code.to_string()).or_default() += 1,
            }
        }
        totals
    }

    fn requested(&mut self, position: Position, event: &PaymentRequested) {
        self.result.examine();
        let id = event.payment_id;
        if self.all.contains_key(&id) {
            self.result.violated(position, format!("payment {id} is requested again"));
            return;
        }
        let routes = [id.shard(self.partitions), event.wallet_id.shard(self.partitions)];
        if routes.iter().any(|shard| *shard != position.partition) {
            self.result.violated(position, format!("payment {id} belongs to another shard"));
        }
        self.all.insert(id, Payment::requested(position, event));
    }

    fn progressed(&mut self, position: Position, id: PaymentId, event: &Event) {
        let Some(payment) = self.all.get_mut(&id) else {
            self.result.violated(position, format!("payment {id} was never requested"));
            return;
        };
        let ended_before = payment.ended.is_some_and(|ended| ended != position);
        let is_aftermath = is_of_refund(event)
            || matches!(event, Event::GatewayOperationAnswered(_) | Event::DiscrepancyRecorded(_));
        if ended_before && !is_aftermath {
            self.result.violated(position, format!("payment {id} goes on after its outcome"));
        }
        if let Some(what) = payment.step(position, event) {
            self.result.violated(position, format!("payment {id} {what}"));
        }
    }
}

impl Payment {
    /// Takes in an event; says what does not fit, if anything.
    fn step(&mut self, position: Position, event: &Event) -> Option<&'static str> {
        match event {
            Event::HoldPlaced(hold) => self.placed(hold),
            Event::HoldPosted(hold) => {
                self.posted += hold.amount.minor();
                self.closed(hold)
            }
            Event::HoldVoided(hold) => {
                self.voided += hold.amount.minor();
                self.closed(hold)
            }
            Event::PaymentCompleted(event) => {
                self.end(position, Course::Completed { captured: event.captured_amount })
            }
            Event::PaymentFailed(event) => {
                self.end(position, Course::Failed { code: event.code.as_str().into() })
            }
            Event::PaymentCancelled(_) => self.end(position, Course::Cancelled),
            Event::PaymentInDoubt(_) => self.go_on(Course::InDoubt),
            Event::PaymentReviewRequested(_) => self.go_on(Course::NeedsReview),
            Event::ResendScheduled(_) | Event::AttemptStarted(_) => self.go_on(Course::Processing),
            Event::GatewayOperationRequested(asked) if asked.refund.is_none() => {
                let is_same = (asked.wallet_id, asked.amount, asked.currency)
                    == (self.wallet_id, self.amount, self.currency);
                if !is_same {
                    return Some("asks the gateway for other money than requested");
                }
                if asked.operation == GatewayOperationKind::Submit {
                    self.go_on(Course::Processing);
                }
                None
            }
            Event::RefundRequested(event) => {
                if event.cause == RefundCause::UnwantedCharge {
                    self.unwanted.insert(event.operation_id);
                }
                None
            }
            Event::PaymentResolved(_) => {
                self.by_hand = true;
                None
            }
            Event::DiscrepancyRecorded(event) => {
                self.surplus_known |= event.code == "charged_more";
                None
            }
            _ => None,
        }
    }

    fn placed(&mut self, hold: &Hold) -> Option<&'static str> {
        let is_in_order = self.money == HeldMoney::Untouched;
        self.money = HeldMoney::Held;
        let is_own = (self.wallet_id, self.amount, self.currency)
            == (hold.wallet_id, hold.amount, hold.currency);
        if !is_own {
            return Some("holds other money than requested");
        }
        (!is_in_order).then_some("moves its money out of order")
    }

    /// What is posted and what is voided may be parts of one hold, in one entry.
    fn closed(&mut self, hold: &Hold) -> Option<&'static str> {
        let is_held = self.money != HeldMoney::Untouched;
        self.money = HeldMoney::Closed;
        let is_own = (self.wallet_id, self.currency) == (hold.wallet_id, hold.currency);
        if !is_own || self.posted + self.voided > self.amount.minor() {
            return Some("posts or voids other money than requested");
        }
        (!is_held).then_some("moves its money out of order")
    }

    fn end(&mut self, position: Position, outcome: Course) -> Option<&'static str> {
        if self.ended.is_some() {
            return Some("has a second outcome");
        }
        self.course = outcome;
        self.ended = Some(position);
        None
    }

    fn go_on(&mut self, course: Course) -> Option<&'static str> {
        if self.ended.is_none() {
            self.course = course;
        }
        None
    }
}

impl Check for Payments {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let mut touched = BTreeSet::new();
        for event in &entry.events {
            let Some(id) = payment_of(event) else { continue };
            if let Event::PaymentRequested(event) = event {
                self.requested(position, event);
            } else {
                self.progressed(position, id, event);
            }
            touched.insert(id);
        }
        for id in touched {
            if let Some(what) = self.all.get(&id).and_then(Payment::contradiction) {
                self.result.violated(position, format!("payment {id} {what}"));
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
