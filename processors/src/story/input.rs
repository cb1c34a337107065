//! What came in, in words.

use schemas::entry::{Entry, InputBody};
use schemas::inputs::{
    Command, CommandBody, GatewayOperationKind, GatewayOutcome, GatewayResult, LegBody, Operation,
    OperationBody, ResolvedOutcome, TransferLeg,
};

use super::{money, money_as_told};

/// What came in.
pub(super) fn sentence(entry: &Entry) -> String {
    match &entry.input.body {
        InputBody::Command(command) => commanded(command),
        InputBody::Operation(operation) => operated(operation),
        InputBody::GatewayResult(result) => answered(result),
        InputBody::TransferLeg(leg) => brought(leg),
        InputBody::TimerFired {} => "A timer was due.".to_owned(),
        InputBody::Unreadable(unreadable) => {
            format!("{} bytes came that nobody can read.", unreadable.length)
        }
    }
}

fn commanded(command: &Command) -> String {
    let by = by(&command.envelope.actor);
    match &command.body {
        CommandBody::Pay(pay) => {
            format!("{by} asked to pay {}.", money_as_told(pay.amount, &pay.currency))
        }
        CommandBody::Cancel(_) => format!("{by} asked to cancel the payment."),
        CommandBody::Refund(refund) => match refund.amount {
            Some(amount) => format!("{by} asked to give back {amount} minor units."),
            None => format!("{by} asked to give back all that is left."),
        },
        CommandBody::Transfer(transfer) => format!(
            "{by} asked to move {} to wallet {}.",
            money_as_told(transfer.amount, &transfer.currency),
            transfer.to_wallet_id
        ),
    }
}

fn by(actor: &str) -> String {
    if actor.is_empty() { "Somebody".to_owned() } else { format!("\"{actor}\"") }
}

fn operated(operation: &Operation) -> String {
    let by = by(&operation.envelope.actor);
    let ended = |outcome| match outcome {
        ResolvedOutcome::Succeeded => "it succeeded",
        ResolvedOutcome::Failed => "it failed",
    };
    match &operation.body {
        OperationBody::OpenWallet(open) => {
            format!("{by} asked to open a wallet in {}.", open.currency)
        }
        OperationBody::Deposit(deposit) => format!(
            "{by} recorded a deposit of {} by {} ({}).",
            money_as_told(deposit.amount, &deposit.currency),
            deposit.rail,
            deposit.reference
        ),
        OperationBody::Withdraw(withdraw) => format!(
            "{by} recorded a withdrawal of {} by {} ({}).",
            money_as_told(withdraw.amount, &withdraw.currency),
            withdraw.rail,
            withdraw.reference
        ),
        OperationBody::ReverseDeposit(reverse) => {
            format!("{by} recorded that the rail took deposit {} back.", reverse.deposit_id)
        }
        OperationBody::ReverseWithdrawal(reverse) => {
            format!("{by} recorded that the rail gave withdrawal {} back.", reverse.withdrawal_id)
        }
        OperationBody::FreezeWallet(_) => format!("{by} asked to freeze the wallet."),
        OperationBody::UnfreezeWallet(_) => format!("{by} asked to unfreeze the wallet."),
        OperationBody::CloseWallet(_) => format!("{by} asked to close the wallet."),
        OperationBody::SetLimits(_) => format!("{by} asked to bound what payments may take."),
        OperationBody::ResolvePayment(resolve) => {
            format!("{by} found out about the payment: {}.", ended(resolve.outcome))
        }
        OperationBody::ResolveRefund(resolve) => {
            format!("{by} found out about the refund: {}.", ended(resolve.outcome))
        }
        OperationBody::AdoptPolicy(adopt) => {
            format!("{by} asked the shard to adopt configuration {}.", adopt.version)
        }
    }
}

fn answered(result: &GatewayResult) -> String {
    let asked = match result.operation {
        GatewayOperationKind::Submit => format!("asked to charge ({})", result.operation_seq),
        GatewayOperationKind::Inquire => {
            format!("asked what became of the charge ({})", result.operation_seq)
        }
        GatewayOperationKind::Refund => format!("asked to give back ({})", result.operation_seq),
        GatewayOperationKind::InquireRefund => {
            format!("asked what became of the refund ({})", result.operation_seq)
        }
        GatewayOperationKind::Notify | GatewayOperationKind::NotifyRefund => "unasked".to_owned(),
    };
    let is_of_refund = result.operation.is_of_refund();
    format!("Gateway {}, {asked}: {}.", result.gateway, outcome(&result.outcome, is_of_refund))
}

/// What came of an operation.
pub(super) fn outcome(outcome: &GatewayOutcome, is_of_refund: bool) -> String {
    let (did, thing) = if is_of_refund { ("gave back", "refund") } else { ("charged", "charge") };
    match outcome {
        GatewayOutcome::Succeeded { gateway_reference, amount, currency } => {
            format!("it {did} {} as {gateway_reference}", money_as_told(*amount, currency))
        }
        GatewayOutcome::Declined { decline_code, message } if message.is_empty() => {
            format!("it declined ({decline_code})")
        }
        GatewayOutcome::Declined { decline_code, message } => {
            format!("it declined ({decline_code}: {message})")
        }
        GatewayOutcome::NotSent { reason } => format!("it was never reached ({reason})"),
        GatewayOutcome::ExpiredUnsent {} => "the time passed before it could be asked".to_owned(),
        GatewayOutcome::OutcomeUnknown { reason } => {
            format!("nobody knows whether it {did} ({reason})")
        }
        GatewayOutcome::NotFound {} => format!("it knows of no such {thing}"),
    }
}

fn brought(leg: &TransferLeg) -> String {
    let what = money(leg.amount.minor(), leg.currency);
    match &leg.body {
        LegBody::CreditAsked {} => {
            format!("The sender's shard asked to credit {what} to wallet {}.", leg.to_wallet_id)
        }
        LegBody::CreditDone {} => "The receiver's shard said: credited.".to_owned(),
        LegBody::CreditRefused { code, message } => {
            format!("The receiver's shard refused ({code}: {message}).")
        }
    }
}
