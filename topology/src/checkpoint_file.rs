//! Where a follower keeps its checkpoint: a file with its own hash, replaced as a whole.
//!
//! Disposable: missing, torn or of another form, it is the beginning, and the fold begins at the
//! first entry. The name of the form is hashed with it.

use std::path::{Path, PathBuf};

use processors::{decode_row, encode_row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The checkpoint in this file; the beginning when there is none that can be read.
pub fn read<T: DeserializeOwned + Default>(path: &Path, form: &[u8]) -> T {
    let Ok(bytes) = std::fs::read(path) else { return T::default() };
    let whole =
        bytes.split_first_chunk::<32>().filter(|(hash, row)| digest(form, row).as_bytes() == *hash);
    let checkpoint = whole.and_then(|(_, row)| decode_row(row).ok());
    if checkpoint.is_none() {
        tracing::warn!(path = %path.display(), "A checkpoint is unreadable; folding anew.");
    }
    checkpoint.unwrap_or_default()
}

/// Removes the checkpoint: the next start begins at the first entry.
pub fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::warn!(%error, "A checkpoint was not removed.");
    }
}

/// Writes the checkpoint beside the old one, then takes its place.
pub fn write<T: Serialize>(path: &Path, form: &[u8], checkpoint: &T) -> std::io::Result<()> {
    std::fs::rename(write_beside(path, form, checkpoint)?, path)
}

/// Writes the checkpoint beside the old one; whoever renames the file gives it its place.
pub fn write_beside<T: Serialize>(
    path: &Path,
    form: &[u8],
    checkpoint: &T,
) -> std::io::Result<PathBuf> {
    let row = encode_row(checkpoint);
    let mut bytes = digest(form, &row).as_bytes().to_vec();
    bytes.extend_from_slice(&row);
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes)?;
    Ok(beside)
}

fn digest(form: &[u8], row: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(form).update(row).finalize()
}
