//! Check `causes`: an event says no more than what its input asked for or proved.
//!
//! Whether the input was right to be accepted is the ledger's decision; that no money moves for
//! what nobody asked, and no payment completes that no gateway confirmed, each entry shows alone.

mod derived;

use schemas::entry::{Entry, InputBody, Source};
use schemas::event::{Event, RefundCause};
use schemas::inputs::{
    Command, CommandBody, Envelope, GatewayOutcome, GatewayResult, LegBody, Operation,
    OperationBody, ResolvedOutcome, TransferLeg,
};
use schemas::{ErrorCode, PaymentId, Position, RefundId};

use derived::{deposited, opened, refund_asked, requested, sent, withdrawn};

use super::report::CheckResult;
use super::{Check, payment_of, said};

pub(super) struct Causes {
    result: CheckResult,
}

impl Causes {
    pub(super) fn new() -> Self {
        let meaning = "events follow from their input: the same ids, amounts and parties, derived \
                       ids recomputed, completions confirmed by the gateway's answer";
        Self { result: CheckResult::new("causes", meaning) }
    }
}

impl Check for Causes {
    fn observe(&mut self, position: Position, entry: &Entry) {
        for event in &entry.events {
            self.result.examine();
            if !is_caused(event, entry) {
                let detail = format!("{} does not follow from the input", event.name());
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}

fn is_caused(event: &Event, entry: &Entry) -> bool {
    match event {
        Event::WalletOpened(_)
        | Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::DepositRecorded(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::PolicyAdopted(_) => is_operated(event, &entry.input.body),
        Event::OrphanRecorded(event) => is_said(&event.result, entry),
        // That it was said before, the check of operations shows.
        Event::OrphanApplied(event) => {
            matches!(entry.input.body, InputBody::TimerFired {})
                && (is_about(&event.result.payment_id.to_string(), entry)
                    || is_about(&event.result.operation_id.to_string(), entry))
        }
        Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_) => is_transferred(event, entry),
        Event::SuspenseBooked(_)
        | Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_) => is_refunded(event, entry),
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
        | Event::DiscrepancyRecorded(_) => is_paid(event, entry),
    }
}

fn command(body: &InputBody) -> Option<(&Envelope, &CommandBody)> {
    let InputBody::Command(Command { envelope, body }) = body else { return None };
    Some((envelope, body))
}

fn operation(body: &InputBody) -> Option<(&Envelope, &OperationBody)> {
    let InputBody::Operation(Operation { envelope, body }) = body else { return None };
    Some((envelope, body))
}

/// Events of wallets, rails and configurations: an operator asked for exactly that.
fn is_operated(event: &Event, body: &InputBody) -> bool {
    let Some((envelope, asked)) = operation(body) else { return false };
    match (event, asked) {
        (Event::WalletOpened(event), OperationBody::OpenWallet(asked)) => {
            opened(event, envelope, asked)
        }
        (Event::WalletFrozen(event), OperationBody::FreezeWallet(asked)) => {
            asked.wallet_id == event.wallet_id.to_string()
        }
        (Event::WalletUnfrozen(event), OperationBody::UnfreezeWallet(asked)) => {
            asked.wallet_id == event.wallet_id.to_string()
        }
        (Event::WalletClosed(event), OperationBody::CloseWallet(asked)) => {
            asked.wallet_id == event.wallet_id.to_string()
        }
        (Event::LimitsSet(event), OperationBody::SetLimits(asked)) => {
            asked.wallet_id == event.wallet_id.to_string()
                && (asked.per_payment, asked.per_day, asked.in_flight)
                    == (event.per_payment, event.per_day, event.in_flight)
        }
        (Event::DepositRecorded(event), OperationBody::Deposit(asked)) => {
            deposited(event, envelope, asked)
        }
        (Event::WithdrawalRecorded(event), OperationBody::Withdraw(asked)) => {
            withdrawn(event, envelope, asked)
        }
        (Event::DepositReversed(event), OperationBody::ReverseDeposit(asked)) => {
            asked.deposit_id == event.deposit_id.to_string()
                && asked.wallet_id == event.wallet_id.to_string()
        }
        (Event::WithdrawalReversed(event), OperationBody::ReverseWithdrawal(asked)) => {
            asked.withdrawal_id == event.withdrawal_id.to_string()
                && asked.wallet_id == event.wallet_id.to_string()
        }
        (Event::PolicyAdopted(event), OperationBody::AdoptPolicy(asked)) => {
            (asked.version, &asked.configuration) == (event.version, &event.configuration)
        }
        _ => false,
    }
}

/// Events of transfers: the sender asked, a leg says so, or the sender's timer was due.
fn is_transferred(event: &Event, entry: &Entry) -> bool {
    let body = &entry.input.body;
    let leg = match body {
        InputBody::TransferLeg(leg) => Some(leg),
        _ => None,
    };
    match event {
        Event::TransferRequested(event) => {
            matches!(command(body), Some((envelope, CommandBody::Transfer(asked)))
                if sent(event, envelope, asked))
        }
        Event::TransferHeld(event) => {
            matches!(command(body), Some((_, CommandBody::Transfer(asked)))
                if asked.transfer_id == event.transfer_id.to_string()
                    && asked.amount == event.amount.minor())
        }
        Event::TransferLegRequested(event) => match event.leg.body {
            LegBody::CreditAsked {} => is_about(&event.leg.transfer_id.to_string(), entry),
            LegBody::CreditDone {} | LegBody::CreditRefused { .. } => {
                leg.is_some_and(|asked| answers(&event.leg, asked))
            }
        },
        Event::TransferCredited(event) => leg.is_some_and(|leg| {
            leg.body == (LegBody::CreditAsked {})
                && (leg.transfer_id, leg.to_wallet_id, leg.from_wallet_id)
                    == (event.transfer_id, event.wallet_id, event.from_wallet_id)
                && (leg.amount, leg.currency) == (event.amount, event.currency)
        }),
        Event::TransferRefused(event) => leg.is_some_and(|leg| {
            leg.body == (LegBody::CreditAsked {}) && leg.transfer_id == event.transfer_id
        }),
        Event::TransferCompleted(event) => leg.is_some_and(|leg| {
            leg.body == (LegBody::CreditDone {})
                && (leg.transfer_id, leg.from_wallet_id) == (event.transfer_id, event.wallet_id)
                && (leg.amount, leg.currency) == (event.amount, event.currency)
        }),
        Event::TransferFailed(event) => {
            let is_refused = leg.is_some_and(|leg| {
                leg.transfer_id == event.transfer_id
                    && matches!(&leg.body, LegBody::CreditRefused { code, .. }
                        if *code == event.code)
            });
            is_refused
                || matches!(command(body), Some((_, CommandBody::Transfer(asked)))
                    if asked.transfer_id == event.transfer_id.to_string())
        }
        _ => false,
    }
}

fn answers(leg: &TransferLeg, asked: &TransferLeg) -> bool {
    asked.body == (LegBody::CreditAsked {})
        && leg.wallet_id == asked.from_wallet_id
        && (leg.transfer_id, leg.from_wallet_id, leg.to_wallet_id)
            == (asked.transfer_id, asked.from_wallet_id, asked.to_wallet_id)
        && (leg.amount, leg.currency) == (asked.amount, asked.currency)
}

/// Events of refunds and of suspense.
fn is_refunded(event: &Event, entry: &Entry) -> bool {
    let body = &entry.input.body;
    match event {
        Event::SuspenseBooked(event) => {
            let is_about_it = payment_of(&Event::SuspenseBooked(event.clone()))
                .is_none_or(|payment| is_about_payment(payment, entry));
            let is_timer = matches!(body, InputBody::TimerFired {});
            is_about_it
                && (!is_timer || said(entry).is_some())
                && !matches!(body, InputBody::Unreadable(_))
        }
        Event::RefundRequested(event) => match event.cause {
            RefundCause::Asked => {
                matches!(command(body), Some((envelope, CommandBody::Refund(asked)))
                    if refund_asked(event, envelope, asked))
            }
            RefundCause::UnwantedCharge => said(entry).is_some_and(|answer| {
                answer.payment_id == event.payment_id
                    && answer.operation_id == event.operation_id
                    && matches!(&answer.outcome, GatewayOutcome::Succeeded { amount, .. }
                        if *amount == event.amount.minor())
            }),
        },
        Event::RefundSucceeded(event) => {
            let is_answered = said(entry).is_some_and(|answer| {
                RefundId::of_operation(answer.operation_id) == event.refund_id
                    && matches!(&answer.outcome, GatewayOutcome::Succeeded {
                        gateway_reference, amount, ..
                    } if *gateway_reference == event.gateway_reference
                        && *amount == event.amount.minor())
            });
            let is_resolved = entry.events.iter().any(|other| {
                matches!(other, Event::RefundResolved(said) if said.refund_id == event.refund_id
                    && said.outcome == ResolvedOutcome::Succeeded
                    && said.amount == event.amount.minor())
            });
            is_answered || is_resolved
        }
        Event::RefundResolved(event) => {
            matches!(operation(body), Some((envelope, OperationBody::ResolveRefund(asked)))
                if asked.refund_id == event.refund_id.to_string()
                    && asked.outcome == event.outcome
                    && envelope.actor == event.actor)
        }
        Event::RefundFailed(event) => {
            let declined = said(entry).and_then(decline_code);
            let says_declined = event.code == ErrorCode::RefundDeclined.code();
            is_about_payment(event.payment_id, entry)
                && declined.is_some() == says_declined
                && declined.unwrap_or_default() == event.decline_code
        }
        _ => payment_of(event).is_some_and(|payment| is_about_payment(payment, entry)),
    }
}

/// Events of payments.
fn is_paid(event: &Event, entry: &Entry) -> bool {
    let body = &entry.input.body;
    let is_resolved = |payment: PaymentId, outcome: ResolvedOutcome| {
        entry.events.iter().any(|other| {
            matches!(other, Event::PaymentResolved(said) if said.payment_id == payment
                && said.outcome == outcome)
        })
    };
    match event {
        Event::PaymentRequested(event) => {
            matches!(command(body), Some((envelope, CommandBody::Pay(asked)))
                if requested(event, envelope, asked))
        }
        Event::HoldPlaced(hold) => {
            matches!(body, InputBody::Command(_)) && is_about_payment(hold.payment_id, entry)
        }
        Event::HoldPosted(hold) => {
            let is_answered = said(entry).is_some_and(|answer| {
                // Who hears a gateway unasked may not know the wallet; the hold names it.
                let is_unasked = answer.operation_seq == 0;
                answer.payment_id == hold.payment_id
                    && (is_unasked || answer.wallet_id == hold.wallet_id)
                    && matches!(answer.outcome, GatewayOutcome::Succeeded { .. })
            });
            is_answered || is_resolved(hold.payment_id, ResolvedOutcome::Succeeded)
        }
        Event::PaymentCompleted(event) => {
            let is_answered = said(entry).is_some_and(|answer| {
                answer.payment_id == event.payment_id
                    && answer.operation_id == event.operation_id
                    && answer.gateway == event.gateway
                    && matches!(&answer.outcome, GatewayOutcome::Succeeded {
                        gateway_reference, amount, ..
                    } if *gateway_reference == event.gateway_reference
                        && *amount >= event.captured_amount.minor())
            });
            is_answered || is_resolved(event.payment_id, ResolvedOutcome::Succeeded)
        }
        Event::PaymentResolved(event) => {
            matches!(operation(body), Some((envelope, OperationBody::ResolvePayment(asked)))
                if asked.payment_id == event.payment_id.to_string()
                    && asked.outcome == event.outcome
                    && envelope.actor == event.actor)
        }
        Event::CancelRequested(event) => {
            matches!(command(body), Some((_, CommandBody::Cancel(asked)))
                if asked.payment_id == event.payment_id.to_string())
        }
        Event::PaymentFailed(event) => {
            let declined = said(entry).and_then(decline_code);
            let says_declined = event.code == ErrorCode::PaymentDeclined.code();
            let says_resolved = event.code == ErrorCode::ResolvedAsFailed.code();
            is_about_payment(event.payment_id, entry)
                && declined.is_some() == says_declined
                && declined.unwrap_or_default() == event.decline_code
                && is_resolved(event.payment_id, ResolvedOutcome::Failed) == says_resolved
        }
        Event::GatewayOperationAnswered(event) => said(entry).is_some_and(|answer| {
            answer.payment_id == event.payment_id
                && answer.operation_id == event.operation_id
                && answer.operation_seq == event.operation_seq
        }),
        _ => payment_of(event).is_some_and(|payment| is_about_payment(payment, entry)),
    }
}

/// The input is a gateway's word, and the very one.
fn is_said(kept: &GatewayResult, entry: &Entry) -> bool {
    let InputBody::GatewayResult(said) = &entry.input.body else { return false };
    (said.payment_id, said.wallet_id, said.operation_id, said.operation_seq, said.operation)
        == (kept.payment_id, kept.wallet_id, kept.operation_id, kept.operation_seq, kept.operation)
        && (&said.gateway, &said.outcome) == (&kept.gateway, &kept.outcome)
}

fn decline_code(answer: &GatewayResult) -> Option<&str> {
    match &answer.outcome {
        GatewayOutcome::Declined { decline_code, .. } => Some(decline_code),
        GatewayOutcome::Succeeded { .. }
        | GatewayOutcome::NotSent { .. }
        | GatewayOutcome::ExpiredUnsent {}
        | GatewayOutcome::OutcomeUnknown { .. }
        | GatewayOutcome::NotFound {} => None,
    }
}

/// Whether the entry's input is about this payment, itself or by a refund, which another event of
/// the entry names.
fn is_about_payment(payment: PaymentId, entry: &Entry) -> bool {
    let id = payment.to_string();
    if is_about(&id, entry) {
        return true;
    }
    // What names a refund alone is about its payment as all other events of the entry have it.
    let names_refund = entry.events.iter().any(|event| match event {
        Event::RefundResolved(event) => is_about(&event.refund_id.to_string(), entry),
        Event::GatewayOperationRequested(event) => {
            event.refund.as_ref().is_some_and(|one| is_about(&one.refund_id.to_string(), entry))
        }
        Event::RefundInDoubt(event) => is_about(&event.refund_id.to_string(), entry),
        Event::RefundReviewRequested(event) => is_about(&event.refund_id.to_string(), entry),
        Event::RefundFailed(event) => is_about(&event.refund_id.to_string(), entry),
        _ => false,
    });
    names_refund && entry.events.iter().filter_map(payment_of).all(|other| other == payment)
}

/// Whether the entry's input names this payment, refund or transfer. A timer carries its id.
fn is_about(id: &str, entry: &Entry) -> bool {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.payment_id == id,
            CommandBody::Cancel(cancel) => cancel.payment_id == id,
            CommandBody::Refund(refund) => refund.payment_id == id || refund.refund_id == id,
            CommandBody::Transfer(transfer) => transfer.transfer_id == id,
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::ResolvePayment(resolve) => resolve.payment_id == id,
            OperationBody::ResolveRefund(resolve) => resolve.refund_id == id,
            OperationBody::OpenWallet(_)
            | OperationBody::Deposit(_)
            | OperationBody::Withdraw(_)
            | OperationBody::ReverseDeposit(_)
            | OperationBody::ReverseWithdrawal(_)
            | OperationBody::FreezeWallet(_)
            | OperationBody::UnfreezeWallet(_)
            | OperationBody::CloseWallet(_)
            | OperationBody::SetLimits(_)
            | OperationBody::AdoptPolicy(_) => false,
        },
        InputBody::GatewayResult(answer) => {
            answer.payment_id.to_string() == id || answer.operation_id.to_string() == id
        }
        InputBody::TransferLeg(leg) => leg.transfer_id.to_string() == id,
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => timer_id.split(':').any(|part| part == id),
            Source::Input { .. } => false,
        },
        InputBody::Unreadable(_) => false,
    }
}
