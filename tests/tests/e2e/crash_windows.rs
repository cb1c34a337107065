//! A process dies at every window of `topology/src/crash_window.rs`, with payments under way: the
//! next start makes good what it left, and nobody notices but for the wait.

use std::fs;

use nix::sys::signal::Signal;
use tests::cluster::Cluster;
use tests::installation::{Installation, QUICK_GATEWAY};
use tests::stores::stores;
use topology::crash_window::CrashWindow;

use crate::load::Load;

/// Payments before, and after, the death of the process.
const SOME: usize = 12;

/// How the process comes to the window.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// It is paid through it: dies at the passing after so many.
    Load(usize),
    /// It starts with a journal and without its stores: dies at the passing after so many.
    Restore(usize),
    /// It is asked to stop with payments under way: dies at the passing after so many.
    Shutdown(usize),
}

/// One test for each case, and the list of them.
macro_rules! cases {
    ($($test:ident $window:ident $way:ident($passings:literal);)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            dies_at(CrashWindow::$window, Way::$way($passings)).await;
        })*

        #[test]
        fn every_window_has_a_case() {
            let cases = [$(CrashWindow::$window),*];
            assert_eq!(cases, CrashWindow::ALL);
            $(assert_eq!(stringify!($test), CrashWindow::$window.name());)*
        }
    };
}

// Opening the wallets of the load passes each window of the API, a shard and the views four times.
cases! {
    before_append BeforeAppend Load(20);
    after_append AfterAppend Load(20);
    before_begin BeforeBegin Load(10);
    after_begin AfterBegin Load(10);
    after_positions AfterPositions Load(10);
    mid_produce MidProduce Load(15);
    before_commit BeforeCommit Load(10);
    commit_under_way CommitUnderWay Load(10);
    after_commit AfterCommit Load(10);
    before_store BeforeStore Load(10);
    store_under_way StoreUnderWay Load(10);
    after_store AfterStore Load(10);
    after_batch AfterBatch Load(10);
    after_fencing AfterFencing Restore(0);
    mid_restore MidRestore Restore(9);
    after_restore_chunk AfterRestoreChunk Restore(0);
    before_view BeforeView Load(10);
    after_view AfterView Load(10);
    before_call BeforeCall Load(5);
    after_call AfterCall Load(5);
    after_result AfterResult Load(5);
    checkpoint_unnamed CheckpointUnnamed Shutdown(1);
    api_stopped ApiStopped Shutdown(0);
    shards_stopped ShardsStopped Shutdown(0);
    followers_stopped FollowersStopped Shutdown(0);
}

async fn dies_at(window: CrashWindow, way: Way) {
    let name = window.name();
    let prefix = name.replace('_', "-");
    let mut installation =
        Installation::prepare_on(Cluster::shared(), &prefix, &QUICK_GATEWAY).await;
    let armed = |passings: usize| format!("{name}={passings}*off->return");
    match way {
        Way::Load(passings) | Way::Shutdown(passings) => {
            installation.launch_armed(&armed(passings));
            installation.ready().await;
        }
        Way::Restore(_) => installation.run().await,
    }
    let load = Load::brisk(&installation).await;
    load.while_doing(async {
        match way {
            Way::Load(_) => {}
            Way::Restore(passings) => {
                load.accepts(SOME).await;
                installation.kill().await;
                for store in stores(&installation.state_directory()) {
                    fs::remove_dir_all(store).expect("it is there");
                }
                installation.launch_armed(&armed(passings));
            }
            Way::Shutdown(_) => {
                load.accepts(SOME).await;
                installation.signal(Signal::SIGTERM);
            }
        }
        assert_eq!(installation.ended().await, "SIGKILL");
        let log = installation.log();
        assert!(log.contains(&format!("crash window {name}: SIGKILL")), "it died elsewhere");
        installation.run().await;
        load.accepts(SOME).await;
    })
    .await;
    load.check(&installation, &[]).await;
}
