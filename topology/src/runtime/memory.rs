//! Whether memory runs short: what the process holds, against a threshold.

use procfs::process::Process;
use procfs::{Current, Meminfo};

use crate::settings::TelemetrySettings;

/// Where the limit of a container stands (control groups, version 2).
const CONTAINER_LIMIT: &str = "/sys/fs/cgroup/memory.max";
/// The threshold, in percent of what there is: a replay needs some more than it does before.
const PERCENT: u64 = 80;
const MIB: u64 = 1 << 20;

/// Looks at the memory of this process.
pub(super) struct Memory {
    threshold_bytes: Option<u64>,
}

impl Memory {
    /// With the configured threshold, else one for this container or machine.
    pub fn of(settings: &TelemetrySettings) -> Self {
        let configured = settings.memory_threshold_mib.map(|mib| mib * MIB);
        let threshold_bytes = configured.or_else(|| available().map(|bytes| bytes / 100 * PERCENT));
        Self { threshold_bytes }
    }

    /// How much the process holds; an error when that is beyond the threshold.
    pub fn look(&self) -> Result<String, String> {
        let stat = Process::myself().and_then(|process| process.stat());
        let stat = stat.map_err(|error| format!("memory cannot be read: {error}"))?;
        self.judge(stat.rss * procfs::page_size())
    }

    fn judge(&self, resident_bytes: u64) -> Result<String, String> {
        let resident = resident_bytes / MIB;
        let Some(threshold_bytes) = self.threshold_bytes else {
            return Ok(format!("{resident} MiB, no threshold"));
        };
        let detail = format!("{resident} MiB of {} MiB", threshold_bytes / MIB);
        if resident_bytes > threshold_bytes { Err(detail) } else { Ok(detail) }
    }
}

/// What there is, in bytes: the limit of the container or the memory of the machine.
fn available() -> Option<u64> {
    let limit = std::fs::read_to_string(CONTAINER_LIMIT).ok();
    // "max" is no limit.
    let limit = limit.and_then(|text| text.trim().parse().ok());
    let machine = Meminfo::current().ok().map(|memory| memory.mem_total);
    limit.into_iter().chain(machine).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_threshold_is_said() {
        let memory = Memory { threshold_bytes: Some(100 * MIB) };
        assert_eq!(memory.judge(100 * MIB), Ok("100 MiB of 100 MiB".to_owned()));
        assert_eq!(memory.judge(101 * MIB), Err("101 MiB of 100 MiB".to_owned()));
        let unlimited = Memory { threshold_bytes: None };
        assert!(unlimited.judge(u64::MAX).is_ok());
        assert!(available().is_some_and(|bytes| bytes > MIB));
    }
}
