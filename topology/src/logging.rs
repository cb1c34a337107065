//! Log lines: for people on a terminal, JSON in a pipe.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Args)]
pub struct LoggingSettings {
    /// How log lines are written; by default text on a terminal and JSON in a pipe.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "HOLDFAST_LOG_FORMAT",
        value_enum,
        global = true,
        help_heading = "Telemetry"
    )]
    pub log_format: Option<LogFormat>,
}

/// A form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Starts logging to standard error. `RUST_LOG` chooses what; by default what an operator acts on
/// (`RUST_LOG=info,hop=debug` shows the way of every request, too,
/// `RUST_LOG=info,rdkafka=warn,librdkafka=warn` what the Kafka client says).
pub fn start(settings: &LoggingSettings) {
    let is_terminal = std::io::stderr().is_terminal();
    let by_default = if is_terminal { LogFormat::Text } else { LogFormat::Json };
    let format = settings.log_format.unwrap_or(by_default);
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,rdkafka=off,librdkafka=error"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let is_coloured = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let started = match format {
        LogFormat::Text => builder.with_target(false).with_ansi(is_coloured).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    // Somebody started it already: a test does.
    drop(started);
}
