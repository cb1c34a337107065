//! The note that a running supervisor leaves in the state directory: where everything is.
//!
//! It exists only while everything has become ready; who reads it checks that its process lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

const FILE: &str = "ready.json";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The supervisor.
    pub pid: u32,
    /// Which build it runs.
    pub build: Build,
    /// Base of the HTTP API, without a path.
    pub api_url: String,
    /// Where the metrics are, besides /metrics of the API.
    pub metrics_url: String,
    /// Base of the gateway simulator.
    pub gateway_url: String,
    /// Kafka, `host:port,...`.
    pub bootstrap_servers: String,
    /// The schema registry's Confluent-compatible base.
    pub registry_url: String,
    /// The state directory, absolute.
    pub state_directory: PathBuf,
}

/// Tells one build of the executable from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its path.
    pub executable: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its modification time, nanoseconds since 1970.
    pub modified_ns: u128,
}

impl Build {
    /// That of the running process.
    ///
    /// # Errors
    /// When the executable has been removed meanwhile.
    pub fn of_this_process() -> io::Result<Self> {
        let executable = std::env::current_exe()?;
        let metadata = fs::metadata(&executable)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        Ok(Self { executable, bytes: metadata.len(), modified_ns: modified.as_nanos() })
    }
}

impl Ready {
    /// Publishes the note; nobody ever reads half of it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn publish(&self) -> io::Result<()> {
        let partial = self.state_directory.join("ready.json.partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)?;
        fs::rename(partial, self.state_directory.join(FILE))
    }

    /// The note of the supervisor with this process id, once it is ready.
    pub fn of(state_directory: &Path, pid: u32) -> Option<Self> {
        let bytes = fs::read(state_directory.join(FILE)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|ready: &Self| ready.pid == pid)
    }

    /// Takes the note away; a missing one is fine.
    pub fn withdraw(state_directory: &Path) {
        let _ = fs::remove_file(state_directory.join(FILE));
    }
}
