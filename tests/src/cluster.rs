//! The Kafka cluster and the registry that the tests use.
//!
//! `KAFKA_BOOTSTRAP_SERVERS` and `SCHEMA_REGISTRY_URL`, when both are set, name them; the topics of
//! the tests stay behind there. Otherwise one embedded pair is started for the whole test binary,
//! at the first use, on free ports.

use std::sync::OnceLock;

use topology::embedded::{Embedded, EmbeddedOptions, Ports};

use crate::scratch;

/// Where the log and the registry are.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where Kafka clients connect.
    pub bootstrap_servers: String,
    /// The registry, with the Confluent API.
    pub registry_url: String,
}

/// The shared pair. It ends with the process: its guards see to that.
struct Shared {
    cluster: Cluster,
    /// Tests have runtimes of their own, which end with them; this one supervises the children.
    _running: Option<(tokio::runtime::Runtime, Embedded)>,
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
        let start = || std::thread::spawn(|| configured().unwrap_or_else(embed)).join();
        let shared = SHARED.get_or_init(|| start().expect("the broker and the registry start"));
        shared.cluster.clone()
    }
}

fn configured() -> Option<Shared> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let cluster = Cluster {
        bootstrap_servers: variable("KAFKA_BOOTSTRAP_SERVERS")?,
        registry_url: variable("SCHEMA_REGISTRY_URL")?,
    };
    Some(Shared { cluster, _running: None })
}

fn embed() -> Shared {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let options = EmbeddedOptions {
        preferred_ports: Ports::ANY,
        narrate: |sentence| println!("{sentence}"),
        ..EmbeddedOptions::new(scratch::directory("kafka"))
    };
    let embedded = runtime.block_on(Embedded::start(options));
    let embedded = embedded.unwrap_or_else(|error| panic!("{error}"));
    let cluster = Cluster {
        bootstrap_servers: embedded.bootstrap_servers().to_owned(),
        registry_url: embedded.registry_url().expect("a registry was asked for").to_owned(),
    };
    Shared { cluster, _running: Some((runtime, embedded)) }
}
