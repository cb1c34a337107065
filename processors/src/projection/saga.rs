//! The saga of a payment, folded from its timeline when somebody asks.
//!
//! Invariant: it stands where [`crate::payment::Payment`] stands in the ledger after the same
//! entries. A timeline whose beginning is missing gives what its rest says.

use schemas::inputs::GatewayOperationKind;
use schemas::read_model::PaymentRow;
use schemas::timeline::{
    Compensation, HoldState, Saga, SagaAnswer, SagaAttempt, SagaHold, SagaOperation, SagaState,
    SagaTimer, SagaWait, TimelineEvent, TimelineInput, TimelineRow, WaitKind,
};

use crate::payment::timer_id;

/// The saga of a payment from its rows, the oldest first.
pub fn saga(payment: &PaymentRow, timeline: &[TimelineRow]) -> Saga {
    let mut saga = Saga {
        payment_id: payment.id,
        wallet_id: payment.wallet_id,
        state: SagaState::Submitting,
        deadline: None,
        hold: None,
        attempts: Vec::new(),
        timer: None,
        compensations: Vec::new(),
        waits_for: None,
        discrepancies: Vec::new(),
        position: payment.position,
    };
    for row in timeline {
        for event in &row.events {
            apply(&mut saga, event, row);
        }
        apply_timer(&mut saga, row);
        saga.position = row.position;
    }
    saga.waits_for = wait(&saga);
    saga
}

fn apply(saga: &mut Saga, event: &TimelineEvent, row: &TimelineRow) {
    match event {
        TimelineEvent::PaymentRequested { deadline, .. } => saga.deadline = Some(*deadline),
        TimelineEvent::HoldPlaced(money) => {
            saga.hold = Some(SagaHold { money: *money, state: HoldState::Held });
        }
        TimelineEvent::HoldPosted(money) => {
            saga.hold = Some(SagaHold { money: *money, state: HoldState::Posted });
        }
        TimelineEvent::HoldVoided(money) => {
            saga.hold = Some(SagaHold { money: *money, state: HoldState::Voided });
            let (at, position) = (row.at, row.position);
            saga.compensations.push(Compensation { money: *money, at, position });
        }
        TimelineEvent::AttemptStarted { operation_id, gateway } => {
            saga.state = SagaState::Submitting;
            saga.attempts.push(SagaAttempt {
                number: row.attempt,
                operation_id: *operation_id,
                gateway: gateway.clone(),
                started_at: row.at,
                operations: Vec::new(),
            });
        }
        TimelineEvent::GatewayOperationRequested {
            operation_seq, operation, not_after, ..
        } => {
            saga.state = match operation {
                GatewayOperationKind::Submit => SagaState::Submitting,
                GatewayOperationKind::Inquire => SagaState::InDoubt,
            };
            if let Some(attempt) = saga.attempts.last_mut() {
                attempt.operations.push(SagaOperation {
                    seq: *operation_seq,
                    kind: *operation,
                    requested_at: row.at,
                    not_after: *not_after,
                    answer: None,
                });
            }
        }
        TimelineEvent::GatewayOperationAnswered { operation_seq, proof } => {
            let TimelineInput::GatewayResult(result) = &row.input else { return };
            let outcome = result.outcome.clone();
            if let Some(operation) = operation_mut(saga, *operation_seq) {
                operation.answer = Some(SagaAnswer { at: row.at, outcome, proof: *proof });
            }
        }
        TimelineEvent::ResendScheduled { .. } => saga.state = SagaState::Submitting,
        TimelineEvent::PaymentInDoubt { .. } => saga.state = SagaState::InDoubt,
        TimelineEvent::PaymentCompleted { .. } => saga.state = SagaState::Completed,
        TimelineEvent::PaymentFailed { .. } => saga.state = SagaState::Failed,
        TimelineEvent::DiscrepancyRecorded { code, .. } => saga.discrepancies.push(code.clone()),
    }
}

fn operation_mut(saga: &mut Saga, seq: i32) -> Option<&mut SagaOperation> {
    let attempt = saga.attempts.last_mut()?;
    attempt.operations.iter_mut().rev().find(|operation| operation.seq == seq)
}

/// A timer that fired is set no more; then the entry may set it again.
fn apply_timer(saga: &mut Saga, row: &TimelineRow) {
    if let TimelineInput::Timer { .. } = row.input {
        saga.timer = None;
    }
    if let Some(setting) = row.timer {
        saga.timer = setting.due.map(|due| SagaTimer {
            id: timer_id(saga.payment_id, saga.wallet_id),
            generation: setting.generation,
            due,
        });
    }
}

/// What the timer's due time is about: it has one meaning for each standing.
fn wait(saga: &Saga) -> Option<SagaWait> {
    let operation = saga.attempts.last().and_then(|attempt| attempt.operations.last());
    let is_unanswered = operation.is_some_and(|operation| operation.answer.is_none());
    let what = match saga.state {
        SagaState::Completed | SagaState::Failed => return None,
        SagaState::Submitting if is_unanswered => WaitKind::GatewayAnswer,
        SagaState::Submitting => WaitKind::Resend,
        SagaState::InDoubt if is_unanswered && is_inquiry(operation) => WaitKind::GatewayAnswer,
        SagaState::InDoubt => WaitKind::Inquiry,
    };
    Some(SagaWait { what, until: saga.timer.as_ref().map(|timer| timer.due) })
}

/// A charge that stays unanswered is what the doubt is about: the inquiry is awaited, not it.
fn is_inquiry(operation: Option<&SagaOperation>) -> bool {
    operation.is_some_and(|operation| operation.kind == GatewayOperationKind::Inquire)
}
