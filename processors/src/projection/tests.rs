//! Rows of a journal in memory, and what a payment's timeline and saga say of it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::entry::Entry;
use schemas::inputs::{OperationBody, ResolvedOutcome};
use schemas::read_model::{
    DepositRow, PaymentRow, PaymentStatus, RefundRow, RefundStatus, StatementKind, SuspenseRow,
    TransferRow, TransferStatus, WalletMovement, WalletRow, WalletStatus, WithdrawalRow,
};
use schemas::timeline::{
    HoldState, Saga, SagaState, TimelineEvent, TimelineInput, TimelineRow, WaitKind,
};
use schemas::{
    DepositId, Offset, Partition, PaymentId, Position, RefundId, Timestamp, TransferId, WalletId,
    WithdrawalId,
};

use super::{ReadRows, RowChanges, project, saga};
use crate::payment::{Payment, Phase};
use crate::scenario::{
    Scenario, cancel, change, decline, gateway, limit, not_sent, payment_of, refund, refund_of,
    resolve, reverse_deposit, success, transfer, transfer_of, unknown, unwanted_of, wallet_of,
    withdraw,
};
use crate::state::StateError;
use crate::timer::TimerSubject;

/// Every row of a journal.
#[derive(Default)]
pub(crate) struct Rows {
    pub payments: BTreeMap<PaymentId, PaymentRow>,
    pub wallets: BTreeMap<WalletId, WalletRow>,
    pub refunds: BTreeMap<RefundId, RefundRow>,
    pub transfers: BTreeMap<TransferId, TransferRow>,
    deposits: BTreeMap<DepositId, DepositRow>,
    withdrawals: BTreeMap<WithdrawalId, WithdrawalRow>,
    suspense: Vec<SuspenseRow>,
    movements: Vec<WalletMovement>,
    timeline: BTreeMap<Position, TimelineRow>,
}

impl ReadRows for Rows {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, StateError> {
        Ok(self.payments.get(&id).cloned())
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, StateError> {
        Ok(self.wallets.get(&id).cloned())
    }

    fn refund(&self, id: RefundId) -> Result<Option<RefundRow>, StateError> {
        Ok(self.refunds.get(&id).cloned())
    }

    fn transfer(&self, id: TransferId) -> Result<Option<TransferRow>, StateError> {
        Ok(self.transfers.get(&id).cloned())
    }

    fn deposit(&self, id: DepositId) -> Result<Option<DepositRow>, StateError> {
        Ok(self.deposits.get(&id).cloned())
    }

    fn withdrawal(&self, id: WithdrawalId) -> Result<Option<WithdrawalRow>, StateError> {
        Ok(self.withdrawals.get(&id).cloned())
    }
}

impl Rows {
    pub fn of(journal: &[Entry]) -> Self {
        let mut rows = Self::default();
        for (at, entry) in journal.iter().enumerate() {
            let position = Position {
                partition: Partition::new(0).expect("valid"),
                offset: Offset::new(i64::try_from(at).expect("short")).expect("valid"),
            };
            let changes = project(&rows, position, entry).expect("an entry fits the rows");
            rows.take(changes);
        }
        rows
    }

    fn take(&mut self, changes: RowChanges) {
        self.payments
            .extend(changes.payments.into_iter().map(|change| (change.row.id, change.row)));
        self.wallets.extend(changes.wallets.into_iter().map(|row| (row.id, row)));
        self.refunds.extend(changes.refunds.into_iter().map(|row| (row.id, row)));
        self.transfers.extend(changes.transfers.into_iter().map(|row| (row.id, row)));
        self.deposits.extend(changes.deposits.into_iter().map(|row| (row.id, row)));
        self.withdrawals.extend(changes.withdrawals.into_iter().map(|row| (row.id, row)));
        self.suspense.extend(changes.suspense);
        self.movements.extend(changes.movements);
        self.timeline.extend(changes.timeline.into_iter().map(|row| (row.position, row)));
    }

    /// The types and amounts of a wallet's statement, the oldest first.
    fn statement(&self, user: &str) -> Vec<(&'static str, i64)> {
        let lines = self.movements.iter().filter(|row| row.wallet_id == wallet_of(user));
        let line = |row: &WalletMovement| {
            let line = row.line.as_ref()?;
            Some((line.kind.as_str(), line.amount.minor()))
        };
        lines.filter_map(line).collect()
    }

