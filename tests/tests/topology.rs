//! The payments graph without a broker: the real shard loop and the real ledger on a log in memory.
//!
//! What the tables of the processors show of single decisions is shown here of whole payments,
//! their timers included, under every fault of a commit. The independent audit judges each journal.

#[path = "topology/counted.rs"]
mod counted;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use processors::audit::{AuditRecord, Auditor};
use processors::policy::{
    GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy, TransferTimes,
};
use schemas::codec::{self, SCHEMA_HEADER, SchemaCatalog, SchemaFingerprint};
use schemas::entry::{Entry, Verdict};
use schemas::event::{Event, GatewayOperationRequested};
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOperationKind, GatewayOutcome, GatewayResult,
    OpenWallet, Operation, OperationBody, Pay,
};
use schemas::{
    DepositId, IdempotencyKey, Partition, PartitionCount, PaymentId, SchemaId, TenantId, Timestamp,
    Topic, WalletId, WalletLabel,
};
use topology::engine::application::Record;
use topology::engine::memory_broker::Fault;
use topology::engine::test_driver::TestDriver;
use topology::ledger::{Ledger, schema_header};

const ID: SchemaId = SchemaId(7);
const START_MS: i64 = 1_767_323_045_678;
const USER: &str = "123e4567-e89b-12d3-a456-426614174000";

fn one() -> PartitionCount {
    PartitionCount::try_from(1).expect("valid")
}

fn policy() -> Policy {
    Policy {
        version: 0,
        partitions: one(),
        plaintext: PlaintextRule::Allowed,
        gateways: vec![GatewayPolicy {
            name: "simulator".parse().expect("valid"),
            key_retention: Duration::from_hours(24),
            maximum_call_time: Duration::from_secs(5),
            ingestion_window: Duration::from_secs(1),
            inquiry: InquiryKind::Authoritative,
            refund_inquiry: InquiryKind::Authoritative,
        }],
        routes: Vec::new(),
        payment: PaymentTimes::default(),
        refund: PaymentTimes::of_refunds(),
        transfer: TransferTimes::default(),
    }
    .versioned()
}

fn driver() -> TestDriver<Ledger> {
    let (ledger, _) = Ledger::new(policy(), Arc::new(SchemaCatalog::default()), None);
    ledger.set_entry_schema(ID);
    TestDriver::new(ledger, START_MS)
}

fn record<R: codec::Record>(value: &R) -> Record {
    Record {
        timestamp_ms: START_MS,
        key: Some(Bytes::from(wallet().to_string())),
        value: Some(Bytes::from(codec::encode(value, ID))),
        headers: vec![schema_header::<R>()],
    }
}

fn wallet() -> WalletId {
    let user = USER.parse().expect("valid");
    let currency = "USD".parse().expect("valid");
    WalletId::derive(&TenantId::default_tenant(), &user, currency, &WalletLabel::main())
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: key.to_owned(),
        tenant: String::new(),
        idempotency_key: key.to_owned(),
        correlation_id: "correlation".to_owned(),
        actor: "test".to_owned(),
        deadline: None,
    }
}

fn key(text: &str) -> IdempotencyKey {
    text.parse().expect("valid")
}

fn open() -> Record {
    record(&Operation {
        envelope: envelope("open"),
        body: OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet().to_string(),
            user_id: USER.to_owned(),
            currency: "USD".to_owned(),
            label: "main".to_owned(),
        }),
    })
}

fn deposit(amount: i64) -> Record {
    let deposit_id = DepositId::derive(&TenantId::default_tenant(), wallet(), &key("deposit"));
    record(&Operation {
        envelope: envelope("deposit"),
        body: OperationBody::Deposit(Deposit {
            deposit_id: deposit_id.to_string(),
            wallet_id: wallet().to_string(),
            amount,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: "seed".to_owned(),
        }),
    })
}

fn pay(amount: i64, name: &str) -> Record {
    let payment_id = PaymentId::derive(&TenantId::default_tenant(), wallet(), &key(name));
    record(&Command {
        envelope: envelope(name),
        body: CommandBody::Pay(Pay {
            payment_id: payment_id.to_string(),
            wallet_id: wallet().to_string(),
            amount,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: None,
            description: None,
            metadata: None,
        }),
    })
}

fn entries(driver: &TestDriver<Ledger>) -> Vec<Entry> {
    driver.entries().expect("the journal is readable")
}

/// The latest request to the gateway.
fn asked(driver: &TestDriver<Ledger>) -> GatewayOperationRequested {
    let entries = entries(driver);
    let mut events = entries.iter().rev().flat_map(|entry| entry.events.iter().rev());
    let request = events.find_map(|event| match event {
        Event::GatewayOperationRequested(request) => Some(request.clone()),
        _ => None,
    });
    request.expect("something was asked")
}

