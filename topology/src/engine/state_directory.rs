//! The directory that holds every store of a process, and the lock that keeps it to one process.
//!
//! With static assignment there is no group to ask who owns a shard: the lock is what keeps two
//! processes on one machine from fencing each other for ever.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "holdfast.lock";

/// A locked directory. The lock goes with the value, and with the process however it ends.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: File,
}

/// The directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// Another process works in it.
    #[error(
        "the state directory {path} is in use by another process: \
         stop that one, or give this one a directory of its own"
    )]
    InUse {
        /// The directory.
        path: String,
    },
    /// It cannot be created or written.
    #[error("the state directory {path} cannot be used: {source}")]
    Unusable {
        /// The directory.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl StateDirectory {
    /// Creates the directory when it is missing, and locks it.
    ///
    /// # Errors
    /// [`StateDirectoryError`], which names the directory.
    pub fn lock(path: &Path) -> Result<Self, StateDirectoryError> {
        let unusable =
            |source| StateDirectoryError::Unusable { path: path.display().to_string(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(StateDirectoryError::InUse { path: path.display().to_string() })
            }
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where something of this name lives in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner() {
        let root = tempfile::tempdir().expect("a directory");
        let first = StateDirectory::lock(root.path()).expect("free");
        let second = StateDirectory::lock(root.path());
        assert!(matches!(second, Err(StateDirectoryError::InUse { .. })));
        drop(first);
        StateDirectory::lock(root.path()).expect("free again");
    }

    #[test]
    fn a_path_that_is_no_directory_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = StateDirectory::lock(file.path()).expect_err("not a directory");
        assert!(error.to_string().contains(&file.path().display().to_string()));
    }
}
