//! The bytes of every record, for ever: what version 1 wrote, every later version must read.
//!
//! `avro/golden/<record>.hex` holds the framed bytes of one record of each kind that uses every
//! branch and field. apache-avro, which shares no code with our codec, is the oracle. A released
//! golden file is never changed; `HOLDFAST_WRITE_GOLDEN=1` writes the missing ones.

use std::fmt::Debug;
use std::path::PathBuf;

use schemas::account::{Account, AccountBalance, Layer, Posting, Side};
use schemas::codec::{self, Record, RecordKind, SchemaCatalog};
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
        }),
        Event::GatewayOperationAnswered(GatewayOperationAnswered {
            payment_id,
            operation_id,
            operation_seq: 1,
            proof: Proof::NeverReceived,
        }),
        Event::ResendScheduled(ResendScheduled {
            payment_id,
            operation_id,
            reason: text(),
            due: at(250),
        }),
        Event::PaymentInDoubt(PaymentInDoubt { payment_id, operation_id, reason: text() }),
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

/// Holds the records against their golden bytes and against apache-avro.
fn check<R: Record + PartialEq + Debug>(name: &str, records: &[R]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("avro/golden/{name}.hex"));
    let written: Vec<String> =
        records.iter().map(|record| to_hex(&codec::encode(record, ID))).collect();
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, written.join("\n") + "\n").expect("golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).expect("golden file");
    assert_eq!(golden.lines().collect::<Vec<_>>(), written, "{name}: the bytes have changed");
    let fingerprint = R::KIND.schema().fingerprint();
    let oracle = apache_avro::Schema::parse_str(R::KIND.schema().json()).expect("valid schema");
    for (line, record) in golden.lines().zip(records) {
        let bytes = from_hex(line);
        let decoded: R = SchemaCatalog::default()
            .decode(Some(&bytes), Some(fingerprint))
            .expect("golden bytes decode");
        assert_eq!(&decoded, record);
        let mut datum = &bytes[5..];
        let value = apache_avro::from_avro_datum(&oracle, &mut datum, None).expect("oracle reads");
        assert!(datum.is_empty(), "{name}: the oracle leaves bytes");
        let again = apache_avro::to_avro_datum(&oracle, value).expect("oracle writes");
        assert_eq!(again, bytes[5..], "{name}: the oracle writes other bytes");
    }
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

#[test]
fn commands() {
    check("command", &[command()]);
}

#[test]
fn operations() {
    check("operation", &[open_wallet(), deposit_operation()]);
}

#[test]
fn gateway_results() {
    check("gateway-result", &results());
}

#[test]
fn journal_entries() {
    check("entry", &entries());
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

/// The fingerprints of version 1: they stand in the headers of every record of the log.
#[test]
fn fingerprints() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("avro/golden/fingerprints.tsv");
    let found: Vec<String> = RecordKind::ALL
        .iter()
        .map(|kind| format!("{kind:?}\t{}", kind.schema().fingerprint()))
        .collect();
    if std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, found.join("\n") + "\n").expect("golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).expect("golden file");
    assert_eq!(golden.lines().collect::<Vec<_>>(), found);
}
