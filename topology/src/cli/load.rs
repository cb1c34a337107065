//! `holdfast load`: puts an installation under load and says what it did with it.
//!
//! Open loop: payments are due when independent payers would want them, whatever the system does,
//! and every latency counts from that moment. What became of the payments is read from the journal,
//! and the audit has the last word. It decides nothing and uses no more than any producer and any
//! consumer may.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use connectors::gateway::simulator::magic::MagicAmount;
use processors::audit::AuditReport;
use schemas::TopicPrefix;
use schemas::codec::SchemaCatalog;
use tokio::task::spawn_blocking;

use super::audit::{self, AuditOptions, audit_journal};
use crate::registry::{Registry, WriterIds};
use crate::settings::key_value;

mod arrivals;
mod clients;
mod companions;
mod handover;
mod journal_watch;
mod latency;
mod live;
mod measured;
mod mix;
mod outage;
mod over_http;
mod over_kafka;
mod payers;
mod processes;
mod progress;
mod report;
mod run;
mod schedule;
mod search;
mod sighting;
mod tag;
mod tally;
mod target;
mod verdict;

use clients::Clients;
use companions::Shares;
use measured::Measured;
use mix::Mix;
use over_http::ApiAddress;
use progress::Progress;
use report::{Asked, Audit, Report, Step};
use run::{Ground, Path};
use schedule::{Plan, Popularity};
use search::Search;
use target::Target;

/// Exit code of a load that is no success.
const EXIT_FAILED: u8 = 1;
/// Exit code of a load that could not be made.
const EXIT_NOT_MADE: u8 = 2;
/// How long the registry may take to say the ids of our schemas.
const REGISTRY_BOUND: Duration = Duration::from_secs(15);
/// Requests under way at once: each has a connection, and processes may open so many files.
const MAX_REQUESTS: u64 = 4_000;
/// Payments under way at once when nobody waits for an answer.
const MAX_PAYMENTS: u64 = 200_000;
/// The first Ctrl-C ends the sending, the second the waiting; the next ends the process.
const PATIENCE: u32 = 2;
/// In a search, a system that is so many seconds behind does not keep the rate.
const SEARCH_BACKLOG_SECONDS: f64 = 2.0;
/// The largest `--amount`, minor units: the funds of a wallet last for ten million of them.
const MAX_AMOUNT: i64 = payers::FUNDS_MINOR / 10_000_000;

/// Which way the payments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// POST /api/v1/payments, each answered when it is decided.
    Http,
    /// Commands written straight to Kafka, as any producer may.
    Kafka,
}

/// Put the system under load: how many payments a second, how fast, at what cost, and is it all
/// there afterwards?
///
/// Payments are due at random moments at the given rate, whatever the system does, and latencies
/// count from those moments: a system that stalls for a second shows it in everybody's latency.
/// "Decision" is the answer to the POST (with --via kafka the entry in the journal), "terminal" the
/// committed entry that ends the payment. Wallets are opened and funded first. At the end the whole
/// journal is audited, against the gateway's own record where it can be found.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = examples())]
pub struct LoadArguments {
    /// Payments per second, on average.
    #[arg(long, value_name = "PER SECOND", default_value_t = 500.0)]
    pub rate: f64,

    /// How long payments are counted.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,

    /// How long payments are sent before that and not counted. A broker that was just started needs
    /// 30 to 60 s under load to get fast.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub warm_up: u64,

    /// How long after the last payment the others may take to end; what has not ended then is lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub drain: u64,

    /// Which way the payments go.
    #[arg(long, value_enum, default_value_t = Via::Http)]
    pub via: Via,

    /// The most payments under way at once; what is due beyond is not sent, and the load has
    /// failed. By default 4000 over HTTP, where each is a connection, and 200000 over Kafka.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_in_flight: Option<u64>,

    /// Look for the highest rate that is kept with --target-p95-ms, beginning with --rate: each try
    /// is a run of --seconds after --warm-up.
    #[arg(long)]
    pub find_max: bool,

    /// What 95 % of the payments may take to end, for --find-max.
    #[arg(long, value_name = "MS", default_value_t = 100.0)]
    pub target_p95_ms: f64,

    /// How many wallets pay. Those of an earlier load are used again.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, help_heading = "Payments",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub wallets: u32,

