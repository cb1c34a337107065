//! The schema registry (Apicurio, in its Confluent-compatible guise), on the loopback interface.
//!
//! Its database is a file that is written through before a registration is answered: a registry
//! that forgets would hand out the same id for another schema.

use std::path::PathBuf;
use std::time::Duration;

use super::child::ChildSpec;
use super::distribution::Distribution;

/// The stem of the child's files.
pub const NAME: &str = "registry";
const GRACE: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The registry's place in the state directory.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Path of `java`.
    pub java: PathBuf,
    /// The jars.
    pub distribution: Distribution,
    /// The state directory of the embedded services.
    pub directory: PathBuf,
    /// Where clients connect.
    pub port: u16,
}

impl Registry {
    /// The base address for clients that speak Confluent's API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// How it is started.
    pub fn child(&self) -> ChildSpec {
        let database = self.directory.join(NAME).join("registry");
        let database = format!("jdbc:h2:file:{};WRITE_DELAY=0", database.display());
        ChildSpec {
            name: NAME,
            program: self.java.clone(),
            arguments: vec![
                "-Xmx192m".into(),
                "-XX:+UseSerialGC".into(),
                "-XX:TieredStopAtLevel=1".into(),
                "-XX:+ExitOnOutOfMemoryError".into(),
                "-Dquarkus.http.host=127.0.0.1".into(),
                format!("-Dquarkus.http.port={}", self.port).into(),
                "-Dquarkus.log.level=WARN".into(),
                "-jar".into(),
                self.distribution.registry_jar().into(),
            ],
            environment: vec![("REGISTRY_DATASOURCE_URL".into(), database.into())],
            record_directory: self.directory.clone(),
            log_file: self.directory.join("registry.log"),
            grace: GRACE,
        }
    }
}

/// Whether it answers.
pub async fn is_ready(url: &str) -> bool {
    let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PROBE_TIMEOUT).build() else {
        return false;
    };
    let answer = client.get(format!("{url}/subjects")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
