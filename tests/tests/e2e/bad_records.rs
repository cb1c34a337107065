//! What any producer can write to the topics: each record becomes one refused entry with the
//! reason, and the shard goes on.

use schemas::entry::{InputBody, MAX_ORIGINAL_BYTES, Verdict};
use schemas::event::Event;
use schemas::inputs::{
    Command, CommandBody, Deposit, Envelope, GatewayOperationKind, GatewayOutcome, GatewayResult,
    OpenWallet, Operation, OperationBody, Pay,
};
use schemas::{
    DepositId, OperationId, Partition, PartitionCount, PaymentId, Sealed, TenantId, Timestamp,
    Topic, WalletId,
};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::installation::{Installation, PARTITIONS};
use tests::journal;
use tests::producer::{Producer, RawRecord};

/// What is written, and what the journal says of it.
struct Row {
    name: &'static str,
    record: RawRecord,
    code: &'static str,
    reason: &'static str,
}

/// Where a wallet lives, and where it does not.
pub struct Shards {
    pub right: Partition,
    pub wrong: Partition,
}

impl Shards {
    pub fn of(wallet: &Wallet) -> Self {
        let id: WalletId = wallet.id.parse().expect("a wallet id");
        let count = PartitionCount::try_from(PARTITIONS).expect("a count");
        let right = id.shard(count);
        let wrong = Partition::all(count).find(|partition| *partition != right);
        Self { right, wrong: wrong.expect("there are two") }
    }
}

/// A command as another service would write it.
pub fn command(wallet: &Wallet, amount: i64, description: &str) -> Command {
    let wallet_id: WalletId = wallet.id.parse().expect("a wallet id");
    let key = new_key();
    let tenant = TenantId::default_tenant();
    let payment_id = PaymentId::derive(&tenant, wallet_id, &key.parse().expect("a key"));
    Command {
        envelope: Envelope {
            command_id: new_key(),
            tenant: String::new(),
            idempotency_key: key,
            correlation_id: "from-a-topic".to_owned(),
            actor: "e2e".to_owned(),
            deadline: None,
        },
        body: CommandBody::Pay(Pay {
            payment_id: payment_id.to_string(),
            wallet_id: wallet.id.clone(),
            amount,
            currency: "USD".to_owned(),
            gateway: None,
            service_id: None,
            description: Some(Sealed::plaintext(description)),
            metadata: None,
        }),
    }
}

/// Records that nothing can be read from.
fn unreadable(wallet: &Wallet, shards: &Shards) -> Vec<Row> {
    let raw = |topic, value: Option<&[u8]>| RawRecord {
        topic,
        partition: shards.right,
        key: Some(wallet.id.clone()),
        value: value.map(<[u8]>::to_vec),
        schema: None,
    };
    let row = |name, record, reason| Row { name, record, code: "unreadable", reason };
    // Magic byte, schema id 987654321, a datum.
    let unknown_schema = [0, 0x3a, 0xde, 0x68, 0xb1, 1, 2, 3];
    let mut truncated = RawRecord::well_formed(shards.right, &wallet.id, &command(wallet, 1, "x"));
    truncated.value.as_mut().expect("it has one").truncate(40);
    let mut trailing = RawRecord::well_formed(shards.right, &wallet.id, &command(wallet, 1, "x"));
    trailing.value.as_mut().expect("it has one").push(7);
    let no_key = RawRecord { key: None, ..raw(Topic::Commands, Some(b"no key, no frame")) };
    vec![
        row("garbage", raw(Topic::Commands, Some(&[0xde, 0xad, 0xbe, 0xef])), "wire format"),
        row("text", raw(Topic::Operations, Some(b"{\"amount\": 100}")), "wire format"),
        row("no key", no_key, "wire format"),
        row("zero bytes", raw(Topic::Commands, Some(b"")), "no value"),
        row("a tombstone", raw(Topic::Commands, None), "no value"),
        row("a tombstone of results", raw(Topic::GatewayResults, None), "no value"),
        row("a schema nobody knows", raw(Topic::Commands, Some(&unknown_schema)), "987654321"),
        row("half a command", truncated, "not a Command"),
        row("a command and more", trailing, "left over"),
        row("an operation among commands", of_another_kind(wallet, shards), ""),
        row("text among transfers", raw(Topic::Transfers, Some(b"x")), "wire format"),
        row("a tombstone of transfers", raw(Topic::Transfers, None), "no value"),
    ]
}

/// A good operation, in the topic of commands and under its own schema.
fn of_another_kind(wallet: &Wallet, shards: &Shards) -> RawRecord {
    let open = opening(wallet);
    RawRecord { topic: Topic::Commands, ..RawRecord::well_formed(shards.right, &wallet.id, &open) }
}