    /// Some wallets pay more often than others: the exponent of Zipf's law, 0 for all alike, about
    /// 1 for real life.
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.0, help_heading = "Payments")]
    pub zipf: f64,

    /// This share of the payments, in percent, is of one wallet; 100 shows how fast one wallet is.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Payments")]
    pub hot_wallet: f64,

    /// What becomes of the payments, in shares; see below for the outcomes.
    #[arg(
        long,
        value_name = "OUTCOME=SHARE,...",
        default_value = "completed=100",
        help_heading = "Payments"
    )]
    pub mix: String,

    /// Refund this share of the payments that complete, in percent; every other one only in part.
    /// The commands go straight to the log.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Payments")]
    pub refunds: f64,

    /// So many transfers between the wallets for each hundred payments, straight to the log.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, help_heading = "Payments")]
    pub transfers: f64,

    /// The gateway simulator is away for so long, in the middle of what is counted: it refuses
    /// every connection. Give --drain time enough.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, help_heading = "Payments",
        value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub outage: u64,

    /// The amount of a payment that completes, in minor units of USD.
    #[arg(long, value_name = "MINOR", default_value_t = 100, help_heading = "Payments",
        value_parser = clap::value_parser!(i64).range(1..=MAX_AMOUNT))]
    pub amount: i64,

    /// Print the report as JSON.
    #[arg(long, help_heading = "Report")]
    pub json: bool,

    /// Do not audit the journal at the end.
    #[arg(long, help_heading = "Report")]
    pub no_audit: bool,

    /// A process whose processor time counts; may be repeated. Those of `holdfast dev`, and those
    /// that listen where the target is, are found.
    #[arg(long = "pid", value_name = "NAME=PID", help_heading = "Report",
        value_parser = processes::named)]
    pub pids: Vec<(String, i32)>,

    /// A gateway simulator to ask for its ground truth; may be repeated.
    #[arg(long, value_name = "URL", help_heading = "Report")]
    pub gateway_url: Vec<String>,

    /// A file of ground truth or the directory that holds it, as for `holdfast audit`; may be
    /// repeated. A gateway in process keeps it in `gateway-sim` of its state directory.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub ground_truth: Vec<PathBuf>,

    /// Where `holdfast dev` keeps its state: says where everything is when it is not told.
    #[arg(long, value_name = "DIRECTORY", default_value = ".holdfast", help_heading = "Target")]
    pub state_dir: PathBuf,

    /// Base of the HTTP API.
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub url: Option<String>,

    /// The brokers.
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        env = "KAFKA_BOOTSTRAP_SERVERS",
        help_heading = "Target"
    )]
    pub kafka_bootstrap_servers: Option<String>,

    /// The schema registry, with the Confluent API.
    #[arg(long, value_name = "URL", env = "SCHEMA_REGISTRY_URL", help_heading = "Target")]
    pub schema_registry_url: Option<String>,

    /// What the names of all topics begin with.
    #[arg(
        long,
        value_name = "PREFIX",
        env = "HOLDFAST_TOPIC_PREFIX",
        default_value = "payments",
        help_heading = "Target"
    )]
    pub topic_prefix: TopicPrefix,

    /// Further properties of librdkafka, for TLS and SASL: `security.protocol=SASL_SSL,…`
    #[arg(long, value_name = "KEY=VALUE,...", env = "HOLDFAST_KAFKA_PROPERTIES",
        value_delimiter = ',', value_parser = key_value, help_heading = "Target")]
    pub kafka_property: Vec<(String, String)>,
}

fn examples() -> String {
    format!(
        "\
Examples:
  holdfast load
      500 payments/s for 30 s through the API of `holdfast dev`
  holdfast load --rate 2000 --seconds 60 --warm-up 30 --wallets 10000 --zipf 1
      a longer one, with some wallets busier than others
  holdfast load --mix completed=85,insufficient=5,decline=5,timeout_after_charge=5
      a day like any other
  holdfast load --refunds 2 --transfers 5 --outage 60 --seconds 600 --drain 180
      one with refunds, transfers and a gateway that is away for a minute
  holdfast load --via kafka --rate 10000
      straight to the log: what the ledger can do
  holdfast load --hot-wallet 100 --rate 3000
      how fast is one wallet?
  holdfast load --find-max --seconds 20
      how many payments a second, with 95 % of them ended within 100 ms?
  holdfast load --json | jq '.terminal_ms.p95, .processes'

Outcomes for --mix: {}.
Ctrl-C stops sending, waits for what is under way and reports; a second one does not wait,
a third one leaves at once.

Exit code: 0 all payments ended at the rate at which they were sent and the audit is clean,
1 they did not or it is not, 2 the load could not be made.
",
        mix::names()
    )
}

