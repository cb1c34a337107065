//! The ledger: one input in, one entry out, and what an entry changes.
//!
//! [`decide`] may refuse and never mutates; [`evolve`] is the only thing that changes state. An
//! entry that evolve has applied, in order, from the first on, is all there is to know.

use schemas::entry::{Entry, Input, InputBody, Source, TimerChange};
use schemas::event::{
    Event, SuspenseSubject, TransferCompleted, TransferFailed, TransferHeld, TransferLegRequested,
};
use schemas::inputs::{Command, CommandBody, LegBody, Operation, OperationBody};
use schemas::read_model::WalletStatus;
use schemas::{ErrorCode, PaymentId, RefundId};

use crate::draft::{DecideContext, Draft, Refusal, Rejection, balances_after};
use crate::rail::FactId;
use crate::state::{AccountState, ReadLedger, StateError, WriteLedger};
use crate::timer::TimerSubject;
use crate::{adoption, orphan, payment, rail, refund, transfer, wallet};

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
        Ok(mut draft) => {
            orphan::turned_up(state, &mut draft, ctx)?;
            draft
        }
        Err(Refusal::Rejected(rejection)) => Draft::refused(rejection),
        Err(Refusal::State(error)) => return Err(error),
    };
    draft.finish(state, ctx, input)
}

