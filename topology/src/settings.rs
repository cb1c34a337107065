//! Settings: each is a flag and an environment variable, with a default and its reason.
//!
//! `holdfast config` prints what is in force; docs/configuration.md is generated from here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use processors::policy::{
    GatewayPolicy, InquiryKind, PaymentTimes, PlaintextRule, Policy, TransferTimes,
};
use schemas::{GatewayName, Partition, PartitionCount, TopicPrefix};

use crate::roles::{Role, ShardList, ShardListError};

/// How careful to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// One machine: replication factor 1, idempotency keys optional, texts in the log as plaintext.
    Dev,
    /// Replication factor 3, idempotency keys required, no plaintext in the log.
    Production,
}

/// What kind of gateway is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GatewayKind {
    /// The gateway simulator, over HTTP at its URL.
    Simulator,
    /// The same without HTTP, in this process; its charges are in `gateway-sim` of the state
    /// directory. For benchmarks and tests; not in profile production.
    InProcess,
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

    /// The gateway.
    #[command(flatten)]
    pub gateway: GatewaySettings,

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

/// The gateway: its name in the log, where it is, and what it promises.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewaySettings {
    /// Its name in the log.
    #[arg(long, value_name = "NAME", env = "HOLDFAST_GATEWAY_NAME", default_value = "simulator")]
    pub gateway_name: GatewayName,

    /// What kind it is: `simulator` is called over HTTP, `in-process` is the simulator without
    /// HTTP, for benchmarks.
    #[arg(
        long,
        env = "HOLDFAST_GATEWAY_KIND",
        value_enum,
        default_value_t = GatewayKind::Simulator
    )]
    pub gateway_kind: GatewayKind,

    /// Where it is.
    #[arg(
        long,
        value_name = "URL",
        env = "HOLDFAST_GATEWAY_URL",
        default_value = "http://127.0.0.1:8090"
    )]
    pub gateway_url: String,

    /// How long one call may take, connecting included, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_CALL_TIMEOUT_MS",
        default_value_t = 3_000,
        value_parser = clap::value_parser!(u64).range(100..=60_000)
    )]
    pub gateway_call_timeout_ms: u64,

    /// How many calls may be under way at once; more wait.
    #[arg(
        long,
        value_name = "COUNT",
        env = "HOLDFAST_GATEWAY_CONCURRENCY",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub gateway_concurrency: u32,

    /// How long after its request an operation may be handed to the gateway, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_OPERATION_WINDOW_MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(100..=600_000)
    )]
    pub gateway_operation_window_ms: u64,

    /// How long after a call the charge may become visible to an inquiry, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_INGESTION_WINDOW_MS",
        default_value_t = 1_000
    )]
    pub gateway_ingestion_window_ms: u64,

    /// How long it remembers idempotency keys, in hours.
    #[arg(
        long,
        value_name = "HOURS",
        env = "HOLDFAST_GATEWAY_KEY_RETENTION_HOURS",
        default_value_t = 24,
        value_parser = clap::value_parser!(u64).range(1..=87_600)
    )]
    pub gateway_key_retention_hours: u64,
}

/// The call may overrun its time-out by so much: the client's own bookkeeping.
const CALL_OVERRUN: Duration = Duration::from_secs(1);

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A resent operation could charge twice.
    #[error(
        "the gateway forgets idempotency keys after {retention:?}, but an operation can reach it \
         {latest:?} after its request: raise --gateway-key-retention-hours or lower \
         --gateway-operation-window-ms"
    )]
    RetentionTooShort {
        /// What is configured.
        retention: Duration,
        /// What it must exceed.
        latest: Duration,
    },
    /// Money would be taken from wallets and charged nowhere.
    #[error(
        "a gateway in process charges nobody: profile production needs another --gateway-kind, \
         and a benchmark --profile dev"
    )]
    GatewayInProcess,
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

    /// The policy that these settings are.
    ///
    /// # Errors
    /// [`SettingsError`] when they could charge somebody twice.
    pub fn policy(&self) -> Result<Policy, SettingsError> {
        if self.profile == Profile::Production
            && self.gateway.gateway_kind == GatewayKind::InProcess
        {
            return Err(SettingsError::GatewayInProcess);
        }
        let gateway = self.gateway.policy();
        let payment = PaymentTimes {
            operation_window: Duration::from_millis(self.gateway.gateway_operation_window_ms),
            ..PaymentTimes::default()
        };
        let latest = payment.operation_window + gateway.maximum_call_time;
        if gateway.key_retention <= latest {
            let retention = gateway.key_retention;
            return Err(SettingsError::RetentionTooShort { retention, latest });
        }
        let plaintext = match self.profile {
            Profile::Dev => PlaintextRule::Allowed,
            Profile::Production => PlaintextRule::Refused,
        };
        let policy = Policy {
            version: 0,
            partitions: self.partitions(),
            plaintext,
            gateways: vec![gateway],
            routes: Vec::new(),
            payment,
            refund: PaymentTimes::of_refunds(),
            transfer: TransferTimes::default(),
        };
        Ok(policy.versioned())
    }
}

impl GatewaySettings {
    /// The longest that one call may take.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.gateway_call_timeout_ms)
    }

    fn policy(&self) -> GatewayPolicy {
        GatewayPolicy {
            name: self.gateway_name.clone(),
            key_retention: Duration::from_hours(self.gateway_key_retention_hours),
            maximum_call_time: self.call_timeout() + CALL_OVERRUN,
            ingestion_window: Duration::from_millis(self.gateway_ingestion_window_ms),
            inquiry: InquiryKind::Authoritative,
        }
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
