//! The embedded broker and registry: what they keep, what they survive, what they leave behind.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails with the line that did")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use topology::embedded::lock::LockError;
use topology::embedded::process::{ProcessIdentity, ProcessRecord};
use topology::embedded::{Embedded, EmbeddedError, EmbeddedOptions, Ports, RegistryUse};

const BOUND: Duration = Duration::from_mins(1);
const TOPIC: &str = "kept";
/// Set in the process that is killed; names its state directory.
const VICTIM_DIRECTORY: &str = "HOLDFAST_TEST_VICTIM_DIRECTORY";

fn options(directory: &Path) -> EmbeddedOptions {
    EmbeddedOptions {
        preferred_ports: Ports::ANY,
        narrate: |sentence| println!("{sentence}"),
        ..EmbeddedOptions::new(directory)
    }
}

fn client(embedded: &Embedded) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", embedded.bootstrap_servers());
    config
}

async fn create_topic(embedded: &Embedded) {
    let admin: AdminClient<DefaultClientContext> = client(embedded).create().unwrap();
    let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
    let created = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    for outcome in created {
        outcome.expect("a new topic");
    }
}

async fn produce(embedded: &Embedded, value: &str) {
    let mut config = client(embedded);
    config.set("acks", "all").set("message.timeout.ms", "60000");
    let producer: FutureProducer = config.create().unwrap();
    let record = FutureRecord::to(TOPIC).key("key").payload(value);
    producer.send(record, BOUND).await.expect("acknowledged");
}

/// The first `count` values of the topic.
fn consume(embedded: &Embedded, count: usize) -> Vec<String> {
    let mut config = client(embedded);
    let consumer: BaseConsumer = config.set("group.id", "unused").create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let deadline = Instant::now() + BOUND;
    let mut values = Vec::new();
    while values.len() < count {
        assert!(Instant::now() < deadline, "only {values:?} of {count}");
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap());
        }
    }
    values
}

async fn register(embedded: &Embedded) {
    let url = format!("{}/subjects/kept-value/versions", embedded.registry_url().unwrap());
    let body = serde_json::json!({"schema": "{\"type\":\"string\"}"});
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

async fn subjects(embedded: &Embedded) -> String {
    let url = format!("{}/subjects", embedded.registry_url().unwrap());
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
}

/// One story, for each start costs seconds: a record and a schema outlive a killed broker, a
/// clean stop, and the loss of their port.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let embedded = Embedded::start(options(directory.path())).await.unwrap();
    create_topic(&embedded).await;
    produce(&embedded, "first").await;
    register(&embedded).await;

    // A second run in the same directory is refused, and told who is there.
    let refusal = Embedded::start(options(directory.path())).await.unwrap_err();
    let EmbeddedError::Locked(LockError::InUse { holder, .. }) = refusal else {
        panic!("{refusal}");
    };
    assert_eq!(holder, Some(std::process::id()));

    // Killed, both come back by themselves, at the same address.
    let broker = embedded.broker().pid().unwrap();
    let registry = embedded.registry().unwrap().pid().unwrap();
    kill_hard(broker);
    kill_hard(registry);
    tokio::time::timeout(BOUND, embedded.broker().replaced(broker)).await.expect("restarted");
    produce(&embedded, "second").await;
    assert_eq!(consume(&embedded, 2), ["first", "second"]);

    let pids = [embedded.broker().pid().unwrap(), embedded.registry().unwrap().pid().unwrap()];
    let children = pids.map(|pid| ProcessIdentity::of(pid).unwrap());
    let first_port: u16 = port_of(&embedded);
    embedded.stop().await;
    assert!(children.iter().all(|child| !child.is_alive()));

    // Its port is somebody else's now: the log is found at another one.
    let _squatter = TcpListener::bind((Ipv4Addr::LOCALHOST, first_port)).unwrap();
    let embedded = Embedded::start(options(directory.path())).await.unwrap();
    assert_ne!(port_of(&embedded), first_port);
    assert_eq!(consume(&embedded, 2), ["first", "second"]);
    assert!(subjects(&embedded).await.contains("kept-value"));
    embedded.stop().await;
}

fn port_of(embedded: &Embedded) -> u16 {
    embedded.bootstrap_servers().rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The process that is killed in the test below; does nothing when run by itself.
#[tokio::test]
async fn victim() {
    if let Some(directory) = std::env::var_os(VICTIM_DIRECTORY) {
        let options =
            EmbeddedOptions { registry: RegistryUse::LeftOut, ..options(Path::new(&directory)) };
        let embedded = Embedded::start(options).await.unwrap();
        create_topic(&embedded).await;
        produce(&embedded, "before the kill").await;
        std::fs::write(Path::new(&directory).join("ready"), "").unwrap();
        std::future::pending::<()>().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_nothing_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim"])
        .env(VICTIM_DIRECTORY, directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + BOUND * 2;
    while !directory.path().join("ready").exists() {
        assert_eq!(victim.try_wait().unwrap(), None, "the victim ended by itself");
        assert!(Instant::now() < deadline, "the victim does not get ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let orphan = ProcessRecord::new(directory.path(), "broker").running().expect("it runs");
    victim.kill().unwrap();
    victim.wait().unwrap();

    let options = EmbeddedOptions { registry: RegistryUse::LeftOut, ..options(directory.path()) };
    let embedded = Embedded::start(options).await.unwrap();
    assert!(!orphan.is_alive());
    assert_eq!(consume(&embedded, 1), ["before the kill"]);

    // Dropped without a stop, as by a panic: nothing stays behind either.
    let broker = ProcessIdentity::of(embedded.broker().pid().unwrap()).unwrap();
    drop(embedded);
    assert!(broker.is_gone_within(BOUND).await);
}
