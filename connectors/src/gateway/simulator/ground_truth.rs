//! The simulator's ground truth: the file of all charges that were ever decided.
//!
//! One JSON object per line, appended before the charge is answered and never changed. A `write` to
//! the page cache outlives a kill -9 of the process, so nothing is synced; a power cut may lose the
//! last charges. A last line without its line feed is the torn end of a killed run: it was never
//! answered and is cut off at the next start. Any other unreadable line refuses the start.
//!
//! The file is locked while it is open: two simulators never share one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::warn;

/// Name of the file of charges inside the state directory.
pub const FILE_NAME: &str = "charges.jsonl";
/// Name of the file of refunds, which are written as charges are.
pub const REFUNDS_FILE_NAME: &str = "refunds.jsonl";
/// What is read of the file at a time.
const READ_BYTES: usize = 256 * 1024;

/// What the gateway decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The money was taken.
    Succeeded,
    /// The charge was refused and nothing was taken.
    Declined,
}

/// One decided charge or refund, as stored and as answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The gateway's id, `ch_` (`re_` of a refund) and 32 hexadecimal digits, derived from the
    /// idempotency key.
    pub id: String,
    /// Of a refund: the id of the charge that is given back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub charge: Option<String>,
    /// The caller's key.
    pub idempotency_key: String,
    /// The caller's reference: the payment id.
    pub reference: String,
    /// The caller's attempt, or refund.
    pub attempt_id: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// What was decided.
    pub status: ChargeStatus,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decline_code: Option<String>,
    /// When it was decided, Unix time in milliseconds.
    pub created: i64,
    /// What was asked for, where it is not what was charged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked: Option<Asked>,
}

/// An amount that was asked for, and another was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
}

/// Where a charge's line stands in the file, without its line feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinePosition {
    offset: u64,
    length: u32,
}

/// Why the ground truth cannot be opened.
#[derive(Debug, Error)]
pub enum GroundTruthError {
    /// The operating system refused.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the file open.
    #[error("{path} is in use by another gateway simulator")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not the torn end is unreadable.
    #[error("{path} line {line} is not a charge: {source}")]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The open, locked file.
#[derive(Debug)]
pub struct GroundTruth {
    file: File,
}

impl GroundTruth {
    /// Opens or creates the file of this name in `state_dir`, cuts off a torn end, and calls `seen`
    /// for each charge in it, in order. Gives the length of the file in bytes with it.
    pub fn open(
        (state_dir, name): (&Path, &str),
        mut seen: impl FnMut(&Charge, LinePosition),
    ) -> Result<(Self, u64), GroundTruthError> {
        let path = state_dir.join(name);
        let failed = |source| GroundTruthError::Io { path: path.clone(), source };
        std::fs::create_dir_all(state_dir).map_err(failed)?;
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GroundTruthError::Locked { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }

        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let (mut end, mut number) = (0_u64, 0_u64);
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
            if line.pop_if(|last| *last == b'\n').is_none() {
                if read > 0 {
                    warn!(path = %path.display(), torn_bytes = read, "Cut off a torn last charge.");
                    file.set_len(end).map_err(failed)?;
                }
                break;
            }
            number += 1;
            let charge = serde_json::from_slice(&line).map_err(|source| {
                GroundTruthError::Corrupted { path: path.clone(), line: number, source }
            })?;
            let length = u32::try_from(line.len())
                .map_err(|_| failed(io::Error::other("a line is longer than 4 GiB")))?;
            seen(&charge, LinePosition { offset: end, length });
            end += u64::from(length) + 1;
        }
        Ok((Self { file }, end))
    }

    /// Appends `line`, which ends with its line feed, in one write at `end`, the length of the
    /// file, and gives its position and the new length. When it fails, call [`Self::truncate`].
    pub fn append(&self, end: u64, line: &str) -> io::Result<(LinePosition, u64)> {
        debug_assert!(line.ends_with('\n'), "a line is told from a torn one by its end");
        let length = u32::try_from(line.len() - 1).map_err(io::Error::other)?;
        (&self.file).write_all(line.as_bytes())?;
        Ok((LinePosition { offset: end, length }, end + u64::from(length) + 1))
    }

