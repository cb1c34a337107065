//! `holdfast audit`: reads the whole journal and says what is wrong with it.
//!
//! The judging is `processors::audit`, which shares no code with the ledger. Here the records are
//! read, the gateway's ground truth is fetched and the report is shown. The audit writes nothing,
//! joins no consumer group and may run beside a working system: it judges the journal up to the end
//! that it had at the start.

use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use processors::audit::AuditReport;
use schemas::TopicPrefix;

use super::journal::reader::servers;
use crate::settings::KafkaSettings;

mod ground_truth;
mod journal;
mod rendering;

/// Exit code of an audit that found violations.
const EXIT_VIOLATIONS: u8 = 1;
/// Exit code when there is no verdict: the broker is away, the ground truth cannot be read.
const EXIT_NO_VERDICT: u8 = 2;

/// Check the whole journal: nobody touched it, no money was lost, nobody was charged twice.
///
/// Reads every entry from the first to the newest one and folds it by rules of its own, which share
/// no code with the ledger. With the gateway's own record of its charges it also holds the ledger
/// against what really happened. It only reads, and may run while the system works.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct AuditArguments {
    /// A gateway simulator to ask for its ground truth; may be repeated.
    #[arg(long, value_name = "URL")]
    pub gateway_url: Vec<String>,

    /// A file of ground truth, one JSON charge per line, or the simulator's state directory; may be
    /// repeated. All sources together must be the charges of all gateways, each given once.
    #[arg(long, value_name = "FILE")]
    pub ground_truth: Vec<PathBuf>,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,

    // Last: its heading would stand above every option that follows.
    /// The cluster that holds the journal.
    #[command(flatten)]
    pub kafka: KafkaSettings,
}

const EXAMPLES: &str = "\
Examples:
  holdfast audit
      the journal of the broker at 127.0.0.1:9092, or at KAFKA_BOOTSTRAP_SERVERS
  holdfast audit --gateway-url http://127.0.0.1:8090
      also: was anybody charged twice, or for a payment that failed?
  holdfast audit --ground-truth .holdfast/gateway-sim
      the same from the simulator's file, when the simulator does not run
  holdfast audit --json | jq '.checks[] | select(.violations > 0)'
      what is wrong, for programs

Exit code: 0 clean, 1 violations, 2 no verdict (the broker or the ground truth is away).
";

/// Whether a progress bar is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// On standard error, if that is a terminal.
    Shown,
    /// For programs.
    Hidden,
}

/// What to audit.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The Kafka cluster that holds the journal: host:port, comma-separated.
    pub bootstrap_servers: String,
    /// Further properties of the Kafka client, as librdkafka names them, for TLS and SASL.
    pub kafka_properties: Vec<(String, String)>,
    /// What the names of all topics begin with.
    pub topic_prefix: TopicPrefix,
    /// Gateway simulators to ask for their ground truth.
    pub gateway_urls: Vec<String>,
    /// Files of ground truth, or state directories of simulators.
    pub ground_truth_files: Vec<PathBuf>,
    /// Whether a progress bar is drawn.
    pub progress: Progress,
}

impl From<&AuditArguments> for AuditOptions {
    fn from(arguments: &AuditArguments) -> Self {
        Self {
            bootstrap_servers: servers(&arguments.kafka).to_owned(),
            kafka_properties: arguments.kafka.kafka_property.clone(),
            topic_prefix: arguments.kafka.topic_prefix.clone(),
            gateway_urls: arguments.gateway_url.clone(),
            ground_truth_files: arguments.ground_truth.clone(),
            progress: Progress::Shown,
        }
    }
}

/// Runs the audit and prints its report; what prevents it is printed with the way out.
///
/// # Errors
/// Only when standard output cannot be written to.
pub async fn audit(arguments: AuditArguments) -> anyhow::Result<ExitCode> {
    let report = match audit_journal(AuditOptions::from(&arguments)).await {
        Ok(report) => report,
        Err(error) => {
            let mut errors = io::stderr().lock();
            // Without standard error the exit code has to say it.
            let _ = writeln!(errors, "holdfast audit: no verdict: {error:#}");
            return Ok(ExitCode::from(EXIT_NO_VERDICT));
        }
    };
    let text = if arguments.json {
        rendering::json(&report)?
    } else if io::stdout().is_terminal() {
        rendering::for_terminal(&report)
    } else {
        rendering::plain(&report)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `holdfast audit | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot write the report")?,
    }
    let is_clean = report.is_clean();
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(EXIT_VIOLATIONS) })
}

/// Reads the journal up to the end that it has now, then the ground truth, and judges both.
///
/// # Errors
/// The broker does not answer or has no journal, reading stalls, or a source of ground truth
/// cannot be read; the text says what to do.
pub async fn audit_journal(options: AuditOptions) -> anyhow::Result<AuditReport> {
    let AuditOptions { gateway_urls, ground_truth_files, .. } = options.clone();
    let folded = tokio::task::spawn_blocking(move || journal::fold(&options))
        .await
        .context("the reader of the journal died")??;
    let mut auditor = folded.auditor;
    // The ground truth comes after the end of the journal: what completed by then is in it.
    let sources = ground_truth::Sources { gateway_urls, files: ground_truth_files };
    if let Some((charges, refunds)) = sources.read().await? {
        let journal_end_taken = folded.end_taken;
        let truth = processors::audit::GroundTruth { charges, refunds, journal_end_taken };
        auditor.with_ground_truth(truth);
    }
    Ok(auditor.report())
}
