//! The log files that children write: bounded at every start, and shown when something is wrong.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// A file beyond this is put aside (one generation) at the next start of its writer.
const ROTATE_BYTES: u64 = 16 * 1024 * 1024;
/// Enough for the lines of an error, small enough to read at once.
const TAIL_BYTES: u64 = 64 * 1024;
const TAIL_LINES: usize = 20;

/// Opens a log file to append to, after putting an overgrown one aside as `<name>.1`.
///
/// # Errors
/// What the file system says.
pub fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > ROTATE_BYTES) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of a log file from byte `from` on, indented; says so when there are none.
pub fn tail(path: &Path, from: u64) -> String {
    let text = read_end(path, from).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return "  (it wrote nothing)".to_owned();
    }
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines[first..].iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn read_end(path: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES).max(from.min(length))))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        assert_eq!(tail(&path, 0), "  (it wrote nothing)");
        let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let shown = tail(&path, 0);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert!(shown.ends_with("  line 9999"), "{shown}");
        assert_eq!(tail(&path, lines.join("\n").len() as u64), "  (it wrote nothing)");
    }

    #[test]
    fn an_overgrown_file_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        open(&path).unwrap().set_len(ROTATE_BYTES + 1).unwrap();
        assert_eq!(open(&path).unwrap().metadata().unwrap().len(), 0);
        assert!(directory.path().join("x.log.1").exists());
    }
}
