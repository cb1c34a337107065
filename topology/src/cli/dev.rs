//! `holdfast dev`: everything on this machine, as supervised child processes.
//!
//! Broker and registry (unless configured ones are used), the gateway simulator and the
//! application each run in a process of their own, so that `kill -9` of any of them is a fair
//! demonstration: the supervisor starts it again. It opens the demo wallets through the same HTTP
//! API as everybody else, and knows nothing of topics, stores or the ledger.
//!
//! It stops in the order application, simulator, registry, broker: who is asked comes after who
//! asks.

use std::path::PathBuf;

use clap::Args;

mod background;
mod banner;
mod demo;
mod foreground;
pub(super) mod ready;
mod terminal;

/// Run everything on this machine: a broker, a registry, the gateway simulator, the application.
///
/// Without `KAFKA_BOOTSTRAP_SERVERS` and `SCHEMA_REGISTRY_URL` a real Apache Kafka and a schema
/// registry are fetched once through Maven and run as child processes. Then the gateway simulator
/// and the application start, demo wallets are opened, and curls to try are printed. Whatever is
/// killed is started again; Ctrl-C stops everything; the next start finds every wallet and payment.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "flags, of which clap allows one at a time")]
pub struct DevArguments {
    /// Holds the log, the stores, the output of every process; survives restarts. Remove it to
    /// begin anew.
    #[arg(long, value_name = "DIRECTORY", env = "HOLDFAST_STATE_DIR", default_value = ".holdfast")]
    pub state_dir: PathBuf,

    /// A Kafka cluster to use instead of the embedded broker; goes with --schema-registry-url.
    #[arg(long, value_name = "HOST:PORT,...", env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub kafka_bootstrap_servers: Option<String>,

    /// The schema registry beside that cluster, with the Confluent API.
    #[arg(long, value_name = "URL", env = "SCHEMA_REGISTRY_URL")]
    pub schema_registry_url: Option<String>,

    /// Port of the HTTP API on 127.0.0.1; when it is taken, another one is chosen and printed.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,

    /// Port of the metrics on 127.0.0.1, besides /metrics of the HTTP API; likewise.
    #[arg(long, value_name = "PORT", default_value_t = 9091)]
    pub metrics_port: u16,

    /// Port of the gateway simulator on 127.0.0.1; likewise.
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    pub gateway_port: u16,

    /// The gateway simulator notifies the application of every charge and refund.
    #[arg(long)]
    pub notifications: bool,

    /// Run in the background; return when everything is ready.
    #[arg(long, group = "action")]
    pub detach: bool,

    /// Stop what runs in the background (or in another terminal).
    #[arg(long, group = "action")]
    pub stop: bool,

    /// Say whether it runs, and print the URLs and curls again.
    #[arg(long, group = "action")]
    pub status: bool,

    /// Follow the output of every process.
    #[arg(long, group = "action")]
    pub logs: bool,

    /// What --detach starts: leaves the terminal and keeps its log files to itself.
    #[arg(long, group = "action", hide = true)]
    pub background: bool,
}

const EXAMPLES: &str = "\
Examples:
  holdfast dev                     in this terminal, with the application's log; Ctrl-C stops it
  holdfast dev --detach            in the background
  holdfast dev --status            is it running? URLs and curls again
  holdfast dev --logs              what do they say?
  holdfast dev --stop              stop; wallets and payments are kept in .holdfast
";

/// Runs the supervisor, or asks the one that runs.
///
/// # Errors
/// What is missing and the command that installs it; which process holds the state directory;
/// which child did not start, with the last lines it wrote; `--status` when nothing runs.
pub async fn dev(arguments: DevArguments) -> anyhow::Result<()> {
    if arguments.detach {
        background::detach(&arguments).await
    } else if arguments.stop {
        background::stop(&arguments.state_dir).await
    } else if arguments.status {
        background::status(&arguments.state_dir)
    } else if arguments.logs {
        background::follow_logs(&arguments.state_dir)
    } else {
        foreground::run(arguments).await
    }
}
