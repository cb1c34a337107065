//! A real Kafka broker and a real schema registry as child processes, for a machine without them.
//!
//! Used by `holdfast dev` and by the end-to-end tests alike. Invariants: one process at a time
//! works in a state directory (it is locked); what an earlier, killed run left running there is
//! stopped before anything starts; log, cluster id, registered schemas and ports survive restarts,
//! though a port that was taken meanwhile is replaced; children listen on the loopback interface
//! only, are started again when they die, and end with us. It knows nothing of topics or payments.
//!
//! Everything is in the state directory: `broker/data` (the log), `registry/` (its database),
//! `broker.log`, `registry.log`, `broker.pid`, `registry.pid`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub mod child;
pub mod lock;
pub mod log_file;
pub mod port;
pub mod process;
pub mod supervision;

mod broker;
mod distribution;
mod registry;

use broker::Broker;
use distribution::Distribution;
use lock::{LockError, LockedDirectory};
use process::ProcessRecord;
use registry::Registry;
use supervision::{StartError, Supervised};

pub use broker::SETTINGS as BROKER_SETTINGS;
pub use distribution::{KAFKA_VERSION, REGISTRY_VERSION, cache_directory};

/// Where Kafka clients look first.
pub const DEFAULT_BROKER_PORT: u16 = 9092;
/// Next to it.
pub const DEFAULT_CONTROLLER_PORT: u16 = 9093;
/// Not 8081, which belongs to the observability demo.
pub const DEFAULT_REGISTRY_PORT: u16 = 8085;

/// Ready after 5 to 7 s on an idle machine; this is for a busy one.
const READY_BOUND: Duration = Duration::from_mins(2);
/// Between the choice of a port and its use somebody may take it: choose again so often.
const START_ATTEMPTS: u32 = 3;
const ORPHAN_GRACE: Duration = Duration::from_secs(20);
const PORTS_FILE: &str = "ports.json";

/// TCP ports on the loopback interface; 0 means any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Where Kafka clients connect.
    pub broker: u16,
    /// The broker's own controller.
    pub controller: u16,
    /// The schema registry.
    pub registry: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            broker: DEFAULT_BROKER_PORT,
            controller: DEFAULT_CONTROLLER_PORT,
            registry: DEFAULT_REGISTRY_PORT,
        }
    }
}

impl Ports {
    /// Any free ports: for tests, which run beside each other.
    pub const ANY: Self = Self { broker: 0, controller: 0, registry: 0 };
}

/// Whether a schema registry runs beside the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryUse {
    /// Broker and registry.
    Started,
    /// The broker alone: the caller has a registry, or needs none.
    LeftOut,
}

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Holds everything that survives; created when missing.
    pub state_directory: PathBuf,
    /// Taken when free. The ports of the last run in this directory come before them.
    pub preferred_ports: Ports,
    /// Whether the schema registry is wanted.
    pub registry: RegistryUse,
    /// Told, in sentences, what takes time and what differs from expectation.
    pub narrate: fn(&str),
}

impl EmbeddedOptions {
    /// Broker and registry in this directory, on the default ports, narrating to the log.
    pub fn new(state_directory: impl Into<PathBuf>) -> Self {
        Self {
            state_directory: state_directory.into(),
            preferred_ports: Ports::default(),
            registry: RegistryUse::Started,
            narrate: |sentence| tracing::info!("{sentence}"),
        }
    }
}

/// Why the embedded broker or registry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Another run works in the state directory.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// A program is missing or too old.
    #[error("{what} is needed ({found}). Install it, as root, with:\n  {install}")]
    Missing {
        /// What is needed.
        what: String,
        /// What there is instead.
        found: String,
        /// The command that installs it on Debian.
        install: &'static str,
    },
    /// Maven failed.
    #[error("Maven could not fetch the jars of Kafka and the registry:\n{output}")]
    Fetch {
        /// What Maven said, indented.
        output: String,
    },
    /// A child does not become ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no free port at all.
    #[error("there is no free TCP port on 127.0.0.1")]
    NoPort,
    /// The operating system refused.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl EmbeddedError {
    fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// A running broker, and perhaps a registry. Dropping it kills both; [`stop`](Self::stop) is
/// kinder.
#[derive(Debug)]
pub struct Embedded {
    bootstrap_servers: String,
    registry_url: Option<String>,
    // Fields are dropped in this order: the registry, the broker, and the lock last.
    registry: Option<Supervised>,
    broker: Supervised,
    directory: LockedDirectory,
}

