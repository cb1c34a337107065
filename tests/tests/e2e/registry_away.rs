//! The schema registry is away, when the process starts and later: what needs it waits and says so,
//! everything else goes on.

use std::time::Duration;

use reqwest::Url;
use schemas::codec::{RecordKind, encode};
use schemas::inputs::CommandBody;
use schemas::{Partition, PartitionCount, SchemaId, WalletId};
use serde_json::{Value, json};
use tests::caller::{Caller, Numbers, Wallet, new_key};
use tests::cluster::Cluster;
use tests::detour::Detour;
use tests::installation::{Installation, PARTITIONS};
use tests::producer::{Producer, RawRecord};
use tests::wait::eventually;

use crate::bad_records::command;

/// From a change to what follows from it.
const SOON: Duration = Duration::from_secs(30);
/// The gateway answers after 1.5 s.
const SLOW: i64 = 4_011;
/// So long a POST waits for a decision that cannot come.
const SETTINGS: [(&str, &str); 1] = [("HOLDFAST_DECISION_TIMEOUT_MS", "500")];

/// An installation whose registry can go away; it is away. Gives the registry's real address too.
pub async fn prepare(name: &str) -> (Installation, Detour, Url) {
    let mut cluster = Cluster::shared();
    let registry: Url = cluster.registry_url.parse().expect("a URL");
    let detour = Detour::to(registry.port_or_known_default().expect("a port")).await;
    let mut url = registry.clone();
    url.set_port(Some(detour.port())).expect("an http URL has one");
    cluster.registry_url = url.to_string();
    (Installation::prepare_on(cluster, name, &SETTINGS).await, detour, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_waits_for_the_registry_and_says_so() {
    let (mut installation, detour, _) = prepare("registry-fresh").await;
    installation.launch();
    let caller = installation.caller();
    let says_why = async || {
        let answer = caller.send(reqwest::Method::GET, "/ready", &[], Vec::new()).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let schemas = component(&answer.body, "schemas");
        let is_why = schemas["detail"].as_str().is_some_and(|text| text.contains("ccompat"));
        if answer.status == 503 && is_why { Ok(()) } else { Err(answer.body.to_string()) }
    };
    eventually(SOON, "/ready names the registry", says_why).await;
    caller.get("/live").await.expect(200);
    let body = json!({"user_id": "somebody", "currency": "USD"});
    let refused = caller.post("/api/v1/wallets", &body, &[]).await;
    refused.expect_refusal(503, "not_ready");
    assert!(installation.is_running(), "a registry that is away is no reason to die");

    detour.open();
    installation.ready().await;
    let wallet = caller.wallet_with(1_000).await;
    caller.pay(&wallet, 1_000, &new_key()).await.expect(201);
    installation.assert_clean_audit().await;
}

fn component(body: &Value, name: &str) -> Value {
    let found = body["components"].as_array().into_iter().flatten().find(|it| it["name"] == name);
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_start_needs_no_registry_and_only_foreign_schemas_wait_for_it() {
    let (mut installation, detour, registry) = prepare("registry-later").await;
    detour.open();
    installation.run().await;
    let foreign_id = register_foreign(&registry, &installation.prefix().to_string()).await;
    let caller = installation.caller();
    let here = caller.wallet_with(100_000).await;
    let elsewhere = wallet_on_another_shard(&caller, &here).await;
    caller.pay(&here, 1_000, &new_key()).await.expect(201);

    installation.kill().await;
    detour.close();
    installation.run().await;
    caller.pay(&here, 1_000, &new_key()).await.expect(201);

    // One payment is at the gateway when the record comes that nobody can read yet.
    let slow = caller.try_pay(&here, SLOW, &new_key()).await.expect("answered").expect(202);
    let (record, foreign_payment) = by_foreign_schema(&here, 2_000, foreign_id);
    Producer::of(&installation).send(&record).await;
    let behind = caller.try_pay(&here, 3_000, &new_key()).await.expect("answered").expect(202);
    assert_eq!(behind.text("status"), "accepted", "it waits behind a record that waits");
    assert_eq!(caller.settled(slow.payment_id()).await["status"], "completed", "results go on");
    caller.pay(&elsewhere, 1_000, &new_key()).await.expect(201);
    caller.get(&format!("/api/v1/payments/{foreign_payment}")).await.expect(404);

    detour.open();
    for id in [foreign_payment.as_str(), behind.payment_id()] {
        assert_eq!(caller.settled(id).await["status"], "completed", "{id}");
    }
    let left = 100_000 - 2 * 1_000 - SLOW - 2_000 - 3_000;
    assert_eq!(caller.numbers(&here).await, Numbers::settled(left));
    let report = installation.assert_clean_audit().await;
    assert_eq!(report.totals.payments.completed, 6);
}

/// A command to pay by the schema of another team, and the payment's id.
pub fn by_foreign_schema(wallet: &Wallet, amount: i64, schema: SchemaId) -> (RawRecord, String) {
    let foreign = command(wallet, amount, "by somebody else's schema");
    let mut value = encode(&foreign, schema);
    // The field that only that schema has: an empty string.
    value.push(0);
    let record = RawRecord {
        value: Some(value),
        schema: None,
        ..RawRecord::well_formed(shard_of(wallet), &wallet.id, &foreign)
    };
    let CommandBody::Pay(pay) = foreign.body else { panic!("a request to pay was asked for") };
    (record, pay.payment_id)
}

/// Registers the schema of commands with one more field at its end, as another team would.
pub async fn register_foreign(registry: &Url, prefix: &str) -> SchemaId {
    let mut schema: Value =
        serde_json::from_str(RecordKind::Command.schema().json()).expect("Avro schemas are JSON");
    let fields = schema["fields"].as_array_mut().expect("a record has fields");
    fields.push(json!({"name": "note", "type": "string", "default": ""}));
    let url = format!("{}/subjects/{prefix}-foreign/versions", registry.as_str());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client.post(url).json(&json!({"schema": schema.to_string()})).send().await;
    let answer: Value = answer.expect("answered").json().await.expect("JSON");
    let id = answer["id"].as_i64().unwrap_or_else(|| panic!("no id: {answer}"));
    SchemaId(i32::try_from(id).expect("it fits the frame"))
}

fn shard_of(wallet: &Wallet) -> Partition {
    let id: WalletId = wallet.id.parse().expect("a wallet id");
    id.shard(PartitionCount::try_from(PARTITIONS).expect("a count"))
}

async fn wallet_on_another_shard(caller: &Caller, than: &Wallet) -> Wallet {
    loop {
        let wallet = caller.wallet_with(1_000).await;
        if shard_of(&wallet) != shard_of(than) {
            return wallet;
        }
    }
}
