//! Log lines: for people on a terminal, JSON in a pipe.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `RUST_LOG` chooses what; by default what an operator acts on
/// (`RUST_LOG=info,rdkafka=warn,librdkafka=warn` shows what the Kafka client says, too).
pub fn start() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,rdkafka=off,librdkafka=error"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
    // Somebody started it already: a test does.
    drop(started);
}
