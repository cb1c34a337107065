//! A shard in memory for tests: inputs in, entries out, time advanced by hand.
//!
//! Not a mock: decide and evolve run as in production, on [`MemoryLedger`]. Timers are kept here as
//! the engine keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::account::{Account, Balances};
use schemas::entry::{Entry, Input, InputBody, Source, Verdict};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOperationKind, GatewayOutcome, GatewayResult,
    OpenWallet, Operation, OperationBody, Pay,
};
use schemas::{
    ByteString, Currency, DepositId, EntryHash, IdempotencyKey, Partition, PartitionCount,
    PaymentId, SchemaId, TenantId, Timestamp, Topic, WalletId, WalletLabel,
};

use crate::policy::{GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy};
use crate::{DecideContext, MemoryLedger, ReadLedger, decide, evolve};

pub(crate) const GATEWAY: &str = "simulator";

/// The policy of tests: round numbers.
pub(crate) fn policy() -> Policy {
    Policy {
        version: 1,
        partitions: PartitionCount::try_from(1).expect("valid"),
        plaintext: PlaintextRule::Allowed,
        gateways: vec![GatewayPolicy {
            name: GATEWAY.parse().expect("valid"),
            key_retention: Duration::from_hours(24),
            maximum_call_time: Duration::from_secs(5),
            ingestion_window: Duration::from_secs(1),
            inquiry: InquiryKind::Authoritative,
        }],
        payment: PaymentTimes {
            operation_window: Duration::from_secs(10),
            answer_grace: Duration::from_secs(2),
            resend_backoff: Duration::from_secs(1),
            resend_backoff_limit: Duration::from_secs(30),
            submits_limit: 3,
            inquiry_backoff: Duration::from_secs(1),
            inquiry_backoff_limit: Duration::from_mins(5),
            total_deadline: Duration::from_mins(10),
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
            partition: Partition::new(0).expect("valid"),
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
        self.handle(Source::Input { topic: topic.label().to_owned(), partition: 0, offset }, body)
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
        };
        self.input(Topic::GatewayResults, InputBody::GatewayResult(result))
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

pub(crate) fn usd() -> Currency {
    "USD".parse().expect("valid")
}

pub(crate) fn wallet_of(user: &str) -> WalletId {
    let user = user.parse().expect("valid");
    WalletId::derive(&TenantId::default_tenant(), &user, usd(), &WalletLabel::main())
}

pub(crate) fn payment_of(user: &str, key: &str) -> PaymentId {
    let key: IdempotencyKey = key.parse().expect("valid");
    PaymentId::derive(&TenantId::default_tenant(), wallet_of(user), &key)
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: "command".to_owned(),
        tenant: "default".to_owned(),
        idempotency_key: key.to_owned(),
        correlation_id: "correlation".to_owned(),
        actor: "test".to_owned(),
        deadline: None,
    }
}

pub(crate) fn open_wallet(user: &str) -> Operation {
    Operation {
        envelope: envelope(""),
        body: OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet_of(user).to_string(),
            user_id: user.to_owned(),
            currency: "USD".to_owned(),
            label: "main".to_owned(),
        }),
    }
}

pub(crate) fn deposit(user: &str, amount: i64, key: &str) -> Operation {
    let tenant = TenantId::default_tenant();
    let parsed = key.parse().expect("valid");
    Operation {
        envelope: envelope(key),
        body: OperationBody::Deposit(Deposit {
            deposit_id: DepositId::derive(&tenant, wallet_of(user), &parsed).to_string(),
            wallet_id: wallet_of(user).to_string(),
            amount,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: key.to_owned(),
        }),
    }
}

pub(crate) fn pay(user: &str, amount: i64, key: &str) -> Command {
    Command {
        envelope: envelope(key),
        body: CommandBody::Pay(Pay {
            payment_id: payment_of(user, key).to_string(),
            wallet_id: wallet_of(user).to_string(),
            amount,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: None,
            description: None,
            metadata: None,
        }),
    }
}

pub(crate) fn success(amount: i64) -> GatewayOutcome {
    GatewayOutcome::Succeeded {
        gateway_reference: "ch_1".to_owned(),
        amount,
        currency: "USD".to_owned(),
    }
}

pub(crate) fn decline() -> GatewayOutcome {
    GatewayOutcome::Declined { decline_code: "do_not_honor".into(), message: "No.".into() }
}

pub(crate) fn unknown() -> GatewayOutcome {
    GatewayOutcome::OutcomeUnknown { reason: "time-out".to_owned() }
}

pub(crate) fn not_sent() -> GatewayOutcome {
    GatewayOutcome::NotSent { reason: "refused".to_owned() }
}

/// The names of an entry's events, for tables.
pub(crate) fn names(entry: &Entry) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::WalletOpened(_) => "WalletOpened",
        Event::DepositRecorded(_) => "DepositRecorded",
        Event::PaymentRequested(_) => "PaymentRequested",
        Event::HoldPlaced(_) => "HoldPlaced",
        Event::HoldPosted(_) => "HoldPosted",
        Event::HoldVoided(_) => "HoldVoided",
        Event::AttemptStarted(_) => "AttemptStarted",
        Event::GatewayOperationRequested(event) => match event.operation {
            GatewayOperationKind::Submit => "SubmitRequested",
            GatewayOperationKind::Inquire => "InquiryRequested",
        },
        Event::GatewayOperationAnswered(_) => "Answered",
        Event::ResendScheduled(_) => "ResendScheduled",
        Event::PaymentInDoubt(_) => "PaymentInDoubt",
        Event::PaymentCompleted(_) => "PaymentCompleted",
        Event::PaymentFailed(_) => "PaymentFailed",
        Event::DiscrepancyRecorded(_) => "DiscrepancyRecorded",
    };
    entry.events.iter().map(name).collect()
}

/// The code of the failure in an entry; empty when there is none.
pub(crate) fn failure_code(entry: &Entry) -> &str {
    for event in &entry.events {
        if let Event::PaymentFailed(event) = event {
            return &event.code;
        }
    }
    ""
}
