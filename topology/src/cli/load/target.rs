//! What is put under load, and where it is: as told, else as `holdfast dev` noted it. A log that
//! nobody named is not put under load, for it may be anybody's.

use std::path::PathBuf;

use anyhow::Context;
use schemas::TopicPrefix;

use super::LoadArguments;
use crate::cli::dev::ready::Ready;
use crate::embedded::lock::LockedDirectory;
use crate::settings::KafkaSettings;

const DEFAULT_API_URL: &str = "http://127.0.0.1:8080";
const DEFAULT_REGISTRY_URL: &str = "http://127.0.0.1:8085/apis/ccompat/v7";
/// Where an application of `holdfast dev` with a gateway in process keeps its ground truth, below
/// the state directory.
const IN_PROCESS_GROUND_TRUTH: &str = "run/gateway-sim";

/// An installation.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its log.
    pub kafka: KafkaSettings,
    /// Base of its API.
    pub api_url: String,
    /// Base of its registry.
    pub registry_url: String,
    /// Simulators that have charged for it.
    pub gateway_urls: Vec<String>,
    /// Files of charges.
    pub ground_truth: Vec<PathBuf>,
    /// What `holdfast dev` keeps there.
    pub state_directory: PathBuf,
}

impl Target {
    /// The installation that the arguments mean.
    pub(super) fn of(arguments: &LoadArguments) -> anyhow::Result<Self> {
        let state = &arguments.state_dir;
        let note = LockedDirectory::holder(state).and_then(|pid| Ready::of(state, pid));
        let told = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
        let noted = |field: fn(&Ready) -> &String| note.as_ref().map(field).cloned();
        let servers = told(&arguments.kafka_bootstrap_servers)
            .or_else(|| noted(|note| &note.bootstrap_servers))
            .with_context(|| {
                format!(
                    "nothing runs in {}: start it with `make up`, or name the log with \
                     --kafka-bootstrap-servers",
                    state.display()
                )
            })?;
        let (gateway_urls, ground_truth) =
            if arguments.gateway_url.is_empty() && arguments.ground_truth.is_empty() {
                let in_process = note.as_ref().map(|_| state.join(IN_PROCESS_GROUND_TRUTH));
                (
                    noted(|note| &note.gateway_url).into_iter().collect(),
                    in_process.into_iter().filter(|directory| directory.exists()).collect(),
                )
            } else {
                (arguments.gateway_url.clone(), arguments.ground_truth.clone())
            };
        Ok(Self {
            kafka: kafka(servers, arguments.topic_prefix.clone(), &arguments.kafka_property),
            api_url: told(&arguments.url)
                .or_else(|| noted(|note| &note.api_url))
                .unwrap_or_else(|| DEFAULT_API_URL.to_owned()),
            registry_url: told(&arguments.schema_registry_url)
                .or_else(|| noted(|note| &note.registry_url))
                .unwrap_or_else(|| DEFAULT_REGISTRY_URL.to_owned()),
            gateway_urls,
            ground_truth,
            state_directory: state.clone(),
        })
    }

    /// The ports of this machine on which its parts listen, each with the name of the part.
    pub(super) fn local_ports(&self) -> Vec<(&'static str, u16)> {
        let servers = self.kafka.kafka_bootstrap_servers.split(',');
        let mut ports: Vec<_> =
            servers.filter_map(|server| Some(("broker", local_port(server)?))).collect();
        let urls = [("registry", &self.registry_url), ("run", &self.api_url)];
        let gateways = self.gateway_urls.iter().map(|url| ("gateway-sim", url));
        ports.extend(urls.into_iter().chain(gateways).filter_map(|(name, url)| {
            let (_, rest) = url.split_once("://")?;
            Some((name, local_port(rest.split('/').next()?)?))
        }));
        ports
    }
}

fn kafka(servers: String, prefix: TopicPrefix, properties: &[(String, String)]) -> KafkaSettings {
    KafkaSettings {
        kafka_bootstrap_servers: servers,
        topic_prefix: prefix,
        kafka_property: properties.to_vec(),
    }
}

/// The port of `host:port`, when the host is this machine.
fn local_port(address: &str) -> Option<u16> {
    let (host, port) = address.trim().rsplit_once(':')?;
    let is_local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    port.parse().ok().filter(|_| is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_on_this_machine_are_found_by_their_ports() {
        let target = Target {
            kafka: kafka(
                "127.0.0.1:9092, far.example:9092".to_owned(),
                "payments".parse().expect("a prefix"),
                &[],
            ),
            api_url: "http://localhost:8080".to_owned(),
            registry_url: "http://127.0.0.1:8085/apis/ccompat/v7".to_owned(),
            gateway_urls: vec!["http://gateway.example:1".to_owned(), "http://[::1]:2".to_owned()],
            ground_truth: Vec::new(),
            state_directory: PathBuf::new(),
        };
        let expected = [("broker", 9092), ("registry", 8085), ("run", 8080), ("gateway-sim", 2)];
        assert_eq!(target.local_ports(), expected);
    }
}
