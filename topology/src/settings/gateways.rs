//! Which gateways there are: a table in a file, or one gateway by its settings.
//!
//! The file is read once, with the settings: what a process decides by does not change under it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use connectors::gateway::secret::SecretReference;
use connectors::gateway::table::{self, GatewayRow, GatewayTable, TableInvalid};
use processors::policy::{GatewayPolicy, GatewayRoute, InquiryKind};
use schemas::GatewayName;

/// What kind of gateway is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GatewayKind {
    /// The gateway simulator, over HTTP at its URL.
    Simulator,
    /// The same without HTTP, in this process; its charges are in `gateway-sim` of the state
    /// directory. For benchmarks and tests; not in profile production.
    InProcess,
}

/// The call may overrun its time-out by so much: the client's own bookkeeping, in milliseconds.
const CALL_OVERRUN_MS: u64 = 1_000;
/// As long as it takes to tell a host that is not there from one that does not answer.
const CONNECT_TIMEOUT_MS: u64 = 2_000;

/// A table of gateways as it stood in its file; none where the name of the file is empty.
#[derive(Debug, Clone)]
pub struct GatewaysFile(Option<Arc<GatewayTable>>);

impl GatewaysFile {
    /// Reads the table in the file at this path.
    ///
    /// # Errors
    /// It cannot be read, or everything that is wrong with it.
    pub fn read(path: &str) -> Result<Self, String> {
        // A line like `HOLDFAST_GATEWAYS_FILE=` of an .env file means: none.
        if path.trim().is_empty() {
            return Ok(Self(None));
        }
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let table = GatewayTable::parse(&text).map_err(|invalid| invalid.to_string())?;
        Ok(Self(Some(Arc::new(table))))
    }
}

/// The gateways: a table in a file, or one by its name in the log, where it is and what it
/// promises.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewaySettings {
    /// The table of all gateways (docs/gateways.md). With it, the settings of the one gateway do
    /// not count, but for the operation window.
    #[arg(
        long,
        value_name = "FILE",
        env = "HOLDFAST_GATEWAYS_FILE",
        value_parser = GatewaysFile::read
    )]
    pub gateways_file: Option<GatewaysFile>,

    /// Its name in the log.
    #[arg(long, value_name = "NAME", env = "HOLDFAST_GATEWAY_NAME", default_value = "simulator")]
    pub gateway_name: GatewayName,

    /// What kind it is: `simulator` is called over HTTP, `in-process` is the simulator without
    /// HTTP, for benchmarks.
    #[arg(
        long,
        env = "HOLDFAST_GATEWAY_KIND",
        value_enum,
        default_value_t = GatewayKind::Simulator
    )]
    pub gateway_kind: GatewayKind,

    /// Where it is.
    #[arg(
        long,
        value_name = "URL",
        env = "HOLDFAST_GATEWAY_URL",
        default_value = "http://127.0.0.1:8090"
    )]
    pub gateway_url: String,

    /// How long one call may take, connecting included, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_CALL_TIMEOUT_MS",
        default_value_t = 3_000,
        value_parser = clap::value_parser!(u64).range(100..=60_000)
    )]
    pub gateway_call_timeout_ms: u64,

    /// How many calls may be under way at once; more wait.
    #[arg(
        long,
        value_name = "COUNT",
        env = "HOLDFAST_GATEWAY_CONCURRENCY",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    pub gateway_concurrency: u32,

    /// How many of its last calls, in percent, open its breaker when they are ill: it is left alone
    /// then for seconds. At 100 only a gateway that fails every call is.
    #[arg(
        long,
        value_name = "PERCENT",
        env = "HOLDFAST_GATEWAY_BREAKER_PERCENT",
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub gateway_breaker_percent: u32,

    /// How long after its request an operation may be handed to the gateway, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_OPERATION_WINDOW_MS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u64).range(100..=600_000)
    )]
    pub gateway_operation_window_ms: u64,

    /// How long after a call the charge may become visible to an inquiry, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        env = "HOLDFAST_GATEWAY_INGESTION_WINDOW_MS",
        default_value_t = 1_000
    )]
    pub gateway_ingestion_window_ms: u64,

    /// How long it remembers idempotency keys, in hours.
    #[arg(
        long,
        value_name = "HOURS",
        env = "HOLDFAST_GATEWAY_KEY_RETENTION_HOURS",
        default_value_t = 24,
        value_parser = clap::value_parser!(u64).range(1..=87_600)
    )]
    pub gateway_key_retention_hours: u64,

    /// Where the secret is that its notifications are signed with: `env:NAME` or `file:PATH`, never
    /// the secret itself. None: no notification is believed.
    #[arg(
        long,
        value_name = "PLACE",
        env = "HOLDFAST_GATEWAY_WEBHOOK_SECRET",
        value_parser = secret_reference
    )]
    pub gateway_webhook_secret: Option<SecretReference>,
}

