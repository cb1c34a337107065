//! `holdfast status`: how a running system is, seen from outside.
//!
//! It asks what everybody may ask, `/health` and `/metrics`, twice with a second in between for the
//! speed of the shards. It knows nothing that these do not say.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use reqwest::Client;
use tokio::time::{Instant, sleep};

mod exposition;
mod rendering;
mod report;

use exposition::Exposition;
use report::{ProcessReport, Rates};

/// How long a process may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks at the counters.
const INTERVAL: Duration = Duration::from_secs(1);

/// Nobody answered.
const UNREACHABLE: u8 = 2;
/// Somebody answered that something is not well.
const UNWELL: u8 = 1;

/// Show how a running system is: components, shards, lags, what gateways owe.
///
/// Exit code 0: everything is well. 1: something is degraded, starting or failing. 2: a process
/// does not answer.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast status                                     the process on 127.0.0.1:8080
  holdfast status --url http://a:8080 --url http://b:8080
  holdfast status --json | jq '.[].shards'
")]
pub struct StatusArguments {
    /// Where a process serves HTTP; several times for several processes.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: Vec<String>,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Shows how a system is; says it with the exit code as well.
pub async fn status(arguments: StatusArguments) -> ExitCode {
    let mut code = 0;
    let mut reports = Vec::new();
    let asked = arguments.url.iter().map(|url| ask(url));
    for (url, answer) in arguments.url.iter().zip(futures::future::join_all(asked).await) {
        match answer {
            Ok(report) => {
                code = code.max(if report.is_well() { 0 } else { UNWELL });
                reports.push(report);
            }
            Err(error) => {
                eprintln!("error: {url} does not answer: {error:#}");
                code = UNREACHABLE;
            }
        }
    }
    let text = if arguments.json {
        rendering::json(&reports)
    } else if std::io::stdout().is_terminal() {
        rendering::for_terminal(&reports)
    } else {
        rendering::plain(&reports)
    };
    print!("{text}");
    ExitCode::from(code)
}

async fn ask(url: &str) -> anyhow::Result<ProcessReport> {
    let base = url.trim_end_matches('/');
    let client = Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let health = client.get(format!("{base}/health")).send().await?;
    let health = health.json().await.context("/health is not what holdfast says")?;
    let (began, before) = (Instant::now(), scrape(&client, base).await?);
    sleep(INTERVAL).await;
    let (seconds, after) = (began.elapsed().as_secs_f64(), scrape(&client, base).await?);
    let rates = Rates { before: &before, after: &after, seconds };
    Ok(ProcessReport::new(base, health, &rates))
}

async fn scrape(client: &Client, base: &str) -> anyhow::Result<Exposition> {
    let answer = client.get(format!("{base}/metrics")).send().await?.error_for_status()?;
    Ok(Exposition::parse(&answer.text().await?))
}
