//! One Apache Kafka node, broker and controller in one process, on the loopback interface.
//!
//! Its data directory is formatted once and belongs to one cluster id for ever; ports are no part
//! of it, so they may differ from run to run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::net::TcpStream;
use tokio::process::Command;
use uuid::Uuid;

use super::EmbeddedError;
use super::child::ChildSpec;
use super::distribution::Distribution;

/// The stem of the child's files.
pub const NAME: &str = "broker";
const LOGGING: &str = include_str!("../../../deploy/kafka/log4j2.properties");
/// A controlled shutdown takes 0.6 s when idle; one with gigabytes to flush takes longer.
const GRACE: Duration = Duration::from_secs(20);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// What does not depend on ports and paths. A replication factor of 1 is what one node can give:
/// such a log survives any killed process, not the loss of the machine.
pub const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.segment.bytes=268435456
# Clients and broker share the cores: a request that waits for its turn costs less than waking one
# of many threads for it.
num.network.threads=1
num.io.threads=1
# A transaction left open by anyone pins every read_committed reader: bound it, and look often.
transaction.max.timeout.ms=15000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
# After a kill -9 the node must outwait its own earlier session: 7 s to come back instead of 15.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
";

/// The broker's place in the state directory.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Path of `java`.
    pub java: PathBuf,
    /// The jars.
    pub distribution: Distribution,
    /// The state directory of the embedded services.
    pub directory: PathBuf,
    /// Where clients connect.
    pub port: u16,
    /// Where the node's own controller listens.
    pub controller_port: u16,
}

impl Broker {
    /// Where clients connect.
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Writes the configuration; formats the data directory where there is none. Returns the
    /// cluster id.
    pub async fn prepare(&self) -> Result<String, EmbeddedError> {
        let own = self.directory.join(NAME);
        let write = |name: &str, text: &str| fs::write(own.join(name), text);
        fs::create_dir_all(&own)
            .and_then(|()| write("log4j2.properties", LOGGING))
            .and_then(|()| write("server.properties", &self.properties(&own.join("data"))))
            .map_err(EmbeddedError::io("write the configuration of the broker"))?;
        let cluster_id =
            cluster_id(&own).map_err(EmbeddedError::io("keep the cluster id of the broker"))?;
        if !own.join("data").is_dir() {
            self.format(&own, &cluster_id).await?;
        }
        Ok(cluster_id)
    }

    fn properties(&self, data: &Path) -> String {
        let Self { port, controller_port, .. } = self;
        format!(
            "{SETTINGS}\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             log.dirs={}\n",
            data.display()
        )
    }

    /// Formats under another name and renames: a data directory is formatted or absent.
    async fn format(&self, own: &Path, cluster_id: &str) -> Result<(), EmbeddedError> {
        let partial = own.join("data.partial");
        let properties = own.join("format.properties");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(EmbeddedError::io("remove a partial format"))?;
        }
        fs::write(&properties, self.properties(&partial))
            .map_err(EmbeddedError::io("write the configuration of the format"))?;
        let output = Command::new(&self.java)
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(self.distribution.kafka_class_path())
            .args(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"])
            .arg(&properties)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(EmbeddedError::io("format the data directory of the broker"))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let error = io::Error::other(String::from_utf8_lossy(&said).into_owned());
            return Err(EmbeddedError::io("format the data directory of the broker")(error));
        }
        fs::remove_file(&properties)
            .and_then(|()| fs::rename(&partial, own.join("data")))
            .map_err(EmbeddedError::io("put the formatted directory in its place"))
    }

    /// How it is started.
    pub fn child(&self) -> ChildSpec {
        let own = self.directory.join(NAME);
        let mut logging = std::ffi::OsString::from("-Dlog4j2.configurationFile=");
        logging.push(own.join("log4j2.properties"));
        ChildSpec {
            name: NAME,
            program: self.java.clone(),
            arguments: vec![
                "-Xms1g".into(),
                "-Xmx1g".into(),
                "-XX:+UseG1GC".into(),
                "-XX:MaxGCPauseMillis=20".into(),
                // Half a broker is worse than one that is started again.
                "-XX:+ExitOnOutOfMemoryError".into(),
                logging,
                "-cp".into(),
                self.distribution.kafka_class_path(),
                "kafka.Kafka".into(),
                own.join("server.properties").into(),
            ],
            environment: Vec::new(),
            record_directory: self.directory.clone(),
            log_file: self.directory.join("broker.log"),
            grace: GRACE,
        }
    }
}

fn cluster_id(own: &Path) -> io::Result<String> {
    let file = own.join("cluster.id");
    match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Not there yet, or cut off by a loss of power before anything was formatted with it.
        Ok(_) | Err(_) => {
            // The leading bit keeps the text from looking like an option of the format tool.
            let mut bytes = *Uuid::new_v4().as_bytes();
            bytes[0] &= 0x7f;
            let id = URL_SAFE_NO_PAD.encode(bytes);
            let partial = own.join("cluster.id.partial");
            fs::write(&partial, &id)?;
            fs::File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &file)?;
            Ok(id)
        }
    }
}

/// Whether this very cluster answers a metadata request and has its one broker registered.
pub async fn is_ready(bootstrap_servers: &str, cluster_id: &str) -> bool {
    // The Kafka client logs every refused connection as an error: spare the reader those.
    if TcpStream::connect(bootstrap_servers).await.is_err() {
        return false;
    }
    let bootstrap_servers = bootstrap_servers.to_owned();
    let expected = cluster_id.to_owned();
    let probe = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &bootstrap_servers).create().ok()?;
        let metadata = consumer.fetch_metadata(None, PROBE_TIMEOUT).ok()?;
        let cluster_id = consumer.client().fetch_cluster_id(PROBE_TIMEOUT)?;
        Some(!metadata.brokers().is_empty() && cluster_id == expected)
    });
    matches!(probe.await, Ok(Some(true)))
}
