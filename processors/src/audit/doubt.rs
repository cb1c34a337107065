//! Check `doubt`: nobody guesses about money.
//!
//! A charge may have reached its gateway until an answer proves otherwise. While one may, nothing
//! is charged again and no hold is released, unless a gateway declined. Whether a gateway's "not
//! found" is authoritative is configuration and cannot be seen here; when it was asked can.

use std::collections::{BTreeMap, BTreeSet};

use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, GatewayOperationAnswered, GatewayOperationRequested, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome};
use schemas::{OperationId, PaymentId, Position, Timestamp};

use super::Check;
use super::report::CheckResult;

pub(super) struct Doubt {
    /// Payments whose hold is open.
    payments: BTreeMap<PaymentId, BTreeMap<OperationId, Attempt>>,
    result: CheckResult,
}

#[derive(Default)]
struct Attempt {
    /// Charges that may have reached the gateway.
    maybe_sent: BTreeSet<i32>,
    /// When a "not found" begins to prove something.
    conclusive_after: Timestamp,
    /// When each inquiry was asked.
    inquiries: BTreeMap<i32, Timestamp>,
}

impl Doubt {
    pub(super) fn new() -> Self {
        let meaning = "money is released, or charged again, only after a decline or a proof that \
                       no earlier charge can have reached the gateway";
        Self { payments: BTreeMap::new(), result: CheckResult::new("doubt", meaning) }
    }

    fn may_have_charged(&self, payment: PaymentId) -> bool {
        self.payments
            .get(&payment)
            .is_some_and(|attempts| attempts.values().any(|one| !one.maybe_sent.is_empty()))
    }

    fn requested(&mut self, position: Position, entry: &Entry, event: &GatewayOperationRequested) {
        let may_have_charged = self.may_have_charged(event.payment_id);
        let attempts = self.payments.entry(event.payment_id).or_default();
        let attempt = attempts.entry(event.operation_id).or_default();
        match event.operation {
            GatewayOperationKind::Submit => {
                self.result.examine();
                attempt.maybe_sent.insert(event.operation_seq);
                attempt.conclusive_after = event.conclusive_after;
                if may_have_charged {
                    let detail = format!(
                        "payment {} is charged again while an earlier charge may have arrived",
                        event.payment_id
                    );
                    self.result.violated(position, detail);
                }
            }
            GatewayOperationKind::Inquire => {
                attempt.inquiries.insert(event.operation_seq, entry.at);
            }
        }
    }

    fn answered(&mut self, position: Position, entry: &Entry, event: &GatewayOperationAnswered) {
        let attempt = self
            .payments
            .get_mut(&event.payment_id)
            .and_then(|attempts| attempts.get_mut(&event.operation_id));
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

    fn voided(&mut self, position: Position, entry: &Entry, payment: PaymentId) {
        self.result.examine();
        let is_declined = matches!(
            &entry.input.body,
            InputBody::GatewayResult(answer)
                if answer.payment_id == payment
                    && matches!(answer.outcome, GatewayOutcome::Declined { .. })
        );
        if !is_declined && self.may_have_charged(payment) {
            let detail = format!("the hold of payment {payment} is voided, a charge may exist");
            self.result.violated(position, detail);
        }
        self.payments.remove(&payment);
    }
}

impl Attempt {
    /// Whether the answer in the entry's input proves what the event says it does.
    fn is_proven(&self, event: &GatewayOperationAnswered, entry: &Entry) -> bool {
        let InputBody::GatewayResult(answer) = &entry.input.body else { return false };
        match event.proof {
            Proof::Nothing => true,
            Proof::NotSent => {
                answer.operation == GatewayOperationKind::Submit
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
        for event in &entry.events {
            match event {
                Event::GatewayOperationRequested(event) => self.requested(position, entry, event),
                Event::GatewayOperationAnswered(event) => self.answered(position, entry, event),
                Event::HoldVoided(hold) => self.voided(position, entry, hold.payment_id),
                Event::HoldPosted(hold) => {
                    self.payments.remove(&hold.payment_id);
                }
                Event::WalletOpened(_)
                | Event::DepositRecorded(_)
                | Event::PaymentRequested(_)
                | Event::HoldPlaced(_)
                | Event::AttemptStarted(_)
                | Event::ResendScheduled(_)
                | Event::PaymentInDoubt(_)
                | Event::PaymentCompleted(_)
                | Event::PaymentFailed(_)
                | Event::DiscrepancyRecorded(_) => {}
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}
