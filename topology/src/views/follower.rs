//! Folds the journal into the rows, and tells those who wait.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use connectors::ports::CommandOutcome;
use schemas::entry::Entry;
use schemas::{Offset, Partition};

use super::batch::Batch;
use super::queries::PaymentViews;
use super::store::{ViewHead, ViewStoreError};
use crate::crash_window::{CrashWindow, pass};
use crate::engine::follower::{Follower, Tailed};
use crate::hops;
use crate::takeover::Takeover;

/// Follows until the tail ends. Runs on a thread of its own: it writes to disk. `takeover` is where
/// the journal ended when this process began to follow: past it the views are caught up.
///
/// # Errors
/// [`ViewStoreError`] when the rows cannot be written, or are not a fold of this journal.
pub fn run(
    views: &PaymentViews,
    mut follower: Follower<Entry>,
    mut takeover: Takeover,
) -> Result<(), ViewStoreError> {
    let mut note = |reached: &[(Partition, Offset)]| {
        views.note_reached(reached);
        if takeover.reached(reached) {
            views.caught_up.store(true, Ordering::Release);
        }
    };
    note(&[]);
    while let Some(batch) = follower.blocking_next() {
        apply(views, &batch.entries)?;
        note(&batch.reached);
    }
    Ok(())
}

/// Folds entries into the rows, all at once, and tells those who wait for them.
///
/// # Errors
/// [`ViewStoreError`]; nothing of the batch is shown then.
pub fn apply(views: &PaymentViews, entries: &[Arc<Tailed<Entry>>]) -> Result<(), ViewStoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let began = hops::begin();
    let mut heads = views.heads();
    let mut batch = Batch::new(&views.store, entries.len());
    for tailed in entries {
        let partition = tailed.position.partition;
        check_link(views, heads.get(&partition), &tailed.entry)?;
        batch.fold(tailed.position, &tailed.entry, tailed.hash)?;
        let seq = tailed.entry.seq;
        let head = ViewHead { offset: tailed.position.offset, seq, hash: tailed.hash };
        heads.insert(partition, head);
    }
    pass(CrashWindow::BeforeView);
    batch.commit()?;
    pass(CrashWindow::AfterView);
    views.heads.write().unwrap_or_else(PoisonError::into_inner).clone_from(&heads);
    views.note_times(entries.iter().map(|tailed| (tailed.position.partition, tailed.entry.at)));
    views.progress.send_modify(|count| *count += entries.len() as u64);
    if let Some(backlog) = views.backlog.get() {
        backlog.applied(entries.iter().map(|tailed| &tailed.entry));
    }
    views.outcomes.resolve(entries.iter().filter_map(|tailed| {
        let command_id = tailed.entry.command_id()?;
        Some((command_id, || outcome(tailed)))
    }));
    for tailed in entries {
        hops::viewed(began, tailed);
    }
    Ok(())
}

/// The entry is the one that comes after those that the rows show.
fn check_link(
    views: &PaymentViews,
    head: Option<&ViewHead>,
    entry: &Entry,
) -> Result<(), ViewStoreError> {
    let follows = match head {
        Some(head) => entry.seq == head.seq + 1 && entry.prev_hash == head.hash,
        None => entry.seq == 1,
    };
    if follows {
        return Ok(());
    }
    let seq = head.map_or(0, |head| head.seq);
    Err(views.store.diverged(format!("entry {} does not follow entry {seq}", entry.seq)))
}

fn outcome(tailed: &Tailed<Entry>) -> CommandOutcome {
    CommandOutcome { position: tailed.position, decision: tailed.entry.decision.clone() }
}