/// Opens the wallet of another user than the id says.
fn opening(wallet: &Wallet) -> Operation {
    Operation {
        envelope: command(wallet, 1, "x").envelope,
        body: OperationBody::OpenWallet(OpenWallet {
            wallet_id: wallet.id.clone(),
            user_id: "somebody-else".to_owned(),
            currency: "USD".to_owned(),
            label: "main".to_owned(),
        }),
    }
}

/// A deposit as it should be.
fn deposit(wallet: &Wallet) -> Operation {
    let envelope = command(wallet, 1, "x").envelope;
    let wallet_id: WalletId = wallet.id.parse().expect("an id");
    let key = envelope.idempotency_key.parse().expect("a key");
    let deposit_id = DepositId::derive(&TenantId::default_tenant(), wallet_id, &key).to_string();
    let body = OperationBody::Deposit(Deposit {
        deposit_id: deposit_id.clone(),
        wallet_id: wallet.id.clone(),
        amount: 1,
        currency: "USD".to_owned(),
        rail: "sepa".to_owned(),
        reference: deposit_id,
    });
    Operation { envelope, body }
}

/// A result of something that was never asked of a gateway.
fn unasked(wallet: &Wallet) -> GatewayResult {
    let CommandBody::Pay(pay) = command(wallet, 100, "never sent").body else {
        panic!("not a payment");
    };
    let payment_id: PaymentId = pay.payment_id.parse().expect("an id");
    GatewayResult {
        wallet_id: wallet.id.parse().expect("an id"),
        payment_id,
        operation_id: OperationId::attempt(&TenantId::default_tenant(), payment_id, 1),
        operation_seq: 1,
        operation: GatewayOperationKind::Submit,
        gateway: "simulator".parse().expect("a name"),
        outcome: GatewayOutcome::ExpiredUnsent {},
        evidence: None,
        observed_at: Timestamp::from_millis(0),
        correlation_id: String::new(),
        notification_id: String::new(),
    }
}

