//! Check `refunds`: nobody gets back more than was taken.
//!
//! A refund is requested once and has one outcome, but for a success that comes after a failure.
//! What a payment gave back, and may yet, is never more than it captured.

use std::collections::BTreeMap;

use schemas::entry::Entry;
use schemas::event::{Event, RefundCause, RefundRequested, RefundSucceeded};
use schemas::{OperationId, PaymentId, Position, RefundId};

use super::Check;
use super::report::CheckResult;

pub(super) struct Refunds {
    all: BTreeMap<RefundId, Refund>,
    charges: BTreeMap<PaymentId, Captured>,
    result: CheckResult,
}

struct Refund {
    payment: PaymentId,
    amount: i64,
    cause: RefundCause,
    stands: Stands,
    /// What the gateway says that it gave back, when it succeeded.
    given_back: i64,
    /// Whether a person said what came of it.
    by_hand: bool,
    requested: Position,
}

/// What the journal says of a refund, to be held against what its gateway says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    /// What came back, minor units; none when nothing did.
    pub given_back: Option<i64>,
    /// The entry that requested it.
    pub requested: Position,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Open,
    Succeeded,
    Failed,
}

/// What a completed payment took, and what of it is given back.
struct Captured {
    attempt: OperationId,
    taken: i64,
    open: i64,
    given_back: i64,
}

impl Refunds {
    pub(super) fn new() -> Self {
        let meaning = "every refund is requested once and ends once, but for a late success; what \
                       a payment gave back and may yet give is at most what it captured; only \
                       charges that no completed payment rests on are unwanted";
        Self {
            all: BTreeMap::new(),
            charges: BTreeMap::new(),
            result: CheckResult::new("refunds", meaning),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// The payment that a refund is of.
    pub(super) fn payment_of(&self, id: RefundId) -> Option<PaymentId> {
        self.all.get(&id).map(|refund| refund.payment)
    }

    /// Those that ended by what their gateway said.
    pub(super) fn settled(&self) -> impl Iterator<Item = (RefundId, Settled)> {
        self.all.iter().filter(|(_, refund)| !refund.by_hand).filter_map(|(id, refund)| {
            let given_back = match refund.stands {
                Stands::Open => return None,
                Stands::Succeeded => Some(refund.given_back),
                Stands::Failed => None,
            };
            Some((*id, Settled { given_back, requested: refund.requested }))
        })
    }

    fn requested(&mut self, position: Position, event: &RefundRequested) {
        self.result.examine();
        let (id, payment, amount) = (event.refund_id, event.payment_id, event.amount.minor());
        let refund = Refund {
            payment,
            amount,
            cause: event.cause,
            stands: Stands::Open,
            given_back: 0,
            by_hand: false,
            requested: position,
        };
        if self.all.insert(id, refund).is_some() {
            self.result.violated(position, format!("refund {id} is requested again"));
        }
        let charge = self.charges.get_mut(&payment);
        let settled = charge.as_ref().is_some_and(|one| one.attempt == event.operation_id);
        match (event.cause, charge) {
            (RefundCause::Asked, Some(charge)) if settled => charge.open += amount,
            (RefundCause::UnwantedCharge, _) if !settled => {}
            (RefundCause::Asked | RefundCause::UnwantedCharge, _) => {
                let detail = format!("refund {id} gives back another charge than it may");
                self.result.violated(position, detail);
            }
        }
        self.bounded(position, payment);
    }

    fn ended(&mut self, position: Position, id: RefundId, success: Option<&RefundSucceeded>) {
        self.result.examine();
        let Some(refund) = self.all.get_mut(&id) else {
            self.result.violated(position, format!("refund {id} was never requested"));
            return;
        };
        let was = refund.stands;
        refund.stands = if success.is_some() { Stands::Succeeded } else { Stands::Failed };
        refund.given_back = success.map_or(0, |event| event.amount.minor());
        let fits = match (was, success) {
            (Stands::Open, _) | (Stands::Failed, Some(_)) => true,
            (Stands::Failed, None) | (Stands::Succeeded, _) => false,
        };
        if !fits {
            self.result.violated(position, format!("refund {id} has a second outcome"));
        }
        let credited = success.map_or(0, |event| event.credited);
        let most = success.map_or(0, |event| event.amount.minor().min(refund.amount));
        if !(0..=most).contains(&credited) {
            let detail = format!("refund {id} credits {credited}, at most {most} is owed");
            self.result.violated(position, detail);
        }
        let payment = refund.payment;
        match refund.cause {
            RefundCause::UnwantedCharge => {
                if credited != 0 {
                    let detail = format!("refund {id} credits what nobody had paid");
                    self.result.violated(position, detail);
                }
            }
            RefundCause::Asked => {
                let amount = refund.amount;
                if let Some(charge) = self.charges.get_mut(&payment) {
                    if was == Stands::Open {
                        charge.open -= amount;
                    }
                    charge.given_back += credited;
                }
            }
        }
        self.bounded(position, payment);
    }

    fn bounded(&mut self, position: Position, payment: PaymentId) {
        let Some(charge) = self.charges.get(&payment) else { return };
        if charge.open + charge.given_back > charge.taken {
            let detail = format!(
                "payment {payment} captured {} and gives back {} and perhaps {}",
                charge.taken, charge.given_back, charge.open
            );
            self.result.violated(position, detail);
        }
    }
}

impl Check for Refunds {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            if let Event::PaymentCompleted(event) = event {
                let taken = event.captured_amount.minor();
                let attempt = event.operation_id;
                let charge = Captured { attempt, taken, open: 0, given_back: 0 };
                self.charges.insert(event.payment_id, charge);
            }
            if let Event::RefundRequested(event) = event {
                self.requested(position, event);
            }
            if let Event::RefundResolved(event) = event
                && let Some(refund) = self.all.get_mut(&event.refund_id)
            {
                refund.by_hand = true;
            }
            if let Event::RefundSucceeded(event) = event {
                self.ended(position, event.refund_id, Some(event));
            }
            if let Event::RefundFailed(event) = event {
                self.ended(position, event.refund_id, None);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
