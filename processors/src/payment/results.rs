//! Decides what a gateway's answer means for a payment.
//!
//! An outcome that is not known is a state, never a failure. A hold is released only on a decline
//! or on proof that nothing was charged; proof of "never received" needs an authoritative gateway
//! and an inquiry that was asked after the last charge could have become visible.

use schemas::event::{DiscrepancyRecorded, Event, GatewayOperationAnswered, PaymentFailed, Proof};
use schemas::inputs::{GatewayOperationKind, GatewayOutcome, GatewayResult};
use schemas::{ErrorCode, Timestamp};

use super::gateway::{
    backoff, complete, doubt, failure, request_submit, schedule_inquiry, schedule_resend,
    void_and_fail,
};
use super::state::{Attempt, Payment, Phase};
use crate::draft::{DecideContext, Draft, Refusal, Rejection};
use crate::policy::InquiryKind;
use crate::state::ReadLedger;

/// Decides one gateway result.
pub(crate) fn result(
    state: &dyn ReadLedger,
    result: &GatewayResult,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let unknown = || Rejection::of(ErrorCode::UnknownOperation);
    let payment = state.payment(result.payment_id)?.ok_or_else(unknown)?;
    let attempt = payment.attempt().filter(|attempt| belongs(&payment, attempt, result));
    let attempt = attempt.ok_or_else(unknown)?;
    if !attempt.unanswered.contains(&result.operation_seq) {
        return Ok(Draft::replayed());
    }
    let proof = proof_of(attempt, result, ctx);
    let mut draft = Draft::accepted();
    draft.event(Event::GatewayOperationAnswered(GatewayOperationAnswered {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        operation_seq: result.operation_seq,
        proof,
    }));
    let after = attempt.clone().answered(result.operation_seq, proof);
    match &payment.phase {
        Phase::Submitting(_) => open(&mut draft, &payment, &after, result, Standing::Sure, ctx),
        Phase::InDoubt(_) => open(&mut draft, &payment, &after, result, Standing::Doubted, ctx),
        Phase::Completed(_) => after_completion(&mut draft, &payment, &after, result),
        Phase::Failed(_) => after_failure(&mut draft, &payment, &after, result),
        Phase::Requested => return Err(unknown().into()),
    }
    Ok(draft)
}

/// Whether the payment was in doubt before the result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Sure,
    Doubted,
}

fn belongs(payment: &Payment, attempt: &Attempt, result: &GatewayResult) -> bool {
    attempt.operation_id == result.operation_id
        && attempt.gateway == result.gateway
        && payment.wallet_id == result.wallet_id
        && (1..=attempt.latest_seq).contains(&result.operation_seq)
}

fn proof_of(attempt: &Attempt, result: &GatewayResult, ctx: &DecideContext<'_>) -> Proof {
    match (result.operation, &result.outcome) {
        (
            GatewayOperationKind::Submit,
            GatewayOutcome::NotSent { .. } | GatewayOutcome::ExpiredUnsent {},
        ) => Proof::NotSent,
        (GatewayOperationKind::Inquire, GatewayOutcome::NotFound {})
            if is_conclusive(attempt, result, ctx) =>
        {
            Proof::NeverReceived
        }
        (GatewayOperationKind::Submit | GatewayOperationKind::Inquire, _) => Proof::Nothing,
    }
}

/// Whether "not found" proves that no charge of this attempt was received.
fn is_conclusive(attempt: &Attempt, result: &GatewayResult, ctx: &DecideContext<'_>) -> bool {
    let Some(gateway) = ctx.policy.gateway(Some(&attempt.gateway)) else { return false };
    let Some((seq, asked_at)) = attempt.latest_inquiry else { return false };
    // A gateway that may have forgotten the key says "not found" of a charge, too.
    let latest_answer =
        asked_at.plus(ctx.policy.payment.operation_window).plus(gateway.maximum_call_time);
    let is_remembered = latest_answer < attempt.first_submitted_at.plus(gateway.key_retention);
    gateway.inquiry == InquiryKind::Authoritative
        && seq == result.operation_seq
        && asked_at > attempt.conclusive_after
        && is_remembered
}