impl GatewaySettings {
    /// The gateways: those of the file, or the one of the settings.
    ///
    /// # Errors
    /// What is wrong with the one.
    pub fn table(&self) -> Result<Arc<GatewayTable>, TableInvalid> {
        if let Some(GatewaysFile(Some(table))) = &self.gateways_file {
            return Ok(Arc::clone(table));
        }
        GatewayTable::new(vec![self.row()], Vec::new()).map(Arc::new)
    }

    fn row(&self) -> GatewayRow {
        let (kind, base_url) = match self.gateway_kind {
            GatewayKind::Simulator => {
                (table::GatewayKind::Simulator, Some(self.gateway_url.clone()))
            }
            GatewayKind::InProcess => (table::GatewayKind::InProcess, None),
        };
        let call_timeout_ms = self.gateway_call_timeout_ms;
        GatewayRow {
            name: self.gateway_name.clone(),
            kind,
            base_url,
            credentials: None,
            webhook_secrets: self.gateway_webhook_secret.iter().cloned().collect(),
            payment_method: None,
            customer: None,
            connect_timeout_ms: CONNECT_TIMEOUT_MS.min(call_timeout_ms),
            call_timeout_ms,
            maximum_call_time_ms: call_timeout_ms + CALL_OVERRUN_MS,
            concurrency: self.gateway_concurrency,
            breaker_percent: self.gateway_breaker_percent,
            key_retention_hours: self.gateway_key_retention_hours,
            inquiry: table::InquiryKind::Authoritative,
            refund_inquiry: table::InquiryKind::Authoritative,
            ingestion_window_ms: self.gateway_ingestion_window_ms,
        }
    }
}

/// What the ledger is to know of a gateway.
pub(super) fn policy_of(row: &GatewayRow) -> GatewayPolicy {
    GatewayPolicy {
        name: row.name.clone(),
        key_retention: row.key_retention(),
        maximum_call_time: row.maximum_call_time(),
        ingestion_window: row.ingestion_window(),
        inquiry: inquiry_of(row.inquiry),
        refund_inquiry: inquiry_of(row.refund_inquiry),
    }
}

fn inquiry_of(kind: table::InquiryKind) -> InquiryKind {
    match kind {
        table::InquiryKind::Authoritative => InquiryKind::Authoritative,
        table::InquiryKind::Advisory => InquiryKind::Advisory,
        table::InquiryKind::None => InquiryKind::None,
    }
}

/// The routes as the ledger follows them: one for each currency, in their order. A payment that no
/// route of the table fits has no gateway, so there is a last one to nowhere.
pub(super) fn routes_of(table: &GatewayTable) -> Vec<GatewayRoute> {
    let mut routes = Vec::new();
    for route in table.routes() {
        let one = |currency| GatewayRoute {
            currency,
            least: route.from.map_or(0, schemas::Amount::minor),
            most: route.to.map(schemas::Amount::minor),
            gateways: route.gateways.clone(),
        };
        match &route.currencies {
            Some(currencies) => routes.extend(currencies.iter().map(|it| one(Some(*it)))),
            None => routes.push(one(None)),
        }
    }
    let takes_all =
        |route: &GatewayRoute| route.currency.is_none() && route.least == 0 && route.most.is_none();
    if !routes.last().is_some_and(takes_all) {
        routes.push(GatewayRoute { currency: None, least: 0, most: None, gateways: Vec::new() });
    }
    routes
}

