//! What happened, in words: a sentence for each event.

use schemas::event::{Event, Hold, Proof, RefundCause, RefundDestination};
use schemas::inputs::{GatewayOperationKind, LegBody, ResolvedOutcome};
use schemas::{Amount, Currency};

use super::input::outcome;
use super::money;

fn of(amount: Amount, currency: Currency) -> String {
    money(amount.minor(), currency)
}

fn held(hold: &Hold) -> String {
    of(hold.amount, hold.currency)
}

/// What an event says; none for one that another sentence of its entry says already.
pub(super) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::WalletOpened(event) => {
            format!("A wallet in {} was opened for {}.", event.currency, event.user_id)
        }
        Event::WalletFrozen(_) => "The wallet is frozen: no new debits.".to_owned(),
        Event::WalletUnfrozen(_) => "The wallet takes debits again.".to_owned(),
        Event::WalletClosed(_) => "The wallet is closed for good.".to_owned(),
        Event::LimitsSet(_) => "The limits of its payments were set.".to_owned(),
        Event::DepositRecorded(event) => {
            format!("{} arrived by {}.", of(event.amount, event.currency), event.rail)
        }
        Event::WithdrawalRecorded(event) => {
            format!("{} left by {}.", of(event.amount, event.currency), event.rail)
        }
        Event::DepositReversed(event) => {
            format!("{} went back by {}.", of(event.amount, event.currency), event.rail)
        }
        Event::WithdrawalReversed(event) => {
            format!("{} came back by {}.", of(event.amount, event.currency), event.rail)
        }
        Event::SuspenseBooked(event) => format!(
            "{} is in suspense ({}): {}. A person must look.",
            of(event.amount, event.currency),
            event.code,
            event.detail
        ),
        Event::PolicyAdopted(event) => {
            format!("The shard decides by configuration {} from here on.", event.version)
        }
        Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_) => return transferred(event),
        Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_) => return refunded(event),
        Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::AttemptAbandoned(_)
        | Event::GatewayOperationRequested(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentReviewRequested(_)
        | Event::PaymentResolved(_)
        | Event::CancelRequested(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::PaymentCancelled(_)
        | Event::DiscrepancyRecorded(_)
        | Event::OrphanRecorded(_)
        | Event::OrphanApplied(_) => return paid(event),
    })
}

fn paid(event: &Event) -> Option<String> {
    Some(match event {
        Event::HoldPlaced(hold) => format!("{} was held.", held(hold)),
        Event::HoldPosted(hold) => format!("{} of what was held went out.", held(hold)),
        Event::HoldVoided(hold) => format!("{} of what was held is free again.", held(hold)),
        Event::AttemptStarted(event) => format!(
            "Attempt {} began at {}, with key {}.",
            event.number, event.gateway, event.operation_id
        ),
        Event::AttemptAbandoned(event) => {
            format!("The attempt ended without a charge: {}.", event.reason)
        }
        Event::GatewayOperationRequested(event) => {
            let what = match event.operation {
                GatewayOperationKind::Submit => "to charge",
                GatewayOperationKind::Inquire => "what became of the charge",
                GatewayOperationKind::Refund => "to give back",
                GatewayOperationKind::InquireRefund => "what became of the refund",
                GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => "nothing",
            };
            let (gateway, until) = (&event.gateway, event.not_after);
            format!("{gateway} is to be asked {what}, until {until}.")
        }
        Event::GatewayOperationAnswered(event) => match event.proof {
            Proof::Nothing => return None,
            Proof::NotSent => "That proves that this request never reached it.".to_owned(),
            Proof::NeverReceived => "That proves that it never received anything.".to_owned(),
        },
        Event::ResendScheduled(event) => {
            format!("The same is sent again at {}: {}.", event.due, event.reason)
        }
        Event::PaymentInDoubt(event) => {
            format!("In doubt whether it was charged ({}); the money stays held.", event.reason)
        }
        Event::PaymentReviewRequested(event) => {
            format!("A person must find out whether it was charged: {}.", event.reason)
        }
        Event::PaymentResolved(event) => resolved(event.outcome, &event.actor),
        Event::CancelRequested(_) => "Nothing new is sent for it.".to_owned(),
        Event::PaymentCompleted(event) => {
            format!("The payment is completed, as {}.", event.gateway_reference)
        }
        Event::PaymentFailed(event) => {
            format!("The payment failed ({}): {}.", event.code, trimmed(&event.message))
        }
        Event::PaymentCancelled(_) => "The payment is cancelled.".to_owned(),
        Event::DiscrepancyRecorded(event) => {
            format!("That does not fit ({}): {}. A person must look.", event.code, event.detail)
        }
        Event::OrphanRecorded(_) => "The shard knows of no such operation; what was said is kept \
                                     in case it turns up. A person should look."
            .to_owned(),
        Event::OrphanApplied(event) => {
            let said = outcome(&event.result.outcome, event.result.operation.is_of_refund());
            format!("What {} had said before counts now: {said}.", event.result.gateway)
        }
        // The input says it.
        _ => return None,
    })
}

