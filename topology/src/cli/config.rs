//! `holdfast config`: every setting of `holdfast run`, what is in force, and where it is from.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::Context;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use connectors::gateway::table::GatewayTable;
use schemas::{Amount, GatewayName};

use crate::logging::LoggingSettings;
use crate::settings::RunSettings;

/// Print every setting of `holdfast run`: its variable, the value in force, and where it is from.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = "\
Examples:
  holdfast config                                what would be in force here
  HOLDFAST_PROFILE=dev holdfast config           what a variable changes
  holdfast config --markdown                     the table of docs/configuration.md
")]
pub struct ConfigArguments {
    /// Print the table of all settings as Markdown, with defaults instead of values in force.
    #[arg(long)]
    pub markdown: bool,
}

/// A command line that has all the settings of `run` and nothing else.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Settings {
    #[command(flatten)]
    run: RunSettings,

    #[command(flatten)]
    logging: LoggingSettings,
}

/// Prints the settings.
///
/// # Errors
/// When a variable has a value that it cannot have, or settings contradict each other.
pub fn config(arguments: &ConfigArguments) -> anyhow::Result<()> {
    if arguments.markdown {
        print!("{}", markdown());
        return Ok(());
    }
    let matches = Settings::command()
        .try_get_matches_from(std::iter::empty::<String>())
        .context("the settings in the environment are not valid")?;
    let settings = Settings::from_arg_matches(&matches).context("the settings are not valid")?;
    let command = Settings::command();
    let rows = command.get_arguments().filter_map(|argument| {
        let id = argument.get_id().as_str();
        let variable = argument.get_env()?.to_string_lossy().into_owned();
        let values = matches.get_raw(id).into_iter().flatten();
        let value = values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",");
        let source = match matches.value_source(id) {
            Some(clap::parser::ValueSource::EnvVariable) => "environment",
            Some(clap::parser::ValueSource::CommandLine) => "command line",
            _ => "default",
        };
        let value = if variable == "HOLDFAST_KAFKA_PROPERTIES" && !value.is_empty() {
            // It may hold passwords.
            "(set, not shown)".to_owned()
        } else {
            value
        };
        Some([variable, value, source.to_owned()])
    });
    print_rows(rows.collect());
    println!("{}", gateways_text(&*settings.run.gateways()?));
    settings.run.policy().context("the settings contradict each other")?;
    settings.run.shards().context("the settings contradict each other")?;
    Ok(())
}

/// The table of gateways, secrets by reference.
fn gateways_text(table: &GatewayTable) -> String {
    let mut text = String::from("# gateways");
    let none = || "none".to_owned();
    for row in table.gateways() {
        let kind = serde_json::to_value(row.kind).expect("a word");
        let base = row.base_url.as_deref().unwrap_or("its own place");
        let key = row.credentials.as_ref().map_or_else(none, ToString::to_string);
        let secrets: Vec<_> = row.webhook_secrets.iter().map(ToString::to_string).collect();
        let secrets = if secrets.is_empty() { none() } else { secrets.join(", ") };
        write!(
            text,
            "\n#   {}: {}, at {base}; key in: {key}; notifications signed with: {secrets}; \
             {} calls at once, {} ms each; keys kept {} h",
            row.name,
            kind.as_str().unwrap_or_default(),
            row.concurrency,
            row.call_timeout_ms,
            row.key_retention_hours,
        )
        .expect("a string takes all");
    }
    for route in table.routes() {
        let names: Vec<_> = route.gateways.iter().map(GatewayName::as_str).collect();
        let bound = |amount: Option<Amount>| {
            amount.map_or_else(|| "…".to_owned(), |it| it.minor().to_string())
        };
        let currencies = route.currencies.as_ref().map_or_else(
            || "every currency".to_owned(),
            |all| all.iter().map(|currency| currency.code()).collect::<Vec<_>>().join(", "),
        );
        let (from, to, names) = (bound(route.from), bound(route.to), names.join(", then "));
        write!(text, "\n#   {currencies}, {from} to {to}: {names}").expect("a string takes all");
    }
    text
}

fn print_rows(rows: Vec<[String; 3]>) {
    if !std::io::stdout().is_terminal() {
        for [variable, value, source] in rows {
            println!("{variable}={value}\t# {source}");
        }
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["variable", "in force", "from"]);
    table.add_rows(rows);
    println!("{table}");
}

/// Every setting with its default, as the table of docs/configuration.md.
pub fn markdown() -> String {
    let mut text = String::from("| variable | flag | default | what it is |\n|---|---|---|---|\n");
    let command = Settings::command();
    for argument in command.get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else {
            continue;
        };
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let (variable, defaults) = (variable.to_string_lossy(), defaults.join(", "));
        writeln!(text, "| `{variable}` | `--{flag}` | {defaults} | {help} |")
            .expect("a string takes all");
    }
    text
}