/// Where a secret is, from `env:NAME` or `file:PATH`.
///
/// # Errors
/// It is neither; what stands there is not repeated.
pub fn secret_reference(text: &str) -> Result<SecretReference, String> {
    let place = text.split_once(':').filter(|(_, at)| !at.is_empty());
    match place {
        Some(("env", name)) => Ok(SecretReference::Env(name.to_owned())),
        Some(("file", path)) => Ok(SecretReference::File(PathBuf::from(path))),
        // What stands there may be the secret itself.
        Some(_) | None => Err("write env:NAME or file:PATH, where the secret is".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use processors::policy::PlaintextRule;
    use schemas::{Amount, Money};

    use super::*;
    use crate::settings::{RunSettings, SettingsError};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunSettings,
    }

    fn settings(flags: &[&str]) -> Result<RunSettings, clap::Error> {
        let line = ["run", "--profile=dev"].into_iter().chain(flags.iter().copied());
        Line::try_parse_from(line).map(|line| line.run)
    }

    const TABLE: &str = r#"
        [[gateway]]
        name = "first"
        kind = "simulator"
        base_url = "http://127.0.0.1:1"
        inquiry = "none"
        refund_inquiry = "authoritative"

        [[gateway]]
        name = "second"
        kind = "simulator"
        base_url = "http://127.0.0.1:2"

        [[route]]
        currencies = ["EUR", "USD"]
        from = 100
        to = 200
        gateways = ["second", "first"]

        [[route]]
        currencies = ["JPY"]
        gateways = ["first"]
    "#;

    fn of_file(text: &str) -> Result<RunSettings, clap::Error> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("gateways.toml");
        std::fs::write(&path, text).expect("written");
        // Read once, here: the file is gone when the policy is asked for.
        settings(&["--gateways-file", &path.display().to_string()])
    }

    #[test]
    fn the_ledger_asks_the_gateways_that_the_table_says() {
        let policy = of_file(TABLE).expect("valid").policy().expect("safe");
        let order = |minor: i64, currency: &str| {
            let amount = Amount::try_from(minor).expect("an amount");
            let money = Money::new(amount, currency.parse().expect("a currency"));
            let gateways = policy.gateways_for(money);
            gateways.iter().map(|gateway| gateway.name.as_str()).collect::<Vec<_>>().join(" ")
        };
        for (minor, currency, expected) in [
            (99, "EUR", ""),
            (100, "EUR", "second first"),
            (200, "USD", "second first"),
            (201, "USD", ""),
            (1, "JPY", "first"),
            (150, "GBP", ""),
        ] {
            assert_eq!(order(minor, currency), expected, "{minor} {currency}");
        }
        let first = &policy.gateways[0];
        assert_eq!(
            (first.inquiry, first.refund_inquiry),
            (InquiryKind::None, InquiryKind::Authoritative,)
        );
        assert_eq!(policy.plaintext, PlaintextRule::Allowed);
    }

    #[test]
    fn without_a_file_there_is_the_one_gateway_of_the_settings() {
        let table = settings(&["--gateway-name=acme"]).expect("valid").gateways().expect("valid");
        assert_eq!(table.gateways().len(), 1);
        let row = &table.gateways()[0];
        assert_eq!((row.name.as_str(), row.kind), ("acme", table::GatewayKind::Simulator));
        assert_eq!((row.call_timeout_ms, row.maximum_call_time_ms), (3_000, 4_000));
        assert!(row.webhook_secrets.is_empty());
        // An empty variable is none.
        let table = settings(&["--gateways-file="]).expect("valid").gateways().expect("valid");
        assert_eq!(table.gateways().len(), 1);
        let secret = settings(&["--gateway-webhook-secret=env:NAME"]).expect("valid");
        let table = secret.gateways().expect("valid");
        let expected = [SecretReference::Env("NAME".to_owned())];
        assert_eq!(table.gateways()[0].webhook_secrets, expected);
    }

    #[test]
    fn what_is_wrong_is_said_and_never_the_secret() {
        for (flags, expected) in [
            (&["--gateways-file=/no/such/file"][..], "No such file"),
            (&["--gateway-webhook-secret=whsec_1"], "env:NAME or file:PATH"),
        ] {
            let error = settings(flags).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        }
        let unknown = of_file(&TABLE.replace(
            "\"JPY\"]\n        gateways = [\"first\"",
            "\"JPY\"]\n        gateways = [\"third\"",
        ));
        let unknown = unknown.expect_err("refused").to_string();
        assert!(unknown.contains("there is no gateway third"), "{unknown}");
    }

    #[test]
    fn every_gateway_must_remember_keys_for_longer_than_an_operation_can_take() {
        let short = TABLE.replace(
            "base_url = \"http://127.0.0.1:2\"",
            "base_url = \"http://127.0.0.1:2\"\nmaximum_call_time_ms = 600000\n\
             key_retention_hours = 1",
        );
        assert!(of_file(&short).expect("valid").policy().is_ok());
        let mut settings = of_file(&short).expect("valid");
        settings.gateway.gateway_operation_window_ms = 3_000_000;
        let error = settings.policy().expect_err("a resend could charge twice");
        let SettingsError::RetentionTooShort { gateway, .. } = &error else { panic!("{error}") };
        assert_eq!(gateway.as_str(), "second");
        assert!(error.to_string().contains("second"), "{error}");
    }

    #[test]
    fn gateways_in_process_are_for_benchmarks() {
        let in_process =
            |name: &str| format!("[[gateway]]\nname = \"{name}\"\nkind = \"in_process\"\n");
        let one = of_file(&in_process("one")).expect("valid");
        assert!(one.policy().is_ok());
        let mut in_production = one;
        in_production.profile = crate::settings::Profile::Production;
        let error = in_production.policy().expect_err("it charges nobody");
        assert!(matches!(error, SettingsError::GatewayInProcess(_)), "{error}");
        let two = of_file(&(in_process("one") + &in_process("two"))).expect("valid");
        assert_eq!(two.policy().expect_err("one book"), SettingsError::GatewaysInProcess);
    }
}
