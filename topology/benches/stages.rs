//! Where a payment's CPU time goes inside the process, stage by stage, on one thread and without
//! Kafka: `cargo bench -p topology --bench stages`.
//!
//! Each line is the mean over the two entries of a payment (request and result). What Kafka, HTTP
//! and the client library add is not here: `holdfast load` shows that.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use processors::policy::{
    GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy, TransferTimes,
};
use schemas::codec::{self, SchemaCatalog};
use schemas::entry::Entry;
use schemas::event::Event;
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOutcome, GatewayResult, OpenWallet, Operation,
    OperationBody, Pay,
};
use schemas::{
    DepositId, IdempotencyKey, Offset, Partition, PartitionCount, PaymentId, Position, SchemaId,
    TenantId, Timestamp, Topic, UserId, WalletId, WalletLabel,
};
use topology::engine::application::{
    Application, DecideContext, InputRecord, JournalRecord, Record,
};
use topology::engine::fold::{Positions, fold};
use topology::engine::follower::Tailed;
use topology::engine::overlay::{Changes, Overlay};
use topology::engine::rocks_options::StoreMemory;
use topology::engine::rocks_store::RocksStore;
use topology::engine::store::{Head, Store, StoreIdentity};
use topology::ledger::{Ledger, schema_header};
use topology::views::{PaymentViews, ViewStore};

// As in the product.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ID: SchemaId = SchemaId(7);
const AT_MS: i64 = 1_767_323_045_678;
const WALLETS: usize = 1_000;
const PAYMENTS: usize = 100_000;
/// As many inputs as a Kafka transaction holds at 15,000 payments/s on two shards.
const BATCH: usize = 300;

fn main() {
    let mut run = Run::new();
    let mut results = Vec::new();
    for first in (0..PAYMENTS).step_by(BATCH) {
        // Results come a batch after their requests.
        let completed = run.handle(Topic::GatewayResults, std::mem::take(&mut results));
        let inputs = (first..PAYMENTS.min(first + BATCH)).map(pay).collect();
        let requested = run.handle(Topic::Commands, inputs);
        results = requested.iter().map(|(_, entry)| succeeded(entry)).collect();
        for handled in [completed, requested] {
            run.view(&handled);
            run.read_back(&handled);
        }
    }
    run.print();
    let ticks = procfs::process::Process::myself().and_then(|me| me.stat()).expect("procfs");
    let seconds = (ticks.utime + ticks.stime) as f64 / procfs::ticks_per_second() as f64;
    let each = seconds * 1e6 / PAYMENTS as f64;
    println!(
        "{:<22}{each:>8.2} us/payment (all threads, making the inputs too)",
        "CPU of the process"
    );
}

struct Run {
    ledger: Ledger,
    store: RocksStore,
    views: PaymentViews,
    head: Head,
    positions: Positions,
    offsets: [i64; 2],
    stages: Vec<(&'static str, Duration)>,
    bytes: usize,
    _directory: tempfile::TempDir,
}

type Handled = Vec<(JournalRecord, Entry)>;

impl Run {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (ledger, _) = Ledger::new(policy(), Arc::new(SchemaCatalog::default()), None);
        ledger.set_entry_schema(ID);
        let journal = Topic::Journal.name(&"payments".parse().expect("valid"));
        let identity =
            StoreIdentity { journal: journal.clone(), partition: shard(), format: "1".into() };
        let memory = StoreMemory::of_bytes(256 << 20);
        let store =
            RocksStore::open(&directory.path().join("shard"), identity, ledger.columns(), &memory)
                .expect("opens");
        let views = ViewStore::open(&directory.path().join("views")).expect("opens");
        let views = PaymentViews::new(views, one()).expect("opens");
        let mut run = Self {
            head: Head::genesis(&journal, shard()),
            positions: Positions::default(),
            offsets: [0; 2],
            stages: Vec::new(),
            bytes: 0,
            ledger,
            store,
            views,
            _directory: directory,
        };
        let opened: Vec<Record> =
            (0..WALLETS).flat_map(|number| [open(number), deposit(number)]).collect();
        let opened = run.handle(Topic::Operations, opened);
        run.view(&opened);
        run.stages.clear();
        run.bytes = 0;
        run
    }

