//! `holdfast dead-letters`: inputs that nobody could read, looked at and sent again.
//!
//! Reads the topic `dead-letters` from outside. A letter may be there twice; it is shown once, by
//! its position in the journal. Sending one again writes its original bytes to the partition that
//! they came from, as a new record: whatever it says is decided anew, and every id that it derives
//! is the same as before, so what was done meanwhile is not done again.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use schemas::dead_letter::DeadLetter;
use schemas::{Offset, Partition, Position, Topic};

use crate::cli::journal::reader::{JournalAddress, JournalReader, servers};
use crate::engine::application::Record;
use crate::engine::kafka::producer::{IngressLimits, IngressProducer};
use crate::runtime::connection;
use crate::settings::KafkaSettings;
use rendering::Form;

mod rendering;

/// Exit code when there is no such letter.
const EXIT_NOTHING_FOUND: u8 = 1;

/// Look after inputs that could not be read: list them, show one, send one again.
///
/// Whatever a producer writes that is no record of its topic becomes a refused entry of the journal
/// and a dead letter, with where it came from, why, and the first 64 KiB of it.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast dead-letters list
      every one that is kept, the oldest first of each partition
  holdfast dead-letters show 1-42
      where it came from, why it was refused, and its bytes
  holdfast dead-letters redrive 1-42
      writes its bytes to its input topic again, once the reason is gone

Exit code: 0; 1 when there is no such letter, or it cannot be sent again.
")]
pub struct DeadLettersArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Every dead letter that is kept: 30 days.
    List(ListArguments),
    /// One dead letter, with its bytes.
    Show(ShowArguments),
    /// Write the bytes of a dead letter to its input topic again.
    Redrive(RedriveArguments),
}

#[derive(Debug, Clone, Args)]
struct ListArguments {
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kafka: KafkaSettings,
}

#[derive(Debug, Clone, Args)]
struct ShowArguments {
    /// The position of its entry in the journal, as `list` shows it: 1-42.
    position: Position,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kafka: KafkaSettings,
}

#[derive(Debug, Clone, Args)]
struct RedriveArguments {
    /// The position of its entry in the journal, as `list` shows it: 1-42.
    position: Position,

    /// Do not ask.
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    kafka: KafkaSettings,
}

/// Does what is asked with dead letters.
///
/// # Errors
/// The broker does not answer or has no such topic, or it does not take the record.
pub async fn dead_letters(arguments: DeadLettersArguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::List(arguments) => list(arguments).await,
        Action::Show(arguments) => show(arguments).await,
        Action::Redrive(arguments) => redrive(arguments).await,
    }
}

async fn list(arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let json = arguments.json;
    let letters = on_a_thread(move || read(&arguments.kafka, None)).await?;
    print(&rendering::list(form(json), &letters)?)?;
    Ok(ExitCode::SUCCESS)
}

async fn show(arguments: ShowArguments) -> anyhow::Result<ExitCode> {
    let (json, position) = (arguments.json, arguments.position);
    let Some(letter) = one(arguments.kafka, position).await? else {
        return Ok(not_found(position));
    };
    print(&rendering::one(form(json), &letter)?)?;
    Ok(ExitCode::SUCCESS)
}

async fn redrive(arguments: RedriveArguments) -> anyhow::Result<ExitCode> {
    let position = arguments.position;
    let kafka = arguments.kafka.clone();
    let Some(letter) = one(kafka, position).await? else { return Ok(not_found(position)) };
    let (topic, partition) = place(&letter)?;
    if !letter.is_whole() {
        bail!(
            "dead letter {position} was {} bytes long and the first {} are kept: what was cut off \
             cannot be sent again; its sender must write it anew, shorter",
            letter.length,
            letter.original.0.len()
        );
    }
    let (bytes, name) = (letter.original.0.len(), topic.name(&arguments.kafka.topic_prefix));
    let what = format!("{bytes} bytes of dead letter {position} to {name}, partition {partition}");
    if !arguments.yes && !confirmed(&what)? {
        eprintln!("Nothing was written.");
        return Ok(ExitCode::from(EXIT_NOTHING_FOUND));
    }
    let offset = send(&arguments.kafka, topic, partition, letter).await?;
    println!("Wrote {what}: it is the record {topic}/{partition}/{offset} now.");
    println!("What became of it: holdfast journal --source {topic}/{partition}/{offset} --follow");
    Ok(ExitCode::SUCCESS)
}

