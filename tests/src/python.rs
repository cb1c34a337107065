//! Pythons with packages: virtual environments in the cache directory of the product, each named
//! after a digest of what is asked for, and filled once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use topology::embedded::cache_directory;

use crate::example::{FETCH_BOUND, run};
use crate::installation::Installation;

/// The Python that has the packages of this list.
///
/// # Errors
/// They could not be fetched; what pip says.
pub async fn interpreter(
    installation: &Installation,
    requirements: &Path,
) -> Result<PathBuf, String> {
    let wanted = fs::read(requirements).expect("the list of packages");
    let cache = cache_directory().expect("a cache directory");
    let name = format!("python-{}", &blake3::hash(&wanted).to_hex()[..8]);
    let interpreter = cache.join(&name).join("bin/python");
    fs::create_dir_all(&cache).expect("a cache directory");
    let lock = cache.join("python.lock");
    let _lock = tokio::task::spawn_blocking(move || lock_file(&lock)).await.expect("no panic");
    if cache.join(&name).is_dir() {
        return Ok(interpreter);
    }
    // Complete or absent: filled under another name, and renamed.
    let partial = cache.join(format!(".{name}"));
    let _ = fs::remove_dir_all(&partial);
    let place = partial.to_str().expect("a path in UTF-8");
    let made =
        run(installation, "venv", Path::new("python3"), &["-m", "venv", place], FETCH_BOUND).await;
    assert!(made.succeeded, "python3 -m venv (package python3-venv): {}", made.output);
    let requirements = requirements.to_str().expect("a path in UTF-8");
    let install = ["-m", "pip", "install", "--quiet", "--requirement", requirements];
    let python = partial.join("bin/python");
    let fetched = run(installation, "pip", &python, &install, FETCH_BOUND).await;
    if !fetched.succeeded {
        return Err(format!("pip cannot fetch {requirements}: {}", fetched.output));
    }
    fs::rename(&partial, cache.join(&name)).expect("it can be renamed");
    Ok(interpreter)
}

fn lock_file(path: &Path) -> File {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.expect("the cache directory is writable");
    file.lock().expect("a lock");
    file
}