fn draft(state: &dyn ReadLedger, input: &Input, ctx: &DecideContext<'_>) -> Result<Draft, Refusal> {
    match &input.body {
        InputBody::Command(command) => commanded(state, command, ctx),
        InputBody::Operation(operation) => operated(state, operation, ctx),
        InputBody::GatewayResult(result) if result.operation.is_of_refund() => {
            refund::results::result(state, result, ctx)
        }
        InputBody::GatewayResult(result) => payment::results::result(state, result, ctx),
        InputBody::TransferLeg(leg) => transfer::legs::leg(state, leg, ctx),
        InputBody::TimerFired {} => match &ctx.source {
            Source::Timer { timer_id, generation, .. } => fired(state, timer_id, *generation, ctx),
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

fn commanded(
    state: &dyn ReadLedger,
    command: &Command,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let envelope = &command.envelope;
    match &command.body {
        CommandBody::Pay(pay) => payment::decide::pay(state, envelope, pay, ctx),
        CommandBody::Cancel(cancel) => payment::cancel::cancel(state, envelope, cancel, ctx),
        CommandBody::Refund(refund) => refund::decide::refund(state, envelope, refund, ctx),
        CommandBody::Transfer(one) => transfer::decide::transfer(state, envelope, one, ctx),
    }
}

fn operated(
    state: &dyn ReadLedger,
    operation: &Operation,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    let envelope = &operation.envelope;
    match &operation.body {
        OperationBody::OpenWallet(open) => wallet::decide::open(state, envelope, open, ctx),
        OperationBody::Deposit(deposit) => rail::decide::deposit(state, envelope, deposit, ctx),
        OperationBody::Withdraw(withdraw) => rail::decide::withdraw(state, envelope, withdraw, ctx),
        OperationBody::ReverseDeposit(reverse) => {
            rail::decide::reverse_deposit(state, envelope, reverse, ctx)
        }
        OperationBody::ReverseWithdrawal(reverse) => {
            rail::decide::reverse_withdrawal(state, envelope, reverse, ctx)
        }
        OperationBody::FreezeWallet(change) => wallet::decide::freeze(state, envelope, change, ctx),
        OperationBody::UnfreezeWallet(change) => {
            wallet::decide::unfreeze(state, envelope, change, ctx)
        }
        OperationBody::CloseWallet(change) => wallet::decide::close(state, envelope, change, ctx),
        OperationBody::SetLimits(limits) => {
            wallet::decide::set_limits(state, envelope, limits, ctx)
        }
        OperationBody::ResolvePayment(resolve) => {
            payment::resolve::resolve(state, envelope, resolve, ctx)
        }
        OperationBody::ResolveRefund(resolve) => {
            refund::resolve::resolve(state, envelope, resolve, ctx)
        }
        OperationBody::AdoptPolicy(adopt) => adoption::adopt(state, adopt),
    }
}

fn fired(
    state: &dyn ReadLedger,
    timer_id: &str,
    generation: i64,
    ctx: &DecideContext<'_>,
) -> Result<Draft, Refusal> {
    match TimerSubject::of(timer_id) {
        Some((TimerSubject::Payment(id), _)) => payment::timers::fired(state, id, generation, ctx),
        Some((TimerSubject::Refund(id), _)) => refund::timers::fired(state, id, generation, ctx),
        Some((TimerSubject::Transfer(id), _)) => {
            transfer::timers::fired(state, id, generation, ctx)
        }
        None => {
            let detail = format!("timer {timer_id:?} is about nothing that the ledger knows");
            Err(Rejection::because(ErrorCode::UnknownOperation, detail).into())
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
        timer_changed(state, change)?;
    }
    Ok(())
}

fn timer_changed(state: &mut dyn WriteLedger, change: &TimerChange) -> Result<(), StateError> {
    let generation = change.generation;
    match TimerSubject::of(&change.timer_id) {
        Some((TimerSubject::Payment(id), _)) => {
            payment::evolve::timer_changed(state, id, generation)
        }
        Some((TimerSubject::Refund(id), _)) => refund::evolve::timer_changed(state, id, generation),
        Some((TimerSubject::Transfer(id), _)) => {
            transfer::evolve::timer_changed(state, id, generation)
        }
        None => Ok(()),
    }
}

fn apply(state: &mut dyn WriteLedger, event: &Event, entry: &Entry) -> Result<(), StateError> {
    match event {
        Event::WalletOpened(opened) => wallet::evolve::opened(state, opened),
        Event::WalletFrozen(event) => {
            wallet::evolve::stands(state, event.wallet_id, WalletStatus::Frozen)?;
        }
        Event::WalletUnfrozen(event) => {
            wallet::evolve::stands(state, event.wallet_id, WalletStatus::Active)?;
        }
        Event::WalletClosed(event) => {
            wallet::evolve::stands(state, event.wallet_id, WalletStatus::Closed)?;
        }
        Event::LimitsSet(event) => wallet::evolve::limited(state, event)?,
        Event::DepositRecorded(event) => rail::evolve::deposited(state, event),
        Event::WithdrawalRecorded(event) => rail::evolve::withdrawn(state, event),
        Event::DepositReversed(event) => {
            rail::evolve::reversed(state, FactId::Deposit(event.deposit_id))?;
        }
        Event::WithdrawalReversed(event) => {
            rail::evolve::reversed(state, FactId::Withdrawal(event.withdrawal_id))?;
        }
        Event::SuspenseBooked(event) => {
            rail::evolve::suspended(state, event)?;
            payment::evolve::suspended(state, event)?;
        }
        Event::PaymentRequested(event) => payment::evolve::requested(state, event, entry.at)?,
        Event::RefundRequested(event) => refund::evolve::requested(state, event)?,
        Event::TransferRequested(event) => transfer::evolve::requested(state, event)?,
        Event::TransferHeld(TransferHeld { transfer_id, .. })
        | Event::TransferCompleted(TransferCompleted { transfer_id, .. })
        | Event::TransferFailed(TransferFailed { transfer_id, .. }) => {
            transfer::evolve::progressed(state, *transfer_id, event)?;
        }
        Event::TransferLegRequested(TransferLegRequested { leg }) => {
            if leg.body == (LegBody::CreditAsked {}) {
                transfer::evolve::progressed(state, leg.transfer_id, event)?;
            }
        }
        Event::TransferCredited(event) => transfer::evolve::credited(state, event),
        Event::TransferRefused(event) => transfer::evolve::refused(state, event),
        Event::PolicyAdopted(event) => state.put_adopted_policy(event.version),
        Event::OrphanRecorded(event) => orphan::recorded(state, event)?,
        Event::OrphanApplied(event) => orphan::applied(state, event)?,
        Event::HoldPlaced(_)
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
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_) => saga_progressed(state, event, entry)?,
    }
    Ok(())
}

/// An event of a saga at gateways: of a refund, or of a payment itself.
fn saga_progressed(
    state: &mut dyn WriteLedger,
    event: &Event,
    entry: &Entry,
) -> Result<(), StateError> {
    if let Some(id) = refund_of(event) {
        return refund::evolve::progressed(state, id, event, entry.at);
    }
    let id = payment_of(event).expect("each of these names its payment");
    payment::evolve::progressed(state, id, event, entry.at)
}

/// The refund that an event is about, if it is about one.
pub fn refund_of(event: &Event) -> Option<RefundId> {
    match event {
        Event::GatewayOperationRequested(event) => {
            event.refund.as_ref().map(|refund| refund.refund_id)
        }
        Event::GatewayOperationAnswered(event) => event.refund_id,
        Event::DiscrepancyRecorded(event) => event.refund_id,
        Event::RefundRequested(event) => Some(event.refund_id),
        Event::RefundResendScheduled(event) => Some(event.refund_id),
        Event::RefundInDoubt(event) => Some(event.refund_id),
        Event::RefundReviewRequested(event) => Some(event.refund_id),
        Event::RefundResolved(event) => Some(event.refund_id),
        Event::RefundSucceeded(event) => Some(event.refund_id),
        Event::RefundFailed(event) => Some(event.refund_id),
        Event::SuspenseBooked(event) => match event.subject {
            SuspenseSubject::Refund { refund_id, .. } => Some(refund_id),
            SuspenseSubject::Charge { .. }
            | SuspenseSubject::Deposit { .. }
            | SuspenseSubject::Withdrawal { .. } => None,
        },
        Event::WalletOpened(_)
        | Event::WalletFrozen(_)
        | Event::WalletUnfrozen(_)
        | Event::WalletClosed(_)
        | Event::LimitsSet(_)
        | Event::DepositRecorded(_)
        | Event::WithdrawalRecorded(_)
        | Event::DepositReversed(_)
        | Event::WithdrawalReversed(_)
        | Event::PaymentRequested(_)
        | Event::HoldPlaced(_)
        | Event::HoldPosted(_)
        | Event::HoldVoided(_)
        | Event::AttemptStarted(_)
        | Event::AttemptAbandoned(_)
        | Event::ResendScheduled(_)
        | Event::PaymentInDoubt(_)
        | Event::PaymentReviewRequested(_)
        | Event::PaymentResolved(_)
        | Event::CancelRequested(_)
        | Event::PaymentCompleted(_)
        | Event::PaymentFailed(_)
        | Event::PaymentCancelled(_)
        | Event::TransferRequested(_)
        | Event::TransferHeld(_)
        | Event::TransferLegRequested(_)
        | Event::TransferCredited(_)
        | Event::TransferRefused(_)
        | Event::TransferCompleted(_)
        | Event::TransferFailed(_)
        | Event::PolicyAdopted(_)
        | Event::OrphanRecorded(_)
        | Event::OrphanApplied(_) => None,
    }
}

/// The payment that an event is about, itself or by a refund of it; none for events of wallets,
/// rails and transfers.
pub fn payment_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::PaymentRequested(event) => Some(event.payment_id),
        Event::HoldPlaced(event) | Event::HoldPosted(event) | Event::HoldVoided(event) => {
            Some(event.payment_id)
        }
        Event::AttemptStarted(event) => Some(event.payment_id),
        Event::AttemptAbandoned(event) => Some(event.payment_id),
        Event::GatewayOperationRequested(event) => Some(event.payment_id),
        Event::GatewayOperationAnswered(event) => Some(event.payment_id),
        Event::ResendScheduled(event) => Some(event.payment_id),
        Event::PaymentInDoubt(event) => Some(event.payment_id),
        Event::PaymentReviewRequested(event) => Some(event.payment_id),
        Event::PaymentResolved(event) => Some(event.payment_id),
        Event::CancelRequested(event) => Some(event.payment_id),
        Event::PaymentCompleted(event) => Some(event.payment_id),
        Event::PaymentFailed(event) => Some(event.payment_id),
        Event::PaymentCancelled(event) => Some(event.payment_id),
        Event::DiscrepancyRecorded(event) => Some(event.payment_id),
        Event::RefundRequested(event) => Some(event.payment_id),
        Event::RefundResendScheduled(event) => Some(event.payment_id),
        Event::RefundInDoubt(event) => Some(event.payment_id),
        Event::RefundReviewRequested(event) => Some(event.payment_id),
        Event::RefundResolved(event) => Some(event.payment_id),
        Event::RefundSucceeded(event) => Some(event.payment_id),
        Event::RefundFailed(event) => Some(event.payment_id),
        Event::SuspenseBooked(event) => match event.subject {
            SuspenseSubject::Charge { payment_id, .. }
            | SuspenseSubject::Refund { payment_id, .. } => Some(payment_id),
            SuspenseSubject::Deposit { .. } | SuspenseSubject::Withdrawal { .. } => None,
        },
        Event::WalletOpened(_)
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
        | Event::OrphanApplied(_) => None,
    }
}

/// The key of an entry's record: the wallet id, or empty when the input names none.
pub fn key_of(entry: &Entry) -> String {
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => pay.wallet_id.clone(),
            CommandBody::Cancel(cancel) => cancel.wallet_id.clone(),
            CommandBody::Refund(refund) => refund.wallet_id.clone(),
            CommandBody::Transfer(transfer) => transfer.wallet_id.clone(),
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::OpenWallet(open) => open.wallet_id.clone(),
            OperationBody::Deposit(deposit) => deposit.wallet_id.clone(),
            OperationBody::Withdraw(withdraw) => withdraw.wallet_id.clone(),
            OperationBody::ReverseDeposit(reverse) => reverse.wallet_id.clone(),
            OperationBody::ReverseWithdrawal(reverse) => reverse.wallet_id.clone(),
            OperationBody::FreezeWallet(change)
            | OperationBody::UnfreezeWallet(change)
            | OperationBody::CloseWallet(change) => change.wallet_id.clone(),
            OperationBody::SetLimits(limits) => limits.wallet_id.clone(),
            OperationBody::ResolvePayment(resolve) => resolve.wallet_id.clone(),
            OperationBody::ResolveRefund(resolve) => resolve.wallet_id.clone(),
            OperationBody::AdoptPolicy(_) => String::new(),
        },
        InputBody::GatewayResult(result) => result.wallet_id.to_string(),
        InputBody::TransferLeg(leg) => leg.wallet_id.to_string(),
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => TimerSubject::of(timer_id)
                .map_or_else(String::new, |(_, wallet)| wallet.to_string()),
            Source::Input { .. } => String::new(),
        },
        InputBody::Unreadable(_) => String::new(),
    }
}
