//! `holdfast describe`: the topology as a value, and the schemas, as this binary has them.

use clap::{Args, ValueEnum};
use schemas::codec::RecordKind;

use crate::payments;

/// Print the topology (sources, processors, stores, sinks, followers) or a schema.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast describe                      the topology, for people
  holdfast describe --format mermaid     as a picture for Markdown
  holdfast describe --schema command     the Avro schema that a producer writes
")]
pub struct DescribeArguments {
    /// How to print the topology.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Print this schema instead, everything in place.
    #[arg(long, value_enum, value_name = "RECORD", conflicts_with = "format")]
    pub schema: Option<Schema>,
}

/// How a topology is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Indented lines.
    Text,
    /// A flowchart.
    Mermaid,
}

/// The record whose schema is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// Of topic `commands`.
    Command,
    /// Of topic `operations`.
    Operation,
    /// Of topic `gateway-results`.
    GatewayResult,
    /// Of topic `transfers`.
    TransferLeg,
    /// Of topic `journal`.
    Entry,
    /// Of topic `dead-letters`.
    DeadLetter,
}

/// Prints the topology or a schema.
///
/// # Errors
/// When the topology is not valid, which a test excludes.
pub fn describe(arguments: &DescribeArguments) -> anyhow::Result<()> {
    if let Some(schema) = arguments.schema {
        let kind = match schema {
            Schema::Command => RecordKind::Command,
            Schema::Operation => RecordKind::Operation,
            Schema::GatewayResult => RecordKind::GatewayResult,
            Schema::TransferLeg => RecordKind::TransferLeg,
            Schema::Entry => RecordKind::Entry,
            Schema::DeadLetter => RecordKind::DeadLetter,
        };
        println!("{}", kind.schema().json().trim_end());
        return Ok(());
    }
    let topology = payments::topology();
    let faults = topology.validate();
    anyhow::ensure!(faults.is_empty(), "the topology is not valid: {faults:?}");
    match arguments.format {
        Format::Text => print!("{}", topology.describe()),
        Format::Mermaid => print!("{}", topology.mermaid()),
    }
    Ok(())
}
