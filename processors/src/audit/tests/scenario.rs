//! Journals to audit: what the ledger decides about a few inputs, with the bytes around it.
//!
//! The audit shares no code with the ledger; its tests let the ledger write what it judges.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::codec::{self, SchemaCatalog};
use schemas::entry::{Entry, Input, InputBody, Source, TimerChange};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOutcome, GatewayResult, OpenWallet, Operation,
    OperationBody, Pay,
};
use schemas::{
    DepositId, EntryHash, IdempotencyKey, Offset, Partition, PartitionCount, PaymentId, Position,
    SchemaId, TenantId, Timestamp, Topic, TopicName, UserId, WalletId, WalletLabel,
};

use crate::audit::{AuditRecord, AuditReport, Auditor, Charge, ChargeStatus, GroundTruth};
use crate::policy::{
    GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy, TransferTimes,
};
use crate::{DecideContext, MemoryLedger};

/// A shard that decides inputs and keeps what it decided.
pub(super) struct Scenario {
    pub entries: Vec<Entry>,
    state: MemoryLedger,
    offsets: BTreeMap<Topic, i64>,
    now: Timestamp,
    policy: Policy,
}

pub(super) fn one_partition() -> PartitionCount {
    PartitionCount::try_from(1).expect("valid")
}

pub(super) fn journal() -> TopicName {
    Topic::Journal.name(&"payments".parse().expect("valid"))
}

fn policy() -> Policy {
    let gateway = |name: &str| GatewayPolicy {
        name: name.parse().expect("valid"),
        key_retention: Duration::from_hours(24),
        maximum_call_time: Duration::from_secs(5),
        ingestion_window: Duration::from_secs(5),
        inquiry: InquiryKind::Authoritative,
        refund_inquiry: InquiryKind::Authoritative,
    };
    Policy {
        version: 1,
        partitions: one_partition(),
        plaintext: PlaintextRule::Allowed,
        gateways: vec![gateway("simulator"), gateway("other")],
        routes: Vec::new(),
        payment: PaymentTimes::default(),
        refund: PaymentTimes::of_refunds(),
        transfer: TransferTimes::default(),
    }
}

pub(super) fn wallet() -> WalletId {
    let user: UserId = "user".parse().expect("valid");
    let currency = "USD".parse().expect("valid");
    WalletId::derive(&TenantId::default_tenant(), &user, currency, &WalletLabel::main())
}

pub(super) fn payment(key: &str) -> PaymentId {
    let key: IdempotencyKey = key.parse().expect("valid");
    PaymentId::derive(&TenantId::default_tenant(), wallet(), &key)
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: format!("command-{key}"),
        tenant: String::new(),
        idempotency_key: key.to_owned(),
        correlation_id: String::new(),
        actor: String::new(),
        deadline: None,
    }
}

impl Scenario {
    /// A shard with an empty wallet.
    pub fn new() -> Self {
        let mut scenario = Self {
            entries: Vec::new(),
            state: MemoryLedger::default(),
            offsets: BTreeMap::new(),
            now: Timestamp::from_millis(1_700_000_000_000),
            policy: policy(),
        };
        scenario.open_wallet();
        scenario
    }

    fn handle(&mut self, source: Source, body: InputBody) {
        self.now = self.now.plus(Duration::from_millis(5));
        let context = DecideContext {
            at: self.now,
            seq: i64::try_from(self.entries.len()).expect("few") + 1,
            prev_hash: EntryHash::from([0; 32]),
            source,
            partition: Partition::new(0).expect("valid"),
            policy: &self.policy,
        };
        let input =
            Input { raw_hash: schemas::ByteString::default(), schema_id: SchemaId(1), body };
        let entry =
            crate::decide(&self.state, input, &context).expect("state in memory is readable");
        crate::evolve(&mut self.state, &entry).expect("an entry fits the state it was decided on");
        self.entries.push(entry);
    }

    fn record(&mut self, topic: Topic, body: InputBody) {
        let offset = self.offsets.entry(topic).or_default();
        *offset += 1;
        let topic = topic.label().to_owned();
        let source = Source::Input { topic, partition: 0, offset: *offset };
        self.handle(source, body);
    }

    fn operation(&mut self, key: &str, body: OperationBody) {
        let operation = Operation { envelope: envelope(key), body };
        self.record(Topic::Operations, InputBody::Operation(operation));
    }

