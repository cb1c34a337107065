//! What the operating system says of this process.

use procfs::process::Process;

use super::catalogue::Metric;
use super::samples::Samples;

/// Reads the numbers of the process; those that cannot be read are left out.
pub(super) fn sample(samples: &mut Samples) {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    samples.count(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION"), build], 1);
    let Ok(process) = Process::myself() else { return };
    if let Ok(files) = process.fd_count() {
        samples.count(Metric::OpenFiles, &[], files as u64);
    }
    let Ok(stat) = process.stat() else { return };
    samples.count(Metric::ResidentMemory, &[], stat.rss * procfs::page_size());
    samples.count(Metric::Threads, &[], stat.num_threads.unsigned_abs());
    samples.put(Metric::CpuSeconds, &[], seconds(stat.utime + stat.stime));
    if let Ok(booted_at) = procfs::boot_time_secs() {
        let started_at = booted_at + stat.starttime / procfs::ticks_per_second();
        samples.count(Metric::StartTime, &[], started_at);
    }
}

#[allow(clippy::cast_precision_loss, reason = "ticks of one process stay below 2^53")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / procfs::ticks_per_second() as f64
}