    /// The rows of a payment by their links, the oldest first.
    fn timeline(&self, payment: &PaymentRow) -> Vec<TimelineRow> {
        let link = |position: &Position| self.timeline[position].clone();
        let before = |row: &TimelineRow| {
            row.previous.map(|offset| link(&Position { offset, ..row.position }))
        };
        let mut rows: Vec<_> =
            std::iter::successors(Some(link(&payment.position)), before).collect();
        rows.reverse();
        rows
    }

    fn saga(&self, id: PaymentId) -> Saga {
        let payment = &self.payments[&id];
        saga(payment, &self.timeline(payment))
    }
}

/// The saga that people see is where the ledger has it.
pub(crate) fn assert_saga_is(
    payment: &Payment,
    rows: &Rows,
    timers: &BTreeMap<String, (Timestamp, i64)>,
) {
    let saga = rows.saga(payment.id);
    let state = match &payment.phase {
        Phase::Requested => panic!("never outside an entry"),
        Phase::Submitting(_) => SagaState::Submitting,
        Phase::InDoubt(_) => SagaState::InDoubt,
        Phase::NeedsReview(_) => SagaState::NeedsReview,
        Phase::Cancelled(_) => SagaState::Cancelled,
        Phase::Completed(_) => SagaState::Completed,
        Phase::Failed(_) => SagaState::Failed,
    };
    assert_eq!(saga.state, state);
    assert_eq!(saga.deadline, Some(payment.deadline));
    let is_held = saga.hold.is_some_and(|hold| hold.state == HoldState::Held);
    assert_eq!(is_held, payment.is_held());
    assert_eq!(saga.waits_for.is_some(), payment.is_held());
    let set = timers.get(&TimerSubject::Payment(payment.id).timer_id(payment.wallet_id));
    let timer = saga.timer.map(|timer| (timer.due, timer.generation));
    assert_eq!(timer.as_ref(), set);
    let operations = saga.attempts.last().map_or(0, |attempt| attempt.operations.len());
    let attempt = payment.attempt();
    let latest_seq = attempt.map_or(0, |attempt| attempt.latest_seq);
    assert_eq!(i32::try_from(operations), Ok(latest_seq));
    let last = saga.attempts.last();
    let unanswered = last.into_iter().flat_map(|attempt| &attempt.operations);
    let unanswered: Vec<_> = unanswered
        .filter(|operation| operation.answer.is_none())
        .map(|operation| operation.seq)
        .collect();
    let expected: Option<Vec<_>> =
        attempt.map(|attempt| attempt.unanswered.iter().copied().collect());
    assert_eq!(unanswered, expected.unwrap_or_default());
}

fn name(event: &TimelineEvent) -> &'static str {
    match event {
        TimelineEvent::PaymentRequested { .. } => "requested",
        TimelineEvent::HoldPlaced(_) => "held",
        TimelineEvent::HoldPosted(_) => "posted",
        TimelineEvent::HoldVoided(_) => "voided",
        TimelineEvent::AttemptStarted { .. } => "started",
        TimelineEvent::GatewayOperationRequested { .. } => "asked",
        TimelineEvent::GatewayOperationAnswered { .. } => "answered",
        TimelineEvent::ResendScheduled { .. } => "resend",
        TimelineEvent::PaymentInDoubt { .. } => "doubt",
        TimelineEvent::PaymentCompleted { .. } => "completed",
        TimelineEvent::PaymentFailed { .. } => "failed",
        TimelineEvent::DiscrepancyRecorded { .. } => "discrepancy",
        TimelineEvent::AttemptAbandoned { .. } => "abandoned",
        TimelineEvent::PaymentReviewRequested { .. } => "review",
        TimelineEvent::PaymentResolved { .. } => "resolved",
        TimelineEvent::CancelRequested => "cancel",
        TimelineEvent::PaymentCancelled => "cancelled",
        TimelineEvent::SuspenseBooked { .. } => "suspense",
        TimelineEvent::RefundRequested { .. } => "refund",
        TimelineEvent::RefundResendScheduled { .. } => "refund resend",
        TimelineEvent::RefundInDoubt { .. } => "refund doubt",
        TimelineEvent::RefundReviewRequested { .. } => "refund review",
        TimelineEvent::RefundResolved { .. } => "refund resolved",
        TimelineEvent::RefundSucceeded { .. } => "refund succeeded",
        TimelineEvent::RefundFailed { .. } => "refund failed",
    }
}

