//! Check `operations`: what gateways are asked and what they answer match one to one.
//!
//! The id of an attempt is the idempotency key that its gateway gets: one attempt, one payment, one
//! gateway, for ever.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::{Entry, InputBody};
use schemas::event::{
    AttemptStarted, Event, GatewayOperationAnswered, GatewayOperationRequested, RefundRequested,
};
use schemas::inputs::{GatewayOperationKind, GatewayResult};
use schemas::{GatewayName, OperationId, PaymentId, Position};

use super::Check;
use super::report::CheckResult;

pub(super) struct Operations {
    attempts: BTreeMap<OperationId, Attempt>,
    /// How many attempts a payment has had.
    numbers: BTreeMap<PaymentId, i32>,
    /// What was said of operations that were not known, and did not count yet.
    orphans: BTreeMap<OperationId, Vec<GatewayResult>>,
    result: CheckResult,
}

struct Attempt {
    payment_id: PaymentId,
    gateway: GatewayName,
    latest_seq: i32,
    unanswered: BTreeSet<i32>,
    /// What moves the money: a charge, or a refund.
    first: GatewayOperationKind,
}

impl Operations {
    pub(super) fn new() -> Self {
        let meaning = "the operations of an attempt are numbered without gaps, each is answered at \
                       most once and only when asked, a key goes to one gateway only, and what was \
                       said of an unknown one counts at most once";
        Self {
            attempts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            orphans: BTreeMap::new(),
            result: CheckResult::new("operations", meaning),
        }
    }

    /// The payment that an attempt, and its key, belong to.
    pub(super) fn payment_of(&self, attempt: OperationId) -> Option<PaymentId> {
        self.attempts.get(&attempt).map(|attempt| attempt.payment_id)
    }

    fn started(&mut self, position: Position, event: &AttemptStarted) {
        self.result.examine();
        let latest = self.numbers.entry(event.payment_id).or_default();
        if Some(event.number) != latest.checked_add(1) {
            let detail = format!(
                "attempt {} of payment {} follows attempt {latest}",
                event.number, event.payment_id
            );
            self.result.violated(position, detail);
        }
        *latest = event.number;
        let attempt = Attempt {
            payment_id: event.payment_id,
            gateway: event.gateway.clone(),
            latest_seq: 0,
            unanswered: BTreeSet::new(),
            first: GatewayOperationKind::Submit,
        };
        if self.attempts.insert(event.operation_id, attempt).is_some() {
            let detail = format!("key {} is used for a second attempt", event.operation_id);
            self.result.violated(position, detail);
        }
    }

    fn refund(&mut self, position: Position, event: &RefundRequested) {
        self.result.examine();
        let key = OperationId::refund(event.refund_id);
        let charge = self.attempts.get(&event.operation_id);
        let is_own = charge.is_some_and(|charge| {
            charge.payment_id == event.payment_id && charge.gateway == event.gateway
        });
        if !is_own {
            let detail = format!("refund {key} gives back what {} never charged", event.gateway);
            self.result.violated(position, detail);
        }
        let attempt = Attempt {
            payment_id: event.payment_id,
            gateway: event.gateway.clone(),
            latest_seq: 0,
            unanswered: BTreeSet::new(),
            first: GatewayOperationKind::Refund,
        };
        if self.attempts.insert(key, attempt).is_some() {
            self.result.violated(position, format!("key {key} is used for a second refund"));
        }
    }

    fn requested(&mut self, position: Position, event: &GatewayOperationRequested) {
        self.result.examine();
        let key = event.operation_id;
        let Some(attempt) = self.attempts.get_mut(&key) else {
            self.result.violated(position, format!("key {key} belongs to no attempt"));
            return;
        };
        if attempt.payment_id != event.payment_id || attempt.gateway != event.gateway {
            let detail = format!(
                "key {key} of payment {} at {} goes out for payment {} to {}",
                attempt.payment_id, attempt.gateway, event.payment_id, event.gateway
            );
            self.result.violated(position, detail);
        }
        let seq = event.operation_seq;
        if Some(seq) != attempt.latest_seq.checked_add(1) {
            let detail = format!("operation {seq} of {key} follows {}", attempt.latest_seq);
            self.result.violated(position, detail);
        }
        let fits = match event.operation {
            GatewayOperationKind::Submit | GatewayOperationKind::Refund => {
                event.operation == attempt.first
            }
            GatewayOperationKind::Inquire => {
                attempt.latest_seq > 0 && attempt.first == GatewayOperationKind::Submit
            }
            GatewayOperationKind::InquireRefund => {
                attempt.latest_seq > 0 && attempt.first == GatewayOperationKind::Refund
            }
            GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => false,
        };
        if !fits {
            let detail = format!("operation {seq} of {key} cannot be {:?}", event.operation);
            self.result.violated(position, detail);
        }
        attempt.latest_seq = seq;
        attempt.unanswered.insert(seq);
    }

    fn answered(&mut self, position: Position, event: &GatewayOperationAnswered, entry: &Entry) {
        self.result.examine();
        let (key, seq) = (event.operation_id, event.operation_seq);
        let Some(attempt) = self.attempts.get_mut(&key) else {
            self.result.violated(position, format!("an answer for {key}, which is no attempt"));
            return;
        };
        if !attempt.unanswered.remove(&seq) {
            let was_asked = (1..=attempt.latest_seq).contains(&seq);
            let state = if was_asked { "answered twice" } else { "answered and never asked" };
            self.result.violated(position, format!("operation {seq} of {key} was {state}"));
        }
        let answers_elsewhere = match &entry.input.body {
            InputBody::GatewayResult(answer) => answer.gateway != attempt.gateway,
            InputBody::Command(_)
            | InputBody::Operation(_)
            | InputBody::TransferLeg(_)
            | InputBody::TimerFired {}
            | InputBody::Unreadable(_) => false,
        };
        if attempt.payment_id != event.payment_id || answers_elsewhere {
            let detail = format!("the answer for {key} is of another payment or gateway");
            self.result.violated(position, detail);
        }
    }

    fn orphaned(&mut self, position: Position, said: &GatewayResult) {
        self.result.examine();
        let key = said.operation_id;
        if self.attempts.contains_key(&key) {
            let detail = format!("what was said of {key}, which is known, is kept for later");
            self.result.violated(position, detail);
        }
        self.orphans.entry(key).or_default().push(said.clone());
    }

    fn applied(&mut self, position: Position, said: &GatewayResult) {
        self.result.examine();
        let key = said.operation_id;
        let kept = self.orphans.remove(&key).unwrap_or_default();
        let is_own = self.attempts.get(&key).is_some_and(|attempt| {
            (attempt.payment_id, &attempt.gateway) == (said.payment_id, &said.gateway)
        });
        if !kept.contains(said) || !is_own {
            let detail = format!("what counts for {key} was never said of it");
            self.result.violated(position, detail);
        }
    }
}

impl Check for Operations {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            if let Event::AttemptStarted(event) = event {
                self.started(position, event);
            }
            if let Event::RefundRequested(event) = event {
                self.refund(position, event);
            }
            if let Event::GatewayOperationRequested(event) = event {
                self.requested(position, event);
            }
            if let Event::GatewayOperationAnswered(event) = event {
                self.answered(position, event, entry);
            }
            if let Event::OrphanRecorded(event) = event {
                self.orphaned(position, &event.result);
            }
            if let Event::OrphanApplied(event) = event {
                self.applied(position, &event.result);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
