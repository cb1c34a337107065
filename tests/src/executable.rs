//! The executable under test.

use std::path::PathBuf;
use std::sync::LazyLock;

static HOLDFAST: LazyLock<PathBuf> = LazyLock::new(|| {
    let given = std::env::var_os("HOLDFAST_BIN").filter(|path| !path.is_empty());
    let path = given.map_or_else(beside_this_test, PathBuf::from);
    assert!(
        path.is_file(),
        "there is no executable at {}: run `make test`, or `cargo build` first",
        path.display()
    );
    path
});

/// The path of `holdfast`: `HOLDFAST_BIN`, else the one that cargo built beside this test.
///
/// # Panics
/// When there is none, with the command that builds it.
pub fn holdfast() -> PathBuf {
    HOLDFAST.clone()
}

/// Test binaries are in `<target>/<profile>/deps`.
fn beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("cargo puts tests two levels deep");
    profile.join("holdfast")
}
