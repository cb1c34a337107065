//! The shard loop on a store in which one byte is wrong. Whichever byte it is, in the end the state
//! is that of the journal: the damage was found and the store rebuilt, or the byte did not matter.

use std::fs;
use std::path::{Path, PathBuf};

use super::on_disk::{digest_of, pipe, settle, start};
use crate::engine::memory_broker::MemoryBroker;
use crate::engine::store::StoreDigest;

/// The distance of the bytes that are tried: no multiple of what the files are made of.
const STRIDE: usize = 131;
/// Of the header of a record in a log of `RocksDB`: a checksum, the length, a type. The first block
/// of the file is long enough for all that these tests write.
const HEADER_BYTES: usize = 7;
const LENGTH_AT: usize = 4;

/// A store to be damaged, and what its shard must come to.
struct Undamaged {
    broker: MemoryBroker,
    root: tempfile::TempDir,
    digest: StoreDigest,
}

/// How the process ended that had the store.
#[derive(Debug, Clone, Copy)]
enum End {
    Stopped,
    Killed,
}

impl Undamaged {
    /// With rows in table files, and newer ones in the write-ahead log.
    fn after(end: End) -> Self {
        let (root, broker) = (tempfile::tempdir().expect("a directory"), MemoryBroker::default());
        let undamaged = root.path().join("undamaged");
        let live = root.path().join("live");
        pipe(&broker, 120);
        settle(&mut start(&broker, &live));
        // Opening again turns the write-ahead log into table files.
        let mut shard = start(&broker, &live);
        settle(&mut shard);
        pipe(&broker, 60);
        settle(&mut shard);
        // Visiting the rows writes them.
        digest_of(&shard);
        pipe(&broker, 5);
        settle(&mut shard);
        if matches!(end, End::Killed) {
            copy(&live, &undamaged);
        }
        let digest = digest_of(&shard);
        drop(shard);
        if matches!(end, End::Stopped) {
            copy(&live, &undamaged);
        }
        let store = Self { broker, root, digest };
        for kind in [".sst", ".log", "MANIFEST"] {
            let files = store.files().into_iter().filter(|file| is_a(file, kind));
            assert!(files.map(|file| file.length).sum::<usize>() > 0, "there is no {kind}");
        }
        store
    }

    fn undamaged(&self) -> PathBuf {
        self.root.path().join("undamaged")
    }

    /// The files that matter: the others are for people, or for the lock.
    fn files(&self) -> Vec<File> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.undamaged()).expect("a directory") {
            let entry = entry.expect("it is listed");
            let name = entry.file_name().into_string().expect("a name");
            let matters = ["CURRENT", "IDENTITY", "MANIFEST", ".log", ".sst"];
            if matters.iter().any(|kind| is_named(&name, kind)) {
                let length = usize::try_from(entry.metadata().expect("a file").len());
                files.push(File { name, length: length.expect("a small file") });
            }
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        files
    }

    /// What comes of the store when this byte of it is another.
    fn check(&self, file: &File, place: usize, end: End) {
        let damaged = self.root.path().join("damaged");
        for left in [&damaged, &damaged.with_extension("aside")] {
            let _ = fs::remove_dir_all(left);
        }
        copy(&self.undamaged(), &damaged);
        let path = damaged.join(&file.name);
        let mut bytes = fs::read(&path).expect("readable");
        bytes[place] ^= 0x40;
        fs::write(&path, bytes).expect("writable");
        let mut shard = start(&self.broker, &damaged);
        settle(&mut shard);
        assert_eq!(digest_of(&shard), self.digest, "{end:?}: byte {place} of {}", file.name);
    }
}

struct File {
    name: String,
    length: usize,
}

fn is_named(name: &str, kind: &str) -> bool {
    name.starts_with(kind) || name.ends_with(kind)
}

fn is_a(file: &File, kind: &str) -> bool {
    is_named(&file.name, kind)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("it is listed");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file");
    }
}

#[test]
fn a_wrong_byte_anywhere_in_a_store_is_healed() {
    for end in [End::Stopped, End::Killed] {
        let store = Undamaged::after(end);
        let mut begin = 0;
        for file in store.files() {
            for place in (begin..file.length).step_by(STRIDE) {
                store.check(&file, place, end);
            }
            // So that small files of one kind are not damaged at one place only.
            begin = (begin + 17) % STRIDE;
            store.check(&file, file.length / 2, end);
            store.check(&file, file.length - 1, end);
        }
    }
}

/// Such a log seems to end there: whatever it says later is missing, and nothing else is.
#[test]
fn a_record_that_seems_to_reach_beyond_its_file_is_healed() {
    for end in [End::Stopped, End::Killed] {
        let store = Undamaged::after(end);
        let files = store.files();
        for log in files.iter().filter(|file| is_a(file, "MANIFEST") || is_a(file, ".log")) {
            let bytes = fs::read(store.undamaged().join(&log.name)).expect("readable");
            let mut record = 0;
            while let Some(header) = bytes.get(record..record + HEADER_BYTES) {
                store.check(log, record + LENGTH_AT + 1, end);
                let length = u16::from_le_bytes([header[LENGTH_AT], header[LENGTH_AT + 1]]);
                record += HEADER_BYTES + usize::from(length);
            }
            assert_eq!(record, bytes.len(), "{} is one block of records", log.name);
        }
    }
}
