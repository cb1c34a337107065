//! Settings: each is a flag and an environment variable, with a default and its reason.
//!
//! `holdfast config` prints what is in force; docs/configuration.md is generated from here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use connectors::gateway::table::{self, GatewayTable, TableInvalid};
use processors::policy::{PlaintextRule, Policy, TransferTimes};
use schemas::{GatewayName, Partition, PartitionCount, TopicPrefix};

use crate::roles::{Role, ShardList, ShardListError};

mod gateways;
mod sagas;

pub use gateways::{GatewayKind, GatewaySettings, GatewaysFile, secret_reference};
pub use sagas::SagaSettings;

/// How careful to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// One machine: replication factor 1, idempotency keys optional, texts in the log as plaintext.
    Dev,
    /// Replication factor 3, idempotency keys required, no plaintext in the log.
    Production,
}

/// Where the log is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaSettings {
    /// The brokers.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "127.0.0.1:9092"
    )]
    pub kafka_bootstrap_servers: String,

    /// What the names of all topics begin with.
    #[arg(long, value_name = "PREFIX", env = "HOLDFAST_TOPIC_PREFIX", default_value = "payments")]
    pub topic_prefix: TopicPrefix,

    /// Further properties of librdkafka, for TLS and SASL: `security.protocol=SASL_SSL,…`
    #[arg(
        long,
        value_name = "KEY=VALUE,...",
        env = "HOLDFAST_KAFKA_PROPERTIES",
        value_delimiter = ',',
        value_parser = key_value
    )]
    pub kafka_property: Vec<(String, String)>,
}

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a property reads key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Everything that `holdfast run` can be told.
#[derive(Debug, Clone, Args)]
pub struct RunSettings {
    /// Where the log is.
    #[command(flatten)]
    pub kafka: KafkaSettings,

    /// The schema registry, with the Confluent API.
    #[arg(
        long,
        value_name = "URL",
        env = "SCHEMA_REGISTRY_URL",
        default_value = "http://127.0.0.1:8085/apis/ccompat/v7",
        help_heading = "Kafka"
    )]
    pub schema_registry_url: String,

    /// How many shards the ledger has: fixed when the topics are created. By default as many as
    /// cores, 2 to 8, in profile dev, and 24 in production.
    #[arg(long, value_name = "COUNT", env = "HOLDFAST_PARTITIONS", help_heading = "Kafka")]
    pub partitions: Option<PartitionCount>,

    /// How careful to be.
    #[arg(long, env = "HOLDFAST_PROFILE", value_enum, default_value_t = Profile::Production)]
    pub profile: Profile,

    /// What this process does. Every role must run somewhere: DEPLOYMENT.md has the layouts.
    #[arg(
        long,
        value_name = "ROLE,...",
        env = "HOLDFAST_ROLES",
        value_enum,
        value_delimiter = ',',
        default_value = "api,ledger,gateway"
    )]
    pub roles: Vec<Role>,

    /// The shards of the roles ledger and gateway in this process: `all`, or a list like `0,2-3`.
    /// No two processes with the same role may have a shard in common.
    #[arg(long, value_name = "SHARD,...", env = "HOLDFAST_SHARDS", default_value = "all")]
    pub shards: ShardList,

    /// Holds the stores and views of this process, and of no other. Disposable: it is rebuilt from
    /// the log.
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "HOLDFAST_STATE_DIR",
        default_value = ".holdfast/run"
    )]
    pub state_dir: PathBuf,

    /// Where this process listens: health for every role, the HTTP API for the role api.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "HOLDFAST_LISTEN",
        default_value = "127.0.0.1:8080",
        help_heading = "HTTP API"
    )]
    pub listen: SocketAddr,

    /// How long a POST waits for its decision before it answers 202, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_DECISION_TIMEOUT_MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u64).range(100..=30_000),
        help_heading = "HTTP API"
    )]
    pub decision_timeout_ms: u64,

    /// How many requests this process handles at a time; more are answered 503 `overloaded`. Half
    /// of them may wait for decisions, a quarter for ends of payments.
    #[arg(
        long,
        value_name = "COUNT",
        env = "HOLDFAST_IN_FLIGHT_LIMIT",
        default_value_t = 4_096,
        value_parser = clap::value_parser!(u32).range(4..=100_000),
        help_heading = "HTTP API"
    )]
    pub in_flight_limit: u32,

    /// How many requests of one wallet may wait for their decision at a time; more are answered 429
    /// `too_many_in_flight`.
    #[arg(
        long,
        value_name = "COUNT",
        env = "HOLDFAST_WALLET_IN_FLIGHT_LIMIT",
        default_value_t = 1_024,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        help_heading = "HTTP API"
    )]
    pub wallet_in_flight_limit: u32,

    /// The gateways.
    #[command(flatten)]
    pub gateway: GatewaySettings,

    /// How patient the sagas are.
    #[command(flatten)]
    pub sagas: SagaSettings,

    /// What it tells of itself.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,
}

