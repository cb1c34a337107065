//! Reduces an entry to the row that it adds to the timeline of a payment.

use schemas::entry::{Entry, InputBody, Source};
use schemas::event::{Event, Hold};
use schemas::inputs::{Envelope, GatewayResult};
use schemas::read_model::PaymentRow;
use schemas::timeline::TimerSetting;
use schemas::timeline::{OperationInput, RequestInput, ResultInput};
use schemas::timeline::{TimelineEvent, TimelineInput, TimelineRow};
use schemas::{Money, PaymentId, Position};

use crate::ledger::payment_of;
use crate::story;
use crate::timer::TimerSubject;

/// The row of an entry with events about this payment, whose row stood like `before`. None for an
/// input that has no events, ever.
pub(super) fn row(
    id: PaymentId,
    before: Option<&PaymentRow>,
    entry: &Entry,
    position: Position,
) -> Option<TimelineRow> {
    let of_payment = || entry.events.iter().filter(|event| payment_of(event) == Some(id));
    let started = of_payment().find_map(|event| match event {
        Event::AttemptStarted(event) => Some(event.number),
        _ => None,
    });
    // An entry that is about a payment is about at most one of its refunds.
    let (mut timer, mut refund_timer) = (None, None);
    for change in &entry.timers {
        let setting = TimerSetting { generation: change.generation, due: change.due };
        match TimerSubject::of(&change.timer_id) {
            Some((TimerSubject::Payment(of), _)) if of == id => _ = timer.get_or_insert(setting),
            Some((TimerSubject::Refund(of), _)) => _ = refund_timer.get_or_insert((of, setting)),
            Some((TimerSubject::Payment(_) | TimerSubject::Transfer(_), _)) | None => {}
        }
    }
    Some(TimelineRow {
        position,
        previous: before.map(|row| row.position.offset),
        seq: entry.seq,
        at: entry.at,
        input: input(entry)?,
        correlation_id: entry.correlation_id().to_owned(),
        attempt: started.unwrap_or_else(|| before.map_or(0, |row| row.attempts)),
        events: of_payment().filter_map(event).collect(),
        timer,
        refund_timer,
    })
}

fn input(entry: &Entry) -> Option<TimelineInput> {
    let offset = match entry.source {
        Source::Input { offset, .. } => offset,
        Source::Timer { generation, due, .. } => {
            return Some(TimelineInput::Timer { generation, due });
        }
    };
    match &entry.input.body {
        InputBody::Command(command) => {
            Some(TimelineInput::Command(request(offset, &command.envelope)))
        }
        InputBody::Operation(operation) => {
            let request = request(offset, &operation.envelope);
            let evidence = story::evidence(entry).cloned();
            Some(TimelineInput::Operation(Box::new(OperationInput { request, evidence })))
        }
        InputBody::GatewayResult(result) => {
            Some(TimelineInput::GatewayResult(Box::new(answer(offset, result))))
        }
        InputBody::TransferLeg(_) | InputBody::TimerFired {} | InputBody::Unreadable(_) => None,
    }
}

fn request(offset: i64, envelope: &Envelope) -> RequestInput {
    let (command_id, actor) = (envelope.command_id.clone(), envelope.actor.clone());
    RequestInput { offset, command_id, actor }
}

fn answer(offset: i64, result: &GatewayResult) -> ResultInput {
    ResultInput {
        offset,
        operation_seq: result.operation_seq,
        operation: result.operation,
        operation_id: result.operation_id,
        outcome: result.outcome.clone(),
        evidence: result.evidence.clone(),
        observed_at: result.observed_at,
    }
}

fn money(hold: &Hold) -> Money {
    Money::new(hold.amount, hold.currency)
}

