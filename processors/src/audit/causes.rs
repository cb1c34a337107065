//! Check `causes`: an event says no more than what its input asked for or proved.
//!
//! Whether the input was right to be accepted is the ledger's decision; that no money moves for
//! what nobody asked, and no payment completes that no gateway confirmed, each entry shows alone.

use schemas::entry::{Entry, InputBody, Source};
use schemas::event::{DepositRecorded, Event, PaymentRequested, WalletOpened};
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOutcome, GatewayResult, OpenWallet, Operation,
    OperationBody, Pay,
};
use schemas::{DepositId, ErrorCode, IdempotencyKey, PaymentId, Position, TenantId, WalletId};

use super::report::CheckResult;
use super::{Check, payment_of};

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
                let detail = format!("{} does not follow from the input", name_of(event));
                self.result.violated(position, detail);
            }
        }
    }

    fn result(&self) -> &CheckResult {
        &self.result
    }
}

fn is_caused(event: &Event, entry: &Entry) -> bool {
    let body = &entry.input.body;
    match event {
        Event::WalletOpened(event) => {
            matches!(body, InputBody::Operation(Operation { envelope, body }) if
                matches!(body, OperationBody::OpenWallet(asked) if opened(event, envelope, asked)))
        }
        Event::DepositRecorded(event) => {
            matches!(body, InputBody::Operation(Operation { envelope, body }) if
                matches!(body, OperationBody::Deposit(asked) if deposited(event, envelope, asked)))
        }
        Event::PaymentRequested(event) => {
            matches!(body, InputBody::Command(Command { envelope, body }) if
                matches!(body, CommandBody::Pay(asked) if requested(event, envelope, asked)))
        }
        Event::HoldPlaced(hold) => {
            matches!(body, InputBody::Command(_)) && is_about(hold.payment_id, entry)
        }
        Event::HoldPosted(hold) => answer(body).is_some_and(|answer| {
            answer.payment_id == hold.payment_id
                && answer.wallet_id == hold.wallet_id
                && matches!(answer.outcome, GatewayOutcome::Succeeded { .. })
        }),
        Event::PaymentCompleted(event) => answer(body).is_some_and(|answer| {
            answer.payment_id == event.payment_id
                && answer.operation_id == event.operation_id
                && answer.gateway == event.gateway
                && matches!(&answer.outcome, GatewayOutcome::Succeeded {
                    gateway_reference, amount, ..
                } if *gateway_reference == event.gateway_reference
                    && *amount == event.captured_amount.minor())
        }),
        Event::PaymentFailed(event) => {
            let declined = answer(body).and_then(decline_code);
            let says_declined = event.code == ErrorCode::PaymentDeclined.code();
            is_about(event.payment_id, entry)
                && declined.is_some() == says_declined
                && declined.unwrap_or_default() == event.decline_code
        }
        Event::GatewayOperationAnswered(event) => answer(body).is_some_and(|answer| {
            answer.payment_id == event.payment_id
                && answer.operation_id == event.operation_id
                && answer.operation_seq == event.operation_seq
        }),
        Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::GatewayOperationRequested(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::DiscrepancyRecorded(_) => {
            payment_of(event).is_some_and(|payment| is_about(payment, entry))
        }
    }
}

fn answer(body: &InputBody) -> Option<&GatewayResult> {
    match body {
        InputBody::GatewayResult(answer) => Some(answer),
        InputBody::Command(_)
        | InputBody::Operation(_)
        | InputBody::TimerFired {}
        | InputBody::Unreadable(_) => None,
    }
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

/// Whether the entry's input is about this payment. A payment's timer carries its id.
fn is_about(payment: PaymentId, entry: &Entry) -> bool {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.payment_id == payment.to_string(),
        },
        InputBody::GatewayResult(answer) => answer.payment_id == payment,
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => {
                timer_id.split(':').any(|part| part == payment.to_string())
            }
            Source::Input { .. } => false,
        },
        InputBody::Operation(_) | InputBody::Unreadable(_) => false,
    }
}

fn tenant(envelope: &Envelope) -> Option<TenantId> {
    match envelope.tenant.as_str() {
        "" => Some(TenantId::default_tenant()),
        tenant => tenant.parse().ok(),
    }
}

fn opened(event: &WalletOpened, envelope: &Envelope, asked: &OpenWallet) -> bool {
    let derived = WalletId::derive(&event.tenant, &event.user_id, event.currency, &event.label);
    event.wallet_id == derived
        && asked.wallet_id == derived.to_string()
        && Some(&event.tenant) == tenant(envelope).as_ref()
        && asked.user_id == event.user_id.as_str()
        && asked.currency == event.currency.code()
        && asked.label == event.label.as_str()
}

fn deposited(event: &DepositRecorded, envelope: &Envelope, asked: &Deposit) -> bool {
    let derived =
        derivation(envelope).map(|(tenant, key)| DepositId::derive(&tenant, event.wallet_id, &key));
    Some(event.deposit_id) == derived
        && asked.deposit_id == event.deposit_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
        && asked.rail == event.rail.as_str()
        && asked.reference == event.reference
}

fn requested(event: &PaymentRequested, envelope: &Envelope, asked: &Pay) -> bool {
    let derived =
        derivation(envelope).map(|(tenant, key)| PaymentId::derive(&tenant, event.wallet_id, &key));
    Some(event.payment_id) == derived
        && asked.payment_id == event.payment_id.to_string()
        && asked.wallet_id == event.wallet_id.to_string()
        && asked.amount == event.amount.minor()
        && asked.currency == event.currency.code()
}

fn derivation(envelope: &Envelope) -> Option<(TenantId, IdempotencyKey)> {
    Some((tenant(envelope)?, envelope.idempotency_key.parse().ok()?))
}

fn name_of(event: &Event) -> &'static str {
    match event {
        Event::WalletOpened(_) => "WalletOpened",
        Event::DepositRecorded(_) => "DepositRecorded",
        Event::PaymentRequested(_) => "PaymentRequested",
        Event::HoldPlaced(_) => "HoldPlaced",
        Event::HoldPosted(_) => "HoldPosted",
        Event::HoldVoided(_) => "HoldVoided",
        Event::AttemptStarted(_) => "AttemptStarted",
        Event::GatewayOperationRequested(_) => "GatewayOperationRequested",
        Event::GatewayOperationAnswered(_) => "GatewayOperationAnswered",
        Event::ResendScheduled(_) => "ResendScheduled",
        Event::PaymentInDoubt(_) => "PaymentInDoubt",
        Event::PaymentCompleted(_) => "PaymentCompleted",
        Event::PaymentFailed(_) => "PaymentFailed",
        Event::DiscrepancyRecorded(_) => "DiscrepancyRecorded",
    }
}