/// The input and the events of each row.
fn story(scenario: &Scenario, key: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let rows = Rows::of(&scenario.journal);
    let timeline = rows.timeline(&rows.payments[&payment_of("user", key)]);
    let told = |row: &TimelineRow| {
        let input = match &row.input {
            TimelineInput::Command(_) => "command",
            TimelineInput::Operation(_) => "operation",
            TimelineInput::GatewayResult(_) => "result",
            TimelineInput::Timer { .. } => "timer",
        };
        (input, row.events.iter().map(name).collect())
    };
    timeline.iter().map(told).collect()
}

fn wait(scenario: &Scenario, key: &str) -> Option<(WaitKind, Option<Timestamp>)> {
    let saga = Rows::of(&scenario.journal).saga(payment_of("user", key));
    saga.waits_for.map(|wait| (wait.what, wait.until))
}

fn due(scenario: &Scenario) -> Option<Timestamp> {
    scenario.timers.values().next().map(|(due, _)| *due)
}

#[test]
fn a_timeline_tells_what_changed_the_payment_and_nothing_else() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.pay("user", 100, "another");
    // Repeated and altered: entries, but they changed nothing.
    scenario.pay("user", 400, "order");
    scenario.pay("user", 401, "order");
    let asked = scenario.journal[2].events.iter().find_map(|event| match event {
        schemas::event::Event::GatewayOperationRequested(asked) => Some(asked.clone()),
        _ => None,
    });
    let asked = asked.expect("a charge");
    scenario.answer(&asked, not_sent());
    scenario.answer(&asked, not_sent());
    scenario.fire_next();
    scenario.answer_latest(unknown());
    scenario.fire_next();
    scenario.answer_latest(success(400));
    assert_eq!(
        story(&scenario, "order"),
        [
            ("command", vec!["requested", "held", "started", "asked"]),
            ("result", vec!["answered", "resend"]),
            ("timer", vec!["asked"]),
            ("result", vec!["answered", "doubt"]),
            ("timer", vec!["asked"]),
            ("result", vec!["answered", "posted", "completed"]),
        ]
    );
    let another = [("command", vec!["requested", "held", "started", "asked"])];
    assert_eq!(story(&scenario, "another"), another);
}

#[test]
fn a_saga_says_what_it_waits_for_and_until_when() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    let held = wait(&scenario, "order");
    assert_eq!(held, Some((WaitKind::GatewayAnswer, due(&scenario))));
    scenario.answer_latest(not_sent());
    assert_eq!(wait(&scenario, "order"), Some((WaitKind::Resend, due(&scenario))));
    scenario.fire_next();
    assert_eq!(wait(&scenario, "order"), Some((WaitKind::GatewayAnswer, due(&scenario))));
    // Nobody answers: the timer ends the wait, and the outcome is in doubt.
    scenario.fire_next();
    assert_eq!(wait(&scenario, "order"), Some((WaitKind::Inquiry, due(&scenario))));
    scenario.fire_next();
    assert_eq!(wait(&scenario, "order"), Some((WaitKind::GatewayAnswer, due(&scenario))));
    assert!(due(&scenario).is_some_and(|due| due > scenario.now.plus(Duration::from_secs(1))));
    scenario.answer_latest(decline());
    assert_eq!(wait(&scenario, "order"), None);

    let saga = Rows::of(&scenario.journal).saga(payment_of("user", "order"));
    assert_eq!(saga.compensations.len(), 1);
    assert_eq!(saga.compensations[0].money.amount().minor(), 400);
    assert_eq!(saga.hold.map(|hold| hold.state), Some(HoldState::Voided));
    assert_eq!((saga.attempts.len(), saga.attempts[0].operations.len()), (1, 3));
}