/// The result of an operation of a payment that still holds money.
fn open(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    result: &GatewayResult,
    standing: Standing,
    ctx: &DecideContext<'_>,
) {
    match &result.outcome {
        GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
            if payment.money.amount().minor() == *amount
                && payment.money.currency().code() == currency
            {
                complete(draft, payment, attempt, gateway_reference);
            } else {
                let detail = format!("charged {amount} {currency}, asked {}", payment.money);
                discrepancy(draft, payment, attempt, "amount_differs", detail);
                let reason = "the gateway charged another amount";
                match standing {
                    Standing::Sure => doubt(draft, payment, attempt, reason, ctx),
                    Standing::Doubted => schedule_inquiry(draft, payment, attempt, ctx.at, ctx),
                }
            }
        }
        GatewayOutcome::Declined { decline_code, message } => {
            void_and_fail(
                draft,
                payment,
                attempt,
                PaymentFailed {
                    payment_id: payment.id,
                    code: ErrorCode::PaymentDeclined.code().to_owned(),
                    decline_code: decline_code.clone(),
                    message: message.clone(),
                },
            );
        }
        GatewayOutcome::ExpiredUnsent {} => {
            let reason = "the operation expired before it was sent";
            unsuccessful(draft, payment, attempt, result, standing, reason, ctx);
        }
        GatewayOutcome::NotSent { reason } | GatewayOutcome::OutcomeUnknown { reason } => {
            unsuccessful(draft, payment, attempt, result, standing, reason, ctx);
        }
        GatewayOutcome::NotFound {} => {
            let reason = "the gateway does not know the charge";
            unsuccessful(draft, payment, attempt, result, standing, reason, ctx);
        }
    }
}

/// Neither success nor decline: what is proven decides. `attempt` is as after the answer.
fn unsuccessful(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    result: &GatewayResult,
    standing: Standing,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    match standing {
        Standing::Sure if result.operation_seq != attempt.latest_submit => {
            // A late answer to something older says nothing about the charge under way.
        }
        Standing::Sure | Standing::Doubted if !attempt.may_have_sent() => {
            resend_or_fail(draft, payment, attempt, reason, ctx);
        }
        Standing::Sure => doubt(draft, payment, attempt, reason, ctx),
        Standing::Doubted if is_latest_inquiry(attempt, result) => {
            // "Not found" now: ask again when it begins to prove something.
            let is_not_found = matches!(result.outcome, GatewayOutcome::NotFound {});
            let not_before = if is_not_found {
                attempt.conclusive_after.plus(JUST_AFTER)
            } else {
                Timestamp::default()
            };
            schedule_inquiry(draft, payment, attempt, not_before, ctx);
        }
        Standing::Doubted => {
            // The next inquiry is planned already: a late answer must not plan a second.
        }
    }
}

fn is_latest_inquiry(attempt: &Attempt, result: &GatewayResult) -> bool {
    attempt.latest_inquiry.is_some_and(|(seq, _)| seq == result.operation_seq)
}

/// Shard time has a resolution of one millisecond; this is the next one.
const JUST_AFTER: std::time::Duration = std::time::Duration::from_millis(1);

/// Nothing of the attempt ever reached the gateway: send it again, or give up.
fn resend_or_fail(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    reason: &str,
    ctx: &DecideContext<'_>,
) {
    let times = &ctx.policy.payment;
    let doublings = attempt.submits.saturating_sub(1);
    let due = ctx.at.plus(backoff(doublings, times.resend_backoff, times.resend_backoff_limit));
    // The key must still be remembered when the latest possible call ends.
    let is_retained = ctx.policy.gateway(Some(&attempt.gateway)).is_some_and(|gateway| {
        let call_ends = due.plus(times.operation_window).plus(gateway.maximum_call_time);
        call_ends < attempt.first_submitted_at.plus(gateway.key_retention)
    });
    if due > payment.deadline {
        let rejection = Rejection::of(ErrorCode::DeadlineExceeded);
        void_and_fail(draft, payment, attempt, failure(payment, &rejection));
    } else if attempt.submits >= times.submits_limit || !is_retained {
        let rejection = Rejection::because(ErrorCode::GatewayUnavailable, reason);
        void_and_fail(draft, payment, attempt, failure(payment, &rejection));
    } else if attempt.inquiries > 0 {
        // The proof took longer than any back-off.
        request_submit(draft, payment, attempt, ctx);
    } else {
        schedule_resend(draft, payment, attempt, reason, due);
    }
}

fn after_completion(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    result: &GatewayResult,
) {
    if let GatewayOutcome::Declined { decline_code, .. } = &result.outcome {
        let detail = format!("declined ({decline_code}) after it had succeeded");
        discrepancy(draft, payment, attempt, "decline_after_success", detail);
    }
}

fn after_failure(draft: &mut Draft, payment: &Payment, attempt: &Attempt, result: &GatewayResult) {
    if let GatewayOutcome::Succeeded { gateway_reference, amount, currency } = &result.outcome {
        let detail = format!("charged {amount} {currency} as {gateway_reference} after a failure");
        discrepancy(draft, payment, attempt, "success_after_failure", detail);
    }
}

fn discrepancy(
    draft: &mut Draft,
    payment: &Payment,
    attempt: &Attempt,
    code: &str,
    detail: String,
) {
    // Every inquiry finds it again: once is enough.
    if payment.discrepancies.contains(code) {
        return;
    }
    draft.event(Event::DiscrepancyRecorded(DiscrepancyRecorded {
        payment_id: payment.id,
        operation_id: attempt.operation_id,
        code: code.to_owned(),
        detail,
    }));
}
