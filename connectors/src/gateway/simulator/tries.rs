//! Tries that ended without a charge, in a file: what fails at the first try of a key and then
//! works must not fail again because the simulator was killed in between.
//!
//! One key per line, appended before the try is answered. Keys that have their charge, and what a
//! killed run left of a line, are dropped at the next start. Whoever opens it holds the lock of the
//! ground truth beside it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::charge_book::KeyDigest;
use super::ground_truth::GroundTruthError;

/// The open file.
#[derive(Debug)]
pub(super) struct Tries {
    file: File,
}

impl Tries {
    /// Opens or creates the file at `path` and calls `seen` for each try in it, in order; those for
    /// which it says no are dropped.
    pub fn open(
        path: &Path,
        mut seen: impl FnMut(KeyDigest) -> bool,
    ) -> Result<Self, GroundTruthError> {
        let failed = |source| GroundTruthError::Io { path: path.to_owned(), source };
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => text.map_err(failed)?,
        };
        let kept: String = String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                KeyDigest::from_str_radix(line, 16).ok().filter(|_| line.len() == 32)
            })
            .filter(|key| seen(*key))
            .map(line)
            .collect();
        fs::write(path, kept).map_err(failed)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { file })
    }

    /// One more.
    pub fn note(&self, key: KeyDigest) -> io::Result<()> {
        (&self.file).write_all(line(key).as_bytes())
    }
}

fn line(key: KeyDigest) -> String {
    format!("{key:032x}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::super::charge_book::{ChargeBook, Claim, KeyState, digest};
    use super::super::ground_truth::tests::charge;
    use super::*;

    fn attempt(book: &ChargeBook, key: &str) -> Claim {
        match book.claim(digest(key)).unwrap() {
            KeyState::Free(claim) => claim,
            other => panic!("{key} is not free: {other:?}"),
        }
    }

    #[test]
    fn what_failed_at_a_try_is_known_after_a_restart_until_the_key_has_its_charge() {
        let directory = tempfile::tempdir().unwrap();
        let (book, _) = ChargeBook::open(directory.path()).unwrap();
        attempt(&book, "a").fails().unwrap();
        attempt(&book, "a").fails().unwrap();
        attempt(&book, "b").fails().unwrap();
        drop(book);
        let path = directory.path().join("charges.tries");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"12ab").unwrap();

        let (book, _) = ChargeBook::open(directory.path()).unwrap();
        assert_eq!(attempt(&book, "a").attempt, 3);
        assert_eq!(attempt(&book, "b").attempt, 2);
        assert_eq!(attempt(&book, "c").attempt, 1);
        book.book(attempt(&book, "b"), &charge("b")).unwrap();
        drop(book);

        let (book, _) = ChargeBook::open(directory.path()).unwrap();
        assert_eq!(attempt(&book, "a").attempt, 3);
        assert!(matches!(book.claim(digest("b")).unwrap(), KeyState::Settled(_)));
        drop(book);
        assert_eq!(fs::read_to_string(&path).unwrap(), line(digest("a")).repeat(2));
    }
}
