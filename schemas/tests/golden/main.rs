//! The bytes of every record, for ever: what an earlier version wrote, every later one must read.
//!
//! `avro/golden/<record>.hex` holds the framed bytes of version 1, `avro/golden/v2/<record>.hex`
//! those of version 2: records of each kind that use every branch and field. apache-avro, which
//! shares no code with our codec, is the oracle. A released golden file is never changed;
//! `HOLDFAST_WRITE_GOLDEN=1` writes the missing ones.

mod additions;
mod check;

use schemas::account::{Account, AccountBalance, Layer, Posting, Side};
use schemas::codec::{self, RecordKind};
use schemas::entry::{Decision, Entry, Input, InputBody, Source, TimerChange, Unreadable, Verdict};
use schemas::event::{
    AttemptStarted, DepositRecorded, DiscrepancyRecorded, Event, GatewayOperationAnswered,
    GatewayOperationRequested, Hold, PaymentCompleted, PaymentFailed, PaymentInDoubt,
    PaymentRequested, Proof, ResendScheduled, WalletOpened,
};
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOperationKind, GatewayOutcome, GatewayResult,
    OpenWallet, Operation, OperationBody, Pay,
};
use schemas::{
    Amount, ByteString, Currency, DepositId, EntryHash, Fingerprint, IdempotencyKey, Money,
    OperationId, PaymentId, SchemaId, Sealed, TenantId, Timestamp, WalletId, WalletLabel,
};

use check::{check_v1, check_v2, golden};

const ID: SchemaId = SchemaId(7);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_767_323_045_678 + millis)
}

fn tenant() -> TenantId {
    TenantId::default_tenant()
}

fn wallet() -> WalletId {
    let user = "123e4567-e89b-12d3-a456-426614174000".parse().expect("valid");
    WalletId::derive(&tenant(), &user, usd(), &WalletLabel::main())
}

fn usd() -> Currency {
    "USD".parse().expect("valid")
}

fn key() -> IdempotencyKey {
    "order-1".parse().expect("valid")
}

fn payment() -> PaymentId {
    PaymentId::derive(&tenant(), wallet(), &key())
}

fn deposit() -> DepositId {
    DepositId::derive(&tenant(), wallet(), &key())
}

fn attempt() -> OperationId {
    OperationId::attempt(&tenant(), payment(), 1)
}

fn money() -> Money {
    Money::new(Amount::try_from(10_000).expect("valid"), usd())
}

fn envelope() -> Envelope {
    Envelope {
        command_id: "7d3f1f0e-2b60-4d3b-9a51-0d3c1f4a5b6c".to_owned(),
        tenant: "default".to_owned(),
        idempotency_key: "order-1".to_owned(),
        correlation_id: "corr-1".to_owned(),
        actor: "api".to_owned(),
        deadline: Some(at(60_000)),
    }
}

fn command() -> Command {
    Command {
        envelope: envelope(),
        body: CommandBody::Pay(Pay {
            payment_id: payment().to_string(),
            wallet_id: wallet().to_string(),
            amount: 10_000,
            currency: "USD".to_owned(),
            gateway: Some("simulator".to_owned()),
            service_id: Some("shop".to_owned()),
            description: Some(Sealed::plaintext("Order 1")),
            metadata: None,
        }),
    }
}

fn open_wallet() -> Operation {
    Operation {
        envelope: Envelope { deadline: None, ..envelope() },
        body: OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet().to_string(),
            user_id: "123e4567-e89b-12d3-a456-426614174000".to_owned(),
            currency: "USD".to_owned(),
            label: "main".to_owned(),
        }),
    }
}

fn deposit_operation() -> Operation {
    Operation {
        envelope: envelope(),
        body: OperationBody::Deposit(Deposit {
            deposit_id: deposit().to_string(),
            wallet_id: wallet().to_string(),
            amount: 1_000_000,
            currency: "USD".to_owned(),
            rail: "sepa".to_owned(),
            reference: "E2E-1".to_owned(),
        }),
    }
}

