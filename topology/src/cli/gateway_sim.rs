//! `holdfast gateway-sim`: the gateway simulator as a process of its own.
//!
//! It has nothing but the simulator in it: no Kafka, no ledger. It ends on SIGINT and SIGTERM.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use connectors::gateway::secret::SecretReference;
use connectors::gateway::simulator::behaviour::Behaviour;
use connectors::gateway::simulator::{Pace, Simulator, SimulatorOptions, magic};
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::secret_reference;

/// Run the gateway simulator: a payment provider over real HTTP that misbehaves on request.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = magic::help_table())]
pub struct GatewaySimArguments {
    /// Address to listen on; port 0 takes a free one and logs it.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,

    /// Directory of the ground truth (charges.jsonl). Its charges and keys outlive every restart;
    /// one simulator at a time.
    #[arg(long, value_name = "DIRECTORY", default_value = ".holdfast/gateway-sim")]
    pub state_dir: PathBuf,

    /// Where the randomness of the behaviour begins, so that a run repeats. Random, and logged, by
    /// default.
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,

    /// How it behaves from the start, as in PUT /admin/behaviour:
    /// `{"latency": {"fixed_ms": 20}, "percent": {"timeout_after_charging": 1}}`.
    #[arg(long, value_name = "JSON")]
    pub behaviour: Option<Behaviour>,

    /// Where it sends a notification of every charge and refund, unless the behaviour says
    /// otherwise: `http://127.0.0.1:8080/api/v1/gateways/simulator/notifications`.
    #[arg(long, value_name = "URL", requires = "notify_secret")]
    pub notify_url: Option<String>,

    /// Where the secret is that they are signed with: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "PLACE", value_parser = secret_reference, requires = "notify_url")]
    pub notify_secret: Option<SecretReference>,
}

/// Runs the simulator until SIGINT or SIGTERM, then stops gracefully.
///
/// # Errors
/// When the address or the state directory cannot be used.
pub async fn gateway_sim(arguments: GatewaySimArguments) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let GatewaySimArguments { listen, state_dir, seed, behaviour, notify_url, notify_secret } =
        arguments;
    let mut behaviour = behaviour.unwrap_or_default();
    // A seed in the behaviour is a seed as well; 0 is what stands there for none.
    if let Some(seed) = seed.or_else(|| (behaviour.seed == 0).then(rand::random)) {
        behaviour.seed = seed;
    }
    if let (Some(url), Some(secret)) = (notify_url, notify_secret) {
        let secret = secret.read().context("the secret of the notifications")?;
        behaviour = behaviour.telling(&url, &secret).context("--notify-url")?;
    }
    let options = SimulatorOptions { listen, state_dir, pace: Pace::default(), behaviour };
    let simulator = Simulator::bind(options).await?;
    simulator
        .serve(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
        .await?;
    Ok(())
}
