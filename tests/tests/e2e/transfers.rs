//! Money from wallet to wallet: on one shard and over two, refused by its receiver, and with the
//! process killed in the middle. The commands go straight to the topic, as any producer's do.

use std::process::Command as Executable;
use std::time::Duration;

use schemas::event::Event;
use schemas::inputs::{
    Command, CommandBody, Envelope, Operation, OperationBody, Transfer, WalletChange,
};
use schemas::{Partition, PartitionCount, TenantId, TransferId, WalletId};
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::executable::holdfast;
use tests::installation::{Installation, PARTITIONS};
use tests::journal;
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

/// From a command to the end of its transfer: two hops, and after a kill the timer of a leg.
const SETTLED: Duration = Duration::from_mins(1);
/// Transfers that are under way when the process is killed.
const UNDER_WAY: usize = 40;

fn shard(wallet: &str) -> Partition {
    let id: WalletId = wallet.parse().expect("a wallet id");
    id.shard(PartitionCount::try_from(PARTITIONS).expect("a count"))
}

/// A wallet with so much, on this shard.
pub async fn wallet_on(caller: &Caller, partition: Partition, minor: i64) -> Wallet {
    loop {
        let wallet = caller.wallet_with(0).await;
        if shard(&wallet.id) == partition {
            if minor > 0 {
                caller.deposit(&wallet, minor).await.expect(201);
            }
            return wallet;
        }
    }
}

fn envelope(key: &str) -> Envelope {
    Envelope {
        command_id: new_key(),
        tenant: String::new(),
        idempotency_key: key.to_owned(),
        correlation_id: "from-a-topic".to_owned(),
        actor: "e2e".to_owned(),
        deadline: None,
    }
}

/// The command, and the id that it derives.
fn transfer(from: &str, to: &str, amount: i64) -> (Command, TransferId) {
    let key = new_key();
    let wallet: WalletId = from.parse().expect("a wallet id");
    let parsed = key.parse().expect("a key");
    let id = TransferId::derive(&TenantId::default_tenant(), wallet, &parsed);
    let body = CommandBody::Transfer(Transfer {
        transfer_id: id.to_string(),
        wallet_id: from.to_owned(),
        to_wallet_id: to.to_owned(),
        amount,
        currency: "USD".to_owned(),
        description: None,
    });
    (Command { envelope: envelope(&key), body }, id)
}

async fn send(producer: &Producer, from: &Wallet, to: &str, amount: i64) -> TransferId {
    let (command, id) = transfer(&from.id, to, amount);
    producer.send(&RawRecord::well_formed(shard(&from.id), &from.id, &command)).await;
    id
}

async fn change(
    installation: &Installation,
    wallet: &Wallet,
    body: fn(WalletChange) -> OperationBody,
    status: &str,
) {
    let id = wallet.id.as_str();
    let change = WalletChange { wallet_id: id.to_owned(), reason: None };
    let operation = Operation { envelope: envelope(""), body: body(change) };
    let record = RawRecord::well_formed(shard(id), id, &operation);
    Producer::of(installation).send(&record).await;
    eventually(SETTLED, &format!("wallet {id} is {status}"), async || {
        let shown = installation.caller().get(&format!("/api/v1/wallets/{id}")).await.expect(200);
        if shown.body["status"] == status { Ok(()) } else { Err(shown.body) }
    })
    .await;
}

async fn has(caller: &Caller, wallet: &Wallet, numbers: Numbers) {
    eventually(SETTLED, &format!("wallet {} has {numbers:?}", wallet.id), async || {
        let found = caller.numbers(wallet).await;
        if found == numbers { Ok(()) } else { Err(found) }
    })
    .await;
}

/// The code that a transfer failed with, once it has.
async fn failure(installation: &Installation, id: TransferId) -> String {
    eventually(SETTLED, &format!("transfer {id} failed"), async || {
        let events = journal::events(installation).await;
        let failed = events.iter().find_map(|event| match event {
            Event::TransferFailed(failed) if failed.transfer_id == id => Some(failed.code.clone()),
            _ => None,
        });
        failed.ok_or(events.len())
    })
    .await
}