/// Makes the load and prints its report.
///
/// # Errors
/// Only when standard output cannot be written to.
pub async fn load(arguments: LoadArguments) -> anyhow::Result<ExitCode> {
    match made(&arguments).await {
        Ok((text, true)) => write(&text).map(|()| ExitCode::SUCCESS),
        Ok((text, false)) => write(&text).map(|()| ExitCode::from(EXIT_FAILED)),
        Err(error) => {
            // Without standard error the exit code has to say it.
            let _ = writeln!(io::stderr().lock(), "holdfast load: {error:#}");
            Ok(ExitCode::from(EXIT_NOT_MADE))
        }
    }
}

fn write(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the report"),
    }
}

/// The report, and whether it is one of success.
async fn made(arguments: &LoadArguments) -> anyhow::Result<(String, bool)> {
    let plan = plan(arguments)?;
    let target = Target::of(arguments)?;
    let ground = prepare(arguments, &target).await?;
    let mut progress = Progress::new();
    let found = if arguments.find_max {
        find_max(arguments, &ground, &plan, &mut progress).await?
    } else {
        let measured = ground.run(&plan, &mut progress).await?;
        let reasons = verdict::reasons(&measured, &plan);
        Found { measured, reasons, highest_rate: None, steps: Vec::new() }
    };
    let audited = if arguments.no_audit { None } else { Some(audited(&target).await?) };
    let reasons = verdict::with_audit(found.reasons, audited.as_ref());
    let report = Report {
        passed: reasons.is_empty(),
        reasons: &reasons,
        asked: &asked(arguments),
        measured: &found.measured,
        highest_rate: found.highest_rate,
        steps: &found.steps,
        audit: audited.as_ref().map(Audit::from),
    };
    let text = if arguments.json { report.json()? } else { report.text() };
    Ok((text, report.passed))
}

fn plan(arguments: &LoadArguments) -> anyhow::Result<Plan> {
    let LoadArguments { rate, seconds, warm_up, zipf, hot_wallet, .. } = *arguments;
    ensure!((0.01..=200_000.0).contains(&rate), "--rate is 0.01 to 200000 payments per second");
    ensure!((0.0..=10.0).contains(&zipf), "--zipf is 0 to 10");
    ensure!((0.0..=100.0).contains(&hot_wallet), "--hot-wallet is 0 to 100 percent");
    let LoadArguments { refunds, transfers, outage, .. } = *arguments;
    ensure!((0.0..=100.0).contains(&refunds), "--refunds is 0 to 100 percent");
    ensure!((0.0..=100.0).contains(&transfers), "--transfers is 0 to 100 percent");
    ensure!(transfers <= 0.0 || arguments.wallets > 1, "--transfers needs two --wallets");
    let companions = Shares { refunds: refunds / 100.0, transfers: transfers / 100.0 };
    let is_plain = companions.is_none() && outage == 0;
    ensure!(is_plain || !arguments.find_max, "--find-max goes without refunds, transfers, outage");
    ensure!(outage <= seconds, "--outage is longer than --seconds");
    ensure!(MagicAmount::of(arguments.amount).is_none(), "that --amount misbehaves: use --mix");
    #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
    let count = rate * (seconds + warm_up) as f64;
    ensure!(count < f64::from(u32::MAX), "that is more than {} payments", u32::MAX);
    let max_in_flight = arguments.max_in_flight.unwrap_or(match arguments.via {
        Via::Http => MAX_REQUESTS,
        Via::Kafka => MAX_PAYMENTS,
    });
    Ok(Plan {
        rate,
        warm_up: Duration::from_secs(warm_up),
        counted: Duration::from_secs(seconds),
        popularity: Popularity { wallets: arguments.wallets, zipf, hot: hot_wallet / 100.0 },
        mix: arguments.mix.parse::<Mix>()?,
        amount: arguments.amount,
        max_in_flight,
        companions,
        outage: (outage > 0).then(|| Duration::from_secs(outage)),
    })
}

fn asked(arguments: &LoadArguments) -> Asked {
    Asked {
        via: match arguments.via {
            Via::Http => "http",
            Via::Kafka => "kafka",
        },
        rate: arguments.rate,
        seconds: arguments.seconds,
        warm_up: arguments.warm_up,
        wallets: arguments.wallets,
        zipf: arguments.zipf,
        hot_wallet: arguments.hot_wallet,
        mix: arguments.mix.clone(),
        refunds: arguments.refunds,
        transfers: arguments.transfers,
        outage: arguments.outage,
    }
}

