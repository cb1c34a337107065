//! Every event of refunds, transfers and orphans.

use schemas::Fingerprint;
use schemas::event::{
    Event, GatewayOperationAnswered, GatewayOperationRequested, OrphanApplied, OrphanRecorded,
    Proof, RefundCause, RefundDestination, RefundFailed, RefundInDoubt, RefundOf, RefundRequested,
    RefundResendScheduled, RefundResolved, RefundReviewRequested, RefundSucceeded,
    TransferCompleted, TransferCredited, TransferFailed, TransferHeld, TransferLegRequested,
    TransferRefused, TransferRequested,
};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, LegBody, ResolvedOutcome};

use super::{amount, leg, refund, text, transfer};
use crate::{at, attempt, money, payment, result, usd, wallet};

#[expect(clippy::too_many_lines, reason = "one value for each event")]
pub fn of_refunds() -> Vec<Event> {
    let (refund_id, payment_id, operation_id) = (refund(), payment(), attempt());
    let requested = |cause, destination| {
        Event::RefundRequested(Box::new(RefundRequested {
            refund_id,
            payment_id,
            wallet_id: wallet(),
            operation_id,
            gateway: "simulator".parse().expect("valid"),
            gateway_reference: text(),
            amount: amount(),
            currency: usd(),
            cause,
            destination,
            fingerprint: Fingerprint::of_refund(payment_id, None, None),
            deadline: at(600_000),
            correlation_id: text(),
        }))
    };
    vec![
        requested(RefundCause::Asked, RefundDestination::Wallet),
        requested(RefundCause::UnwantedCharge, RefundDestination::Suspense),
        Event::GatewayOperationRequested(GatewayOperationRequested {
            payment_id,
            wallet_id: wallet(),
            operation_id,
            operation_seq: 1,
            operation: GatewayOperationKind::Refund,
            gateway: "simulator".parse().expect("valid"),
            amount: amount(),
            currency: usd(),
            not_after: at(10_000),
            conclusive_after: at(16_000),
            correlation_id: text(),
            refund: Some(Box::new(RefundOf {
                refund_id,
                charge_operation_id: operation_id,
                charge_reference: text(),
            })),
        }),
        Event::GatewayOperationAnswered(GatewayOperationAnswered {
            payment_id,
            operation_id,
            operation_seq: 1,
            proof: Proof::NotSent,
            refund_id: Some(refund_id),
        }),
        Event::RefundResendScheduled(RefundResendScheduled {
            refund_id,
            payment_id,
            reason: text(),
            due: at(250),
        }),
        Event::RefundInDoubt(RefundInDoubt {
            refund_id,
            payment_id,
            reason: text(),
            review_at: at(3_600_000),
        }),
        Event::RefundReviewRequested(RefundReviewRequested {
            refund_id,
            payment_id,
            reason: text(),
        }),
        Event::RefundResolved(RefundResolved {
            refund_id,
            payment_id,
            outcome: ResolvedOutcome::Failed,
            amount: 0,
            gateway_reference: text(),
            actor: text(),
        }),
        Event::RefundSucceeded(RefundSucceeded {
            refund_id,
            payment_id,
            gateway_reference: text(),
            amount: amount(),
            credited: 9_000,
        }),
        Event::RefundFailed(RefundFailed {
            refund_id,
            payment_id,
            code: text(),
            decline_code: text(),
            message: text(),
        }),
    ]
}

pub fn of_transfers() -> Vec<Event> {
    let (transfer_id, wallet_id) = (transfer(), wallet());
    let (amount, currency) = (amount(), usd());
    vec![
        Event::TransferRequested(TransferRequested {
            transfer_id,
            wallet_id,
            to_wallet_id: wallet_id,
            user_id: "user-1".parse().expect("valid"),
            amount,
            currency,
            fingerprint: Fingerprint::of_transfer(wallet_id, wallet_id, money(), None),
            correlation_id: text(),
        }),
        Event::TransferHeld(TransferHeld { transfer_id, wallet_id, amount, currency }),
        Event::TransferLegRequested(TransferLegRequested { leg: leg(LegBody::CreditAsked {}) }),
        Event::TransferCredited(TransferCredited {
            transfer_id,
            wallet_id,
            from_wallet_id: wallet_id,
            amount,
            currency,
            correlation_id: text(),
        }),
        Event::TransferRefused(TransferRefused {
            transfer_id,
            wallet_id,
            from_wallet_id: wallet_id,
            amount,
            currency,
            code: text(),
            message: text(),
        }),
        Event::TransferCompleted(TransferCompleted { transfer_id, wallet_id, amount, currency }),
        Event::TransferFailed(TransferFailed {
            transfer_id,
            wallet_id,
            code: text(),
            message: text(),
        }),
    ]
}

pub fn of_orphans() -> Vec<Event> {
    let said = || result(GatewayOutcome::NotFound {}, None);
    vec![
        Event::OrphanRecorded(OrphanRecorded { result: Box::new(said()) }),
        Event::OrphanApplied(OrphanApplied { result: Box::new(said()) }),
    ]
}
