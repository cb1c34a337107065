//! What a scrape reads from the parts of the process.

use std::sync::Arc;

use connectors::ports::BreakerWord;
use schemas::Offset;
use schemas::entry::Entry;

use super::catalogue::Metric;
use super::process;
use super::registry::Metrics;
use super::samples::Samples;
use crate::engine::governor::Governor;
use crate::engine::kafka::tail::TailGauge;
use crate::engine::status::{ShardSnapshot, ShardState, ShardStatus};
use crate::gateway_follower::GatewayStatus;
use crate::log_writer::LogWriter;
use crate::views::PaymentViews;

/// Reads what the operating system says of the process.
pub fn watch_process(metrics: &Metrics) {
    metrics.watch(process::sample);
}

/// Reads the shards, and what paces them.
pub fn watch_shards(metrics: &Metrics, shards: Vec<Arc<ShardStatus>>, governor: Arc<Governor>) {
    metrics.watch(move |samples| {
        let snapshots: Vec<_> = shards.iter().map(|shard| shard.snapshot()).collect();
        for snapshot in &snapshots {
            shard(samples, snapshot);
        }
        let sum = |number: fn(&ShardSnapshot) -> u64| snapshots.iter().map(number).sum();
        for (operation, number) in [
            ("append", sum(|shard| shard.entries)),
            ("commit", sum(|shard| shard.transactions)),
            ("abort", sum(|shard| shard.aborts)),
            ("restore", sum(|shard| shard.restored)),
        ] {
            samples.count(Metric::EventStoreOperations, &[operation], number);
        }
        samples.count(Metric::RetryAttempts, &["batch"], sum(|shard| shard.aborts));
        let (waits, waited) = governor.waits();
        samples.count(Metric::GovernorWaits, &[], waits);
        samples.put(Metric::GovernorWaitSeconds, &[], waited.as_secs_f64());
    });
}

fn shard(samples: &mut Samples, shard: &ShardSnapshot) {
    let number = shard.partition.to_string();
    for state in ShardState::ALL {
        let is_in = u64::from(shard.state == state);
        samples.count(Metric::ShardState, &[&number, state.label()], is_in);
    }
    for (topic, lag) in &shard.lags {
        samples.count(Metric::InputLag, &[&number, topic.label()], *lag);
    }
    for (phase, spent) in &shard.phases {
        samples.put(Metric::PhaseSeconds, &[&number, phase.label()], spent.as_secs_f64());
    }
    for (metric, count) in [
        (Metric::Timers, shard.timers),
        (Metric::TimersSuspended, u64::from(shard.timers_suspended)),
        (Metric::InputsWaiting, u64::from(shard.inputs_waiting)),
        (Metric::Transactions, shard.transactions),
        (Metric::Entries, shard.entries),
        (Metric::Aborts, shard.aborts),
        (Metric::Poisoned, shard.poisoned),
        (Metric::Rebuilds, shard.rebuilds),
        (Metric::Fences, shard.fences),
        (Metric::Restored, shard.restored),
    ] {
        samples.count(metric, &[&number], count);
    }
}

/// Reads the tail of the journal, its followers' queues and how far the views are.
pub fn watch_journal(metrics: &Metrics, tail: TailGauge<Entry>, views: Arc<PaymentViews>) {
    metrics.watch(move |samples| {
        let progress = tail.progress();
        samples.count(Metric::TailConnected, &[], u64::from(progress.connected));
        lags(samples, Metric::TailLag, &progress.ends, &progress.reached);
        lags(samples, Metric::ViewLag, &progress.ends, &views.reached());
        for (follower, depth) in tail.queues() {
            samples.count(Metric::FollowerQueue, &[&follower], depth as u64);
        }
        samples.count(Metric::Waiters, &[], views.waiters() as u64);
    });
}

fn lags(samples: &mut Samples, metric: Metric, ends: &[Offset], reached: &[Offset]) {
    for (shard, (end, reached)) in ends.iter().zip(reached).enumerate() {
        let lag = u64::try_from(end.number() - reached.number()).unwrap_or_default();
        samples.count(metric, &[&shard.to_string()], lag);
    }
}

/// Reads the writer of input topics.
pub fn watch_ingress(metrics: &Metrics, writer: LogWriter) {
    metrics.watch(move |samples| {
        samples.count(Metric::IngressInFlight, &[], writer.in_flight() as u64);
    });
}

/// Reads how the calls to every gateway go.
pub fn watch_gateways(metrics: &Metrics, gateways: Vec<Arc<GatewayStatus>>) {
    metrics.watch(move |samples| {
        for gateway in &gateways {
            let (name, traffic) = (gateway.name().as_str(), gateway.traffic());
            samples.count(Metric::CallsUnderWay, &[name], traffic.under_way as u64);
            samples.count(Metric::CallsLimit, &[name], traffic.limit as u64);
            samples.count(Metric::OperationsWaiting, &[name], traffic.waiting as u64);
            for state in BreakerWord::ALL {
                let is_in = u64::from(traffic.breaker == state);
                samples.count(Metric::BreakerState, &[name, state.label()], is_in);
            }
        }
    });
}
