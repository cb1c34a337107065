//! `holdfast topics`: what the topics hold, and whether those on the broker are safe.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use schemas::{PartitionCount, Retention, Topic};

use crate::engine::kafka::admin::{TopicProfile, check_topics};
use crate::runtime::connection;
use crate::settings::{KafkaSettings, Profile, default_partitions};

/// Print the topics: who writes them, what they hold, how long they are kept.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast topics                                  the table
  holdfast topics --check --profile production     hold the topics of a broker against it

With --check it ends with 1 when a topic is missing or dangerous, and says what to do.
")]
pub struct TopicsArguments {
    #[command(flatten)]
    kafka: KafkaSettings,

    /// Ask the broker whether its topics are safe.
    #[arg(long)]
    check: bool,

    /// How careful to be.
    #[arg(long, env = "HOLDFAST_PROFILE", value_enum, default_value_t = Profile::Production)]
    profile: Profile,

    /// How many partitions they must have.
    #[arg(long, value_name = "COUNT", env = "HOLDFAST_PARTITIONS")]
    partitions: Option<PartitionCount>,
}

/// Prints the topics, and checks them when asked to.
///
/// # Errors
/// When the broker does not answer.
pub async fn topics(arguments: TopicsArguments) -> anyhow::Result<ExitCode> {
    print_table(&arguments);
    if !arguments.check {
        return Ok(ExitCode::SUCCESS);
    }
    let profile = match arguments.profile {
        Profile::Dev => TopicProfile::Dev,
        Profile::Production => TopicProfile::Production,
    };
    let count = arguments.partitions.unwrap_or_else(|| default_partitions(arguments.profile));
    let findings = tokio::task::spawn_blocking(move || {
        let prefix = &arguments.kafka.topic_prefix;
        check_topics(&connection(&arguments.kafka), prefix, count, profile)
    })
    .await??;
    if findings.is_empty() {
        println!("The topics on the broker are safe.");
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("{} findings.", findings.len());
    Ok(ExitCode::FAILURE)
}

fn print_table(arguments: &TopicsArguments) {
    let rows = Topic::ALL.map(|topic| {
        [
            topic.name(&arguments.kafka.topic_prefix).to_string(),
            topic.writers().to_owned(),
            topic.holds().to_owned(),
            kept(topic.retention()),
        ]
    });
    if !std::io::stdout().is_terminal() {
        for row in rows {
            println!("{}", row.join("\t"));
        }
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["topic", "written by", "holds", "kept"]);
    table.add_rows(rows);
    println!("{table}");
}

fn kept(retention: Retention) -> String {
    match retention {
        Retention::ForEver => "for ever".to_owned(),
        Retention::Days(days) => format!("{days} days"),
        Retention::Compacted => "the newest of each key".to_owned(),
    }
}
