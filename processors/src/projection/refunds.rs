//! Folds events into refund rows.

use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, RefundRequested};
use schemas::inputs::CommandBody;
use schemas::read_model::{PaymentFailure, RefundRow, RefundStatus};
use schemas::{Money, Position, Sealed};

use super::{ReadRows, RowChanges, missing, posted_after};
use crate::ledger::refund_of;
use crate::state::StateError;

pub(super) fn fold(
    rows: &dyn ReadRows,
    changes: &mut RowChanges,
    event: &Event,
    entry: &Entry,
    position: Position,
) -> Result<(), StateError> {
    if let Event::RefundRequested(requested) = event {
        changes.refunds.push(first_row(requested, entry, position));
        return Ok(());
    }
    let Some(id) = refund_of(event) else { return Ok(()) };
    let at = if let Some(at) = changes.refunds.iter().position(|row| row.id == id) {
        at
    } else {
        let row = rows.refund(id)?.ok_or_else(|| missing(format_args!("refund {id}")))?;
        changes.refunds.push(row);
        changes.refunds.len() - 1
    };
    let row = &mut changes.refunds[at];
    apply(row, event, entry);
    row.updated_at = entry.at;
    row.position = position;
    Ok(())
}

fn first_row(requested: &RefundRequested, entry: &Entry, position: Position) -> RefundRow {
    RefundRow {
        id: requested.refund_id,
        payment_id: requested.payment_id,
        wallet_id: requested.wallet_id,
        money: Money::new(requested.amount, requested.currency),
        cause: requested.cause,
        destination: requested.destination,
        reason: reason_of(entry).cloned(),
        status: RefundStatus::Processing,
        failure: None,
        gateway: requested.gateway.clone(),
        gateway_reference: None,
        refunded_amount: 0,
        discrepancies: Vec::new(),
        balance_after: None,
        correlation_id: requested.correlation_id.clone(),
        fingerprint: requested.fingerprint,
        created_at: entry.at,
        updated_at: entry.at,
        position,
    }
}

fn reason_of(entry: &Entry) -> Option<&Sealed> {
    let InputBody::Command(command) = &entry.input.body else { return None };
    let CommandBody::Refund(refund) = &command.body else { return None };
    refund.reason.as_ref()
}

fn apply(row: &mut RefundRow, event: &Event, entry: &Entry) {
    if let Event::GatewayOperationRequested(asked) = event
        && asked.operation.moves_money()
    {
        row.status = RefundStatus::Processing;
    }
    if let Event::RefundInDoubt(_) = event {
        row.status = RefundStatus::InDoubt;
    }
    if let Event::RefundReviewRequested(_) = event {
        row.status = RefundStatus::NeedsReview;
    }
    if let Event::RefundSucceeded(event) = event {
        row.status = RefundStatus::Succeeded;
        row.failure = None;
        row.gateway_reference = Some(event.gateway_reference.clone());
        row.refunded_amount = event.amount.minor();
        row.balance_after = posted_after(entry, row.wallet_id);
    }
    if let Event::RefundFailed(event) = event {
        row.status = RefundStatus::Failed;
        row.failure = Some(PaymentFailure {
            code: event.code.clone(),
            decline_code: Some(event.decline_code.clone()).filter(|code| !code.is_empty()),
            message: event.message.clone(),
        });
    }
    if let Event::DiscrepancyRecorded(event) = event {
        row.discrepancies.push(event.code.clone());
    }
}
