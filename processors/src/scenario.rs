//! A shard in memory for tests: inputs in, entries out, time advanced by hand.
//!
//! Not a mock: decide and evolve run as in production, on [`MemoryLedger`]. Timers are kept here as
//! the engine keeps them.

mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::account::{Account, Balances};
use schemas::entry::{Entry, Input, InputBody, Source, Verdict};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, GatewayOperationKind, GatewayOutcome, GatewayResult, Operation, TransferLeg,
};
use schemas::{ByteString, EntryHash, Partition, PartitionCount, SchemaId, Timestamp, Topic};

use crate::policy::{
    GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy, TransferTimes,
};
use crate::{DecideContext, MemoryLedger, ReadLedger, decide, evolve};

pub(crate) use requests::{
    NOT_FOUND, adopt, cancel, change, charge_of, currency_of, decline, deposit, failure_code,
    limit, names, not_sent, open_wallet, pay, payment_of, refund, refund_of, resolve,
    resolve_refund, reverse_deposit, reverse_withdrawal, success, success_in, transfer,
    transfer_of, unknown, unwanted_of, usd, wallet_of, withdraw,
};

pub(crate) const GATEWAY: &str = "simulator";

/// A gateway of tests.
pub(crate) fn gateway(name: &str) -> GatewayPolicy {
    GatewayPolicy {
        name: name.parse().expect("valid"),
        key_retention: Duration::from_hours(24),
        maximum_call_time: Duration::from_secs(5),
        ingestion_window: Duration::from_secs(1),
        inquiry: InquiryKind::Authoritative,
        refund_inquiry: InquiryKind::Authoritative,
    }
}

/// The policy of tests: round numbers.
pub(crate) fn policy() -> Policy {
    let times = PaymentTimes {
        operation_window: Duration::from_secs(10),
        answer_grace: Duration::from_secs(2),
        resend_backoff: Duration::from_secs(1),
        resend_backoff_limit: Duration::from_secs(30),
        submits_limit: 3,
        inquiry_backoff: Duration::from_secs(1),
        inquiry_backoff_limit: Duration::from_mins(5),
        total_deadline: Duration::from_mins(10),
        review_after: Duration::from_hours(1),
        review_inquiry_interval: Duration::from_hours(6),
    };
    Policy {
        version: 1,
        partitions: PartitionCount::try_from(1).expect("valid"),
        plaintext: PlaintextRule::Allowed,
        gateways: vec![gateway(GATEWAY)],
        routes: Vec::new(),
        payment: times.clone(),
        refund: times,
        transfer: TransferTimes {
            leg_backoff: Duration::from_secs(1),
            leg_backoff_limit: Duration::from_mins(1),
        },
    }
}

/// A shard, its journal and its clock.
pub(crate) struct Scenario {
    pub policy: Policy,
    pub ledger: MemoryLedger,
    pub journal: Vec<Entry>,
    pub now: Timestamp,
    /// Timer id to (due, generation).
    pub timers: BTreeMap<String, (Timestamp, i64)>,
    pub partition: Partition,
    next_offset: i64,
}

impl Scenario {
    pub fn new() -> Self {
        Self {
            policy: policy(),
            ledger: MemoryLedger::default(),
            journal: Vec::new(),
            now: Timestamp::from_millis(1_000_000),
            timers: BTreeMap::new(),
            partition: Partition::new(0).expect("valid"),
            next_offset: 0,
        }
    }

    /// A shard where `user` has a wallet with so much.
    pub fn funded(amount: i64) -> Self {
        let mut scenario = Self::new();
        scenario.open("user");
        scenario.deposit("user", amount, "seed");
        scenario
    }

    pub fn handle(&mut self, source: Source, body: InputBody) -> Entry {
        let input = Input { raw_hash: ByteString::default(), schema_id: SchemaId::default(), body };
        let ctx = DecideContext {
            at: self.now,
            seq: i64::try_from(self.journal.len()).expect("short") + 1,
            prev_hash: EntryHash::from([0; 32]),
            source,
            partition: self.partition,
            policy: &self.policy,
        };
        let before = self.ledger.clone();
        let entry = decide(&self.ledger, input, &ctx).expect("memory does not fail");
        assert_eq!(self.ledger, before, "decide mutates nothing");
        evolve(&mut self.ledger, &entry).expect("an entry fits the state it was decided on");
        assert_well_formed(&entry);
        self.note_timers(&entry);
        self.journal.push(entry.clone());
        entry
    }

    fn note_timers(&mut self, entry: &Entry) {
        if let Source::Timer { timer_id, .. } = &entry.source {
            self.timers.remove(timer_id);
        }
        for change in &entry.timers {
            match change.due {
                Some(due) => self.timers.insert(change.timer_id.clone(), (due, change.generation)),
                None => self.timers.remove(&change.timer_id),
            };
        }
    }