fn event(event: &Event) -> Option<TimelineEvent> {
    Some(match event {
        Event::PaymentRequested(event) => TimelineEvent::PaymentRequested {
            money: Money::new(event.amount, event.currency),
            deadline: event.deadline,
        },
        Event::HoldPlaced(hold) => TimelineEvent::HoldPlaced(money(hold)),
        Event::HoldPosted(hold) => TimelineEvent::HoldPosted(money(hold)),
        Event::HoldVoided(hold) => TimelineEvent::HoldVoided(money(hold)),
        Event::AttemptStarted(event) => TimelineEvent::AttemptStarted {
            operation_id: event.operation_id,
            gateway: event.gateway.clone(),
        },
        Event::GatewayOperationRequested(event) => TimelineEvent::GatewayOperationRequested {
            refund_id: event.refund.as_ref().map(|refund| refund.refund_id),
            operation_seq: event.operation_seq,
            operation: event.operation,
            not_after: event.not_after,
            conclusive_after: event.conclusive_after,
        },
        Event::GatewayOperationAnswered(event) => TimelineEvent::GatewayOperationAnswered {
            operation_id: event.operation_id,
            operation_seq: event.operation_seq,
            proof: event.proof,
        },
        Event::ResendScheduled(event) => {
            TimelineEvent::ResendScheduled { reason: event.reason.clone(), due: event.due }
        }
        Event::PaymentInDoubt(event) => {
            TimelineEvent::PaymentInDoubt { reason: event.reason.clone() }
        }
        Event::PaymentCompleted(event) => TimelineEvent::PaymentCompleted {
            gateway_reference: event.gateway_reference.clone(),
            captured_amount: event.captured_amount,
        },
        Event::PaymentFailed(event) => TimelineEvent::PaymentFailed {
            code: event.code.clone(),
            decline_code: event.decline_code.clone(),
            message: event.message.clone(),
        },
        Event::DiscrepancyRecorded(event) => TimelineEvent::DiscrepancyRecorded {
            code: event.code.clone(),
            detail: event.detail.clone(),
        },
        Event::AttemptAbandoned(event) => TimelineEvent::AttemptAbandoned {
            operation_id: event.operation_id,
            reason: event.reason.clone(),
        },
        Event::PaymentReviewRequested(event) => {
            TimelineEvent::PaymentReviewRequested { reason: event.reason.clone() }
        }
        Event::PaymentResolved(event) => TimelineEvent::PaymentResolved {
            outcome: event.outcome,
            amount: event.amount,
            actor: event.actor.clone(),
        },
        Event::CancelRequested(_) => TimelineEvent::CancelRequested,
        Event::PaymentCancelled(_) => TimelineEvent::PaymentCancelled,
        Event::SuspenseBooked(event) => TimelineEvent::SuspenseBooked {
            side: event.side,
            money: Money::new(event.amount, event.currency),
            code: event.code.clone(),
            detail: event.detail.clone(),
        },
        _ => return refund_event(event),
    })
}

fn refund_event(event: &Event) -> Option<TimelineEvent> {
    Some(match event {
        Event::RefundRequested(event) => TimelineEvent::RefundRequested {
            refund_id: event.refund_id,
            gateway: event.gateway.clone(),
            money: Money::new(event.amount, event.currency),
            cause: event.cause,
            destination: event.destination,
        },
        Event::RefundResendScheduled(event) => TimelineEvent::RefundResendScheduled {
            refund_id: event.refund_id,
            reason: event.reason.clone(),
            due: event.due,
        },
        Event::RefundInDoubt(event) => TimelineEvent::RefundInDoubt {
            refund_id: event.refund_id,
            reason: event.reason.clone(),
        },
        Event::RefundReviewRequested(event) => TimelineEvent::RefundReviewRequested {
            refund_id: event.refund_id,
            reason: event.reason.clone(),
        },
        Event::RefundResolved(event) => TimelineEvent::RefundResolved {
            refund_id: event.refund_id,
            outcome: event.outcome,
            actor: event.actor.clone(),
        },
        Event::RefundSucceeded(event) => TimelineEvent::RefundSucceeded {
            refund_id: event.refund_id,
            gateway_reference: event.gateway_reference.clone(),
            amount: event.amount,
        },
        Event::RefundFailed(event) => TimelineEvent::RefundFailed {
            refund_id: event.refund_id,
            code: event.code.clone(),
            message: event.message.clone(),
        },
        _ => return None,
    })
}
