//! The book of charges: which idempotency key is free, under way, or settled by which charge.
//!
//! Invariants: a key is held by at most one [`Claim`] at a time and settled at most once; a charge
//! is in the file before its key is settled, and settled before anyone is told. The claim travels
//! with the charge, so a caller that goes away in between frees nothing too early.
//!
//! In memory there are some 48 bytes per settled key (digest, place in the file, submissions); the
//! charges themselves are read from the file when they are asked for. Whoever books writes, to the
//! page cache, under a lock that is held for that write and never across an await: a thread of its
//! own that gathers charges costs more in wake-ups than it saves in writes.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use tracing::error;
use uuid::Uuid;

use super::ground_truth::{Charge, FILE_NAME, GroundTruth, GroundTruthError};
use super::settled_keys::{SettledKey, SettledKeys};
use super::tries::Tries;

/// Most charges of one state directory: about 1 GiB of index.
const MAX_CHARGES: usize = 20_000_000;
/// Most keys without a charge whose tries are remembered; beyond it, idle ones are forgotten.
const MAX_OPEN_KEYS: usize = 100_000;

/// Digest of an idempotency key: 122 bits of SHA-1, which no two honest keys share.
pub type KeyDigest = u128;

/// A key without a charge.
#[derive(Debug, Default)]
struct OpenKey {
    tries: u32,
    submissions: u32,
    claimed: bool,
}

#[derive(Debug, Default)]
struct Index {
    settled: SettledKeys,
    open: HashMap<KeyDigest, OpenKey>,
    failed_inquiries: HashMap<KeyDigest, u32>,
}

/// The end of the file, and who may write there.
#[derive(Debug)]
struct FileEnd {
    bytes: u64,
    /// Half a line stands behind the end and cannot be removed: nothing may be appended to it.
    is_torn: bool,
}

#[derive(Debug)]
struct Shared {
    index: Mutex<Index>,
    end: Mutex<FileEnd>,
    truth: GroundTruth,
    tries: Tries,
    /// Dropped after the file: tells [`Closed`] that it is.
    _open: mpsc::Sender<()>,
}

/// Waits until every handle of a book is gone, and its file closed with them.
#[derive(Debug)]
pub struct Closed(mpsc::Receiver<()>);

/// The right to decide the charge of one key; dropped without a charge, the key is free again.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared>,
    key: KeyDigest,
    /// Which try of the key this is, counted from 1.
    pub attempt: u32,
}

/// What a key is when a charge is asked for.
#[derive(Debug)]
pub enum KeyState {
    /// It is the caller's now.
    Free(Claim),
    /// Another call is deciding it.
    InUse,
    /// It has its charge, for ever.
    Settled(Box<Charge>),
    /// The book takes no more keys.
    Full,
}

/// What an inquiry finds.
#[derive(Debug)]
pub enum Found {
    /// The charge.
    Charge(Box<Charge>),
    /// A call is deciding it now.
    InUse,
    /// No charge, and none under way.
    Nothing,
}

/// Handle of the book, cheap to clone.
#[derive(Debug, Clone)]
pub struct ChargeBook {
    shared: Arc<Shared>,
}

/// How often keys were submitted since the start, replays and refusals included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submissions {
    /// By number of submissions, how many keys had so many.
    pub keys: BTreeMap<u32, u64>,
}

/// The gateway's id of the charge with this key.
pub fn charge_id(key: KeyDigest) -> String {
    format!("ch_{key:032x}")
}

/// The gateway's id of the refund with this key.
pub fn refund_id(key: KeyDigest) -> String {
    format!("re_{key:032x}")
}

/// The key of the charge with this id.
pub fn key_of(charge_id: &str) -> Option<KeyDigest> {
    let digits = charge_id.strip_prefix("ch_").filter(|digits| digits.len() == 32)?;
    KeyDigest::from_str_radix(digits, 16).ok()
}

/// The digest of an idempotency key.
pub fn digest(idempotency_key: &str) -> KeyDigest {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, idempotency_key.as_bytes()).as_u128()
}

impl Closed {
    /// Returns when the book is closed.
    pub async fn wait(mut self) {
        // Nothing is ever sent.
        let _ = self.0.recv().await;
    }
}

impl ChargeBook {
    /// Opens the book in `state_dir`.
    pub fn open(state_dir: &Path) -> Result<(Self, Closed), GroundTruthError> {
        Self::open_file((state_dir, FILE_NAME), |_| {})
    }

