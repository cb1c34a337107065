//! Rows of a journal in memory, and what a payment's timeline and saga say of it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::entry::Entry;
use schemas::read_model::{PaymentRow, WalletRow};
use schemas::timeline::{
    HoldState, Saga, SagaState, TimelineEvent, TimelineInput, TimelineRow, WaitKind,
};
use schemas::{Offset, Partition, PaymentId, Position, Timestamp, WalletId};

use super::{ReadRows, RowChanges, project, saga};
use crate::payment::{Payment, Phase, timer_id};
use crate::scenario::{Scenario, decline, not_sent, payment_of, success, unknown};
use crate::state::StateError;

/// Every row of a journal.
#[derive(Default)]
pub(crate) struct Rows {
    pub payments: BTreeMap<PaymentId, PaymentRow>,
    pub wallets: BTreeMap<WalletId, WalletRow>,
    timeline: BTreeMap<Position, TimelineRow>,
}

impl ReadRows for Rows {
    fn payment(&self, id: PaymentId) -> Result<Option<PaymentRow>, StateError> {
        Ok(self.payments.get(&id).cloned())
    }

    fn wallet(&self, id: WalletId) -> Result<Option<WalletRow>, StateError> {
        Ok(self.wallets.get(&id).cloned())
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
            let RowChanges { payments, wallets, timeline, .. } =
                project(&rows, position, entry).expect("an entry fits the rows");
            rows.payments.extend(payments.into_iter().map(|row| (row.id, row)));
            rows.wallets.extend(wallets.into_iter().map(|row| (row.id, row)));
            rows.timeline.extend(timeline.into_iter().map(|row| (row.position, row)));
        }
        rows
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
        Phase::Completed(_) => SagaState::Completed,
        Phase::Failed(_) => SagaState::Failed,
    };
    assert_eq!(saga.state, state);
    assert_eq!(saga.deadline, Some(payment.deadline));
    let is_held = saga.hold.is_some_and(|hold| hold.state == HoldState::Held);
    assert_eq!(is_held, payment.is_held());
    assert_eq!(saga.waits_for.is_some(), payment.is_held());
    let set = timers.get(&timer_id(payment.id, payment.wallet_id));
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