fn result(outcome: GatewayOutcome, evidence: Option<Sealed>) -> GatewayResult {
    GatewayResult {
        wallet_id: wallet(),
        payment_id: payment(),
        operation_id: attempt(),
        operation_seq: 1,
        operation: GatewayOperationKind::Submit,
        gateway: "simulator".parse().expect("valid"),
        outcome,
        evidence,
        observed_at: at(250),
        correlation_id: "corr-1".to_owned(),
        notification_id: String::new(),
    }
}

fn results() -> Vec<GatewayResult> {
    let reason = || "time-out".to_owned();
    vec![
        result(
            GatewayOutcome::Succeeded {
                gateway_reference: "ch_1".to_owned(),
                amount: 10_000,
                currency: "USD".to_owned(),
            },
            Some(Sealed::plaintext("HTTP 201")),
        ),
        result(
            GatewayOutcome::Declined { decline_code: "do_not_honor".into(), message: "No".into() },
            None,
        ),
        result(GatewayOutcome::NotSent { reason: reason() }, None),
        result(GatewayOutcome::ExpiredUnsent {}, None),
        result(GatewayOutcome::OutcomeUnknown { reason: reason() }, None),
        GatewayResult {
            operation: GatewayOperationKind::Inquire,
            ..result(GatewayOutcome::NotFound {}, None)
        },
    ]
}

fn hold() -> Hold {
    Hold { payment_id: payment(), wallet_id: wallet(), amount: money().amount(), currency: usd() }
}

fn events() -> Vec<Event> {
    let fingerprint = Fingerprint::of_payment(wallet(), money(), None, None, None, None);
    let payment_id = payment();
    let text = || "text".to_owned();
    let mut events = vec![
        Event::WalletOpened(WalletOpened {
            wallet_id: wallet(),
            tenant: tenant(),
            user_id: "user-1".parse().expect("valid"),
            currency: usd(),
            label: WalletLabel::main(),
        }),
        Event::DepositRecorded(DepositRecorded {
            deposit_id: deposit(),
            wallet_id: wallet(),
            amount: money().amount(),
            currency: usd(),
            rail: "sepa".parse().expect("valid"),
            reference: text(),
            fingerprint,
        }),
        Event::PaymentRequested(PaymentRequested {
            payment_id,
            wallet_id: wallet(),
            user_id: "user-1".parse().expect("valid"),
            amount: money().amount(),
            currency: usd(),
            fingerprint,
            deadline: at(600_000),
            correlation_id: text(),
            gateway: None,
        }),
        Event::HoldPlaced(hold()),
        Event::HoldPosted(hold()),
        Event::HoldVoided(hold()),
    ];
    events.extend(saga_events());
    events
}

fn saga_events() -> Vec<Event> {
    let (payment_id, operation_id) = (payment(), attempt());
    let text = || "text".to_owned();
    vec![
        Event::AttemptStarted(AttemptStarted {
            payment_id,
            operation_id,
            number: 1,
            gateway: "simulator".parse().expect("valid"),
        }),
        Event::GatewayOperationRequested(GatewayOperationRequested {
            payment_id,
            wallet_id: wallet(),
            operation_id,
            operation_seq: 2,
            operation: GatewayOperationKind::Inquire,
            gateway: "simulator".parse().expect("valid"),
            amount: money().amount(),
            currency: usd(),
            not_after: at(10_000),
            conclusive_after: at(16_000),
            correlation_id: text(),
            refund: None,
        }),
        Event::GatewayOperationAnswered(GatewayOperationAnswered {
            payment_id,
            operation_id,
            operation_seq: 1,
            proof: Proof::NeverReceived,
            refund_id: None,
        }),
        Event::ResendScheduled(ResendScheduled {
            payment_id,
            operation_id,
            reason: text(),
            due: at(250),
        }),
        Event::PaymentInDoubt(PaymentInDoubt {
            payment_id,
            operation_id,
            reason: text(),
            review_at: None,
        }),
        Event::PaymentCompleted(PaymentCompleted {
            payment_id,
            operation_id,
            gateway: "simulator".parse().expect("valid"),
            gateway_reference: text(),
            captured_amount: money().amount(),
        }),
        Event::PaymentFailed(PaymentFailed {
            payment_id,
            code: text(),
            decline_code: text(),
            message: text(),
        }),
        Event::DiscrepancyRecorded(DiscrepancyRecorded {
            payment_id,
            operation_id,
            code: text(),
            detail: text(),
            refund_id: None,
        }),
    ]
}