/// Where the letter came from.
fn place(letter: &DeadLetter) -> anyhow::Result<(Topic, Partition)> {
    let topic = Topic::INPUTS.into_iter().find(|input| input.label() == letter.topic);
    let place = topic.zip(Partition::new(letter.partition));
    place.with_context(|| format!("{}/{} is no input topic", letter.topic, letter.partition))
}

/// Asks a person; refuses to guess where there is none.
fn confirmed(what: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("this writes {what}; nobody is here to confirm it: say --yes");
    }
    eprint!("Write {what}? [y/N] ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn send(
    kafka: &KafkaSettings,
    topic: Topic,
    partition: Partition,
    letter: DeadLetter,
) -> anyhow::Result<Offset> {
    let mut kafka = kafka.clone();
    kafka.kafka_bootstrap_servers = servers(&kafka).to_owned();
    let limits = IngressLimits::default();
    let producer =
        IngressProducer::new(&connection(&kafka), &kafka.topic_prefix, "redrive", limits)?;
    let value = Some(letter.original.0).filter(|bytes| !bytes.is_empty()).map(Bytes::from);
    let record = Record { timestamp_ms: 0, key: None, value, headers: Vec::new() };
    let sent = producer.send(topic, partition, &record).await;
    tokio::task::spawn_blocking(move || producer.close()).await?;
    sent.with_context(|| format!("{topic} did not confirm the record; look before you repeat it"))
}

async fn one(kafka: KafkaSettings, position: Position) -> anyhow::Result<Option<DeadLetter>> {
    let mut letters = on_a_thread(move || read(&kafka, Some(position))).await?;
    Ok(letters.pop())
}

async fn on_a_thread(
    read: impl FnOnce() -> anyhow::Result<Vec<DeadLetter>> + Send + 'static,
) -> anyhow::Result<Vec<DeadLetter>> {
    tokio::task::spawn_blocking(read).await.context("the reader of the dead letters died")?
}

/// The letters that are kept, each once, in the order of the journal: all of them, or this one.
fn read(kafka: &KafkaSettings, only: Option<Position>) -> anyhow::Result<Vec<DeadLetter>> {
    let address = JournalAddress {
        bootstrap_servers: servers(kafka),
        kafka_properties: &kafka.kafka_property,
        topic_prefix: &kafka.topic_prefix,
        reader: "dead-letters",
    };
    let reader = JournalReader::open_topic(address, Topic::DeadLetters)?;
    let mut letters = BTreeMap::new();
    for extent in reader.extents()? {
        if only.is_some_and(|position| position.partition != extent.partition) {
            continue;
        }
        // Every one is wanted.
        let _ = reader.read_as::<DeadLetter>(extent, |letter| {
            let letter = letter.with_context(|| format!("{} holds no letter", reader.journal()))?;
            if let Ok(position) = letter.position.parse::<Position>()
                && only.is_none_or(|only| only == position)
            {
                letters.insert((position.partition, position.offset), letter);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(letters.into_values().collect())
}

fn form(json: bool) -> Form {
    match (json, io::stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Terminal,
        (false, false) => Form::Plain,
    }
}

fn not_found(position: Position) -> ExitCode {
    eprintln!(
        "holdfast dead-letters: there is no dead letter {position}: `holdfast dead-letters list` \
         shows those that are kept; the input stays in the journal, `holdfast journal --from \
         {position}` shows it"
    );
    ExitCode::from(EXIT_NOTHING_FOUND)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `holdfast dead-letters list | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
