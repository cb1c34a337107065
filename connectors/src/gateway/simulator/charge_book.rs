//! The book of charges: which idempotency key is free, under way, or settled by which charge.
//!
//! Invariants: a key is held by at most one [`Claim`] at a time and settled at most once; a charge
//! is in the file before its key is settled, and settled before anyone is told. The claim travels
//! with the charge to the writer, so a caller that goes away in between frees nothing too early.
//!
//! In memory there are some 40 bytes per settled key (digest and place in the file); the charges
//! themselves are read from the file when they are asked for. One thread owns the end of the file
//! and writes whatever is queued in one go (group commit). No lock is held across an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{io, path::Path, thread};

use tokio::sync::{mpsc, oneshot};
use tracing::error;
use uuid::Uuid;

use super::ground_truth::{Charge, GroundTruth, GroundTruthError, LinePosition};

/// Most charges of one state directory: about 1 GiB of index.
const MAX_CHARGES: usize = 20_000_000;
/// Most keys without a charge whose tries are remembered; beyond it, idle ones are forgotten.
const MAX_OPEN_KEYS: usize = 100_000;
/// Most charges that wait for the writer; more wait for room, which slows their callers down.
const QUEUED_CHARGES: usize = 4096;
/// Most charges in one write: about 256 KiB.
const CHARGES_PER_WRITE: usize = 1024;

/// Digest of an idempotency key: 122 bits of SHA-1, which no two honest keys share.
type KeyDigest = u128;

/// A key without a charge.
#[derive(Debug, Default)]
struct OpenKey {
    tries: u32,
    claimed: bool,
}

#[derive(Debug, Default)]
struct Index {
    settled: HashMap<KeyDigest, LinePosition>,
    open: HashMap<KeyDigest, OpenKey>,
    failed_inquiries: HashMap<KeyDigest, u32>,
}

#[derive(Debug)]
struct Shared {
    index: Mutex<Index>,
    truth: GroundTruth,
    /// Bytes of the file that are written and settled.
    end: AtomicU64,
}

/// A charge on its way to the file.
struct Append {
    line: String,
    claim: Claim,
    written: oneshot::Sender<io::Result<()>>,
}

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
    appends: mpsc::Sender<Append>,
}

/// The gateway's id of the charge with this key.
pub fn charge_id(idempotency_key: &str) -> String {
    format!("ch_{:032x}", digest(idempotency_key))
}

fn digest(idempotency_key: &str) -> KeyDigest {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, idempotency_key.as_bytes()).as_u128()
}

impl ChargeBook {
    /// Opens the book in `state_dir` and starts its writer, which ends when every handle is gone.
    pub fn open(state_dir: &Path) -> Result<(Self, JoinHandle<()>), GroundTruthError> {
        let mut index = Index::default();
        let (truth, end) = GroundTruth::open(state_dir, |charge, position| {
            index.settled.insert(digest(&charge.idempotency_key), position);
        })?;
        let shared = Arc::new(Shared { index: Mutex::new(index), truth, end: AtomicU64::new(end) });
        let (appends, queue) = mpsc::channel(QUEUED_CHARGES);
        let writer = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("gateway-sim-writer".to_owned())
            .spawn(move || write_charges(&writer, queue))
            .map_err(|source| GroundTruthError::Io { path: state_dir.to_owned(), source })?;
        Ok((Self { shared, appends }, thread))
    }

    /// Claims `idempotency_key` for a charge, or says why not.
    pub fn claim(&self, idempotency_key: &str) -> io::Result<KeyState> {
        let key = digest(idempotency_key);
        let position = {
            let mut index = self.shared.index();
            match index.settled.get(&key) {
                Some(position) => *position,
                None if index.settled.len() >= MAX_CHARGES => return Ok(KeyState::Full),
                None => {
                    index.forget_idle_keys();
                    let open = index.open.entry(key).or_default();
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
    pub async fn book(&self, claim: Claim, charge: &Charge) -> io::Result<()> {
        let line = serde_json::to_string(charge)?;
        let (written, outcome) = oneshot::channel();
        let stopped = || io::Error::other("the writer of the ground truth has stopped");
        let append = Append { line, claim, written };
        self.appends.send(append).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }

    /// What is known under `idempotency_key`.
    pub fn find(&self, idempotency_key: &str) -> io::Result<Found> {
        let key = digest(idempotency_key);
        let position = {
            let index = self.shared.index();
            match index.settled.get(&key) {
                Some(position) => *position,
                None if index.open.get(&key).is_some_and(|open| open.claimed) => {
                    return Ok(Found::InUse);
                }
                None => return Ok(Found::Nothing),
            }
        };
        self.shared.truth.read(position).map(Box::new).map(Found::Charge)
    }

    /// Counts an inquiry that is to fail while fewer than `limit` did; says whether this one is.
    pub fn fail_inquiry(&self, idempotency_key: &str, limit: u32) -> bool {
        let mut index = self.shared.index();
        if index.failed_inquiries.len() >= MAX_OPEN_KEYS {
            index.failed_inquiries.clear();
        }
        let failed = index.failed_inquiries.entry(digest(idempotency_key)).or_default();
        let fails = *failed < limit;
        *failed += u32::from(fails);
        fails
    }

    /// How many charges the book has.
    pub fn charges(&self) -> usize {
        self.shared.index().settled.len()
    }

    /// How many bytes of the file can be read.
    pub fn readable_bytes(&self) -> u64 {
        self.shared.end.load(Ordering::Acquire)
    }

    /// Reads a block of the file; blocks the thread.
    pub fn read_block(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.shared.truth.read_block(buffer, offset)
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        // No code panics between two changes that belong together, so the index stays whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn forget_idle_keys(&mut self) {
        if self.open.len() >= MAX_OPEN_KEYS {
            self.open.retain(|_, open| open.claimed);
        }
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

/// The writer: takes what is queued, writes it in one go, settles the keys, tells the callers.
fn write_charges(shared: &Shared, mut queue: mpsc::Receiver<Append>) {
    let mut batch = Vec::with_capacity(CHARGES_PER_WRITE);
    while queue.blocking_recv_many(&mut batch, CHARGES_PER_WRITE) > 0 {
        let mut lines = Vec::with_capacity(batch.len());
        let mut claims = Vec::with_capacity(batch.len());
        for Append { line, claim, written } in batch.drain(..) {
            lines.push(line);
            claims.push((claim, written));
        }
        let end = shared.end.load(Ordering::Acquire);
        match shared.truth.append(end, &lines) {
            Ok((positions, end)) => {
                let mut index = shared.index();
                for ((claim, _), position) in claims.iter().zip(positions) {
                    index.settled.insert(claim.key, position);
                    index.open.remove(&claim.key);
                }
                drop(index);
                shared.end.store(end, Ordering::Release);
                for (claim, written) in claims {
                    drop(claim);
                    // A caller that has gone is no reason to undo a charge.
                    let _ = written.send(Ok(()));
                }
            }
            Err(failure) => {
                error!(%failure, charges = lines.len(), "Charges cannot be written.");
                let repaired = shared.truth.truncate(end);
                for (claim, written) in claims {
                    drop(claim);
                    let _ = written.send(Err(io::Error::from(failure.kind())));
                }
                if let Err(failure) = repaired {
                    error!(%failure, "The ground truth cannot be repaired: no more charges.");
                    return;
                }
            }
        }
    }
}
