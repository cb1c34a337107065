//! Where a crash is tested: the places at which a process of the crash tests can be made to die.
//!
//! One table for the code, the tests and docs/crash-windows.md. Without the cargo feature
//! `failpoints` a passing is nothing at all; with it, and with the window's name in `FAILPOINTS`,
//! the process kills itself there with SIGKILL, or stops itself there with SIGSTOP. Who passes
//! does not learn of it: nothing here changes what a process does, only how far it comes.

/// Declares the enum and the table of all windows together.
macro_rules! crash_windows {
    ($($window:ident $name:literal $place:literal $restart:literal;)*) => {
        /// A place between two steps that a crash can separate.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum CrashWindow {
            $(#[doc = $place] $window,)*
        }

        impl CrashWindow {
            /// Every window, in the order in which a process comes through them.
            pub const ALL: &[Self] = &[$(Self::$window,)*];

            /// Its name in `FAILPOINTS`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$window => $name,)* }
            }

            /// Where the process dies.
            pub fn place(self) -> &'static str {
                match self { $(Self::$window => $place,)* }
            }

            /// What the next start makes of it.
            pub fn restart(self) -> &'static str {
                match self { $(Self::$window => $restart,)* }
            }
        }
    };
}

crash_windows! {
    BeforeAppend "before_append"
        "API: a request is proven, its command not yet produced."
        "Nothing was written. The caller repeats with his key.";
    AfterAppend "after_append"
        "API: the log has the command, the caller no answer."
        "It is decided. The caller repeats with his key and gets that payment.";
    BeforeBegin "before_begin"
        "Shard: a batch is decided, no Kafka transaction begun."
        "The inputs are polled again: their positions are folded from the journal.";
    AfterBegin "after_begin"
        "Shard: the Kafka transaction is begun, nothing is in it."
        "As before.";
    AfterPositions "after_positions"
        "Shard: the input positions are in the Kafka transaction, no entry is."
        "Taking over aborts it. The inputs are decided again.";
    MidProduce "mid_produce"
        "Shard: an entry of the batch is produced, the Kafka transaction open."
        "Taking over aborts it; no `read_committed` reader ever sees the entry.";
    BeforeCommit "before_commit"
        "Shard: every entry is acknowledged, the commit not asked for."
        "The same.";
    CommitUnderWay "commit_under_way"
        "Shard: the commit is asked for, its answer unread: the broker has it or not."
        "Waits until the end of the journal is stable, then folds: all of the batch or nothing.";
    AfterCommit "after_commit"
        "Shard: the commit is acknowledged, not yet shown by the shard's own tail."
        "The journal has the batch, the store does not: it is restored.";
    BeforeStore "before_store"
        "Shard: the commit is confirmed and handed out, the store knows nothing of it."
        "The same.";
    StoreUnderWay "store_under_way"
        "Shard: the store is being written."
        "RocksDB has the whole write batch or none of it. What is missing is restored.";
    AfterStore "after_store"
        "Shard: the store has the batch, the memory of the process does not."
        "Nothing is missing.";
    AfterBatch "after_batch"
        "Shard: the batch is done, followers were told, callers maybe not."
        "Nothing is missing. The caller repeats with his key and gets that payment.";
    AfterFencing "after_fencing"
        "Takeover: the predecessor is fenced, nothing is read."
        "Takes over again.";
    MidRestore "mid_restore"
        "Takeover: an entry is folded, the chunk not in the store."
        "Goes on from the last chunk that is in the store.";
    AfterRestoreChunk "after_restore_chunk"
        "Takeover: a chunk is in the store, the restore not finished."
        "Goes on behind that chunk.";
    BeforeView "before_view"
        "Views: entries are folded, the rows not written."
        "The views read on from the position in their rows.";
    AfterView "after_view"
        "Views: the rows are written, those who wait not told."
        "The rows are there. The caller repeats with his key and gets that payment.";
    BeforeCall "before_call"
        "Gateway follower: an operation may be sent, the gateway not called."
        "It is outstanding and may have been tried, as far as anyone knows: sent again with its \
         key, or reported unknown.";
    AfterCall "after_call"
        "Gateway follower: the gateway has answered, the result is not in the log."
        "The same; the gateway answers the repeated key with the same charge.";
    AfterResult "after_result"
        "Gateway follower: the result is in the log."
        "The shard decides it. A result that comes twice counts once.";
    CheckpointUnnamed "checkpoint_unnamed"
        "Gateway follower: the new checkpoint is written, not renamed over the old one."
        "Begins from the old checkpoint, or from the first entry when there is none.";
    ApiStopped "api_stopped"
        "Shutdown: the API has answered its last request, the shards run."
        "As without a shutdown.";
    ShardsStopped "shards_stopped"
        "Shutdown: the shards have finished their batches, the followers run."
        "As without a shutdown.";
    FollowersStopped "followers_stopped"
        "Shutdown: the followers have ended, the producers are not closed."
        "As without a shutdown.";
}

/// Dies here, if `FAILPOINTS` says so.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
#[allow(clippy::inline_always, reason = "the hot path pays nothing, not even a call")]
pub fn pass(_window: CrashWindow) {}

/// Dies while what follows is under way, if `FAILPOINTS` says so.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
#[allow(clippy::inline_always, reason = "the hot path pays nothing, not even a call")]
pub fn pass_alongside(_window: CrashWindow) {}

#[cfg(feature = "failpoints")]
pub use armed::{arm, pass, pass_alongside};

#[cfg(feature = "failpoints")]
mod armed {
    use fail::fail_point;
    use nix::sys::signal::{Signal, raise};

    use super::CrashWindow;

    /// Reads `FAILPOINTS`, once, when the process starts: `after_commit=20*off->return` dies at the
    /// 21st passing, `before_commit=return(stop)->off` stops at the first.
    ///
    /// # Panics
    /// On an action that cannot be read, and on a name that is no window: a test that arms nothing
    /// could not fail.
    pub fn arm() {
        // Held for as long as the process lives: dropping it disarms.
        std::mem::forget(fail::FailScenario::setup());
        for (name, _) in fail::list() {
            let is_known = CrashWindow::ALL.iter().any(|window| window.name() == name);
            assert!(is_known, "FAILPOINTS names {name}, which is no crash window");
        }
    }

    /// Dies here, if `FAILPOINTS` says so.
    pub fn pass(window: CrashWindow) {
        fail_point!(window.name(), |how| end(window, how.as_deref()));
    }

    /// Dies while what follows is under way, if `FAILPOINTS` says so: from a thread of its own, as
    /// soon as that is scheduled.
    pub fn pass_alongside(window: CrashWindow) {
        fail_point!(window.name(), |how: Option<String>| {
            std::thread::spawn(move || end(window, how.as_deref()));
        });
    }

    fn end(window: CrashWindow, how: Option<&str>) {
        let signal = match how {
            Some("stop") => Signal::SIGSTOP,
            _ => Signal::SIGKILL,
        };
        // To the log of the process, past all buffers: the tests look for it.
        eprintln!("crash window {}: {signal}", window.name());
        raise(signal).expect("a process may signal itself");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_tell_windows_apart_and_mean_nothing_to_failpoints() {
        let names: BTreeSet<_> = CrashWindow::ALL.iter().map(|window| window.name()).collect();
        assert_eq!(names.len(), CrashWindow::ALL.len());
        let is_plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(names.into_iter().all(is_plain));
    }
}