fn answer(driver: &mut TestDriver<Ledger>, outcome: GatewayOutcome) {
    let request = asked(driver);
    let result = GatewayResult {
        wallet_id: request.wallet_id,
        payment_id: request.payment_id,
        operation_id: request.operation_id,
        operation_seq: request.operation_seq,
        operation: request.operation,
        gateway: request.gateway,
        outcome,
        evidence: None,
        observed_at: Timestamp::from_millis(START_MS),
        correlation_id: request.correlation_id,
        notification_id: String::new(),
    };
    pipe(driver, Topic::GatewayResults, record(&result));
}

fn success(amount: i64) -> GatewayOutcome {
    let (gateway_reference, currency) = ("ch_1".to_owned(), "USD".to_owned());
    GatewayOutcome::Succeeded { gateway_reference, amount, currency }
}

fn pipe(driver: &mut TestDriver<Ledger>, topic: Topic, record: Record) {
    driver.pipe_and_settle(topic, record).expect("the shard goes on");
}

/// A driver whose wallet holds so much.
fn funded(amount: i64) -> TestDriver<Ledger> {
    let mut driver = driver();
    pipe(&mut driver, Topic::Operations, open());
    pipe(&mut driver, Topic::Operations, deposit(amount));
    driver
}

fn count(driver: &TestDriver<Ledger>, wanted: fn(&Event) -> bool) -> usize {
    entries(driver).iter().flat_map(|entry| &entry.events).filter(|event| wanted(event)).count()
}

fn is_completed(event: &Event) -> bool {
    matches!(event, Event::PaymentCompleted(_))
}

/// The state is the fold of the journal, and an auditor who shares no code finds nothing.
fn check(driver: &TestDriver<Ledger>) {
    let folded = driver.fold_digest().expect("the journal folds");
    assert_eq!(driver.digest().expect("readable"), folded);
    let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
    let mut auditor = Auditor::new(journal, one());
    let catalog = SchemaCatalog::default();
    for journal in driver.journal() {
        let header = journal.record.header(SCHEMA_HEADER).and_then(SchemaFingerprint::parse);
        let value = journal.record.value.as_deref();
        auditor.observe(&AuditRecord {
            position: journal.position,
            key: journal.record.key.as_deref(),
            value,
            entry: catalog.decode::<Entry>(value, header),
        });
    }
    let report = auditor.report();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_payment_from_command_to_completion() {
    let mut driver = funded(1000);
    pipe(&mut driver, Topic::Commands, pay(400, "order"));
    answer(&mut driver, success(400));
    assert_eq!(entries(&driver).len(), 4);
    assert_eq!(count(&driver, is_completed), 1);
    driver.advance(Duration::from_hours(1)).expect("no timer is left");
    assert_eq!(entries(&driver).len(), 4);
    check(&driver);
}

#[test]
fn a_charge_that_nobody_answers_is_inquired_until_it_is_known() {
    let mut driver = funded(1000);
    pipe(&mut driver, Topic::Commands, pay(400, "order"));
    // The attempt timer: in doubt. The inquiry timer: the gateway is asked.
    driver.advance(Duration::from_secs(20)).expect("the shard goes on");
    driver.advance(Duration::from_secs(5)).expect("the shard goes on");
    assert_eq!(asked(&driver).operation, GatewayOperationKind::Inquire);
    answer(&mut driver, success(400));
    assert_eq!(count(&driver, is_completed), 1);
    check(&driver);
}

#[test]
fn what_cannot_be_read_is_an_entry_and_the_shard_goes_on() {
    let mut driver = funded(1000);
    let garbage = [
        Record { value: Some(Bytes::from_static(b"garbage")), ..Record::default() },
        Record { value: Some(Bytes::new()), ..Record::default() },
        Record::default(),
        Record { value: Some(Bytes::from_static(&[0, 0, 0, 0, 99, 1])), ..Record::default() },
    ];
    for record in garbage {
        for topic in Topic::INPUTS {
            pipe(&mut driver, topic, record.clone());
        }
    }
    let refused =
        entries(&driver).iter().filter(|entry| entry.decision.verdict == Verdict::Refused).count();
    assert_eq!(refused, 16);
    pipe(&mut driver, Topic::Commands, pay(400, "order"));
    answer(&mut driver, success(400));
    assert_eq!(count(&driver, is_completed), 1);
    check(&driver);
}

#[test]
fn no_fault_of_a_commit_pays_twice_or_not_at_all() {
    let faults = [
        Fault::AbortOnCommit,
        Fault::CommitAnswerLost,
        Fault::CommitLost,
        Fault::CommitSilentlyAborted,
        Fault::CommitTorn,
        Fault::Fence,
    ];
    let shard = Partition::new(0).expect("valid");
    for fault in faults {
        let mut driver = funded(1000);
        driver.broker().inject(shard, fault);
        pipe(&mut driver, Topic::Commands, pay(400, "order"));
        driver.broker().inject(shard, fault);
        answer(&mut driver, success(400));
        assert_eq!(count(&driver, is_completed), 1, "{fault:?}");
        pipe(&mut driver, Topic::Commands, pay(601, "too-much"));
        assert_eq!(count(&driver, |event| matches!(event, Event::PaymentFailed(_))), 1);
        check(&driver);
    }
}
