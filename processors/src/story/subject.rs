//! What a story can be about, and which entries and events are about it.

use schemas::account::Account;
use schemas::entry::{Entry, InputBody, Source};
use schemas::event::{Event, RefundRequested, TransferLegRequested, WalletOpened};
use schemas::inputs::{CommandBody, OperationBody};
use schemas::{OperationId, Partition, PartitionCount, PaymentId, RefundId, TransferId, WalletId};

use crate::ledger::{key_of, payment_of, refund_of};
use crate::timer::TimerSubject;

/// What a story can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A payment, with its refunds.
    Payment(PaymentId),
    /// A refund alone.
    Refund(RefundId),
    /// A transfer, at its sender and its receiver.
    Transfer(TransferId),
    /// A wallet: all that ever touched it.
    Wallet(WalletId),
}

impl Subject {
    /// The kind, as people call it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Payment(_) => "payment",
            Self::Refund(_) => "refund",
            Self::Transfer(_) => "transfer",
            Self::Wallet(_) => "wallet",
        }
    }

    /// The id, as it is written.
    pub fn id(self) -> String {
        match self {
            Self::Payment(id) => id.to_string(),
            Self::Refund(id) => id.to_string(),
            Self::Transfer(id) => id.to_string(),
            Self::Wallet(id) => id.to_string(),
        }
    }

    /// The shard that it began on, of so many: derived ids end with the hash of their wallet.
    pub fn shard(self, count: PartitionCount) -> Partition {
        let derived = |bytes: &[u8; 16]| PaymentId::from_bytes(*bytes).shard(count);
        match self {
            Self::Payment(id) => id.shard(count),
            Self::Refund(id) => derived(id.as_bytes()),
            Self::Transfer(id) => derived(id.as_bytes()),
            Self::Wallet(id) => id.shard(count),
        }
    }

    /// Whether it comes to be in this entry.
    pub fn begins_in(self, entry: &Entry) -> bool {
        entry.events.iter().any(|event| match (self, event) {
            (Self::Payment(id), Event::PaymentRequested(event)) => event.payment_id == id,
            (Self::Refund(id), Event::RefundRequested(event)) => event.refund_id == id,
            (Self::Transfer(id), Event::TransferRequested(event)) => event.transfer_id == id,
            (Self::Wallet(id), Event::WalletOpened(event)) => event.wallet_id == id,
            _ => false,
        })
    }

    /// Whether an entry is about it: its input names it, or its events tell of it.
    pub fn concerns(self, entry: &Entry) -> bool {
        match self {
            Self::Payment(id) => is_named(entry, &[&id.to_string()]) || self.is_told(entry),
            Self::Refund(id) => {
                let operation = OperationId::refund(id).to_string();
                is_named(entry, &[&id.to_string(), &operation]) || self.is_told(entry)
            }
            Self::Transfer(id) => is_named(entry, &[&id.to_string()]) || self.is_told(entry),
            Self::Wallet(id) => {
                let account = Account::Wallet(id);
                key_of(entry).eq_ignore_ascii_case(&id.to_string())
                    || entry.balances.iter().any(|row| row.account == account)
            }
        }
    }

    fn is_told(self, entry: &Entry) -> bool {
        entry.events.iter().any(|event| self.is_of(event))
    }

    /// Whether an event of an entry that is about it belongs to its story.
    pub fn is_of(self, event: &Event) -> bool {
        match self {
            Self::Payment(id) => payment_of(event) == Some(id) || orphan_of(event) == Some(id),
            Self::Refund(id) => {
                refund_of(event) == Some(id)
                    || orphan_operation_of(event) == Some(OperationId::refund(id))
            }
            Self::Transfer(id) => transfer_of(event) == Some(id),
            // Its entries tell of nothing else.
            Self::Wallet(_) => true,
        }
    }

    /// What its timer is called; none for what has none.
    pub(super) fn timer(self) -> Option<TimerSubject> {
        match self {
            Self::Payment(id) => Some(TimerSubject::Payment(id)),
            Self::Refund(id) => Some(TimerSubject::Refund(id)),
            Self::Transfer(id) => Some(TimerSubject::Transfer(id)),
            Self::Wallet(_) => None,
        }
    }
}

