//! What is known of a process after it was asked.

use serde::{Deserialize, Serialize};

use super::exposition::Exposition;
use crate::metrics::catalogue::Metric;

/// The answer of `/health`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HealthAnswer {
    /// The worst of all components.
    pub status: String,
    /// All components.
    #[serde(default)]
    pub components: Vec<ComponentAnswer>,
}

/// One component.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComponentAnswer {
    /// Which.
    pub name: String,
    /// ok, degraded, starting, failing.
    pub status: String,
    /// In words.
    pub detail: String,
    /// When it was looked at.
    #[serde(default)]
    pub checked_at: String,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessReport {
    /// Where it was asked.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Its components.
    pub health: HealthAnswer,
    /// Its shards.
    pub shards: Vec<ShardReport>,
    /// How far its views are behind, in offsets of the journal.
    pub view_lag: u64,
    /// How far its tail is behind.
    pub tail_lag: u64,
    /// What gateways owe.
    pub gateways: GatewayReport,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

/// One shard.
#[derive(Debug, Clone, Serialize)]
pub struct ShardReport {
    /// Its number.
    pub shard: String,
    /// Where it is in its life.
    pub state: String,
    /// Inputs that are not handled.
    pub lag: u64,
    /// Kafka transactions per second, over the last second.
    pub kafka_transactions_per_second: f64,
    /// Entries per second, over the last second.
    pub entries_per_second: f64,
    /// Kafka transactions that were aborted since the process started.
    pub aborts: u64,
    /// Takeovers after a failure since then.
    pub rebuilds: u64,
    /// Timers that are set.
    pub timers: u64,
}

/// What gateways owe.
#[derive(Debug, Clone, Serialize)]
pub struct GatewayReport {
    /// Operations asked for and not answered.
    pub operations_outstanding: u64,
    /// Calls of this process under way.
    pub calls_under_way: u64,
    /// Payments of which nobody knows the outcome, by currency.
    pub in_doubt: Vec<DoubtReport>,
    /// Refunds of which nobody knows the outcome, by currency.
    pub refunds_in_doubt: Vec<DoubtReport>,
}

/// What is in doubt in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoubtReport {
    /// ISO 4217.
    pub currency: String,
    /// How many payments, or refunds.
    pub count: u64,
    /// How much is held for the payments, or may yet come back by the refunds, in minor units.
    pub minor: u64,
}

/// Two looks at the counters.
pub struct Rates<'a> {
    /// The first.
    pub before: &'a Exposition,
    /// The second.
    pub after: &'a Exposition,
    /// What lies between them.
    pub seconds: f64,
}

impl Rates<'_> {
    fn of_shard(&self, metric: Metric, shard: &str) -> f64 {
        let number = |at: &Exposition| at.labelled(metric, "shard", shard).unwrap_or_default();
        ((number(self.after) - number(self.before)) / self.seconds).max(0.0)
    }
}

impl ProcessReport {
    /// What was answered at this URL.
    pub fn new(url: &str, health: HealthAnswer, rates: &Rates<'_>) -> Self {
        let now = rates.after;
        let sum = |metric| whole(now.of(metric).iter().map(|sample| sample.number).sum());
        let states = now.of(Metric::ShardState).iter().filter(|sample| sample.number > 0.5);
        let version = now.of(Metric::BuildInfo).first();
        Self {
            url: url.to_owned(),
            version: version.map_or_else(String::new, |info| info.label("version").to_owned()),
            health,
            shards: states
                .map(|sample| ShardReport::new(sample.label("shard"), sample.label("state"), rates))
                .collect(),
            view_lag: sum(Metric::ViewLag),
            tail_lag: sum(Metric::TailLag),
            gateways: GatewayReport {
                operations_outstanding: sum(Metric::OperationsOutstanding),
                calls_under_way: sum(Metric::CallsUnderWay),
                in_doubt: doubts(now, Metric::PaymentsInDoubt, Metric::MoneyInDoubt),
                refunds_in_doubt: doubts(now, Metric::RefundsInDoubt, Metric::RefundMoneyInDoubt),
            },
            resident_bytes: sum(Metric::ResidentMemory),
        }
    }

    /// Whether nothing is degraded or worse.
    pub fn is_well(&self) -> bool {
        self.health.status == "ok"
    }
}

impl ShardReport {
    fn new(shard: &str, state: &str, rates: &Rates<'_>) -> Self {
        let now = rates.after;
        let number = |metric| whole(now.labelled(metric, "shard", shard).unwrap_or_default());
        let lags = now.of(Metric::InputLag).iter().filter(|sample| sample.label("shard") == shard);
        Self {
            shard: shard.to_owned(),
            state: state.to_owned(),
            lag: whole(lags.map(|sample| sample.number).sum()),
            kafka_transactions_per_second: rates.of_shard(Metric::Transactions, shard),
            entries_per_second: rates.of_shard(Metric::Entries, shard),
            aborts: number(Metric::Aborts),
            rebuilds: number(Metric::Rebuilds),
            timers: number(Metric::Timers),
        }
    }
}

fn doubts(now: &Exposition, counts: Metric, money: Metric) -> Vec<DoubtReport> {
    let doubted = now.of(counts).iter().filter(|sample| sample.number > 0.0);
    let report = doubted.map(|sample| {
        let currency = sample.label("currency");
        let minor = now.labelled(money, "currency", currency).unwrap_or_default();
        let (count, minor) = (whole(sample.number), whole(minor));
        DoubtReport { currency: currency.to_owned(), count, minor }
    });
    report.collect()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below 2^53, never negative"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0) as u64
}
