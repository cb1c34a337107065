//! The executables under test.

use std::path::PathBuf;
use std::sync::LazyLock;

static HOLDFAST: LazyLock<PathBuf> =
    LazyLock::new(|| find("HOLDFAST_BIN", "holdfast", "`cargo build`"));

static FAILPOINTS: LazyLock<PathBuf> =
    LazyLock::new(|| find("HOLDFAST_FAILPOINTS_BIN", "holdfast-failpoints", "`make failpoints`"));

/// The path of `holdfast`: `HOLDFAST_BIN`, else the one that cargo built beside this test.
///
/// # Panics
/// When there is none, with the command that builds it.
pub fn holdfast() -> PathBuf {
    HOLDFAST.clone()
}

/// The path of `holdfast-failpoints`, which dies where `FAILPOINTS` says:
/// `HOLDFAST_FAILPOINTS_BIN`, else the one that cargo built beside this test.
///
/// # Panics
/// When there is none, with the command that builds it.
pub fn failpoints() -> PathBuf {
    FAILPOINTS.clone()
}

fn find(variable: &str, name: &str, build: &str) -> PathBuf {
    let given = std::env::var_os(variable).filter(|path| !path.is_empty());
    let path = given.map_or_else(|| beside_this_test(name), PathBuf::from);
    assert!(
        path.is_file(),
        "there is no executable at {}: run `make test`, or {build} first; {variable} names another",
        path.display()
    );
    path
}

/// Test binaries are in `<target>/<profile>/deps`.
fn beside_this_test(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("cargo puts tests two levels deep");
    profile.join(name)
}