    fn handle(&mut self, topic: Topic, records: Vec<Record>) -> Handled {
        let mut handled = Vec::new();
        let [mut reading, mut deciding, mut encoding, mut folding, mut hashing, mut writing] =
            [Duration::ZERO; 6];
        let next = &mut self.offsets[usize::from(topic == Topic::GatewayResults)];
        let from = *next;
        *next += i64::try_from(records.len()).expect("small");
        let records: Vec<InputRecord> = (from..)
            .zip(records)
            .map(|(offset, record)| InputRecord {
                topic,
                partition: shard(),
                offset: Offset::new(offset).expect("valid"),
                record,
            })
            .collect();
        for batch in records.chunks(BATCH) {
            let mut changes = Changes::default();
            for record in batch {
                let since = Instant::now();
                let input = self.ledger.decode(record).expect("decodes");
                let since = lap(&mut reading, since);
                let ctx = DecideContext {
                    partition: shard(),
                    at_ms: AT_MS,
                    seq: self.head.seq + 1,
                    prev_hash: self.head.hash,
                    source: topology::engine::application::Source::Input {
                        topic,
                        partition: shard(),
                        offset: record.offset,
                    },
                    carried: None,
                };
                let mut overlay = Overlay::new(&self.store, &mut changes);
                let entry = self.ledger.decide(&overlay, input, &ctx).expect("decides");
                let since = lap(&mut deciding, since);
                let encoded = self.ledger.encode(&entry).expect("encodes");
                let since = lap(&mut encoding, since);
                let header = self.ledger.header(&entry);
                fold(&self.ledger, &mut overlay, &mut self.positions, (&header, &entry))
                    .expect("folds");
                let since = lap(&mut folding, since);
                self.head.seq = header.seq;
                self.head.hash = header.prev_hash.link(Some(&encoded.key), Some(&encoded.value));
                lap(&mut hashing, since);
                self.bytes += encoded.value.len();
                let position = Position {
                    partition: shard(),
                    offset: Offset::new(i64::try_from(header.seq).expect("small")).expect("valid"),
                };
                let record = Record {
                    timestamp_ms: AT_MS,
                    key: Some(encoded.key),
                    value: Some(encoded.value),
                    headers: encoded.headers,
                };
                handled.push((JournalRecord { position, record }, entry));
            }
            let since = Instant::now();
            self.head.put(&mut changes);
            self.positions.put(&mut changes);
            self.store.write(changes).expect("writes");
            lap(&mut writing, since);
        }
        let stages = ["decode input", "decide", "encode entry", "evolve", "hash", "store write"];
        self.add(stages.into_iter().zip([reading, deciding, encoding, folding, hashing, writing]));
        handled
    }

    fn view(&mut self, handled: &Handled) {
        let tailed: Vec<Arc<Tailed<Entry>>> = handled
            .iter()
            .map(|(record, entry)| {
                Arc::new(Tailed {
                    position: record.position,
                    key: record.record.key.clone(),
                    hash: entry
                        .prev_hash
                        .link(record.record.key.as_deref(), record.record.value.as_deref()),
                    seq: entry.seq.unsigned_abs(),
                    timestamp_ms: AT_MS,
                    entry: entry.clone(),
                    trace: None,
                })
            })
            .collect();
        let since = Instant::now();
        for batch in tailed.chunks(BATCH) {
            topology::views::apply(&self.views, batch).expect("applies");
        }
        self.add([("view fold and write", since.elapsed())]);
    }

    fn read_back(&mut self, handled: &Handled) {
        let since = Instant::now();
        for (record, entry) in handled {
            let decoded = self.ledger.decode_entry(record).expect("decodes");
            black_box(decoded.seq == entry.seq);
        }
        self.add([("decode entry", since.elapsed())]);
    }

    fn add(&mut self, stages: impl IntoIterator<Item = (&'static str, Duration)>) {
        for (name, took) in stages {
            match self.stages.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += took,
                None => self.stages.push((name, took)),
            }
        }
    }

