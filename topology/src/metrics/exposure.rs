//! What the gauges of money stand for: a fold of the journal, kept in a checkpoint.
//!
//! Counters begin at 0 with the process; these do not, for money that is in doubt was in doubt
//! before the restart. So this is folded from the first entry on, and the checkpoint spares doing
//! that at every start.

use std::collections::{BTreeMap, HashMap};

use schemas::account::{Account, Layer, Side};
use schemas::entry::Entry;
use schemas::event::Event;
use schemas::inputs::GatewayOperationKind;
use schemas::{Currency, Money, Partition, PaymentId, RefundId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::views::ViewHead;

/// Payments, and refunds, that are followed at once: 20 MB of memory each. More
/// are counted and not followed.
pub(super) const MAX_OPEN: usize = 200_000;

/// The state of the gauges at a place in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The last entry folded, of every partition.
    pub heads: BTreeMap<Partition, ViewHead>,
    /// The time of the newest entry.
    pub newest: Timestamp,
    /// Gateway operations asked for and not answered.
    pub outstanding: i64,
    /// By currency.
    pub money: BTreeMap<Currency, Totals>,
    open: HashMap<PaymentId, OpenPayment>,
    refunds: HashMap<RefundId, OpenRefund>,
}

/// The totals of one currency, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Posted in all wallets together.
    pub posted: i64,
    /// Payments in doubt, and what is held for them.
    pub payments: Doubts,
    /// Refunds in doubt, and what may come back by them.
    pub refunds: Doubts,
}

/// What nobody knows the outcome of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// How many.
    pub count: i64,
    /// Minor units.
    pub minor: i64,
}

impl Doubts {
    /// One more, or one less.
    fn change(&mut self, is_more: bool, money: Money) {
        let sign = if is_more { 1 } else { -1 };
        self.count += sign;
        self.minor += sign * money.amount().minor();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct OpenPayment {
    requested_at: Timestamp,
    money: Money,
    in_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct OpenRefund {
    money: Money,
    in_doubt: bool,
}

/// What became of a payment or a refund that an event ended or began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It is followed from now on, or goes on.
    Open,
    /// A payment ended; when it was requested.
    Ended(Timestamp),
    /// Too many are open, or it began before this was followed.
    Untracked,
}

impl Exposure {
    /// Payments that are followed.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Folds in when the entry was, and its movements of posted money.
    pub fn fold_postings(&mut self, entry: &Entry) {
        self.newest = self.newest.max(entry.at);
        for posting in &entry.postings {
            if posting.layer == Layer::Posted && matches!(posting.account, Account::Wallet(_)) {
                let amount = match posting.side {
                    Side::Credit => posting.amount,
                    Side::Debit => -posting.amount,
                };
                let totals = self.money.entry(posting.currency).or_default();
                totals.posted = totals.posted.saturating_add(amount);
            }
        }
    }

    /// Folds one event in; what became of its payment or refund.
    pub fn fold(&mut self, event: &Event, entry: &Entry) -> Followed {
        match event {
            Event::PaymentRequested(event) => {
                if self.open.len() >= MAX_OPEN {
                    return Followed::Untracked;
                }
                let money = Money::new(event.amount, event.currency);
                let payment = OpenPayment { requested_at: entry.at, money, in_doubt: false };
                self.open.insert(event.payment_id, payment);
            }
            Event::PaymentInDoubt(event) => return self.doubt(event.payment_id, true),
            Event::ResendScheduled(event) => return self.doubt(event.payment_id, false),
            Event::GatewayOperationRequested(event) => {
                self.outstanding += 1;
                if let (GatewayOperationKind::Refund, Some(refund)) =
                    (event.operation, &event.refund)
                {
                    self.refund_doubt(refund.refund_id, false);
                }
                if event.operation == GatewayOperationKind::Submit {
                    return self.doubt(event.payment_id, false);
                }
            }
            Event::GatewayOperationAnswered(_) => self.outstanding -= 1,
            Event::PaymentCompleted(event) => return self.end(event.payment_id),
            Event::PaymentFailed(event) => return self.end(event.payment_id),
            Event::PaymentCancelled(event) => return self.end(event.payment_id),
            Event::PaymentReviewRequested(event) => return self.doubt(event.payment_id, true),
            Event::RefundRequested(event) => {
                if self.refunds.len() >= MAX_OPEN {
                    return Followed::Untracked;
                }
                let money = Money::new(event.amount, event.currency);
                self.refunds.insert(event.refund_id, OpenRefund { money, in_doubt: false });
            }
            Event::RefundInDoubt(event) => self.refund_doubt(event.refund_id, true),
            Event::RefundReviewRequested(event) => self.refund_doubt(event.refund_id, true),
            Event::RefundResendScheduled(event) => self.refund_doubt(event.refund_id, false),
            Event::RefundSucceeded(event) => self.end_refund(event.refund_id),
            Event::RefundFailed(event) => self.end_refund(event.refund_id),
            Event::WalletOpened(_)
            | Event::DepositRecorded(_)
            | Event::HoldPlaced(_)
            | Event::HoldPosted(_)
            | Event::HoldVoided(_)
            | Event::AttemptStarted(_)
            | Event::DiscrepancyRecorded(_)
            | Event::WalletFrozen(_)
            | Event::WalletUnfrozen(_)
            | Event::WalletClosed(_)
            | Event::LimitsSet(_)
            | Event::WithdrawalRecorded(_)
            | Event::DepositReversed(_)
            | Event::WithdrawalReversed(_)
            | Event::SuspenseBooked(_)
            | Event::AttemptAbandoned(_)
            | Event::PaymentResolved(_)
            | Event::CancelRequested(_)
            | Event::RefundResolved(_)
            | Event::TransferRequested(_)
            | Event::TransferHeld(_)
            | Event::TransferLegRequested(_)
            | Event::TransferCredited(_)
            | Event::TransferRefused(_)
            | Event::TransferCompleted(_)
            | Event::TransferFailed(_)
            | Event::PolicyAdopted(_)
            | Event::OrphanRecorded(_)
            | Event::OrphanApplied(_) => {}
        }
        Followed::Open
    }

    fn doubt(&mut self, id: PaymentId, in_doubt: bool) -> Followed {
        let Some(payment) = self.open.get_mut(&id) else { return Followed::Untracked };
        if payment.in_doubt != in_doubt {
            payment.in_doubt = in_doubt;
            let totals = self.money.entry(payment.money.currency()).or_default();
            totals.payments.change(in_doubt, payment.money);
        }
        Followed::Open
    }

    fn refund_doubt(&mut self, id: RefundId, in_doubt: bool) {
        let Some(refund) = self.refunds.get_mut(&id) else { return };
        if refund.in_doubt != in_doubt {
            refund.in_doubt = in_doubt;
            let totals = self.money.entry(refund.money.currency()).or_default();
            totals.refunds.change(in_doubt, refund.money);
        }
    }

    fn end_refund(&mut self, id: RefundId) {
        self.refund_doubt(id, false);
        self.refunds.remove(&id);
    }

    fn end(&mut self, id: PaymentId) -> Followed {
        if self.doubt(id, false) == Followed::Untracked {
            return Followed::Untracked;
        }
        let ended = self.open.remove(&id);
        ended.map_or(Followed::Untracked, |payment| Followed::Ended(payment.requested_at))
    }
}
