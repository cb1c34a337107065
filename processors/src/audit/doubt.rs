//! Check `doubt`: nobody guesses about money.
//!
//! A charge may have reached its gateway until an answer proves otherwise. While one may, nothing
//! is charged again, at no gateway, and no hold is released, unless a gateway declined or a person
//! says what happened. The same goes for refunds. Whether a gateway's "not found" is authoritative
//! is configuration and cannot be seen here; when it was asked can.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, GatewayOperationAnswered, GatewayOperationRequested, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, ResolvedOutcome};
use schemas::{OperationId, PaymentId, Position, RefundId, Timestamp};

use super::report::CheckResult;
use super::{Check, said};

pub(super) struct Doubt {
    /// Payments whose hold is open, and refunds without an outcome.
    open: BTreeMap<Subject, BTreeMap<OperationId, Attempt>>,
    result: CheckResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Payment(PaymentId),
    Refund(RefundId),
}

#[derive(Default)]
struct Attempt {
    /// Charges or refunds that may have reached the gateway.
    maybe_sent: BTreeSet<i32>,
    /// When a "not found" begins to prove something.
    conclusive_after: Timestamp,
    /// When each inquiry was asked.
    inquiries: BTreeMap<i32, Timestamp>,
}

impl Doubt {
    pub(super) fn new() -> Self {
        let meaning = "money is released, charged or given back again, only after a decline, a \
                       proof that no earlier try can have reached the gateway, or a person's word";
        Self { open: BTreeMap::new(), result: CheckResult::new("doubt", meaning) }
    }

    fn may_have_moved(&self, subject: Subject) -> bool {
        self.open
            .get(&subject)
            .is_some_and(|attempts| attempts.values().any(|one| !one.maybe_sent.is_empty()))
    }

    fn requested(&mut self, position: Position, entry: &Entry, event: &GatewayOperationRequested) {
        let refund = event.refund.as_ref().map(|refund| Subject::Refund(refund.refund_id));
        let subject = refund.unwrap_or(Subject::Payment(event.payment_id));
        let may_have_moved = self.may_have_moved(subject);
        let attempts = self.open.entry(subject).or_default();
        let attempt = attempts.entry(event.operation_id).or_default();
        match event.operation {
            GatewayOperationKind::Submit | GatewayOperationKind::Refund => {
                self.result.examine();
                attempt.maybe_sent.insert(event.operation_seq);
                attempt.conclusive_after = event.conclusive_after;
                if may_have_moved {
                    let detail =
                        format!("{subject:?} is sent again while an earlier try may have arrived");
                    self.result.violated(position, detail);
                }
            }
            GatewayOperationKind::Inquire
            | GatewayOperationKind::InquireRefund
            | GatewayOperationKind::Notify
            | GatewayOperationKind::NotifyRefund => {
                attempt.inquiries.insert(event.operation_seq, entry.at);
            }
        }
    }

    fn answered(&mut self, position: Position, entry: &Entry, event: &GatewayOperationAnswered) {
        let refund = event.refund_id.map(Subject::Refund);
        let subject = refund.unwrap_or(Subject::Payment(event.payment_id));
        let attempt = self.open.get_mut(&subject);
        let attempt = attempt.and_then(|attempts| attempts.get_mut(&event.operation_id));
        let Some(attempt) = attempt else { return };
        self.result.examine();
        if !attempt.is_proven(event, entry) {
            let detail = format!(
                "the answer to operation {} of {} does not prove {:?}",
                event.operation_seq, event.operation_id, event.proof
            );
            self.result.violated(position, detail);
        }
        match event.proof {
            Proof::Nothing => {}
            Proof::NotSent => {
                attempt.maybe_sent.remove(&event.operation_seq);
            }
            Proof::NeverReceived => attempt.maybe_sent.clear(),
        }
    }

    /// Nothing was moved, the entry says.
    fn unmoved(&mut self, position: Position, entry: &Entry, subject: Subject) {
        self.result.examine();
        let is_declined =
            said(entry).is_some_and(|said| matches!(said.outcome, GatewayOutcome::Declined { .. }));
        let is_resolved = entry.events.iter().any(|event| match event {
            Event::PaymentResolved(event) => {
                subject == Subject::Payment(event.payment_id)
                    && event.outcome == ResolvedOutcome::Failed
            }
            Event::RefundResolved(event) => {
                subject == Subject::Refund(event.refund_id)
                    && event.outcome == ResolvedOutcome::Failed
            }
            _ => false,
        });
        if !is_declined && !is_resolved && self.may_have_moved(subject) {
            let detail = format!("the money of {subject:?} is released, a try may have arrived");
            self.result.violated(position, detail);
        }
        self.open.remove(&subject);
    }

    /// Another gateway is tried: nothing of the attempts before can have arrived.
    fn started(&mut self, position: Position, payment: PaymentId) {
        if self.may_have_moved(Subject::Payment(payment)) {
            let detail = format!("payment {payment} goes to another gateway, a charge may exist");
            self.result.violated(position, detail);
        }
    }
}

impl Attempt {
    /// Whether the answer in the entry's input proves what the event says it does.
    fn is_proven(&self, event: &GatewayOperationAnswered, entry: &Entry) -> bool {
        let InputBody::GatewayResult(answer) = &entry.input.body else { return false };
        match event.proof {
            Proof::Nothing => true,
            Proof::NotSent => {
                let moves = [GatewayOperationKind::Submit, GatewayOperationKind::Refund];
                moves.contains(&answer.operation)
                    && matches!(
                        answer.outcome,
                        GatewayOutcome::NotSent { .. } | GatewayOutcome::ExpiredUnsent {}
                    )
                    && !self.inquiries.contains_key(&event.operation_seq)
            }
            Proof::NeverReceived => {
                let asked_at = self.inquiries.get(&event.operation_seq);
                matches!(answer.outcome, GatewayOutcome::NotFound {})
                    && asked_at.is_some_and(|asked_at| *asked_at > self.conclusive_after)
            }
        }
    }
}

impl Check for Doubt {
    fn observe(&mut self, position: Position, entry: &Entry) {
        let is_posted = |payment: PaymentId| {
            entry
                .events
                .iter()
                .any(|event| matches!(event, Event::HoldPosted(hold) if hold.payment_id == payment))
        };
        for event in &entry.events {
            if let Event::AttemptStarted(event) = event {
                self.started(position, event.payment_id);
            }
            if let Event::GatewayOperationRequested(event) = event {
                self.requested(position, entry, event);
            }
            if let Event::GatewayOperationAnswered(event) = event {
                self.answered(position, entry, event);
            }
            if let Event::HoldPosted(hold) = event {
                self.open.remove(&Subject::Payment(hold.payment_id));
            }
            if let Event::HoldVoided(hold) = event
                && !is_posted(hold.payment_id)
            {
                self.unmoved(position, entry, Subject::Payment(hold.payment_id));
            }
            if let Event::RefundSucceeded(event) = event {
                self.open.remove(&Subject::Refund(event.refund_id));
            }
            if let Event::RefundFailed(event) = event {
                self.unmoved(position, entry, Subject::Refund(event.refund_id));
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
