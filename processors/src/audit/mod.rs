//! The auditor: an independent fold of the journal that looks for what must never be.
//!
//! It shares no code with the decisions and the state it judges: everything is derived from the
//! entries' own words, and from the gateway's where its ground truth is given. Each check is a fold
//! of its own, in a file of its own, so that a mistake in one cannot hide in another. Entries come
//! in the order of their partition; partitions may be mixed. Memory grows with the number of
//! payments, deposits and timers, some hundred bytes each. Where the records come from, and how the
//! report is shown, is not known here.

mod balances;
mod causes;
mod chain;
mod conservation;
mod doubt;
mod ground_truth;
mod holds;
mod limits;
mod movements;
mod operations;
mod overdraft;
mod payments;
mod rails;
mod refunds;
mod report;
mod sources;
mod timers;
mod totals;
mod transfers;
mod verdicts;
mod wallets;

#[cfg(test)]
pub(crate) mod tests;

use schemas::codec::DecodeError;
use schemas::entry::{Entry, InputBody};
use schemas::event::{Event, SuspenseSubject};
use schemas::inputs::GatewayResult;
use schemas::{PartitionCount, PaymentId, Position, TopicName};

use balances::RecordedBalances;
use causes::Causes;
use chain::Chain;
use conservation::Conservation;
use doubt::Doubt;
use holds::Holds;
use limits::Limits;
use movements::Movements;
use operations::Operations;
use overdraft::Overdraft;
use payments::Payments;
use rails::Rails;
use refunds::Refunds;
use sources::Sources;
use timers::Timers;
use transfers::Transfers;
use verdicts::Verdicts;
use wallets::Wallets;

pub use ground_truth::{Charge, ChargeStatus, GroundTruth};
pub use report::{
    AuditReport, CheckResult, GroundTruthTotals, MAX_EXAMPLES, MAX_LISTED_HOLDS, MoneyTotals,
    OpenHold, PartitionTotals, PaymentTotals, Totals, Violation,
};

/// One record of the journal.
#[derive(Debug)]
pub struct AuditRecord<'a> {
    /// Where it stands.
    pub position: Position,
    /// Its key as it stands in the log.
    pub key: Option<&'a [u8]>,
    /// Its value as it stands in the log, frame included.
    pub value: Option<&'a [u8]>,
    /// What the value says, or why it cannot be read.
    pub entry: Result<Entry, DecodeError>,
}

/// One check: a fold of its own over the entries.
trait Check {
    /// Takes in the next entry of its partition.
    fn observe(&mut self, position: Position, entry: &Entry);

    /// Judges what only the end of the journal shows.
    fn conclude(&mut self) {}

    /// What was found so far.
    fn result(&self) -> &CheckResult;
}

/// Folds a journal, and says what is wrong with it.
pub struct Auditor {
    chain: Chain,
    sources: Sources,
    timers: Timers,
    verdicts: Verdicts,
    causes: Causes,
    conservation: Conservation,
    movements: Movements,
    balances: RecordedBalances,
    overdraft: Overdraft,
    wallets: Wallets,
    rails: Rails,
    holds: Holds,
    payments: Payments,
    operations: Operations,
    doubt: Doubt,
    refunds: Refunds,
    transfers: Transfers,
    limits: Limits,
    totals: Totals,
    truth: Option<GroundTruth>,
}

impl Auditor {
    /// An auditor of the journal with this name, which the hash chain binds, and so many
    /// partitions, which say where a wallet belongs.
    pub fn new(journal: TopicName, partitions: PartitionCount) -> Self {
        Self {
            chain: Chain::new(journal),
            sources: Sources::new(),
            timers: Timers::new(),
            verdicts: Verdicts::new(),
            causes: Causes::new(),
            conservation: Conservation::new(),
            movements: Movements::new(),
            balances: RecordedBalances::new(),
            overdraft: Overdraft::new(),
            wallets: Wallets::new(partitions),
            rails: Rails::new(),
            holds: Holds::new(),
            payments: Payments::new(partitions),
            operations: Operations::new(),
            doubt: Doubt::new(),
            refunds: Refunds::new(),
            transfers: Transfers::new(partitions),
            limits: Limits::new(),
            totals: Totals::default(),
            truth: None,
        }
    }