    pub fn input(&mut self, topic: Topic, body: InputBody) -> Entry {
        let offset = self.next_offset;
        self.next_offset += 1;
        let (topic, partition) = (topic.label().to_owned(), self.partition.number());
        self.handle(Source::Input { topic, partition, offset }, body)
    }

    pub fn command(&mut self, command: Command) -> Entry {
        self.input(Topic::Commands, InputBody::Command(command))
    }

    pub fn operation(&mut self, operation: Operation) -> Entry {
        self.input(Topic::Operations, InputBody::Operation(operation))
    }

    pub fn open(&mut self, user: &str) -> Entry {
        self.operation(open_wallet(user))
    }

    pub fn deposit(&mut self, user: &str, amount: i64, key: &str) -> Entry {
        self.operation(deposit(user, amount, key))
    }

    pub fn pay(&mut self, user: &str, amount: i64, key: &str) -> Entry {
        self.command(pay(user, amount, key))
    }

    /// The latest request to a gateway.
    pub fn asked(&self) -> GatewayOperationRequested {
        let requests = self.journal.iter().rev().flat_map(|entry| entry.events.iter().rev());
        let mut requests = requests.filter_map(|event| match event {
            Event::GatewayOperationRequested(event) => Some(event.clone()),
            _ => None,
        });
        requests.next().expect("something was asked of a gateway")
    }

    /// The gateway answers a request.
    pub fn answer(
        &mut self,
        request: &GatewayOperationRequested,
        outcome: GatewayOutcome,
    ) -> Entry {
        let result = GatewayResult {
            wallet_id: request.wallet_id,
            payment_id: request.payment_id,
            operation_id: request.operation_id,
            operation_seq: request.operation_seq,
            operation: request.operation,
            gateway: request.gateway.clone(),
            outcome,
            evidence: None,
            observed_at: self.now,
            correlation_id: request.correlation_id.clone(),
            notification_id: String::new(),
        };
        self.input(Topic::GatewayResults, InputBody::GatewayResult(result))
    }

    /// The gateway says unasked what became of what was requested.
    pub fn notify(
        &mut self,
        request: &GatewayOperationRequested,
        outcome: GatewayOutcome,
    ) -> Entry {
        let is_refund = request.operation.is_of_refund();
        let operation = if is_refund {
            GatewayOperationKind::NotifyRefund
        } else {
            GatewayOperationKind::Notify
        };
        let request = GatewayOperationRequested { operation_seq: 0, operation, ..request.clone() };
        self.answer(&request, outcome)
    }

    /// Every leg that was asked for so far, the first one first.
    pub fn legs(&self) -> Vec<TransferLeg> {
        let events = self.journal.iter().flat_map(|entry| &entry.events);
        let legs = events.filter_map(|event| match event {
            Event::TransferLegRequested(event) => Some(event.leg.clone()),
            _ => None,
        });
        legs.collect()
    }

    /// A leg arrives.
    pub fn leg(&mut self, leg: TransferLeg) -> Entry {
        self.input(Topic::Transfers, InputBody::TransferLeg(leg))
    }

    /// The gateway answers the latest request.
    pub fn answer_latest(&mut self, outcome: GatewayOutcome) -> Entry {
        let request = self.asked();
        self.answer(&request, outcome)
    }

    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
    }

    /// Time goes on to the earliest timer, which fires. None when none is set.
    pub fn fire_next(&mut self) -> Option<Entry> {
        let (id, (due, generation)) = self
            .timers
            .iter()
            .min_by_key(|(_, (due, _))| *due)
            .map(|(id, at)| (id.clone(), *at))?;
        self.now = self.now.max(due);
        let source = Source::Timer { timer_id: id, generation, due };
        Some(self.handle(source, InputBody::TimerFired {}))
    }

    /// Posted in suspense.
    pub fn suspense(&self) -> i64 {
        let account = Account::Suspense;
        self.ledger.account(&account, usd()).expect("memory").balances.posted()
    }

    pub fn balances(&self, user: &str) -> Balances {
        let account = Account::Wallet(wallet_of(user));
        self.ledger.account(&account, usd()).expect("memory").balances
    }

    /// (available, posted, held) of a user's wallet.
    pub fn numbers(&self, user: &str) -> (i64, i64, i64) {
        let balances = self.balances(user);
        (balances.available(), balances.posted(), balances.debits_pending)
    }
}

/// What holds of every entry by itself: postings balance, refusals change nothing.
fn assert_well_formed(entry: &Entry) {
    let mut sums: BTreeMap<_, i64> = BTreeMap::new();
    for posting in &entry.postings {
        let sign = if posting.side == schemas::account::Side::Debit { -1 } else { 1 };
        *sums.entry((posting.currency, posting.layer)).or_default() += sign * posting.amount;
    }
    assert!(sums.values().all(|sum| *sum == 0), "postings do not balance: {entry:?}");
    if entry.decision.verdict != Verdict::Accepted {
        assert!(entry.events.is_empty() && entry.postings.is_empty() && entry.timers.is_empty());
    }
}
