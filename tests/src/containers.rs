//! A broker and a registry in containers, where a Docker engine answers.
//!
//! Driven through the `docker` command, which agrees with an engine of any age on a protocol; the
//! crate testcontainers 0.28 speaks API 1.53 alone, which engines before version 29 refuse. The
//! containers are published on the loopback interface and removed when the test binary ends, by
//! SIGKILL too: a shell waits for the end of this process, as for the embedded broker.

use std::os::unix::process::CommandExt;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use topology::embedded::{BROKER_SETTINGS, KAFKA_VERSION, REGISTRY_VERSION};

use crate::cluster::Cluster;
use crate::installation::new_port;

/// Apache Kafka's own image, of the release that the embedded broker has.
const KAFKA_IMAGE: &str = "apache/kafka";
/// The registry without a database: it forgets when it ends, and so does the broker beside it.
const REGISTRY_IMAGE: &str = "apicurio/apicurio-registry-mem";

/// For an engine to say that it is there, and to start a container from an image that it has.
const ENGINE_BOUND: Duration = Duration::from_secs(30);
/// For an image over a slow line.
const PULL_BOUND: Duration = Duration::from_mins(10);
/// From the start of the containers until both answer, on a busy machine.
const READY_BOUND: Duration = Duration::from_mins(2);
const PROBE_BOUND: Duration = Duration::from_secs(2);
const PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// What an error shows of what a command said, in characters.
const MOST_SAID: usize = 200;

/// Waits for the end of its input, then removes the containers named by its arguments.
const REMOVER: &str = r#"read -r _; docker rm --force --volumes "$@""#;

/// Containers that run. They are removed when this is dropped, or when the process ends.
pub struct Containers {
    cluster: Cluster,
    _remover: Child,
}

impl Containers {
    /// Where they answer.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// Starts both and waits until they answer.
///
/// # Errors
/// Why there are none, in one line: no engine, no image, or what the engine said.
pub async fn start() -> Result<Containers, String> {
    let engine = docker(&["version", "--format", "{{.Server.Version}}"], ENGINE_BOUND).await;
    engine.map_err(|reason| format!("no Docker engine answers: {reason}"))?;
    let kafka_image = format!("{KAFKA_IMAGE}:{KAFKA_VERSION}");
    let registry_image = format!("{REGISTRY_IMAGE}:{REGISTRY_VERSION}");
    for image in [&kafka_image, &registry_image] {
        obtain(image).await?;
    }
    let (kafka_port, registry_port) = (new_port(), new_port());
    let name = |what| format!("holdfast-tests-{}-{what}", std::process::id());
    let (kafka, registry) = (name("kafka"), name("registry"));
    // Before there is anything to remove.
    let remover = remover(&[&kafka, &registry])?;
    run(&kafka, &kafka_image, (kafka_port, 9092), &broker_environment(kafka_port)).await?;
    run(&registry, &registry_image, (registry_port, 8080), &[]).await?;
    let cluster = Cluster {
        bootstrap_servers: format!("127.0.0.1:{kafka_port}"),
        registry_url: format!("http://127.0.0.1:{registry_port}/apis/ccompat/v7"),
    };
    ready(&cluster).await?;
    Ok(Containers { cluster, _remover: remover })
}

/// The image, which the engine has or fetches.
async fn obtain(image: &str) -> Result<(), String> {
    if docker(&["image", "inspect", image], ENGINE_BOUND).await.is_ok() {
        return Ok(());
    }
    eprintln!("tests: fetching the image {image} ...");
    let pulled = docker(&["pull", "--quiet", image], PULL_BOUND).await;
    pulled.map_err(|reason| format!("image {image} cannot be fetched: {reason}"))
}

/// What the embedded broker is told, and where this one listens: the image takes settings from
/// variables, `process.roles` from `KAFKA_PROCESS_ROLES`.
fn broker_environment(port: u16) -> Vec<String> {
    let addresses = [
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093".to_owned(),
        format!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}"),
        "controller.quorum.voters=1@localhost:9093".to_owned(),
    ];
    let settings = BROKER_SETTINGS.lines().filter(|line| !line.starts_with('#'));
    let settings = settings.map(str::to_owned).chain(addresses);
    let variable = |setting: String| {
        let (name, value) = setting.split_once('=').expect("a setting reads name=value");
        format!("KAFKA_{}={value}", name.replace('.', "_").to_uppercase())
    };
    settings.map(variable).collect()
}

/// Starts a container, which the engine removes when it ends.
async fn run(
    name: &str,
    image: &str,
    (port, inner): (u16, u16),
    environment: &[String],
) -> Result<(), String> {
    let publish = format!("127.0.0.1:{port}:{inner}");
    let mut arguments = vec!["run", "--detach", "--rm", "--name", name, "--publish", &publish];
    for variable in environment {
        arguments.extend(["--env", variable]);
    }
    arguments.push(image);
    let started = docker(&arguments, ENGINE_BOUND).await;
    started.map_err(|reason| format!("{image} does not start: {reason}"))
}

async fn ready(cluster: &Cluster) -> Result<(), String> {
    let client = reqwest::Client::builder().no_proxy().timeout(PROBE_BOUND).build();
    let client = client.map_err(|error| error.to_string())?;
    let subjects = format!("{}/subjects", cluster.registry_url);
    let answers = async {
        while !has_broker(cluster.bootstrap_servers.clone()).await {
            sleep(PROBE_INTERVAL).await;
        }
        while !client.get(&subjects).send().await.is_ok_and(|answer| answer.status().is_success()) {
            sleep(PROBE_INTERVAL).await;
        }
    };
    let answered = timeout(READY_BOUND, answers).await;
    answered.map_err(|_| format!("the containers do not answer within {READY_BOUND:?}"))
}

async fn has_broker(bootstrap_servers: String) -> bool {
    let ask = move || {
        let mut config = ClientConfig::new();
        // Refused connections are what is waited for, and no news.
        config.set("bootstrap.servers", bootstrap_servers).set("log_level", "0");
        let consumer: BaseConsumer = config.create().ok()?;
        Some(!consumer.fetch_metadata(None, PROBE_BOUND).ok()?.brokers().is_empty())
    };
    matches!(tokio::task::spawn_blocking(ask).await, Ok(Some(true)))
}

fn remover(names: &[&str]) -> Result<Child, String> {
    std::process::Command::new("sh")
        .args(["-c", REMOVER, "remover"])
        .args(names)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C ends the tests, not who tidies up after them.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("sh: {error}"))
}

/// Runs a `docker` command; what it says when it fails, on one line.
async fn docker(arguments: &[&str], bound: Duration) -> Result<(), String> {
    let mut command = Command::new("docker");
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(bound, output).await.map_err(|_| format!("nothing for {bound:?}"))?;
    let Output { status, stderr, .. } = output.map_err(|error| format!("docker: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&stderr);
    let words: Vec<&str> = said.split_whitespace().collect();
    Err(words.join(" ").chars().take(MOST_SAID).collect())
}