/// Everything that comes before the clock starts.
async fn prepare(arguments: &LoadArguments, target: &Target) -> anyhow::Result<Ground> {
    let path = match arguments.via {
        Via::Http => Path::Http(ApiAddress::of(&target.api_url)?),
        Via::Kafka => Path::Kafka,
    };
    let kafka = target.kafka.clone();
    let clients = spawn_blocking(move || Clients::connect(&kafka)).await??;
    let ids = schema_ids(target).await?;
    let (opening, count) = (clients.clone(), arguments.wallets);
    let payers = spawn_blocking(move || payers::open(&opening, ids, count)).await??;
    let ports = target.local_ports();
    let interrupts = Arc::new(AtomicU32::new(0));
    tokio::spawn(count_interrupts(Arc::clone(&interrupts)));
    Ok(Ground {
        clients,
        path,
        ids,
        payers: Arc::new(payers),
        participants: processes::participants(&arguments.pids, &target.state_directory, &ports),
        drain: Duration::from_secs(arguments.drain),
        gateway_urls: target.gateway_urls.clone(),
        interrupts,
    })
}

async fn schema_ids(target: &Target) -> anyhow::Result<WriterIds> {
    let registry = Registry::new(&target.registry_url)?;
    let catalog = SchemaCatalog::default();
    let registered = registry.register(&target.kafka.topic_prefix, &catalog, |_| {});
    let registered = tokio::time::timeout(REGISTRY_BOUND, registered).await;
    let url = &target.registry_url;
    let registered = registered.with_context(|| format!("no schema registry answers at {url}"))?;
    Ok(registered?)
}

async fn count_interrupts(interrupts: Arc<AtomicU32>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if interrupts.fetch_add(1, Ordering::Relaxed) >= PATIENCE {
            std::process::exit(i32::from(EXIT_NOT_MADE));
        }
    }
}

/// What the runs came to.
struct Found {
    /// The run that is reported.
    measured: Measured,
    /// Why it is no success.
    reasons: Vec<String>,
    /// Of a search.
    highest_rate: Option<f64>,
    /// Of a search.
    steps: Vec<Step>,
}

/// Looks for the highest rate that is kept; gives the run at that rate, or else the last one.
async fn find_max(
    arguments: &LoadArguments,
    ground: &Ground,
    plan: &Plan,
    progress: &mut Progress,
) -> anyhow::Result<Found> {
    let mut search = Search::from(plan.rate);
    let mut steps = Vec::new();
    let mut best: Option<(Measured, Vec<String>)> = None;
    while let Some(rate) = search.next() {
        // Not negative, and bounded below.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let backlog = (rate * SEARCH_BACKLOG_SECONDS) as u64;
        let max_in_flight = plan.max_in_flight.min(backlog.max(100));
        let step = Plan { rate, max_in_flight, ..plan.clone() };
        let measured = ground.run(&step, progress).await?;
        let mut reasons = verdict::reasons(&measured, plan);
        let p95 = measured.terminal_ms.p95;
        if p95 > arguments.target_p95_ms {
            reasons.push(format!("terminal p95 {p95:.1} ms"));
        }
        let kept = reasons.is_empty();
        let step = Step {
            rate,
            terminal_p95_ms: p95,
            completed_per_second: measured.completed_per_second,
            kept,
            reasons: reasons.clone(),
        };
        // Nobody who reads is no reason to stop.
        let _ = writeln!(io::stderr().lock(), "{}", step.line());
        steps.push(step);
        if kept || best.as_ref().is_none_or(|(_, reasons)| !reasons.is_empty()) {
            best = Some((measured, reasons));
        }
        if ground.is_interrupted() {
            break;
        }
        search.tried(rate, kept);
    }
    let (measured, reasons) = best.context("no rate was tried")?;
    Ok(Found { measured, reasons, highest_rate: search.highest(), steps })
}

async fn audited(target: &Target) -> anyhow::Result<AuditReport> {
    let options = AuditOptions {
        bootstrap_servers: target.kafka.kafka_bootstrap_servers.clone(),
        kafka_properties: target.kafka.kafka_property.clone(),
        topic_prefix: target.kafka.topic_prefix.clone(),
        gateway_urls: target.gateway_urls.clone(),
        ground_truth_files: target.ground_truth.clone(),
        progress: audit::Progress::Shown,
    };
    audit_journal(options).await.context("the journal cannot be audited")
}