    /// Opens the book in a file of this name, and calls `seen` for all that is in it.
    pub fn open_file(
        file: (&Path, &str),
        mut seen: impl FnMut(&Charge),
    ) -> Result<(Self, Closed), GroundTruthError> {
        let mut index = Index::default();
        let (truth, bytes) = GroundTruth::open(file, |charge, position| {
            seen(charge);
            let settled = SettledKey { position, submissions: 0 };
            index.settled.insert(digest(&charge.idempotency_key), settled);
        })?;
        let tries = Tries::open(&file.0.join(file.1).with_extension("tries"), |key| {
            let is_open = index.settled.get(key).is_none();
            if is_open {
                index.open.entry(key).or_default().tries += 1;
            }
            is_open
        })?;
        let (open, closed) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            index: Mutex::new(index),
            end: Mutex::new(FileEnd { bytes, is_torn: false }),
            truth,
            tries,
            _open: open,
        });
        Ok((Self { shared }, Closed(closed)))
    }

    /// Claims `key` for a charge, or says why not.
    pub fn claim(&self, key: KeyDigest) -> io::Result<KeyState> {
        let position = {
            let mut index = self.shared.index();
            let is_full = index.settled.len() >= MAX_CHARGES;
            match index.settled.get_mut(key) {
                Some(settled) => {
                    settled.submissions = settled.submissions.saturating_add(1);
                    settled.position
                }
                None if is_full => return Ok(KeyState::Full),
                None => {
                    index.forget_idle_keys();
                    let open = index.open.entry(key).or_default();
                    open.submissions = open.submissions.saturating_add(1);
                    if open.claimed {
                        return Ok(KeyState::InUse);
                    }
                    open.claimed = true;
                    open.tries += 1;
                    let attempt = open.tries;
                    let shared = Arc::clone(&self.shared);
                    return Ok(KeyState::Free(Claim { shared, key, attempt }));
                }
            }
        };
        self.shared.truth.read(position).map(Box::new).map(KeyState::Settled)
    }

    /// Books `charge` under `claim`: when this returns Ok, it is in the file and its key settled.
    /// Gives its line. Blocks for one write to the page cache.
    pub fn book(&self, claim: Claim, charge: &Charge) -> io::Result<String> {
        let mut line = serde_json::to_string(charge)?;
        line.push('\n');
        let mut end = self.shared.end();
        if end.is_torn {
            return Err(io::Error::other("the ground truth ends in half a line"));
        }
        let position = match self.shared.truth.append(end.bytes, &line) {
            Ok((position, bytes)) => {
                end.bytes = bytes;
                position
            }
            Err(failure) => {
                end.is_torn = self.shared.truth.truncate(end.bytes).is_err();
                error!(%failure, is_torn = end.is_torn, "A charge cannot be written.");
                return Err(failure);
            }
        };
        drop(end);
        let mut index = self.shared.index();
        let submissions = index.open.remove(&claim.key).map_or(1, |open| open.submissions);
        index.settled.insert(claim.key, SettledKey { position, submissions });
        drop(index);
        // The key has its charge: there is nothing left to free.
        drop(claim);
        line.pop();
        Ok(line)
    }

    /// What is known under `key`.
    pub fn find(&self, key: KeyDigest) -> io::Result<Found> {
        let position = {
            let index = self.shared.index();
            match index.settled.get(key) {
                Some(settled) => settled.position,
                None if index.open.get(&key).is_some_and(|open| open.claimed) => {
                    return Ok(Found::InUse);
                }
                None => return Ok(Found::Nothing),
            }
        };
        self.shared.truth.read(position).map(Box::new).map(Found::Charge)
    }

    /// Counts an inquiry that is to fail while fewer than `limit` did; says whether this one is.
    pub fn fail_inquiry(&self, key: KeyDigest, limit: u32) -> bool {
        let mut index = self.shared.index();
        if index.failed_inquiries.len() >= MAX_OPEN_KEYS {
            index.failed_inquiries.clear();
        }
        let failed = index.failed_inquiries.entry(key).or_default();
        let fails = *failed < limit;
        *failed += u32::from(fails);
        fails
    }

    /// Forgets a key that has its charge, as gateways do after their retention: the next
    /// submission under it charges again. Says whether there was one.
    pub fn prune(&self, key: KeyDigest) -> bool {
        self.shared.index().settled.remove(key)
    }

    /// How many charges the book has.
    pub fn charges(&self) -> usize {
        self.shared.index().settled.len()
    }

    /// How often `key` was submitted since the start.
    pub fn submissions_of(&self, key: KeyDigest) -> u32 {
        let index = self.shared.index();
        let settled = index.settled.get(key).map(|settled| settled.submissions);
        settled.or_else(|| Some(index.open.get(&key)?.submissions)).unwrap_or_default()
    }

    /// How often keys were submitted since the start. Looks at every key.
    pub fn submissions(&self) -> Submissions {
        let index = self.shared.index();
        let mut keys = BTreeMap::new();
        let settled = index.settled.values().map(|settled| settled.submissions);
        for submissions in settled.chain(index.open.values().map(|open| open.submissions)) {
            *keys.entry(submissions).or_default() += 1;
        }
        // Charges of earlier runs.
        keys.remove(&0);
        Submissions { keys }
    }

    /// How many bytes of the file can be read.
    pub fn readable_bytes(&self) -> u64 {
        self.shared.end().bytes
    }

    /// Reads a block of the file; blocks the thread.
    pub fn read_block(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.shared.truth.read_block(buffer, offset)
    }

    /// Every charge that is in the file by now, oldest first; reading blocks the thread.
    pub fn read_all(&self) -> impl Iterator<Item = io::Result<Charge>> {
        self.shared.truth.read_all(self.readable_bytes())
    }
}

impl Shared {
    // No code panics between two changes that belong together, so both stay whole.

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> MutexGuard<'_, FileEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn forget_idle_keys(&mut self) {
        if self.open.len() >= MAX_OPEN_KEYS {
            self.open.retain(|_, open| open.claimed);
        }
    }
}

impl Claim {
    /// This try fails and books nothing. A kill does not change that.
    pub fn fails(self) -> io::Result<()> {
        self.shared.tries.note(self.key)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A settled key is in `open` no more.
        if let Some(open) = self.shared.index().open.get_mut(&self.key) {
            open.claimed = false;
        }
    }
}