#[test]
fn a_payment_that_fails_at_once_has_neither_hold_nor_attempt() {
    let mut scenario = Scenario::funded(10);
    scenario.pay("user", 400, "order");
    assert_eq!(story(&scenario, "order"), [("command", vec!["requested", "failed"])]);
    let saga = Rows::of(&scenario.journal).saga(payment_of("user", "order"));
    assert_eq!((saga.state, saga.hold, saga.attempts.len()), (SagaState::Failed, None, 0));
    assert_eq!((saga.waits_for, saga.timer), (None, None));
}

#[test]
fn a_payment_row_shows_refunds_cancels_reviews_and_what_did_not_fit() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(400));
    let status = |scenario: &Scenario| {
        let row = &Rows::of(&scenario.journal).payments[&payment_of("user", "order")];
        (row.status, row.refunded_amount)
    };
    scenario.command(refund("user", "order", Some(100), "a"));
    assert_eq!(status(&scenario), (PaymentStatus::Completed, 0));
    scenario.answer_latest(success(100));
    assert_eq!(status(&scenario), (PaymentStatus::PartiallyRefunded, 100));
    scenario.command(refund("user", "order", None, "b"));
    scenario.answer_latest(success(300));
    assert_eq!(status(&scenario), (PaymentStatus::Refunded, 400));
    assert_eq!(
        Rows::of(&scenario.journal).statement("user"),
        [("deposit", 1000), ("payment", 400), ("refund", 100), ("refund", 300)]
    );

    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.command(cancel("user", "order"));
    let row = &Rows::of(&scenario.journal).payments[&payment_of("user", "order")];
    assert!(row.cancel_requested && row.status == PaymentStatus::Processing);
    scenario.answer_latest(not_sent());
    assert_eq!(status(&scenario).0, PaymentStatus::Cancelled);

    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(-1));
    assert_eq!(status(&scenario).0, PaymentStatus::NeedsReview);
    assert_eq!(wait(&scenario, "order").map(|(what, _)| what), Some(WaitKind::Review));
    scenario.operation(resolve("user", "order", ResolvedOutcome::Succeeded, Some(150)));
    let row = &Rows::of(&scenario.journal).payments[&payment_of("user", "order")];
    assert_eq!((row.status, row.captured_amount), (PaymentStatus::Completed, 150));
    assert_eq!(row.discrepancies, ["charge_unreadable", "charged_less"]);
}

#[test]
fn a_late_charge_shows_in_timeline_saga_suspense_and_a_refund_of_its_own() {
    let mut scenario = Scenario::funded(1000);
    scenario.policy.gateways.push(gateway("second"));
    scenario.policy.payment.submits_limit = 1;
    scenario.pay("user", 400, "order");
    let first = scenario.asked();
    scenario.answer_latest(not_sent());
    scenario.answer_latest(success(400));
    scenario.notify(&first, success(400));
    let unwanted = unwanted_of("user", "order", 1);
    let rows = Rows::of(&scenario.journal);
    assert_eq!(rows.refunds[&unwanted].status, RefundStatus::Processing);
    let saga = rows.saga(payment_of("user", "order"));
    assert_eq!((saga.attempts.len(), saga.refunds.len()), (2, 1));
    assert_eq!(saga.refunds[0].operations.len(), 1);
    assert!(saga.refunds[0].timer.is_some());
    scenario.answer_latest(success(400));
    assert_eq!(
        story(&scenario, "order"),
        [
            ("command", vec!["requested", "held", "started", "asked"]),
            ("result", vec!["answered", "abandoned", "started", "asked"]),
            ("result", vec!["answered", "posted", "completed"]),
            ("result", vec!["discrepancy", "suspense", "refund", "asked"]),
            ("result", vec!["answered", "suspense", "refund succeeded"]),
        ]
    );
    let rows = Rows::of(&scenario.journal);
    assert_eq!(rows.suspense.len(), 2);
    let row = &rows.payments[&payment_of("user", "order")];
    assert_eq!((row.status, row.refunded_amount), (PaymentStatus::Completed, 0));
    assert_eq!((row.attempts, row.discrepancies.len()), (2, 1));
    let saga = rows.saga(payment_of("user", "order"));
    assert_eq!(saga.refunds[0].status, RefundStatus::Succeeded);
    assert!(saga.refunds[0].operations[0].answer.is_some() && saga.refunds[0].timer.is_none());
}

