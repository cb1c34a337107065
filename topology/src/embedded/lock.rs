//! The lock of a directory that one process at a time may work in.
//!
//! The lock belongs to the open file, so the kernel releases it however its holder ends; the
//! process id inside is only there to be named to a person. A lock file is never deleted: two
//! processes could otherwise each hold a lock on a file of the same name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOCK_FILE: &str = "lock";
/// Longer than anybody who only asks holds the lock.
const ASKING: Duration = Duration::from_millis(500);
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A directory, held for as long as this value lives.
#[derive(Debug)]
pub struct LockedDirectory {
    path: PathBuf,
    _lock: File,
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "{} is in use by process {}; stop that one first, or choose another state directory",
        directory.display(),
        holder.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The process that holds it, as far as it has already written its id.
        holder: Option<u32>,
    },
    /// The file system refused.
    #[error("cannot lock {}: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

impl LockedDirectory {
    /// Creates the directory where it is missing and locks it; waits half a second at most.
    ///
    /// # Errors
    /// [`LockError::InUse`] names the holder.
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { directory: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(io_error)?;
        let path = directory.canonicalize().map_err(io_error)?;
        let mut lock = open(&path).map_err(io_error)?;
        let deadline = Instant::now() + ASKING;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // Somebody who only asks who holds it has it for a moment.
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(TRY_AGAIN);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(LockError::InUse { directory: path, holder: read_pid(&mut lock) });
                }
                Err(TryLockError::Error(source)) => return Err(io_error(source)),
            }
        }
        write_pid(&mut lock).map_err(io_error)?;
        Ok(Self { path, _lock: lock })
    }

    /// The process that holds the directory now; `None` when nobody does.
    pub fn holder(directory: &Path) -> Option<u32> {
        match Self::acquire_existing(directory) {
            Err(LockError::InUse { holder, .. }) => holder,
            Ok(()) | Err(LockError::Io { .. }) => None,
        }
    }

    fn acquire_existing(directory: &Path) -> Result<(), LockError> {
        let io_error = |source| LockError::Io { directory: directory.to_owned(), source };
        let mut lock = File::open(directory.join(LOCK_FILE)).map_err(io_error)?;
        // Shared, so that two who only ask never mistake each other for the holder.
        match lock.try_lock_shared() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse {
                directory: directory.to_owned(),
                holder: read_pid(&mut lock),
            }),
            Err(TryLockError::Error(source)) => Err(io_error(source)),
        }
    }

    /// The absolute path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(directory: &Path) -> io::Result<File> {
    let lock = directory.join(LOCK_FILE);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock)
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(std::process::id().to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_is_first() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(LockedDirectory::holder(directory.path()), None);
        let first = LockedDirectory::acquire(directory.path()).unwrap();
        assert_eq!(LockedDirectory::holder(directory.path()), Some(std::process::id()));
        let refusal = LockedDirectory::acquire(directory.path()).unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
        drop(first);
        assert_eq!(LockedDirectory::holder(directory.path()), None);
        LockedDirectory::acquire(directory.path()).unwrap();
    }
}
