//! `holdfast explain`: the story of one payment, refund, transfer or wallet, in plain language.
//!
//! Reads the journal from outside, as `holdfast journal` does, and works without any other part of
//! the product: the id says which partition tells of it. The words are made by
//! [`processors::story`]; how they look is made here.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use processors::story::{self, Story, Subject};
use schemas::entry::Entry;
use schemas::{PaymentId, Position, RefundId, TransferId, WalletId};
use uuid::Uuid;

use crate::cli::journal::reader::{JournalAddress, JournalReader, servers};
use crate::settings::KafkaSettings;
use rendering::Form;

mod rendering;

/// Exit code when no entry tells of the id.
const EXIT_NOTHING_FOUND: u8 = 1;
/// Steps that are shown unless all are asked for: a wallet may have thousands.
const STEPS_SHOWN: usize = 200;

/// Tell what happened to a payment, a refund, a transfer or a wallet, and what it waits for now.
///
/// Step by step: what came in, what it led to, what was seen outside, and what the wallet had
/// afterwards.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast explain 34f765f9-56c2-8c67-be57-7d65b8490645
      the id alone: what it is of is found out
  holdfast explain wallet 1e6c3b52-3e3f-5a36-9a7d-0f1d8c1a2b3c --all
      all that ever touched a wallet
  holdfast explain payment 34f765f9-56c2-8c67-be57-7d65b8490645 --json
      for programs

It reads one partition of the journal from its beginning (of a transfer two), so it takes as long as
that is.

Exit code: 0, or 1 when no entry tells of the id.
")]
pub struct ExplainArguments {
    /// `payment`, `refund`, `transfer` or `wallet`, if it cannot be told from the id; then the id.
    #[arg(value_name = "[KIND] ID", required = true, num_args = 1..=2)]
    what: Vec<String>,

    /// Show every step, however many there are.
    #[arg(long)]
    all: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    kafka: KafkaSettings,
}

/// Tells the story that is asked for.
///
/// # Errors
/// What was asked is no id, the broker does not answer or has no journal, or reading stalls.
pub async fn explain(arguments: ExplainArguments) -> anyhow::Result<ExitCode> {
    let subjects = subjects(&arguments.what)?;
    let (asked, kafka) = (arguments.what.join(" "), arguments.kafka.clone());
    let told = tokio::task::spawn_blocking(move || told(&kafka, &subjects));
    let Some(story) = told.await.context("the reader of the journal died")?? else {
        eprintln!(
            "holdfast explain: no entry of the journal tells of {asked}. Whatever reached the log \
             has an entry within seconds. Is the id complete, and --topic-prefix that of its \
             installation? Deposits and withdrawals are in the story of their wallet; `holdfast \
             journal --refused` shows what was refused."
        );
        return Ok(ExitCode::from(EXIT_NOTHING_FOUND));
    };
    let form = match (arguments.json, io::stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Terminal,
        (false, false) => Form::Plain,
    };
    let shown = if arguments.all { usize::MAX } else { STEPS_SHOWN };
    let text = rendering::render(form, &story, shown)?;
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `holdfast explain … | head` has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.context("cannot write the story")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the words may mean, the likeliest first.
fn subjects(what: &[String]) -> anyhow::Result<Vec<Subject>> {
    let (kind, id) = match what {
        [id] => (None, id),
        [kind, id] => (Some(kind.as_str()), id),
        _ => bail!("name one id, for example: holdfast explain payment <ID>"),
    };
    let parsed = Uuid::try_parse(id.trim());
    let id = parsed.ok().with_context(|| {
        format!("{id:?} is no id: ids read like 34f765f9-56c2-8c67-be57-7d65b8490645")
    })?;
    let bytes = *id.as_bytes();
    let payment = Subject::Payment(PaymentId::from_bytes(bytes));
    let refund = Subject::Refund(RefundId::from_bytes(bytes));
    let transfer = Subject::Transfer(TransferId::from_bytes(bytes));
    let wallet = Subject::Wallet(WalletId::from_bytes(bytes));
    Ok(match kind {
        Some("payment") => vec![payment],
        Some("refund") => vec![refund],
        Some("transfer") => vec![transfer],
        Some("wallet") => vec![wallet],
        Some(other) => bail!("{other:?}: write payment, refund, transfer or wallet"),
        // Names of wallets are version 5, derived ids version 8.
        None if id.get_version_num() == 5 => vec![wallet],
        None => vec![payment, refund, transfer],
    })
}

/// The story of the first of these that the journal tells of; blocks the thread.
fn told(kafka: &KafkaSettings, subjects: &[Subject]) -> anyhow::Result<Option<Story>> {
    let reader = JournalReader::open(JournalAddress {
        bootstrap_servers: servers(kafka),
        kafka_properties: &kafka.kafka_property,
        topic_prefix: &kafka.topic_prefix,
        reader: "explain",
    })?;
    let Some(first) = subjects.first() else { return Ok(None) };
    let home = first.shard(reader.count());
    let mut entries = Vec::new();
    read(&reader, home.number(), subjects, &mut entries)?;
    let begun = |subject: &&Subject| entries.iter().any(|(_, entry)| subject.begins_in(entry));
    let named = |subject: &&Subject| entries.iter().any(|(_, entry)| subject.concerns(entry));
    let subject = subjects.iter().find(begun).or_else(|| subjects.iter().find(named)).copied();
    let Some(subject) = subject else { return Ok(None) };
    if let Subject::Transfer(id) = subject {
        let receiver = entries.iter().find_map(|(_, entry)| story::receiver_in(id, entry));
        let away = receiver.map(|wallet| wallet.shard(reader.count())).filter(|at| *at != home);
        if let Some(away) = away {
            read(&reader, away.number(), &[subject], &mut entries)?;
        }
    }
    Ok(story::tell(subject, &entries))
}

/// Collects the entries of a partition that are about one of these.
fn read(
    reader: &JournalReader,
    partition: i32,
    subjects: &[Subject],
    entries: &mut Vec<(Position, Entry)>,
) -> anyhow::Result<()> {
    for extent in reader.extents()? {
        if extent.partition.number() != partition {
            continue;
        }
        // Every entry may be about it.
        let _ = reader.read(extent, |record| {
            let position = record.position;
            let entry = record.entry.with_context(|| {
                format!("{position} is no entry that this version reads; `holdfast audit` judges")
            })?;
            if subjects.iter().any(|subject| subject.concerns(&entry)) {
                entries.push((position, entry));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> anyhow::Result<Vec<&'static str>> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(subjects(&words)?.into_iter().map(Subject::kind).collect())
    }

    #[test]
    fn the_kind_is_told_from_the_id_or_named() {
        let derived = "34f765f9-56c2-8c67-be57-7d65b8490645";
        let named = "34f765f9-56c2-5c67-be57-7d65b8490645";
        let found = asked(&[derived]).expect("an id");
        assert_eq!(found, ["payment", "refund", "transfer"]);
        assert_eq!(asked(&[named]).expect("an id"), ["wallet"]);
        for kind in ["payment", "refund", "transfer", "wallet"] {
            assert_eq!(asked(&[kind, derived]).expect("an id"), [kind]);
        }
        let error = asked(&["deposit", derived]).expect_err("no such story").to_string();
        assert!(error.contains("payment, refund, transfer or wallet"), "{error}");
        let error = asked(&["34f7"]).expect_err("no id").to_string();
        assert!(error.contains("ids read like"), "{error}");
    }
}
