//! The ledger: one input in, one entry out, and what an entry changes.
//!
//! [`decide`] may refuse and never mutates; [`evolve`] is the only thing that changes state. An
//! entry that evolve has applied, in order, from the first on, is all there is to know.

use schemas::entry::{Entry, Input, InputBody, Source};
use schemas::event::Event;
use schemas::inputs::{CommandBody, OperationBody};
use schemas::{ErrorCode, PaymentId};

use crate::draft::{DecideContext, Draft, Refusal, Rejection, balances_after};
use crate::state::{AccountState, ReadLedger, StateError, WriteLedger};
use crate::{payment, wallet};

/// Decides one input: exactly one entry, whatever the input.
///
/// # Errors
/// Only when the state cannot be read.
pub fn decide(
    state: &dyn ReadLedger,
    input: Input,
    ctx: &DecideContext<'_>,
) -> Result<Entry, StateError> {
    let draft = match draft(state, &input, ctx) {
        Ok(draft) => draft,
        Err(Refusal::Rejected(rejection)) => Draft::refused(rejection),
        Err(Refusal::State(error)) => return Err(error),
    };
    draft.finish(state, ctx, input)
}

fn draft(state: &dyn ReadLedger, input: &Input, ctx: &DecideContext<'_>) -> Result<Draft, Refusal> {
    match &input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => payment::decide::pay(state, &command.envelope, pay, ctx),
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(open) => {
                wallet::decide::open(state, &operation.envelope, open, ctx)
            }
            OperationBody::Deposit(deposit) => {
                wallet::decide::deposit(state, &operation.envelope, deposit, ctx)
            }
        },
        InputBody::GatewayResult(result) => payment::results::result(state, result, ctx),
        InputBody::TimerFired {} => match &ctx.source {
            Source::Timer { timer_id, generation, .. } => {
                payment::timers::fired(state, timer_id, *generation, ctx)
            }
            Source::Input { .. } => {
                let detail = "a timer does not come as a record";
                Err(Rejection::because(ErrorCode::Unreadable, detail).into())
            }
        },
        InputBody::Unreadable(unreadable) => {
            Err(Rejection::because(ErrorCode::Unreadable, unreadable.reason.as_str()).into())
        }
    }
}

/// Applies an entry.
///
/// # Errors
/// [`StateError::Contradiction`] when the recorded balances are not those that the postings give,
/// or when an event is about what does not exist: the store is not the fold of this journal.
pub fn evolve(state: &mut dyn WriteLedger, entry: &Entry) -> Result<(), StateError> {
    if balances_after(state, &entry.postings)? != entry.balances {
        return Err(StateError::Contradiction(format!(
            "entry {} records balances that its postings do not give",
            entry.seq
        )));
    }
    for row in &entry.balances {
        let account = AccountState { balances: row.balances(), version: row.version };
        state.put_account(&row.account, row.currency, account);
    }
    for event in &entry.events {
        apply(state, event, entry)?;
    }
    for change in &entry.timers {
        payment::evolve::timer_changed(state, change)?;
    }
    Ok(())
}

fn apply(state: &mut dyn WriteLedger, event: &Event, entry: &Entry) -> Result<(), StateError> {
    match event {
        Event::WalletOpened(opened) => wallet::evolve::opened(state, opened),
        Event::DepositRecorded(deposited) => wallet::evolve::deposited(state, deposited),
        Event::PaymentRequested(requested) => payment::evolve::requested(state, requested)?,
        Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::GatewayOperationRequested(_)
        | Event::GatewayOperationAnswered(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::DiscrepancyRecorded(_) => {
            let id = payment_of(event).expect("each of these names its payment");
            payment::evolve::progressed(state, id, event, entry.at)?;
        }
    }
    Ok(())
}

/// The payment that an event is about; none for events of wallets.
pub fn payment_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::WalletOpened(_) | Event::DepositRecorded(_) => None,
        Event::PaymentRequested(event) => Some(event.payment_id),
        Event::HoldPlaced(event) | Event::HoldPosted(event) | Event::HoldVoided(event) => {
            Some(event.payment_id)
        }
        Event::AttemptStarted(event) => Some(event.payment_id),
        Event::GatewayOperationRequested(event) => Some(event.payment_id),
        Event::GatewayOperationAnswered(event) => Some(event.payment_id),
        Event::ResendScheduled(event) => Some(event.payment_id),
        Event::PaymentInDoubt(event) => Some(event.payment_id),
        Event::PaymentCompleted(event) => Some(event.payment_id),
        Event::PaymentFailed(event) => Some(event.payment_id),
        Event::DiscrepancyRecorded(event) => Some(event.payment_id),
    }
}

/// The key of an entry's record: the wallet id, or empty when the input names none.
pub fn key_of(entry: &Entry) -> String {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.wallet_id.clone(),
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(open) => open.wallet_id.clone(),
            OperationBody::Deposit(deposit) => deposit.wallet_id.clone(),
        },
        InputBody::GatewayResult(result) => result.wallet_id.to_string(),
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => payment::timer_subject(timer_id)
                .map_or_else(String::new, |(_, wallet)| wallet.to_string()),
            Source::Input { .. } => String::new(),
        },
        InputBody::Unreadable(_) => String::new(),
    }
}