    fn print(&self) {
        let per_payment = |took: &Duration| took.as_secs_f64() * 1e6 / PAYMENTS as f64;
        for (name, took) in &self.stages {
            println!("{name:<22}{:>8.2} us/payment", per_payment(took));
        }
        let sum: Duration = self.stages.iter().map(|(_, took)| *took).sum();
        println!("{:<22}{:>8.2} us/payment", "all", per_payment(&sum));
        println!("{:<22}{:>8} bytes/payment", "entries", self.bytes / PAYMENTS);
    }
}

fn lap(sum: &mut Duration, since: Instant) -> Instant {
    let now = Instant::now();
    *sum += now - since;
    now
}

fn shard() -> Partition {
    Partition::new(0).expect("valid")
}

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

fn user(number: usize) -> UserId {
    format!("user-{}", number % WALLETS).parse().expect("valid")
}

fn wallet(number: usize) -> WalletId {
    let currency = "USD".parse().expect("valid");
    WalletId::derive(&TenantId::default_tenant(), &user(number), currency, &WalletLabel::main())
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: uuid::Uuid::new_v4().to_string(),
        tenant: String::new(),
        idempotency_key: key.to_owned(),
        correlation_id: uuid::Uuid::new_v4().to_string(),
        actor: "bench".to_owned(),
        deadline: None,
    }
}

fn record<R: codec::Record>(wallet: WalletId, value: &R) -> Record {
    Record {
        timestamp_ms: AT_MS,
        key: Some(Bytes::from(wallet.to_string())),
        value: Some(Bytes::from(codec::encode(value, ID))),
        headers: vec![schema_header::<R>()],
    }
}

fn open(number: usize) -> Record {
    record(
        wallet(number),
        &Operation {
            envelope: envelope(&format!("open-{number}")),
            body: OperationBody::OpenWallet(OpenWallet {
                wallet_id: wallet(number).to_string(),
                user_id: user(number).to_string(),
                currency: "USD".to_owned(),
                label: "main".to_owned(),
            }),
        },
    )
}

fn deposit(number: usize) -> Record {
    let key: IdempotencyKey = format!("deposit-{number}").parse().expect("valid");
    let id = DepositId::derive(&TenantId::default_tenant(), wallet(number), &key);
    record(
        wallet(number),
        &Operation {
            envelope: envelope(key.as_str()),
            body: OperationBody::Deposit(Deposit {
                deposit_id: id.to_string(),
                wallet_id: wallet(number).to_string(),
                amount: 1_000_000_000_000,
                currency: "USD".to_owned(),
                rail: "sepa".to_owned(),
                reference: "seed".to_owned(),
            }),
        },
    )
}

fn pay(number: usize) -> Record {
    let key: IdempotencyKey = format!("{}", uuid::Uuid::new_v4()).parse().expect("valid");
    let id = PaymentId::derive(&TenantId::default_tenant(), wallet(number), &key);
    record(
        wallet(number),
        &Command {
            envelope: envelope(key.as_str()),
            body: CommandBody::Pay(Pay {
                payment_id: id.to_string(),
                wallet_id: wallet(number).to_string(),
                amount: 10_000,
                currency: "USD".to_owned(),
                gateway: None,
                service_id: None,
                description: None,
                metadata: None,
            }),
        },
    )
}

fn succeeded(entry: &Entry) -> Record {
    let asked = entry.events.iter().find_map(|event| match event {
        Event::GatewayOperationRequested(asked) => Some(asked),
        _ => None,
    });
    let asked = asked.unwrap_or_else(|| panic!("no operation in {entry:?}"));
    record(
        asked.wallet_id,
        &GatewayResult {
            wallet_id: asked.wallet_id,
            payment_id: asked.payment_id,
            operation_id: asked.operation_id,
            operation_seq: asked.operation_seq,
            operation: asked.operation,
            gateway: asked.gateway.clone(),
            outcome: GatewayOutcome::Succeeded {
                gateway_reference: "ch_0123456789abcdef01234567".to_owned(),
                amount: 10_000,
                currency: "USD".to_owned(),
            },
            evidence: Some(schemas::Sealed::plaintext(
                r#"{"id":"ch_0123456789abcdef01234567","status":"succeeded","amount":10000}"#,
            )),
            observed_at: Timestamp::from_millis(AT_MS),
            correlation_id: asked.correlation_id.clone(),
            notification_id: String::new(),
        },
    )
}