/// Whether the input of an entry names one of these ids.
fn is_named(entry: &Entry, ids: &[&str]) -> bool {
    let is_one = |named: &str| ids.iter().any(|id| named.eq_ignore_ascii_case(id));
    match &entry.input.body {
        InputBody::Command(command) => match &command.body {
            CommandBody::Pay(pay) => is_one(&pay.payment_id),
            CommandBody::Cancel(cancel) => is_one(&cancel.payment_id),
            CommandBody::Refund(refund) => is_one(&refund.payment_id) || is_one(&refund.refund_id),
            CommandBody::Transfer(transfer) => is_one(&transfer.transfer_id),
        },
        InputBody::Operation(operation) => match &operation.body {
            OperationBody::ResolvePayment(resolve) => is_one(&resolve.payment_id),
            OperationBody::ResolveRefund(resolve) => is_one(&resolve.refund_id),
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
        InputBody::GatewayResult(result) => {
            is_one(&result.payment_id.to_string()) || is_one(&result.operation_id.to_string())
        }
        InputBody::TransferLeg(leg) => is_one(&leg.transfer_id.to_string()),
        InputBody::TimerFired {} => match &entry.source {
            Source::Timer { timer_id, .. } => {
                TimerSubject::of(timer_id).is_some_and(|(of, _)| match of {
                    TimerSubject::Payment(id) => is_one(&id.to_string()),
                    TimerSubject::Refund(id) => is_one(&id.to_string()),
                    TimerSubject::Transfer(id) => is_one(&id.to_string()),
                })
            }
            Source::Input { .. } => false,
        },
        InputBody::Unreadable(_) => false,
    }
}

/// The wallet that a transfer goes to, when this entry says so.
pub fn receiver_in(id: TransferId, entry: &Entry) -> Option<WalletId> {
    entry.events.iter().find_map(|event| match event {
        Event::TransferRequested(event) if event.transfer_id == id => Some(event.to_wallet_id),
        _ => None,
    })
}

fn orphan_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::OrphanRecorded(event) => Some(event.result.payment_id),
        Event::OrphanApplied(event) => Some(event.result.payment_id),
        _ => None,
    }
}

fn orphan_operation_of(event: &Event) -> Option<OperationId> {
    match event {
        Event::OrphanRecorded(event) => Some(event.result.operation_id),
        Event::OrphanApplied(event) => Some(event.result.operation_id),
        _ => None,
    }
}

/// The transfer that an event is about.
fn transfer_of(event: &Event) -> Option<TransferId> {
    match event {
        Event::TransferRequested(event) => Some(event.transfer_id),
        Event::TransferHeld(event) => Some(event.transfer_id),
        Event::TransferLegRequested(TransferLegRequested { leg }) => Some(leg.transfer_id),
        Event::TransferCredited(event) => Some(event.transfer_id),
        Event::TransferRefused(event) => Some(event.transfer_id),
        Event::TransferCompleted(event) => Some(event.transfer_id),
        Event::TransferFailed(event) => Some(event.transfer_id),
        _ => None,
    }
}

/// The wallet's currency and owner, the refund's payment: what a headline says of a beginning.
pub(super) fn opening_in(id: WalletId, event: &Event) -> Option<&WalletOpened> {
    match event {
        Event::WalletOpened(event) if event.wallet_id == id => Some(event),
        _ => None,
    }
}

/// The same of a refund.
pub(super) fn refund_in(id: RefundId, event: &Event) -> Option<&RefundRequested> {
    match event {
        Event::RefundRequested(event) if event.refund_id == id => Some(event),
        _ => None,
    }
}