fn resolved(outcome: ResolvedOutcome, actor: &str) -> String {
    let outcome = match outcome {
        ResolvedOutcome::Succeeded => "it succeeded",
        ResolvedOutcome::Failed => "it failed",
    };
    format!("On the word of \"{actor}\", {outcome}.")
}

fn trimmed(message: &str) -> &str {
    message.trim_end_matches('.')
}

fn refunded(event: &Event) -> Option<String> {
    Some(match event {
        Event::RefundRequested(event) => {
            let why = match event.cause {
                RefundCause::Asked => "is to be given back",
                RefundCause::UnwantedCharge => "was charged and nobody wants it: it goes back",
            };
            let to = match event.destination {
                RefundDestination::Wallet => "to the wallet",
                RefundDestination::Suspense => "through suspense",
            };
            let money = of(event.amount, event.currency);
            format!("{money} {why}, {to}, as refund {}.", event.refund_id)
        }
        Event::RefundResendScheduled(event) => {
            format!("The same refund is sent again at {}: {}.", event.due, event.reason)
        }
        Event::RefundInDoubt(event) => {
            format!("In doubt whether it was given back ({}).", event.reason)
        }
        Event::RefundReviewRequested(event) => {
            format!("A person must find out whether it was given back: {}.", event.reason)
        }
        Event::RefundResolved(event) => resolved(event.outcome, &event.actor),
        Event::RefundSucceeded(event) => {
            format!("The refund succeeded, as {}.", event.gateway_reference)
        }
        Event::RefundFailed(event) => {
            format!("The refund failed ({}): {}.", event.code, trimmed(&event.message))
        }
        _ => return None,
    })
}

fn transferred(event: &Event) -> Option<String> {
    Some(match event {
        Event::TransferHeld(event) => {
            format!("{} was held at the sender.", of(event.amount, event.currency))
        }
        Event::TransferLegRequested(event) => match &event.leg.body {
            LegBody::CreditAsked {} => "The receiver's shard is asked to credit it.".to_owned(),
            LegBody::CreditDone {} => "The sender's shard is told that it is credited.".to_owned(),
            LegBody::CreditRefused { .. } => {
                "The sender's shard is told that it is refused.".to_owned()
            }
        },
        Event::TransferCredited(event) => {
            format!("The receiver has {}.", of(event.amount, event.currency))
        }
        Event::TransferRefused(event) => {
            format!("The receiver cannot have it ({}): {}.", event.code, trimmed(&event.message))
        }
        Event::TransferCompleted(_) => "The transfer is completed.".to_owned(),
        Event::TransferFailed(event) => format!(
            "The transfer failed ({}): {}. Nothing is held any more.",
            event.code,
            trimmed(&event.message)
        ),
        // The input says it.
        _ => return None,
    })
}
