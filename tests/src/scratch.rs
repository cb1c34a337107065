//! The directory of this test run, which is gone some moments after the test binary, as is every
//! process that was started in it.
//!
//! libtest has no common end at which to tidy up: it leaves through `exit`, which drops no static,
//! or it is killed. So a shell waits for the end of this process: when the kernel closes the pipe
//! to it, the guards of the child processes stop those, and it removes the directory after them.
//! With `HOLDFAST_KEEP_TEST_FILES` set, the directory stays for a person to look at.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Waits for the end of its input, then (20 s at most) for every process recorded below `$1`, then
/// removes that directory.
const JANITOR: &str = r#"
read -r _
i=0
while [ $i -lt 200 ]; do
    alive=
    for record in "$1"/*/*.pid; do
        [ -e "$record" ] && kill -s 0 "$(cat "$record")" && alive=1
    done
    [ -z "$alive" ] && break
    sleep 0.1
    i=$((i + 1))
done
rm -rf -- "$1"
"#;

struct Scratch {
    path: PathBuf,
    /// Its input is the pipe that closes with this process.
    _janitor: Option<Child>,
}

static SCRATCH: OnceLock<Scratch> = OnceLock::new();

/// A new directory of this name, for one test or for the broker.
///
/// # Panics
/// When it cannot be made or exists already: names are unique in the test binary.
pub fn directory(name: &str) -> PathBuf {
    let path = SCRATCH.get_or_init(make).path.join(name);
    std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// Whether files are left for a person to look at.
pub fn is_kept() -> bool {
    std::env::var_os("HOLDFAST_KEEP_TEST_FILES").is_some_and(|value| !value.is_empty())
}

fn make() -> Scratch {
    let made = tempfile::Builder::new().prefix("holdfast-e2e-").tempdir();
    let path = made.expect("a temporary directory").keep();
    let janitor = (!is_kept()).then(|| janitor(&path));
    Scratch { path, _janitor: janitor }
}

fn janitor(path: &Path) -> Child {
    Command::new("sh")
        .args(["-c", JANITOR, "janitor"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C ends the tests, not who tidies up after them.
        .process_group(0)
        .spawn()
        .expect("sh runs")
}
