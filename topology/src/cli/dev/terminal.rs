//! What `dev` says: plain lines to standard output, coloured only on a terminal.
//!
//! Nothing here fails: a reader that went away (`holdfast dev | head`) must not stop a supervisor.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// How a piece of text is set off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Heading,
    /// What is of second interest.
    Faint,
    /// A command to paste.
    Command,
}

/// Prints one line.
pub fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The text with the codes of its style, when standard output is a terminal.
pub fn styled(style: Style, text: &str) -> String {
    if !io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let code = match style {
        Style::Heading => "1",
        Style::Faint => "2",
        Style::Command => "36",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Reads the lines that are added to a file from a certain moment on.
#[derive(Debug)]
pub struct LogFollower {
    path: PathBuf,
    offset: u64,
    partial: Vec<u8>,
}

impl LogFollower {
    /// Follows from the present end of the file, which need not exist yet.
    pub fn from_end(path: PathBuf) -> Self {
        let offset = path.metadata().map_or(0, |metadata| metadata.len());
        Self { path, offset, partial: Vec::new() }
    }

    /// The complete lines since the last call.
    pub fn new_lines(&mut self) -> Vec<String> {
        if self.read().is_err() {
            return Vec::new();
        }
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.partial.split_off(end + 1);
        let complete = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&complete).lines().map(str::to_owned).collect()
    }

    fn read(&mut self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        // Shorter than before: the file was put aside and begun anew.
        if file.metadata()?.len() < self.offset {
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read_to_end(&mut self.partial)?;
        self.offset += u64::try_from(read).unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_new_lines_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut early = LogFollower::from_end(path.clone());
        assert_eq!(early.new_lines(), Vec::<String>::new());
        std::fs::write(&path, "one\ntw").unwrap();
        let mut late = LogFollower::from_end(path.clone());
        assert_eq!(early.new_lines(), ["one"]);
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(early.new_lines(), ["two", "three"]);
        assert_eq!(late.new_lines(), ["o", "three"]);
        std::fs::write(&path, "anew\n").unwrap();
        assert_eq!(early.new_lines(), ["anew"]);
    }
}
