//! `holdfast`: one binary, one subcommand for each thing that it does.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tikv_jemallocator::Jemalloc;
use tokio::runtime::{Builder, Runtime};
use topology::cli;
use topology::logging::LoggingSettings;

// A payment makes some 500 small allocations, most of which another thread frees. With this crate
// linked the C libraries allocate from it, too.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A payment engine whose database is a Kafka log.
///
/// Wallets hold money; a payment reserves it, an external gateway is charged, and whatever fails is
/// compensated. Every fact is an entry in a journal that can be replayed.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    logging: LoggingSettings,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(cli::dev::DevArguments),
    Run(cli::run::RunArguments),
    GatewaySim(cli::gateway_sim::GatewaySimArguments),
    Describe(cli::describe::DescribeArguments),
    Topics(cli::topics::TopicsArguments),
    Audit(cli::audit::AuditArguments),
    Load(Box<cli::load::LoadArguments>),
    Journal(cli::journal::JournalArguments),
    Explain(cli::explain::ExplainArguments),
    DeadLetters(cli::dead_letters::DeadLettersArguments),
    Config(cli::config::ConfigArguments),
    Status(cli::status::StatusArguments),
}

/// What runs, whatever the binary is called.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    topology::logging::start(&arguments.logging);
    let runtime = match runtime(&arguments.command) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Dev(arguments) => cli::dev::dev(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::Run(arguments) => cli::run::run(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::GatewaySim(arguments) => {
                cli::gateway_sim::gateway_sim(arguments).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Describe(arguments) => {
                cli::describe::describe(&arguments).map(|()| ExitCode::SUCCESS)
            }
            Command::Topics(arguments) => cli::topics::topics(arguments).await,
            Command::Audit(arguments) => cli::audit::audit(arguments).await,
            Command::Load(arguments) => cli::load::load(*arguments).await,
            Command::Journal(arguments) => cli::journal::journal(arguments).await,
            Command::Explain(arguments) => cli::explain::explain(arguments).await,
            Command::DeadLetters(arguments) => cli::dead_letters::dead_letters(arguments).await,
            Command::Status(arguments) => Ok(cli::status::status(arguments).await),
            Command::Config(arguments) => {
                cli::config::config(&arguments).map(|()| ExitCode::SUCCESS)
            }
        }
    });
    // Kafka clients that tasks still hold are closed before the process ends: their threads must
    // not run while the C library is torn down. Bounded, for a task that does not come back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The gateway simulator has one thread: on a machine that it shares, waking another costs more
/// than it gains. All others have one per core.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    if matches!(command, Command::GatewaySim(_)) {
        return Builder::new_current_thread().enable_all().build();
    }
    Runtime::new()
}
