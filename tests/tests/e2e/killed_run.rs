//! A test run that is killed leaves no process and no file.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::installation::Installation;
use tests::scratch;
use tests::wait::eventually;
use topology::embedded::process::ProcessIdentity;

/// Set in the test run that is killed: where it says what it has started.
const VICTIM_FILE: &str = "HOLDFAST_TEST_VICTIM_FILE";
/// From the start of the run until its installation is ready.
const START_BOUND: Duration = Duration::from_mins(4);
/// From its end until nothing is left: the guards give each process ten seconds.
const GONE_BOUND: Duration = Duration::from_mins(1);

/// The run that is killed in the test below; does nothing by itself.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(file) = std::env::var_os(VICTIM_FILE) else { return };
    let installation = Installation::start("victim").await;
    let directory = installation.directory().parent().expect("it is below that of the run");
    let partial = Path::new(&file).with_extension("partial");
    fs::write(&partial, directory.to_str().expect("UTF-8")).expect("it can say so");
    fs::rename(&partial, &file).expect("it can say so");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_a_test_run_that_is_killed() {
    let file = scratch::directory("killed-run").join("victim");
    let mut victim = Command::new(std::env::current_exe().expect("a running test has a path"))
        .args(["--exact", "killed_run::victim"])
        .env(VICTIM_FILE, &file)
        .env_remove("HOLDFAST_KEEP_TEST_FILES")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let directory = eventually(START_BOUND, "the victim is ready", async || {
        assert_eq!(victim.try_wait().expect("ours"), None, "the victim ended by itself");
        fs::read_to_string(&file)
    })
    .await;
    let processes = processes(Path::new(&directory));
    assert!(processes.len() >= 2, "the application and the gateway at least: {processes:?}");

    victim.kill().expect("it runs");
    victim.wait().expect("it ends");
    eventually(GONE_BOUND, "nothing is left", async || {
        let alive: Vec<_> = processes.iter().filter(|process| process.is_alive()).collect();
        let is_there = Path::new(&directory).exists();
        if alive.is_empty() && !is_there { Ok(()) } else { Err(format!("{alive:?} {is_there}")) }
    })
    .await;
}

/// What runs of that which was started in the directories of a test run.
fn processes(directory: &Path) -> Vec<ProcessIdentity> {
    let below = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let files = below(directory).flat_map(|part| below(&part.path()).collect::<Vec<_>>());
    let records =
        files.map(|file| file.path()).filter(|path| path.extension() == Some("pid".as_ref()));
    let pid = |path: std::path::PathBuf| fs::read_to_string(path).ok()?.trim().parse().ok();
    records.filter_map(pid).filter_map(ProcessIdentity::of).collect()
}