    /// Also holds the journal against what the gateways say they did.
    pub fn with_ground_truth(&mut self, truth: GroundTruth) {
        self.truth = Some(truth);
    }

    /// Takes in the next record of its partition.
    pub fn observe(&mut self, record: &AuditRecord<'_>) {
        self.chain.observe(record);
        totals::count_record(&mut self.totals, record.position);
        let Ok(entry) = &record.entry else { return };
        totals::count_entry(&mut self.totals, record.position, entry);
        for check in self.folds() {
            check.observe(record.position, entry);
        }
    }

    /// The verdict of every check on all that was taken in.
    pub fn report(mut self) -> AuditReport {
        let mut checks = vec![self.chain.result().clone()];
        for check in self.folds() {
            check.conclude();
            checks.push(check.result().clone());
        }
        totals::count_payments(&mut self.totals, &self.payments);
        self.totals.wallets = self.wallets.count();
        (self.totals.deposits, self.totals.withdrawals) = self.rails.counts();
        self.totals.refunds = self.refunds.count();
        self.totals.transfers = self.transfers.count();
        self.totals.open_holds = self.holds.open().len() as u64;
        self.totals.open_holds_listed = self.holds.open().take(MAX_LISTED_HOLDS).copied().collect();
        if let Some(truth) = &self.truth {
            let (against_truth, totals) =
                ground_truth::compare(truth, &self.payments, &self.operations, &self.refunds);
            checks.extend(against_truth);
            self.totals.ground_truth = Some(totals);
        }
        AuditReport { checks, totals: self.totals }
    }

    /// The checks that fold entries, in the order of the report.
    fn folds(&mut self) -> [&mut dyn Check; 17] {
        [
            &mut self.sources,
            &mut self.timers,
            &mut self.verdicts,
            &mut self.causes,
            &mut self.conservation,
            &mut self.movements,
            &mut self.balances,
            &mut self.overdraft,
            &mut self.wallets,
            &mut self.rails,
            &mut self.holds,
            &mut self.payments,
            &mut self.operations,
            &mut self.doubt,
            &mut self.refunds,
            &mut self.transfers,
            &mut self.limits,
        ]
    }
}

/// What a gateway says in this entry: its input, or what had been said before and counts now.
fn said(entry: &Entry) -> Option<&GatewayResult> {
    match &entry.input.body {
        InputBody::GatewayResult(result) => Some(result),
        InputBody::TimerFired {} => entry.events.iter().find_map(|event| match event {
            Event::OrphanApplied(event) => Some(&*event.result),
            _ => None,
        }),
        InputBody::Command(_)
        | InputBody::Operation(_)
        | InputBody::TransferLeg(_)
        | InputBody::Unreadable(_) => None,
    }
}

/// The payment that an event is about, itself or by a refund; none for events of wallets, rails and
/// transfers.
fn payment_of(event: &Event) -> Option<PaymentId> {
    match event {
        Event::PaymentRequested(event) => Some(event.payment_id),
        Event::HoldPlaced(hold) | Event::HoldPosted(hold) | Event::HoldVoided(hold) => {
            Some(hold.payment_id)
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

/// Whether an event is about a refund, not about the payment itself.
fn is_of_refund(event: &Event) -> bool {
    match event {
        Event::GatewayOperationRequested(event) => event.refund.is_some(),
        Event::GatewayOperationAnswered(event) => event.refund_id.is_some(),
        Event::DiscrepancyRecorded(event) => event.refund_id.is_some(),
        Event::SuspenseBooked(_)
        | Event::RefundRequested(_)
        | Event::RefundResendScheduled(_)
        | Event::RefundInDoubt(_)
        | Event::RefundReviewRequested(_)
        | Event::RefundResolved(_)
        | Event::RefundSucceeded(_)
        | Event::RefundFailed(_) => true,
        Event::PaymentRequested(_)
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
        | Event::WalletOpened(_)
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
        | Event::OrphanApplied(_) => false,
    }
}
