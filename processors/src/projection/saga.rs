//! The saga of a payment, folded from its timeline when somebody asks.
//!
//! Invariant: it stands where [`crate::payment::Payment`] stands in the ledger after the same
//! entries. A timeline whose beginning is missing gives what its rest says.

use schemas::inputs::GatewayOperationKind;
use schemas::read_model::{PaymentRow, RefundStatus};
use schemas::timeline::{
    Compensation, CompensationKind, HoldState, Saga, SagaAnswer, SagaAttempt, SagaHold,
    SagaOperation, SagaRefund, SagaState, SagaTimer, SagaWait, TimelineEvent, TimelineInput,
    TimelineRow, WaitKind,
};
use schemas::{Money, OperationId, RefundId};

use crate::timer::TimerSubject;

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
        cancel_requested: false,
        compensations: Vec::new(),
        refunds: Vec::new(),
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
            // The rest of a hold that was posted in part: the hold is posted all the same.
            if saga.hold.is_none_or(|hold| hold.state == HoldState::Held) {
                saga.hold = Some(SagaHold { money: *money, state: HoldState::Voided });
            }
            compensate(saga, CompensationKind::HoldVoided, *money, row);
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
        TimelineEvent::GatewayOperationRequested { refund_id, operation, .. } => {
            if refund_id.is_none() {
                saga.state = match (saga.state, operation.moves_money()) {
                    (_, true) => SagaState::Submitting,
                    (SagaState::NeedsReview, false) => SagaState::NeedsReview,
                    (_, false) => SagaState::InDoubt,
                };
            }
            asked(saga, event, row);
        }
        TimelineEvent::GatewayOperationAnswered { operation_id, operation_seq, proof } => {
            let TimelineInput::GatewayResult(result) = &row.input else { return };
            let outcome = result.outcome.clone();
            if let Some(operation) = operation_mut(saga, *operation_id, *operation_seq) {
                operation.answer = Some(SagaAnswer { at: row.at, outcome, proof: *proof });
            }
        }
        TimelineEvent::ResendScheduled { .. } => saga.state = SagaState::Submitting,
        TimelineEvent::PaymentInDoubt { .. } => saga.state = SagaState::InDoubt,
        TimelineEvent::PaymentReviewRequested { .. } => saga.state = SagaState::NeedsReview,
        TimelineEvent::PaymentCompleted { .. } => saga.state = SagaState::Completed,
        TimelineEvent::PaymentFailed { .. } => saga.state = SagaState::Failed,
        TimelineEvent::PaymentCancelled => saga.state = SagaState::Cancelled,
        TimelineEvent::CancelRequested => saga.cancel_requested = true,
        TimelineEvent::DiscrepancyRecorded { code, .. } => saga.discrepancies.push(code.clone()),
        TimelineEvent::AttemptAbandoned { .. }
        | TimelineEvent::PaymentResolved { .. }
        | TimelineEvent::SuspenseBooked { .. }
        | TimelineEvent::RefundResolved { .. } => {}
        TimelineEvent::RefundRequested { .. }
        | TimelineEvent::RefundResendScheduled { .. }
        | TimelineEvent::RefundInDoubt { .. }
        | TimelineEvent::RefundReviewRequested { .. }
        | TimelineEvent::RefundSucceeded { .. }
        | TimelineEvent::RefundFailed { .. } => apply_to_refund(saga, event, row),
    }
}

/// What happened to one of the refunds; the other events are [`apply`]'s.
fn apply_to_refund(saga: &mut Saga, event: &TimelineEvent, row: &TimelineRow) {
    match event {
        TimelineEvent::RefundRequested { refund_id, gateway, money, cause, .. } => {
            saga.refunds.push(SagaRefund {
                refund_id: *refund_id,
                gateway: gateway.clone(),
                money: *money,
                cause: *cause,
                status: RefundStatus::Processing,
                operations: Vec::new(),
                timer: None,
            });
        }
        TimelineEvent::RefundResendScheduled { refund_id, .. } => {
            stands(saga, *refund_id, RefundStatus::Processing);
        }
        TimelineEvent::RefundInDoubt { refund_id, .. } => {
            stands(saga, *refund_id, RefundStatus::InDoubt);
        }
        TimelineEvent::RefundReviewRequested { refund_id, .. } => {
            stands(saga, *refund_id, RefundStatus::NeedsReview);
        }
        TimelineEvent::RefundSucceeded { refund_id, .. } => {
            stands(saga, *refund_id, RefundStatus::Succeeded);
            let money = refund_mut(saga, *refund_id).map(|refund| refund.money);
            if let Some(money) = money {
                compensate(saga, CompensationKind::Refunded, money, row);
            }
        }
        TimelineEvent::RefundFailed { refund_id, .. } => {
            stands(saga, *refund_id, RefundStatus::Failed);
        }
        other => debug_assert!(false, "not about a refund: {other:?}"),
    }
}

