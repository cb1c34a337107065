//! `holdfast journal`: what became of an input, in words.
//!
//! Reads entries from outside, as anyone with access to the topic could, and shows those that are
//! asked for. It judges nothing (that is `holdfast audit`), and what is sealed stays sealed: the
//! texts of a payment are not shown.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::settings::KafkaSettings;
use reader::{Extent, JournalAddress, JournalReader, JournalRecord, Visited, servers};
use rendering::Form;
use selection::{Selection, Start};

pub(in crate::cli) mod reader;
pub(in crate::cli) mod rendering;
mod selection;

/// Exit code when no entry was found.
const EXIT_NOTHING_FOUND: u8 = 1;

/// Show entries of the journal: what became of a record, a payment, a wallet.
///
/// Every input becomes one entry, refused ones too. Whoever writes to the topics himself sees here
/// what his record was taken for, and what to change about it.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct JournalArguments {
    /// Entries about this wallet.
    #[arg(long, value_name = "ID")]
    wallet: Option<String>,

    /// Entries about this payment.
    #[arg(long, value_name = "ID")]
    payment: Option<String>,

    /// The entry of the command or operation with this id.
    #[arg(long, value_name = "ID")]
    command_id: Option<String>,

    /// The entry of the record at this place of an input topic: commands/1/42.
    #[arg(long, value_name = "TOPIC/PARTITION/OFFSET")]
    source: Option<selection::Place>,

    /// Refused inputs only.
    #[arg(long)]
    refused: bool,

    /// Where to begin: `beginning`, `end`, a time (2026-01-02T03:04:05Z), or a position of the
    /// journal (1-42: of that partition alone).
    #[arg(long, value_name = "WHERE", default_value_t = Start::Beginning)]
    from: Start,

    /// Go on with entries as they come, until Ctrl-C; with --source, until its entry came.
    #[arg(long)]
    follow: bool,

    /// Print one JSON object per line: the whole entry.
    #[arg(long)]
    json: bool,

    // Last: its heading would stand above every option that follows.
    /// The cluster that holds the journal.
    #[command(flatten)]
    kafka: KafkaSettings,
}

const EXAMPLES: &str = "\
Examples:
  holdfast journal --source commands/1/42
      what became of the record at offset 42 of partition 1 of the commands
  holdfast journal --refused --follow --from end
      every refusal from now on, with what its sender should change
  holdfast journal --payment 34f765f9-56c2-8c67-be57-7d65b8490645
      all that ever happened to a payment
  holdfast journal --from 2026-01-02T03:04:05Z --json | jq .decision
      for programs

Without a filter it shows every entry, partition after partition. In a pipe, an entry is one line
of columns with tabs between them.

Exit code: 0, or 1 when no entry was found.
";

/// Shows the entries that are asked for.
///
/// # Errors
/// The broker does not answer or has no journal, reading stalls, or standard output is gone.
pub async fn journal(arguments: JournalArguments) -> anyhow::Result<ExitCode> {
    let shown = tokio::task::spawn_blocking(move || show(&arguments))
        .await
        .context("the reader of the journal died")??;
    if shown > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    // Without standard error the exit code has to say it.
    let _ = writeln!(io::stderr(), "holdfast journal: there is no such entry");
    Ok(ExitCode::from(EXIT_NOTHING_FOUND))
}

/// How many entries were shown; blocks the thread.
fn show(arguments: &JournalArguments) -> anyhow::Result<u64> {
    let reader = JournalReader::open(JournalAddress {
        bootstrap_servers: servers(&arguments.kafka),
        kafka_properties: &arguments.kafka.kafka_property,
        topic_prefix: &arguments.kafka.topic_prefix,
        reader: "journal",
    })?;
    let selection = Selection {
        wallet: arguments.wallet.clone(),
        payment: arguments.payment.clone(),
        command_id: arguments.command_id.clone(),
        source: arguments.source.clone(),
        refused: arguments.refused,
    };
    let extents = selection.extents(begun(&reader, &arguments.from)?);
    anyhow::ensure!(!extents.is_empty(), "{} has no such partition", reader.journal());
    let form = match (arguments.json, io::stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Terminal,
        (false, false) => Form::Plain,
    };
    let mut shown = 0;
    let visit = |record: JournalRecord<'_>| -> Visited {
        if !selection.wants(&record) {
            return Ok(ControlFlow::Continue(()));
        }
        shown += 1;
        match print(&rendering::render(form, &record)?) {
            // `holdfast journal | head` has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ControlFlow::Break(()));
            }
            printed => printed.context("cannot write the entry")?,
        }
        // A record of an input topic has one entry.
        let is_all = selection.source.is_some();
        Ok(if is_all { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    if arguments.follow {
        reader.follow(&extents, visit)?;
    } else {
        read(&reader, &extents, visit)?;
    }
    Ok(shown)
}

/// Where reading begins in each partition, and what each holds now.
fn begun(reader: &JournalReader, from: &Start) -> anyhow::Result<Vec<Extent>> {
    let extents = reader.extents()?;
    Ok(match from {
        Start::Beginning => extents,
        Start::End => extents.iter().map(|all| Extent { begin: all.end, ..*all }).collect(),
        Start::Time(time) => reader.since(&extents, *time)?,
        Start::Position(position) => extents
            .iter()
            .filter(|all| all.partition == position.partition)
            .map(|all| Extent { begin: position.offset.number().clamp(all.begin, all.end), ..*all })
            .collect(),
    })
}

fn read(
    reader: &JournalReader,
    extents: &[Extent],
    mut visit: impl FnMut(JournalRecord<'_>) -> Visited,
) -> anyhow::Result<()> {
    for extent in extents {
        if reader.read(*extent, &mut visit)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