    pub fn open_wallet(&mut self) {
        let body = OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet().to_string(),
            user_id: "user".to_owned(),
            currency: "USD".to_owned(),
            label: "main".to_owned(),
        });
        self.operation("open", body);
    }

    pub fn deposit(&mut self, key: &str, amount: i64) {
        let idempotency_key: IdempotencyKey = key.parse().expect("valid");
        let id = DepositId::derive(&TenantId::default_tenant(), wallet(), &idempotency_key);
        let body = OperationBody::Deposit(Deposit {
            deposit_id: id.to_string(),
            wallet_id: wallet().to_string(),
            amount,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: format!("reference-{key}"),
        });
        self.operation(key, body);
    }

    pub fn pay(&mut self, key: &str, amount: i64) {
        let body = CommandBody::Pay(Pay {
            payment_id: payment(key).to_string(),
            wallet_id: wallet().to_string(),
            amount,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: None,
            description: None,
            metadata: None,
        });
        let command = Command { envelope: envelope(key), body };
        self.record(Topic::Commands, InputBody::Command(command));
    }

    /// The operations that the gateway was asked for, in order.
    pub fn asked(&self, key: &str) -> Vec<GatewayOperationRequested> {
        let events = self.entries.iter().flat_map(|entry| &entry.events);
        let asked = events.filter_map(|event| match event {
            Event::GatewayOperationRequested(asked) => Some(asked.clone()),
            _ => None,
        });
        asked.filter(|asked| asked.payment_id == payment(key)).collect()
    }

    /// Answers the latest operation of a payment.
    pub fn answer(&mut self, key: &str, outcome: GatewayOutcome) {
        let Some(asked) = self.asked(key).pop() else { return };
        self.answer_to(&asked, outcome);
    }

    pub fn answer_to(&mut self, asked: &GatewayOperationRequested, outcome: GatewayOutcome) {
        let result = GatewayResult {
            wallet_id: asked.wallet_id,
            payment_id: asked.payment_id,
            operation_id: asked.operation_id,
            operation_seq: asked.operation_seq,
            operation: asked.operation,
            gateway: asked.gateway.clone(),
            outcome,
            evidence: None,
            observed_at: self.now,
            correlation_id: String::new(),
            notification_id: String::new(),
        };
        self.record(Topic::GatewayResults, InputBody::GatewayResult(result));
    }

    pub fn succeed(&mut self, key: &str) {
        let Some(asked) = self.asked(key).pop() else { return };
        let outcome = GatewayOutcome::Succeeded {
            gateway_reference: format!("charge-{key}"),
            amount: asked.amount.minor(),
            currency: asked.currency.code().to_owned(),
        };
        self.answer_to(&asked, outcome);
    }

    /// Lets the timer of a payment fire when it is due, if it is set.
    pub fn fire(&mut self, key: &str) {
        let id = payment(key).to_string();
        let changes = self.entries.iter().flat_map(|entry| &entry.timers);
        let latest = changes.rev().find(|change| change.timer_id.contains(&id)).cloned();
        let Some(TimerChange { timer_id, generation, due: Some(due) }) = latest else { return };
        self.now = self.now.max(due);
        self.handle(Source::Timer { timer_id, generation, due }, InputBody::TimerFired {});
    }
}

/// A journal that shows every event: completions, a decline, insufficient funds, doubt that an
/// inquiry dispels, a resend, repetitions, and a payment left open.
pub(super) fn full() -> Scenario {
    let mut scenario = Scenario::new();
    scenario.deposit("in", 10_000);
    scenario.deposit("in", 10_000);
    scenario.pay("completed", 1_000);
    scenario.succeed("completed");
    scenario.pay("completed", 1_000);
    scenario.pay("completed", 1_001);
    scenario.pay("declined", 500);
    let (decline_code, message) = ("stolen_card".to_owned(), String::new());
    scenario.answer("declined", GatewayOutcome::Declined { decline_code, message });
    scenario.pay("too-much", 100_000);
    scenario.pay("doubted", 700);
    scenario.answer("doubted", GatewayOutcome::OutcomeUnknown { reason: "reset".to_owned() });
    scenario.fire("doubted");
    scenario.answer("doubted", GatewayOutcome::NotFound {});
    scenario.fire("doubted");
    scenario.answer("doubted", GatewayOutcome::NotFound {});
    scenario.answer("doubted", GatewayOutcome::NotSent { reason: "refused".to_owned() });
    scenario.fire("doubted");
    scenario.succeed("doubted");
    scenario.pay("in-doubt", 40);
    scenario.fire("in-doubt");
    scenario.pay("open", 30);
    scenario
}

/// A record as it would stand in the log.
pub(super) struct Record {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// Chains the entries and writes them as bytes.
pub(super) fn seal(entries: &[Entry]) -> Vec<Record> {
    let mut hash = EntryHash::genesis(&journal(), Partition::new(0).expect("valid"));
    let seal_one = |entry: &Entry| {
        let value = codec::encode(&Entry { prev_hash: hash, ..entry.clone() }, SchemaId(1));
        let key = wallet().to_string().into_bytes();
        hash = hash.link(Some(&key), Some(&value));
        Record { key, value }
    };
    entries.iter().map(seal_one).collect()
}

/// Audits records as they would be read.
pub(super) fn audit(records: &[Record], truth: Option<GroundTruth>) -> AuditReport {
    let catalog = SchemaCatalog::default();
    let fingerprint = codec::RecordKind::Entry.schema().fingerprint();
    let mut auditor = Auditor::new(journal(), one_partition());
    for (offset, record) in (0..).zip(records) {
        let partition = Partition::new(0).expect("valid");
        let position = Position { partition, offset: Offset::new(offset).expect("valid") };
        let entry = catalog.decode(Some(&record.value), Some(fingerprint));
        let (key, value) = (Some(record.key.as_slice()), Some(record.value.as_slice()));
        auditor.observe(&AuditRecord { position, key, value, entry });
    }
    if let Some(truth) = truth {
        auditor.with_ground_truth(truth);
    }
    auditor.report()
}

/// What an honest gateway would say about [`full`].
pub(super) fn honest(scenario: &Scenario) -> GroundTruth {
    let charge = |key: &str, status| {
        let asked = scenario.asked(key).pop().expect("it was asked to charge");
        Charge {
            idempotency_key: asked.operation_id.to_string(),
            attempt_id: asked.operation_id.to_string(),
            charge: None,
            reference: asked.payment_id.to_string(),
            amount: asked.amount.minor(),
            currency: asked.currency.code().to_owned(),
            status,
            created: scenario.now.millis() - 1,
        }
    };
    let charges = vec![
        charge("completed", ChargeStatus::Succeeded),
        charge("declined", ChargeStatus::Declined),
        charge("doubted", ChargeStatus::Succeeded),
        charge("in-doubt", ChargeStatus::Succeeded),
    ];
    GroundTruth { charges, refunds: None, journal_end_taken: scenario.now }
}