/// Commands that can be read, and must not be done.
fn refused(wallet: &Wallet, shards: &Shards) -> Vec<Row> {
    let right = |command: &Command| RawRecord::well_formed(shards.right, &wallet.id, command);
    let misrouted = command(wallet, 100, "on the wrong partition");
    let misplaced = deposit(wallet);
    let mut foreign_id = command(wallet, 100, "with the id of another key");
    foreign_id.envelope.idempotency_key = new_key();
    let mut no_idempotency_key = command(wallet, 100, "without a key");
    no_idempotency_key.envelope.idempotency_key.clear();
    let row = |name, record, code, reason| Row { name, record, code, reason };
    vec![
        row(
            "a command on the wrong partition",
            RawRecord::well_formed(shards.wrong, &wallet.id, &misrouted),
            "misrouted",
            "partition",
        ),
        row(
            "an operation on the wrong partition",
            RawRecord::well_formed(shards.wrong, &wallet.id, &misplaced),
            "misrouted",
            "murmur2_random",
        ),
        row(
            "a wallet of somebody else",
            RawRecord::well_formed(shards.right, &wallet.id, &opening(wallet)),
            "id_mismatch",
            "wallet_id",
        ),
        row(
            "a result that nobody asked for",
            RawRecord::well_formed(shards.right, &wallet.id, &unasked(wallet)),
            "unknown_operation",
            "",
        ),
        row("another id", right(&foreign_id), "id_mismatch", "payment_id"),
        row("no idempotency key", right(&no_idempotency_key), "idempotency_key_required", ""),
        row("nothing", right(&command(wallet, 0, "x")), "amount_not_positive", ""),
        row("2 KiB of text", right(&command(wallet, 1, &"x".repeat(2 << 10))), "field_invalid", ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_record_is_a_refused_entry_and_the_shard_goes_on() {
    let installation = Installation::start("bad-records").await;
    let caller = installation.caller();
    let wallet = caller.wallet_with(5_000).await;
    let shards = Shards::of(&wallet);
    let producer = Producer::of(&installation);

    for row in unreadable(&wallet, &shards).into_iter().chain(refused(&wallet, &shards)) {
        let position = producer.send(&row.record).await;
        let entry = journal::entry_of(&installation, row.record.topic, position).await;
        let decision = &entry.decision;
        let found = (decision.verdict, decision.code.as_str());
        assert_eq!(found, (Verdict::Refused, row.code), "{}: {decision:?}", row.name);
        assert!(decision.detail.contains(row.reason), "{}: {decision:?}", row.name);
        assert!(entry.events.is_empty() && entry.postings.is_empty(), "{}: {entry:?}", row.name);
        assert_eq!(position.partition, row.record.partition, "{}", row.name);
    }
    huge(&installation, &producer, &wallet).await;
    foreign(&installation, &producer, &wallet).await;
    odd(&installation, &producer, &wallet).await;
    goes_on(&caller, &producer, &wallet).await;
    let report = installation.assert_clean_audit().await;
    let expected = (5, 2);
    let payments = &report.totals.payments;
    assert_eq!((payments.requested, payments.completed), expected, "and nothing else");
}

/// 3 MiB are more than an entry holds: its beginning and its length are kept.
async fn huge(installation: &Installation, producer: &Producer, wallet: &Wallet) {
    let huge = command(wallet, 100, &"x".repeat(3 << 20));
    let record = RawRecord::well_formed(Shards::of(wallet).right, &wallet.id, &huge);
    let length = record.value.as_ref().expect("it has one").len();
    let position = producer.send(&record).await;
    let entry = journal::entry_of(installation, Topic::Commands, position).await;
    assert_eq!(entry.decision.verdict, Verdict::Refused, "{:?}", entry.decision);
    assert_eq!(entry.decision.code, "unreadable", "{:?}", entry.decision);
    let InputBody::Unreadable(kept) = &entry.input.body else {
        panic!("an entry of 3 MiB: {:?}", entry.decision);
    };
    assert_eq!(usize::try_from(kept.length), Ok(length));
    assert_eq!(kept.original.0.len(), MAX_ORIGINAL_BYTES);
}

/// Under a schema that the registry knows and we do not understand.
async fn foreign(installation: &Installation, producer: &Producer, wallet: &Wallet) {
    let schema = r#"{"type":"record","name":"Pay","fields":[{"name":"cents","type":"long"}]}"#;
    let url = format!(
        "{}/subjects/{}-foreign-value/versions",
        installation.cluster().registry_url,
        installation.prefix()
    );
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = serde_json::json!({ "schema": schema });
    let registered = client.post(url).json(&body).send().await.expect("a registry");
    let registered: serde_json::Value = registered.json().await.expect("JSON");
    let id = registered["id"].as_i64().and_then(|id| i32::try_from(id).ok()).expect("an id");
    let mut value = vec![0];
    value.extend_from_slice(&id.to_be_bytes());
    value.push(200);
    let record = RawRecord {
        topic: Topic::Commands,
        partition: Shards::of(wallet).right,
        key: Some(wallet.id.clone()),
        value: Some(value),
        schema: None,
    };
    let position = producer.send(&record).await;
    let entry = journal::entry_of(installation, Topic::Commands, position).await;
    assert_eq!(entry.decision.code, "unreadable", "{:?}", entry.decision);
    assert_eq!(entry.input.schema_id.0, id, "the entry names the schema it came with");
}

/// What is odd about a record and harms nobody: its key and its headers route and decide nothing.
async fn odd(installation: &Installation, producer: &Producer, wallet: &Wallet) {
    let right = Shards::of(wallet).right;
    let mut unfunded = command(wallet, 9_000_000, "under another key");
    let mut other_key = RawRecord::well_formed(right, "another key", &unfunded);
    let first = producer.send(&other_key).await;
    unfunded = command(wallet, 9_000_001, "without a key");
    other_key = RawRecord { key: None, ..RawRecord::well_formed(right, "", &unfunded) };
    let second = producer.send(&other_key).await;
    unfunded = command(wallet, 9_000_002, "with a megabyte of header");
    let with_header = RawRecord::well_formed(right, &wallet.id, &unfunded);
    let third = producer.send_with_header(&with_header, "x-baggage", &"x".repeat(1 << 20)).await;
    for position in [first, second, third] {
        let entry = journal::entry_of(installation, Topic::Commands, position).await;
        assert_eq!(entry.decision.verdict, Verdict::Accepted, "{:?}", entry.decision);
        let failed = |event: &Event| match event {
            Event::PaymentFailed(failed) => Some(failed.code.clone()),
            _ => None,
        };
        let code = entry.events.iter().find_map(failed);
        assert_eq!(code.as_deref(), Some("insufficient_funds"), "{:?}", entry.events);
    }
}

/// Both ways in still work: the topic, and HTTP.
async fn goes_on(caller: &Caller, producer: &Producer, wallet: &Wallet) {
    let good = command(wallet, 2_000, "straight to the topic");
    let CommandBody::Pay(pay) = &good.body else { panic!("not a payment") };
    let record = RawRecord::well_formed(Shards::of(wallet).right, &wallet.id, &good);
    producer.send(&record).await;
    let path = format!("/api/v1/payments/{}", pay.payment_id);
    let what = "the payment of the topic is known";
    tests::wait::eventually(std::time::Duration::from_secs(20), what, async || {
        let answer = caller.get(&path).await;
        if answer.status == 200 { Ok(()) } else { Err(answer) }
    })
    .await;
    let payment = caller.settled(&pay.payment_id).await;
    assert_eq!(payment["status"], "completed", "{payment}");
    assert_eq!(payment["description"], "straight to the topic");
    assert_eq!(payment["correlation_id"], "from-a-topic");
    caller.pay(wallet, 2_500, &new_key()).await.expect(201);
    assert_eq!(caller.numbers(wallet).await, Numbers::settled(500));
}