fn entry(source: Source, body: InputBody, decision: Decision) -> Entry {
    let account = Account::Wallet(wallet());
    Entry {
        seq: 42,
        prev_hash: EntryHash::from([0xab; 32]),
        min_reader: 1,
        at: at(0),
        policy_version: 1,
        source,
        input: Input { raw_hash: ByteString(vec![1; 32]), schema_id: ID, body },
        decision,
        events: events(),
        postings: vec![Posting {
            account: account.clone(),
            currency: usd(),
            layer: Layer::Pending,
            side: Side::Debit,
            amount: -10_000,
        }],
        balances: vec![AccountBalance {
            account,
            currency: usd(),
            version: 3,
            debits_pending: 0,
            debits_posted: 1,
            credits_pending: 2,
            credits_posted: i64::MAX,
        }],
        timers: vec![
            TimerChange { timer_id: "payment:a:b".to_owned(), generation: 2, due: Some(at(1)) },
            TimerChange { timer_id: "payment:a:b".to_owned(), generation: 3, due: None },
        ],
    }
}

fn entries() -> Vec<Entry> {
    let source = || Source::Input { topic: "commands".to_owned(), partition: 1, offset: 99 };
    let timer = Source::Timer { timer_id: "payment:a:b".to_owned(), generation: 2, due: at(5) };
    let unreadable = Unreadable {
        reason: "no frame".to_owned(),
        length: 3,
        original: ByteString(vec![0, 1, 255]),
    };
    vec![
        entry(source(), InputBody::Command(command()), Decision::accepted()),
        entry(source(), InputBody::Operation(open_wallet()), Decision::replayed()),
        entry(source(), InputBody::GatewayResult(results().remove(0)), Decision::accepted()),
        entry(timer, InputBody::TimerFired {}, Decision::accepted()),
        entry(
            source(),
            InputBody::Unreadable(unreadable),
            Decision { verdict: Verdict::Refused, code: "unreadable".into(), detail: "d".into() },
        ),
    ]
}

#[test]
fn commands() {
    check_v1("command", &[command()]);
    let mut records = vec![command()];
    records.extend(additions::commands());
    check_v2("command", &records);
}

#[test]
fn operations() {
    let mut records = vec![open_wallet(), deposit_operation()];
    check_v1("operation", &records);
    records.extend(additions::operations());
    check_v2("operation", &records);
}

#[test]
fn gateway_results() {
    let mut records = results();
    check_v1("gateway-result", &records);
    records.extend(additions::results());
    check_v2("gateway-result", &records);
}

#[test]
fn transfer_legs() {
    check_v2("transfer-leg", &additions::legs());
}

#[test]
fn dead_letters() {
    check_v2("dead-letter", &additions::dead_letters());
}

#[test]
fn journal_entries() {
    let mut records = entries();
    check_v1("entry", &records);
    records.extend(additions::entries());
    check_v2("entry", &records);
}

/// Every event, command and operation is in a golden file: the list is that of the schema.
#[test]
fn nothing_is_left_out() {
    let entry = RecordKind::Entry.schema().json();
    let known = events().into_iter().chain(additions::events());
    let names: std::collections::BTreeSet<_> = known.map(|event| event.name()).collect();
    assert_eq!(names.len(), 44);
    assert!(names.iter().all(|name| entry.contains(&format!("\"{name}\""))));
}

/// Whatever comes after them, the first three fields of an entry are read by every version.
#[test]
fn the_frozen_fields_of_an_entry() {
    for mut entry in entries() {
        entry.min_reader = 9;
        assert_eq!(codec::min_reader(Some(&codec::encode(&entry, ID))), Some(9));
    }
    assert_eq!(codec::min_reader(Some(b"garbage")), None);
}

/// The fingerprints of each version: they stand in the headers of every record of the log.
#[test]
fn fingerprints() {
    let found: Vec<String> = RecordKind::ALL
        .iter()
        .map(|kind| format!("{kind:?}\t{}", kind.schema().fingerprint()))
        .collect();
    assert_eq!(golden("v2/fingerprints.tsv", || found.clone()), found);
}