#[test]
fn a_refund_row_follows_its_saga() {
    let mut scenario = Scenario::funded(1000);
    scenario.pay("user", 400, "order");
    scenario.answer_latest(success(400));
    scenario.command(refund("user", "order", Some(100), "r"));
    let row = |scenario: &Scenario| {
        Rows::of(&scenario.journal).refunds[&refund_of("user", "order", "r")].clone()
    };
    assert_eq!(row(&scenario).status, RefundStatus::Processing);
    scenario.answer_latest(unknown());
    assert_eq!(row(&scenario).status, RefundStatus::InDoubt);
    scenario.fire_next();
    scenario.answer_latest(decline());
    let failed = row(&scenario);
    assert_eq!(failed.status, RefundStatus::Failed);
    assert_eq!(failed.failure.expect("says why").code, "refund_declined");
}

#[test]
fn transfer_rows_and_both_statements() {
    let mut scenario = Scenario::funded(1000);
    scenario.open("other");
    scenario.command(transfer("user", "other", 250, "t"));
    let id = transfer_of("user", "t");
    assert_eq!(Rows::of(&scenario.journal).transfers[&id].status, TransferStatus::Held);
    scenario.fire_next();
    for _ in 0..2 {
        let leg = scenario.legs().pop().expect("a leg");
        scenario.leg(leg);
    }
    let rows = Rows::of(&scenario.journal);
    let row = &rows.transfers[&id];
    assert_eq!((row.status, row.legs_sent), (TransferStatus::Completed, 2));
    assert_eq!(row.balance_after, Some(750));
    assert_eq!(rows.statement("user"), [("deposit", 1000), ("transfer_out", 250)]);
    assert_eq!(rows.statement("other"), [("transfer_in", 250)]);
    scenario.command(transfer("user", "other", 9_999, "more"));
    let rows = Rows::of(&scenario.journal);
    let row = &rows.transfers[&transfer_of("user", "more")];
    assert_eq!(row.status, TransferStatus::Failed);
    assert_eq!(row.failure.as_ref().expect("says why").code, "insufficient_funds");
}

#[test]
fn wallet_rows_show_status_limits_and_every_fact_of_a_rail() {
    let mut scenario = Scenario::funded(1000);
    scenario.operation(limit("user", Some(5), None, Some(2)));
    scenario.operation(withdraw("user", 300, "w"));
    scenario.operation(reverse_deposit("user", "seed"));
    scenario.operation(crate::scenario::reverse_withdrawal("user", "w"));
    scenario.operation(change("user", OperationBody::FreezeWallet));
    let rows = Rows::of(&scenario.journal);
    let wallet = &rows.wallets[&wallet_of("user")];
    assert_eq!(wallet.status, WalletStatus::Frozen);
    assert_eq!((wallet.limits.per_payment, wallet.limits.in_flight), (Some(5), Some(2)));
    assert_eq!(
        rows.statement("user"),
        [
            ("deposit", 1000),
            ("withdrawal", 300),
            ("deposit_reversal", 1000),
            ("withdrawal_reversal", 300),
        ]
    );
    assert!(rows.deposits.values().all(|row| row.reversed_at.is_some()));
    assert!(rows.withdrawals.values().all(|row| row.reversed_at.is_some()));
    let kinds = rows.movements.iter().filter_map(|row| row.line.as_ref().map(|line| line.kind));
    assert!(kinds.into_iter().any(|kind| matches!(kind, StatementKind::Withdrawal(_))));
    scenario.operation(change("user", OperationBody::UnfreezeWallet));
    scenario.operation(change("user", OperationBody::CloseWallet));
    scenario.deposit("user", 5, "late");
    let rows = Rows::of(&scenario.journal);
    assert_eq!(rows.wallets[&wallet_of("user")].status, WalletStatus::Closed);
    assert_eq!((rows.suspense.len(), rows.suspense[0].money.amount().minor()), (1, 5));
}