impl Embedded {
    /// Starts what is asked for and returns when it answers.
    ///
    /// # Errors
    /// [`EmbeddedError`]; nothing is left running then.
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let directory = LockedDirectory::acquire(&options.state_directory)?;
        for name in [registry::NAME, broker::NAME] {
            let record = ProcessRecord::new(directory.path(), name);
            if let Some(pid) = record.stop_orphan(ORPHAN_GRACE).await {
                (options.narrate)(&format!("Stopped the {name} of an earlier run (pid {pid})."));
            }
        }
        let java = distribution::java().await?;
        let distribution = Distribution::obtain(options.narrate).await?;
        let mut attempt = 1;
        loop {
            let house = House {
                java: java.clone(),
                distribution: distribution.clone(),
                directory: directory.path().to_owned(),
                ports: choose_ports(directory.path(), &options)?,
            };
            match house.start(options.registry).await {
                Ok(running) => {
                    remember_ports(directory.path(), house.ports)?;
                    return Ok(running.into_embedded(directory));
                }
                Err(_) if attempt < START_ATTEMPTS && house.lost_a_port() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where Kafka clients connect, `host:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// The base address of the registry's Confluent-compatible API; `None` when it was left out.
    pub fn registry_url(&self) -> Option<&str> {
        self.registry_url.as_deref()
    }

    /// The broker, which is started again when it dies.
    pub fn broker(&self) -> &Supervised {
        &self.broker
    }

    /// The registry, which is started again when it dies.
    pub fn registry(&self) -> Option<&Supervised> {
        self.registry.as_ref()
    }

    /// The state directory, absolute.
    pub fn state_directory(&self) -> &Path {
        self.directory.path()
    }

    /// Stops the registry, then the broker; returns when both are gone and the lock is free.
    pub async fn stop(self) {
        if let Some(registry) = self.registry {
            registry.stop().await;
        }
        self.broker.stop().await;
        drop(self.directory);
    }
}

/// One attempt at one set of ports.
struct House {
    java: PathBuf,
    distribution: Distribution,
    directory: PathBuf,
    ports: Ports,
}

/// Children that are ready.
struct Running {
    bootstrap_servers: String,
    broker: Supervised,
    registry: Option<(String, Supervised)>,
}

impl House {
    async fn start(&self, registry: RegistryUse) -> Result<Running, EmbeddedError> {
        // Beside each other: each takes some seconds, mostly of waiting.
        let (broker, registry) = tokio::try_join!(self.start_broker(), async {
            match registry {
                RegistryUse::Started => self.start_registry().await.map(Some),
                RegistryUse::LeftOut => Ok(None),
            }
        })?;
        let (bootstrap_servers, broker) = broker;
        Ok(Running { bootstrap_servers, broker, registry })
    }

    async fn start_broker(&self) -> Result<(String, Supervised), EmbeddedError> {
        let broker = Broker {
            java: self.java.clone(),
            distribution: self.distribution.clone(),
            directory: self.directory.clone(),
            port: self.ports.broker,
            controller_port: self.ports.controller,
        };
        let cluster_id = broker.prepare().await?;
        let bootstrap_servers = broker.bootstrap_servers();
        let child = Supervised::start(broker.child(), READY_BOUND, async || {
            broker::is_ready(&bootstrap_servers, &cluster_id).await
        });
        let child = child.await?;
        Ok((bootstrap_servers, child))
    }

    async fn start_registry(&self) -> Result<(String, Supervised), EmbeddedError> {
        let registry = Registry {
            java: self.java.clone(),
            distribution: self.distribution.clone(),
            directory: self.directory.clone(),
            port: self.ports.registry,
        };
        let url = registry.url();
        let child = Supervised::start(registry.child(), READY_BOUND, async || {
            registry::is_ready(&url).await
        });
        let child = child.await?;
        Ok((url, child))
    }

    /// After a failed start our children are gone: a port that is taken is somebody else's.
    fn lost_a_port(&self) -> bool {
        let Ports { broker, controller, registry } = self.ports;
        [broker, controller, registry].into_iter().any(port::is_taken)
    }
}

impl Running {
    fn into_embedded(self, directory: LockedDirectory) -> Embedded {
        let (registry_url, registry) = self.registry.unzip();
        Embedded {
            bootstrap_servers: self.bootstrap_servers,
            registry_url,
            registry,
            broker: self.broker,
            directory,
        }
    }
}

fn choose_ports(directory: &Path, options: &EmbeddedOptions) -> Result<Ports, EmbeddedError> {
    let remembered: Option<Ports> = fs::read(directory.join(PORTS_FILE))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut chosen = Vec::new();
    let mut choose = |what: &str, port_of: fn(&Ports) -> u16| {
        let preferred = port_of(&options.preferred_ports);
        let wanted: Vec<u16> =
            remembered.iter().map(port_of).chain(std::iter::once(preferred)).collect();
        let port = port::choose(&wanted, &chosen).ok_or(EmbeddedError::NoPort)?;
        if preferred != 0 && port != preferred && !wanted.contains(&port) {
            (options.narrate)(&format!("Port {preferred} is taken: the {what} uses {port}."));
        }
        chosen.push(port);
        Ok::<u16, EmbeddedError>(port)
    };
    Ok(Ports {
        broker: choose("broker", |ports| ports.broker)?,
        controller: choose("controller", |ports| ports.controller)?,
        registry: choose("registry", |ports| ports.registry)?,
    })
}

fn remember_ports(directory: &Path, ports: Ports) -> Result<(), EmbeddedError> {
    serde_json::to_vec(&ports)
        .map_err(io::Error::other)
        .and_then(|bytes| fs::write(directory.join(PORTS_FILE), bytes))
        .map_err(EmbeddedError::io("remember the ports"))
}