/// What the process tells of itself, and where.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetrySettings {
    /// Where /metrics is served besides the HTTP API; port 0 takes a free one and logs it.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "HOLDFAST_METRICS_LISTEN",
        default_value = "127.0.0.1:9091"
    )]
    pub metrics_listen: SocketAddr,

    /// The memory of the process, in MiB, beyond which /health says degraded. By default 80 % of
    /// what the container or the machine has.
    #[arg(long, value_name = "MIB", env = "HOLDFAST_MEMORY_THRESHOLD_MIB")]
    pub memory_threshold_mib: Option<u64>,

    /// An OpenTelemetry collector that traces are exported to, over OTLP/HTTP. None: no traces.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
}

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A resent operation could charge twice.
    #[error(
        "gateway {gateway} forgets idempotency keys after {retention:?}, but an operation can \
         reach it {latest:?} after its request: raise its key retention \
         (--gateway-key-retention-hours, or key_retention_hours in the file) or lower \
         --gateway-operation-window-ms"
    )]
    RetentionTooShort {
        /// Which gateway.
        gateway: GatewayName,
        /// What is configured.
        retention: Duration,
        /// What it must exceed.
        latest: Duration,
    },
    /// Money would be taken from wallets and charged nowhere.
    #[error(
        "gateway {0} is in process and charges nobody: profile production needs another kind, and \
         a benchmark --profile dev"
    )]
    GatewayInProcess(GatewayName),
    /// They would share their ground truth.
    #[error("only one gateway can be in process: make another kind of all others")]
    GatewaysInProcess,
    /// The one gateway of the settings is none.
    #[error("the settings of the gateway are not valid: {0}")]
    Gateway(#[from] TableInvalid),
}

impl RunSettings {
    /// How many shards the ledger has.
    pub fn partitions(&self) -> PartitionCount {
        self.partitions.unwrap_or_else(|| default_partitions(self.profile))
    }

    /// Whether this process has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// The shards that the roles ledger and gateway work for here.
    ///
    /// # Errors
    /// [`ShardListError::OutOfRange`].
    pub fn shards(&self) -> Result<Vec<Partition>, ShardListError> {
        self.shards.of(self.partitions())
    }

    /// The gateways that this installation has.
    ///
    /// # Errors
    /// [`SettingsError::Gateway`], when they are given by settings that are none of a gateway.
    pub fn gateways(&self) -> Result<Arc<GatewayTable>, SettingsError> {
        Ok(self.gateway.table()?)
    }

    /// The policy that these settings are.
    ///
    /// # Errors
    /// [`SettingsError`] when they could charge somebody twice, or nobody.
    pub fn policy(&self) -> Result<Policy, SettingsError> {
        let gateways = self.gateways()?;
        let window = Duration::from_millis(self.gateway.gateway_operation_window_ms);
        self.check(&gateways, window)?;
        let plaintext = match self.profile {
            Profile::Dev => PlaintextRule::Allowed,
            Profile::Production => PlaintextRule::Refused,
        };
        let policy = Policy {
            version: 0,
            partitions: self.partitions(),
            plaintext,
            gateways: gateways.gateways().iter().map(gateways::policy_of).collect(),
            routes: gateways::routes_of(&gateways),
            payment: self.sagas.payment(window),
            refund: self.sagas.refund(window),
            transfer: TransferTimes::default(),
        };
        Ok(policy.versioned())
    }

    /// No gateway of the table may charge twice, or nobody without saying so.
    fn check(&self, table: &GatewayTable, window: Duration) -> Result<(), SettingsError> {
        for row in table.gateways() {
            if self.profile == Profile::Production && row.kind == table::GatewayKind::InProcess {
                return Err(SettingsError::GatewayInProcess(row.name.clone()));
            }
            let (retention, latest) = (row.key_retention(), window + row.maximum_call_time());
            if retention <= latest {
                let gateway = row.name.clone();
                return Err(SettingsError::RetentionTooShort { gateway, retention, latest });
            }
        }
        let kinds = table.gateways().iter().map(|row| row.kind);
        if kinds.filter(|kind| *kind == table::GatewayKind::InProcess).count() > 1 {
            return Err(SettingsError::GatewaysInProcess);
        }
        Ok(())
    }
}

/// As many shards as cores on one machine, 24 where there are many machines to come.
pub fn default_partitions(profile: Profile) -> PartitionCount {
    let count = match profile {
        Profile::Dev => {
            let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
            i32::try_from(cores.clamp(2, 8)).unwrap_or(8)
        }
        Profile::Production => 24,
    };
    PartitionCount::try_from(count).expect("2 to 24 is a partition count")
}