fn compensate(saga: &mut Saga, kind: CompensationKind, money: Money, row: &TimelineRow) {
    let (at, position) = (row.at, row.position);
    saga.compensations.push(Compensation { kind, money, at, position });
}

fn refund_mut(saga: &mut Saga, id: RefundId) -> Option<&mut SagaRefund> {
    saga.refunds.iter_mut().find(|refund| refund.refund_id == id)
}

fn stands(saga: &mut Saga, id: RefundId, status: RefundStatus) {
    if let Some(refund) = refund_mut(saga, id) {
        refund.status = status;
    }
}

/// The gateway was to do something, for the latest attempt or for a refund.
fn asked(saga: &mut Saga, event: &TimelineEvent, row: &TimelineRow) {
    let TimelineEvent::GatewayOperationRequested {
        refund_id,
        operation_seq,
        operation,
        not_after,
        ..
    } = event
    else {
        return;
    };
    let operation = SagaOperation {
        seq: *operation_seq,
        kind: *operation,
        requested_at: row.at,
        not_after: *not_after,
        answer: None,
    };
    match refund_id {
        Some(id) => {
            if operation.kind.moves_money() {
                stands(saga, *id, RefundStatus::Processing);
            }
            if let Some(refund) = refund_mut(saga, *id) {
                refund.operations.push(operation);
            }
        }
        None => {
            if let Some(attempt) = saga.attempts.last_mut() {
                attempt.operations.push(operation);
            }
        }
    }
}

fn operation_mut(saga: &mut Saga, id: OperationId, seq: i32) -> Option<&mut SagaOperation> {
    let refund = RefundId::of_operation(id);
    let attempt = saga.attempts.iter_mut().find(|attempt| attempt.operation_id == id);
    let operations = if let Some(attempt) = attempt {
        &mut attempt.operations
    } else {
        let refund = saga.refunds.iter_mut().find(|one| one.refund_id == refund);
        &mut refund?.operations
    };
    operations.iter_mut().rev().find(|operation| operation.seq == seq)
}

/// A timer that fired is set no more; then the entry may set it again.
fn apply_timer(saga: &mut Saga, row: &TimelineRow) {
    if let TimelineInput::Timer { generation, .. } = row.input
        && row.refund_timer.is_none()
        && row.timer.is_none()
    {
        forget_fired(saga, generation);
    }
    if let Some(setting) = row.timer {
        saga.timer = setting.due.map(|due| SagaTimer {
            id: TimerSubject::Payment(saga.payment_id).timer_id(saga.wallet_id),
            generation: setting.generation,
            due,
        });
    }
    if let Some((id, setting)) = row.refund_timer
        && let Some(refund) = refund_mut(saga, id)
    {
        refund.timer = setting.due.is_some().then_some(setting);
    }
}

/// An entry of a timer that sets none. Every such entry is of the saga whose generation fired.
fn forget_fired(saga: &mut Saga, generation: i64) {
    if saga.timer.as_ref().is_some_and(|timer| timer.generation == generation) {
        saga.timer = None;
    }
}

/// What the timer's due time is about: it has one meaning for each standing.
fn wait(saga: &Saga) -> Option<SagaWait> {
    let operation = saga.attempts.last().and_then(|attempt| attempt.operations.last());
    let is_unanswered = operation.is_some_and(|operation| operation.answer.is_none());
    let what = match saga.state {
        SagaState::Completed | SagaState::Failed | SagaState::Cancelled => return None,
        SagaState::NeedsReview => WaitKind::Review,
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
