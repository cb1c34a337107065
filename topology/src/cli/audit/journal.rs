//! Folds the journal, from its first record to the end that it has at the start, into an auditor.

use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use processors::audit::{AuditRecord, Auditor};
use schemas::Timestamp;

use super::{AuditOptions, Progress};
use crate::cli::journal::reader::{Extent, JournalAddress, JournalReader};
use crate::wall_clock;

/// The progress bar moves once in so many records.
const RECORDS_PER_TICK: u64 = 1024;

/// A journal that was read.
pub(super) struct Folded {
    pub auditor: Auditor,
    /// When the end up to which it was read was taken.
    pub end_taken: Timestamp,
}

/// Reads and folds every partition of the journal; blocks the thread.
pub(super) fn fold(options: &AuditOptions) -> anyhow::Result<Folded> {
    let reader = JournalReader::open(JournalAddress {
        bootstrap_servers: &options.bootstrap_servers,
        kafka_properties: &options.kafka_properties,
        topic_prefix: &options.topic_prefix,
        reader: "audit",
    })?;
    // Before the end is asked for: a charge made by now is of a payment before that end.
    let end_taken = wall_clock::now();
    let extents = reader.extents()?;
    let bar = progress(options.progress, &extents);
    let mut auditor = Auditor::new(reader.journal().clone(), reader.count());
    for extent in extents {
        let (mut records, mut read_up_to) = (0_u64, extent.begin);
        // An auditor always wants the next record.
        let _ = reader.read(extent, |record| {
            let offset = record.position.offset.number();
            auditor.observe(&AuditRecord {
                position: record.position,
                key: record.key,
                value: record.value,
                entry: record.entry,
            });
            records += 1;
            if records.is_multiple_of(RECORDS_PER_TICK) {
                bar.inc(u64::try_from(offset - read_up_to).unwrap_or(0));
                read_up_to = offset;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        bar.inc(u64::try_from(extent.end - read_up_to).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(Folded { auditor, end_taken })
}

fn progress(progress: Progress, extents: &[Extent]) -> ProgressBar {
    let records = extents.iter().map(|extent| (extent.end - extent.begin).max(0)).sum::<i64>();
    let target = match progress {
        // Draws nothing where standard error is no terminal.
        Progress::Shown => ProgressDrawTarget::stderr(),
        Progress::Hidden => ProgressDrawTarget::hidden(),
    };
    let template = "reading the journal {bar:32} {human_pos}/{human_len} {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(u64::try_from(records).ok(), target).with_style(style)
}
