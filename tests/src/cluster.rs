//! The Kafka cluster and the registry that the tests use: one pair for a whole test binary, started
//! at the first use.
//!
//! In this order: the one that `KAFKA_BOOTSTRAP_SERVERS` and `SCHEMA_REGISTRY_URL` name (the topics
//! of the tests stay behind there); containers, when a Docker engine answers and has the images or
//! can fetch them ([`crate::containers`]); the embedded one. Which it is, and why not an earlier
//! one, is said in a line on standard error. A test that kills or stops a broker starts an embedded
//! one of its own.

use std::sync::OnceLock;

use tokio::runtime::Runtime;
use topology::embedded::{Embedded, EmbeddedOptions, Ports};

use crate::containers::{self, Containers};
use crate::scratch;

/// Where the log and the registry are.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where Kafka clients connect.
    pub bootstrap_servers: String,
    /// The registry, with the Confluent API.
    pub registry_url: String,
}

/// The shared pair. It ends with the process: whoever watches over it sees to that.
struct Shared {
    cluster: Cluster,
    _running: Running,
}

/// What keeps it running.
enum Running {
    /// Somebody else.
    Elsewhere,
    /// Containers, and who removes them.
    Contained { _containers: Containers },
    /// Child processes. Tests have runtimes of their own, which end with them; this one supervises.
    Embedded { _supervisor: Runtime, _embedded: Embedded },
}

static SHARED: OnceLock<Shared> = OnceLock::new();

impl Cluster {
    /// The cluster of this test binary; started when it does not run yet, which blocks for some
    /// seconds.
    ///
    /// # Panics
    /// When it cannot be started, with what is missing.
    pub fn shared() -> Self {
        // On a thread of its own: a runtime cannot be entered from within another one.
        let start = || std::thread::spawn(find).join();
        let shared = SHARED.get_or_init(|| start().expect("the broker and the registry start"));
        shared.cluster.clone()
    }
}

fn find() -> Shared {
    if let Some(cluster) = configured() {
        eprintln!("tests: the configured broker at {}", cluster.bootstrap_servers);
        return Shared { cluster, _running: Running::Elsewhere };
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(containers::start()) {
        Ok(containers) => {
            let cluster = containers.cluster().clone();
            eprintln!("tests: a broker in a container at {}", cluster.bootstrap_servers);
            Shared { cluster, _running: Running::Contained { _containers: containers } }
        }
        Err(reason) => {
            eprintln!("tests: no containers ({reason}): the embedded broker");
            embed(runtime)
        }
    }
}

fn configured() -> Option<Cluster> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let bootstrap_servers = variable("KAFKA_BOOTSTRAP_SERVERS")?;
    Some(Cluster { bootstrap_servers, registry_url: variable("SCHEMA_REGISTRY_URL")? })
}

fn embed(supervisor: Runtime) -> Shared {
    let options = EmbeddedOptions {
        preferred_ports: Ports::ANY,
        narrate: |sentence| eprintln!("tests: {sentence}"),
        ..EmbeddedOptions::new(scratch::directory("kafka"))
    };
    let embedded = supervisor.block_on(Embedded::start(options));
    let embedded = embedded.unwrap_or_else(|error| panic!("{error}"));
    let cluster = Cluster {
        bootstrap_servers: embedded.bootstrap_servers().to_owned(),
        registry_url: embedded.registry_url().expect("a registry was asked for").to_owned(),
    };
    Shared { cluster, _running: Running::Embedded { _supervisor: supervisor, _embedded: embedded } }
}