fn explain(installation: &Installation, arguments: &[&str]) -> std::process::Output {
    let mut command = Executable::new(holdfast());
    command
        .arg("explain")
        .args(arguments)
        .env("KAFKA_BOOTSTRAP_SERVERS", &installation.cluster().bootstrap_servers)
        .env("HOLDFAST_TOPIC_PREFIX", installation.prefix().to_string());
    command.output().expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn money_moves_on_one_shard_and_over_two() {
    let installation = Installation::start("transfers").await;
    let (caller, producer) = (installation.caller(), Producer::of(&installation));
    let [first, second] = [0, 1].map(|number| Partition::new(number).expect("a partition"));
    let sender = wallet_on(&caller, first, 1_000).await;
    let neighbour = wallet_on(&caller, first, 0).await;
    let afar = wallet_on(&caller, second, 0).await;

    send(&producer, &sender, &neighbour.id, 100).await;
    has(&caller, &neighbour, Numbers::settled(100)).await;
    has(&caller, &sender, Numbers::settled(900)).await;
    let over = send(&producer, &sender, &afar.id, 250).await;
    has(&caller, &afar, Numbers::settled(250)).await;
    has(&caller, &sender, Numbers::settled(650)).await;
    // What was received can be sent on.
    send(&producer, &afar, &neighbour.id, 250).await;
    has(&caller, &neighbour, Numbers::settled(350)).await;
    has(&caller, &afar, Numbers::settled(0)).await;

    explained(&installation, &sender, over);
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.transfers, 3);
    let events = journal::events(&installation).await;
    let legs = events.iter().filter(|event| event.name() == "TransferLegRequested").count();
    assert!(legs >= 6, "{legs}");
    let adopted = events.iter().filter(|event| event.name() == "PolicyAdopted").count();
    assert_eq!(adopted, 2, "each shard says what it decides by, once");
    let wanted = format!("{legs} records appended");
    eventually(SETTLED, "every leg was brought", async || {
        let ready = caller.get("/ready").await.expect(200);
        let all = ready.body["components"].as_array().cloned().unwrap_or_default();
        let follower = all.into_iter().find(|one| one["name"] == "transfer-follower");
        let detail = follower.expect("it is shown")["detail"].clone();
        if detail == wanted.as_str() { Ok(()) } else { Err(detail) }
    })
    .await;
}

/// The story of the transfer, from the id alone and by its kind, and of what nobody knows.
fn explained(installation: &Installation, sender: &Wallet, id: TransferId) {
    let told = explain(installation, &[&id.to_string()]);
    assert!(told.status.success(), "{told:?}");
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    let headline = told.lines().next().unwrap_or_default();
    assert!(headline.starts_with(&format!("Transfer {id} of 2.50 USD")), "{told}");
    assert!(headline.ends_with(": completed."), "{told}");
    for part in ["was held at the sender", "The receiver has 2.50 USD", "waits for nothing"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let json = explain(installation, &["transfer", &id.to_string(), "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["kind"], &json["waits_for"]), (&json!("transfer"), &Value::Null));
    let wallet = explain(installation, &["wallet", &sender.id]);
    let wallet = String::from_utf8(wallet.stdout).expect("UTF-8");
    assert!(wallet.contains("was opened for") && wallet.contains(": active."), "{wallet}");
    let nobody = explain(installation, &[&new_key()]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no entry"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_receiver_refuses_comes_back() {
    let installation = Installation::start("transfers-refused").await;
    let (caller, producer) = (installation.caller(), Producer::of(&installation));
    let [first, second] = [0, 1].map(|number| Partition::new(number).expect("a partition"));
    let sender = wallet_on(&caller, first, 1_000).await;
    let frozen = wallet_on(&caller, second, 0).await;
    let closed = wallet_on(&caller, second, 0).await;
    change(&installation, &frozen, OperationBody::FreezeWallet, "frozen").await;
    change(&installation, &closed, OperationBody::CloseWallet, "closed").await;
    let body = json!({"user_id": "somebody", "currency": "EUR"});
    let euros = caller.post("/api/v1/wallets", &body, &[]).await.expect(201);
    let rows = [
        (frozen.id.as_str(), "wallet_frozen"),
        (&closed.id, "wallet_closed"),
        (euros.text("id"), "currency_mismatch"),
        ("1e6c3b52-3e3f-5a36-9a7d-0f1d8c1a2b3c", "wallet_not_found"),
    ];
    for (receiver, code) in rows {
        let id = send(&producer, &sender, receiver, 400).await;
        assert_eq!(failure(&installation, id).await, code);
        has(&caller, &sender, Numbers::settled(1_000)).await;
    }
    // The sender's own rules come first.
    change(&installation, &sender, OperationBody::FreezeWallet, "frozen").await;
    let id = send(&producer, &sender, &closed.id, 400).await;
    assert_eq!(failure(&installation, id).await, "wallet_frozen");
    installation.assert_clean_audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_loses_and_doubles_nothing() {
    let mut installation = Installation::start("transfers-killed").await;
    let (caller, producer) = (installation.caller(), Producer::of(&installation));
    let [first, second] = [0, 1].map(|number| Partition::new(number).expect("a partition"));
    let one = wallet_on(&caller, first, 10_000).await;
    let other = wallet_on(&caller, second, 10_000).await;
    let mut ids = Vec::new();
    for number in 0..UNDER_WAY {
        let (from, to) = if number % 2 == 0 { (&one, &other) } else { (&other, &one) };
        ids.push(send(&producer, from, &to.id, 10).await);
        if number % 10 == 9 {
            installation.kill().await;
            installation.launch();
        }
    }
    installation.ready().await;
    eventually(SETTLED, "every transfer has ended", async || {
        let events = journal::events(&installation).await;
        let ended = |id: &&TransferId| {
            events.iter().any(
                |event| matches!(event, Event::TransferCompleted(one) if one.transfer_id == **id),
            )
        };
        let ended = ids.iter().filter(ended).count();
        if ended == UNDER_WAY { Ok(()) } else { Err(ended) }
    })
    .await;
    has(&caller, &one, Numbers::settled(10_000)).await;
    has(&caller, &other, Numbers::settled(10_000)).await;
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.transfers, UNDER_WAY as u64);
}
