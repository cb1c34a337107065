//! Folds events into payment rows.

use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, PaymentFailed, PaymentRequested};
use schemas::inputs::{CommandBody, GatewayOperationKind, Pay};
use schemas::read_model::{PaymentFailure, PaymentRow, PaymentStatus};
use schemas::{Money, PaymentId, Position};

use super::{PaymentChange, ReadRows, RowChanges, missing, posted_after, timeline};
use crate::ledger::payment_of;
use crate::state::StateError;

pub(super) fn fold(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    if let Event::PaymentRequested(requested) = event {
        changes.timeline.extend(timeline::row(requested.payment_id, None, entry, position));
        let row = first_row(requested, entry, position);
        changes.payments.push(PaymentChange { before: None, row });
        return Ok(());
    }
    let Some(id) = payment_of(event).or_else(|| heard_of(event)) else { return Ok(()) };
    let at = if let Some(at) = changes.payments.iter().position(|change| change.row.id == id) {
        at
    } else {
        let row = rows.payment(id)?.ok_or_else(|| missing(format_args!("payment {id}")))?;
        changes.timeline.extend(timeline::row(id, Some(&row), entry, position));
        changes.payments.push(PaymentChange { before: Some(row.status), row });
        changes.payments.len() - 1
    };
    let row = &mut changes.payments[at].row;
    apply(row, event, entry);
    row.updated_at = entry.at;
    row.position = position;
    Ok(())
}

/// The payment of which was heard what had been said before, be it nothing new.
fn heard_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::OrphanApplied(event) => Some(event.result.payment_id),
        _ => None,
    }
}

fn first_row(requested: &PaymentRequested, entry: &Entry, position: Position) -> PaymentRow {
    let request = pay_of(entry);
    PaymentRow {
        id: requested.payment_id,
        wallet_id: requested.wallet_id,
        user_id: requested.user_id.clone(),
        money: Money::new(requested.amount, requested.currency),
        description: request.and_then(|pay| pay.description.clone()),
        service_id: request.and_then(|pay| pay.service_id.clone()),
        metadata: request.and_then(|pay| pay.metadata.clone()),
        status: PaymentStatus::Processing,
        failure: None,
        gateway: None,
        gateway_reference: None,
        attempts: 0,
        captured_amount: 0,
        refunded_amount: 0,
        cancel_requested: false,
        discrepancies: Vec::new(),
        balance_after: None,
        correlation_id: requested.correlation_id.clone(),
        fingerprint: requested.fingerprint,
        created_at: entry.at,
        updated_at: entry.at,
        position,
    }
}

fn pay_of(entry: &Entry) -> Option<&Pay> {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => Some(pay),
            CommandBody::Cancel(_) | CommandBody::Refund(_) | CommandBody::Transfer(_) => None,
        },
        InputBody::Operation(_)
        | InputBody::GatewayResult(_)
        | InputBody::TransferLeg(_)
        | InputBody::TimerFired {}
        | InputBody::Unreadable(_) => None,
    }
}

fn failure_of(event: &PaymentFailed) -> PaymentFailure {
    PaymentFailure {
        code: event.code.clone(),
        decline_code: Some(event.decline_code.clone()).filter(|code| !code.is_empty()),
        message: event.message.clone(),
    }
}

fn apply(row: &mut PaymentRow, event: &Event, entry: &Entry) {
    match event {
        Event::AttemptStarted(event) => {
            row.gateway = Some(event.gateway.clone());
            row.attempts = event.number;
        }
        Event::GatewayOperationRequested(event) => {
            if event.operation == GatewayOperationKind::Submit {
                row.status = PaymentStatus::Processing;
            }
        }
        Event::ResendScheduled(_) => row.status = PaymentStatus::Processing,
        Event::PaymentInDoubt(_) => row.status = PaymentStatus::InDoubt,
        Event::PaymentReviewRequested(_) => row.status = PaymentStatus::NeedsReview,
        Event::CancelRequested(_) => row.cancel_requested = true,
        Event::PaymentCompleted(event) => {
            row.status = PaymentStatus::Completed;
            row.gateway_reference = Some(event.gateway_reference.clone());
            row.captured_amount = event.captured_amount.minor();
            row.balance_after = posted_after(entry, row.wallet_id);
        }
        Event::PaymentFailed(event) => {
            row.status = PaymentStatus::Failed;
            row.failure = Some(failure_of(event));
        }
        Event::PaymentCancelled(_) => row.status = PaymentStatus::Cancelled,
        Event::DiscrepancyRecorded(event) => row.discrepancies.push(event.code.clone()),
        Event::RefundSucceeded(event) if event.credited > 0 => {
            row.refunded_amount += event.credited;
            let is_whole = row.refunded_amount >= row.captured_amount;
            row.status =
                if is_whole { PaymentStatus::Refunded } else { PaymentStatus::PartiallyRefunded };
        }
        Event::RefundSucceeded(_)
        | Event::GatewayOperationAnswered(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::PaymentRequested(_)
        | Event::AttemptAbandoned(_)
        | Event::PaymentResolved(_)
        | Event::SuspenseBooked(_)
        | Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundFailed(_)
        | Event::WalletOpened(_)
        | Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::DepositRecorded(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_)
        | Event::PolicyAdopted(_)
        | Event::OrphanRecorded(_)
        | Event::OrphanApplied(_) => {}
    }
}
