//! Check `payments`: a payment is requested once, ends once, and its money ends where it says.
//!
//! Its fold, where each payment stands, is also what the summary and the ground truth are held
//! against.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::Entry;
use schemas::event::{Event, Hold, PaymentRequested};
use schemas::inputs::GatewayOperationKind;
use schemas::{Amount, Currency, PartitionCount, PaymentId, Position, WalletId};

use super::report::{CheckResult, PaymentTotals};
use super::{Check, payment_of};

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
    /// The entry that brought its outcome.
    ended: Option<Position>,
}

/// How far a payment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    Processing,
    InDoubt,
    Completed { captured: Amount },
    Failed { code: Box<str> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldMoney {
    Untouched,
    Held,
    Posted,
    Voided,
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
            ended: None,
        }
    }

    pub(super) fn course(&self) -> &Course {
        &self.course
    }

    /// What is wrong with where it stands after an entry, if anything.
    fn contradiction(&self) -> Option<&'static str> {
        match (&self.course, self.money) {
            (Course::Processing | Course::InDoubt, HeldMoney::Held)
            | (Course::Failed { .. }, HeldMoney::Untouched | HeldMoney::Voided) => None,
            (Course::Completed { captured }, HeldMoney::Posted) => {
                (*captured != self.amount).then_some("captured another amount than requested")
            }
            (Course::Processing | Course::InDoubt, _) => Some("is open and holds no money"),
            (Course::Completed { .. }, _) => Some("is completed and its hold is not posted"),
            (Course::Failed { .. }, _) => Some("has failed and its money is held or gone"),
        }
    }
}

impl Payments {
    pub(super) fn new(partitions: PartitionCount) -> Self {
        let meaning = "every payment is requested once and has at most one outcome, after which \
                       nothing moves; completed ones took what was asked, failed ones nothing";
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
        let is_aftermath =
            matches!(event, Event::GatewayOperationAnswered(_) | Event::DiscrepancyRecorded(_));
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
            Event::HoldPlaced(hold) => self.moved(hold, HeldMoney::Untouched, HeldMoney::Held),
            Event::HoldPosted(hold) => self.moved(hold, HeldMoney::Held, HeldMoney::Posted),
            Event::HoldVoided(hold) => self.moved(hold, HeldMoney::Held, HeldMoney::Voided),
            Event::PaymentCompleted(event) => {
                self.end(position, Course::Completed { captured: event.captured_amount })
            }
            Event::PaymentFailed(event) => {
                self.end(position, Course::Failed { code: event.code.as_str().into() })
            }
            Event::PaymentInDoubt(_) => self.go_on(Course::InDoubt),
            Event::GatewayOperationRequested(asked) => {
                let is_same = (asked.wallet_id, asked.amount, asked.currency)
                    == (self.wallet_id, self.amount, self.currency);
                if !is_same {
                    return Some("asks the gateway for other money than requested");
                }
                match asked.operation {
                    GatewayOperationKind::Submit => self.go_on(Course::Processing),
                    GatewayOperationKind::Inquire => None,
                }
            }
            Event::WalletOpened(_)
            | Event::DepositRecorded(_)
            | Event::PaymentRequested(_)
            | Event::AttemptStarted(_)
            | Event::GatewayOperationAnswered(_)
            | Event::ResendScheduled(_)
            | Event::DiscrepancyRecorded(_) => None,
        }
    }

    fn moved(&mut self, hold: &Hold, from: HeldMoney, to: HeldMoney) -> Option<&'static str> {
        let is_in_order = self.money == from;
        self.money = to;
        let is_own = (self.wallet_id, self.amount, self.currency)
            == (hold.wallet_id, hold.amount, hold.currency);
        if !is_own {
            return Some("holds, posts or voids other money than requested");
        }
        (!is_in_order).then_some("moves its money out of order")
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