    /// Cuts off what stands behind `end`: half a block, to which the next would be appended.
    pub fn truncate(&self, end: u64) -> io::Result<()> {
        self.file.set_len(end)
    }

    /// Reads the charge at `position`.
    pub fn read(&self, position: LinePosition) -> io::Result<Charge> {
        let length = usize::try_from(position.length).map_err(io::Error::other)?;
        let mut line = vec![0; length];
        self.file.read_exact_at(&mut line, position.offset)?;
        serde_json::from_slice(&line).map_err(io::Error::from)
    }

    /// Reads `buffer.len()` bytes from `offset`.
    pub fn read_block(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Every charge in the first `end` bytes, oldest first.
    pub fn read_all(&self, end: u64) -> impl Iterator<Item = io::Result<Charge>> {
        let reader =
            BufReader::with_capacity(READ_BYTES, Prefix { file: &self.file, offset: 0, end });
        reader.lines().map(|line| serde_json::from_str(&line?).map_err(io::Error::from))
    }
}

/// The first bytes of a file, read without moving its cursor.
struct Prefix<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Read for Prefix<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self.file.read_at(&mut buffer[..length], self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

    use super::*;

    pub(in super::super) fn charge(key: &str) -> Charge {
        Charge {
            id: format!("ch_{key}"),
            charge: None,
            idempotency_key: key.to_owned(),
            reference: "payment".to_owned(),
            attempt_id: "attempt".to_owned(),
            amount: 100,
            currency: "USD".to_owned(),
            status: ChargeStatus::Succeeded,
            decline_code: None,
            created: 1,
            asked: None,
        }
    }

    fn line(key: &str) -> String {
        serde_json::to_string(&charge(key)).unwrap() + "\n"
    }

    #[test]
    fn what_is_appended_is_there_after_a_torn_end_was_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let nothing = |_: &Charge, _| panic!("the file is new");
        let (truth, end) = GroundTruth::open((directory.path(), FILE_NAME), nothing).unwrap();
        let (a, end) = truth.append(end, &line("a")).unwrap();
        let (b, end) = truth.append(end, &line("b")).unwrap();
        assert_eq!(truth.read(b).unwrap(), charge("b"));
        (&truth.file).write_all(b"{\"id\":\"ch_torn").unwrap();
        drop(truth);

        let mut seen = Vec::new();
        let collect = |charge: &Charge, position| seen.push((charge.clone(), position));
        let (truth, reopened_end) =
            GroundTruth::open((directory.path(), FILE_NAME), collect).unwrap();
        assert_eq!(reopened_end, end);
        assert_eq!(seen, [(charge("a"), a), (charge("b"), b)]);
        let (c, end) = truth.append(reopened_end, &line("c")).unwrap();
        assert_eq!(truth.read(c).unwrap(), charge("c"));
        let all: Vec<_> = truth.read_all(end).map(Result::unwrap).collect();
        assert_eq!(all, ["a", "b", "c"].map(charge));
    }

    #[test]
    fn an_unreadable_line_that_is_not_the_end_refuses_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let text = format!("{}nonsense\n{}", line("a"), line("b"));
        std::fs::write(directory.path().join(FILE_NAME), text).unwrap();
        let refused = GroundTruth::open((directory.path(), FILE_NAME), |_, _| {}).unwrap_err();
        assert!(matches!(refused, GroundTruthError::Corrupted { line: 2, .. }), "{refused}");
    }

    #[test]
    fn a_file_in_use_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let _open = GroundTruth::open((directory.path(), FILE_NAME), |_, _| {}).unwrap();
        let refused = GroundTruth::open((directory.path(), FILE_NAME), |_, _| {}).unwrap_err();
        assert!(matches!(refused, GroundTruthError::Locked { .. }), "{refused}");
    }
}
