//! Reading what a machine's serial port wrote.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::Result;

/// A place in a console's log: what was read stays read.
#[derive(Debug)]
pub struct Console {
    file: PathBuf,
    at: u64,
    /// What was read and not yet passed over.
    ahead: String,
}

impl Console {
    /// From the log's beginning. The log need not be there yet.
    pub fn new(file: &Path) -> Self {
        Console {
            file: file.to_owned(),
            at: 0,
            ahead: String::new(),
        }
    }

    /// Goes past the next `text`, if the log has it by now. Gives the rest of its line.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn pass(&mut self, text: &str) -> Result<Option<String>> {
        self.read_on()?;
        let Some(found) = self.ahead.find(text) else {
            // All but what could be the text's beginning is read for good.
            let keep = self
                .ahead
                .floor_char_boundary(self.ahead.len().saturating_sub(text.len()));
            self.ahead.drain(..keep);
            return Ok(None);
        };
        let after = found + text.len();
        let rest = self.ahead[after..]
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        self.ahead.drain(..after);
        Ok(Some(rest))
    }

    /// Goes to the log's end: what was written until now doesn't count any more.
    ///
    /// # Errors
    /// When the log can't be read.
    pub fn skip(&mut self) -> Result<()> {
        self.read_on()?;
        self.ahead.clear();
        Ok(())
    }

    fn read_on(&mut self) -> Result<()> {
        let mut file = match File::open(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        file.seek(SeekFrom::Start(self.at))?;
        let mut new = Vec::new();
        self.at += file.read_to_end(&mut new)? as u64;
        self.ahead.push_str(&String::from_utf8_lossy(&new));
        Ok(())
    }
}

/// The last line that says something, without colours and the like: for showing that something moves.
pub fn last_line(file: &Path) -> String {
    let mut end = Vec::new();
    if let Ok(mut log) = File::open(file) {
        let length = log.metadata().map_or(0, |one| one.len());
        // A log that can't be read shows nothing.
        let _ = log.seek(SeekFrom::Start(length.saturating_sub(2000)));
        let _ = log.read_to_end(&mut end);
    }
    let text = String::from_utf8_lossy(&end).replace('\r', "\n");
    let mut lines = text.lines().rev().map(plain).map(|line| line.trim().to_owned());
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// Without the sequences that move a terminal's cursor and colour its letters.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // `ESC [ … letter`, `ESC ] … BEL`, or `ESC` and one more.
            match letters.next() {
                Some('[') => letters.by_ref().find(|one| one.is_ascii_alphabetic()),
                Some(']') => letters.by_ref().find(|one| *one == '\u{7}'),
                _ => None,
            };
        } else if !letter.is_control() {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io::Write};

    #[test]
    fn what_was_passed_is_not_found_again() {
        let dir = std::env::temp_dir().join(format!("bramble-console-{}", std::process::id()));
        let mut console = Console::new(&dir);
        assert_eq!(console.pass("a").unwrap(), None);
        fs::write(&dir, "boot one: up\nhalf a wo").unwrap();
        assert_eq!(console.pass("boot ").unwrap().as_deref(), Some("one: up"));
        assert_eq!(console.pass("half a word").unwrap(), None);
        fs::File::options()
            .append(true)
            .open(&dir)
            .unwrap()
            .write_all("rd\nboot two\n\u{1b}]104\u{7}\u{1b}[1;32mé\u{1b}[0m\n".as_bytes())
            .unwrap();
        assert_eq!(console.pass("half a word").unwrap().as_deref(), Some(""));
        assert_eq!(console.pass("boot ").unwrap().as_deref(), Some("two"));
        assert_eq!(console.pass("boot ").unwrap(), None);
        assert_eq!(last_line(&dir), "é");
        console.skip().unwrap();
        assert_eq!(console.pass("é").unwrap(), None);
        fs::remove_file(dir).unwrap();
    }
}
