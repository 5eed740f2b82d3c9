//! The terminal: what has to be sent so that it shows other lines, and its manners.

use super::render::Line;
use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::fmt::Write as _;
use std::io::Write as _;

/// What a serial line says of its size: nothing.
const USUAL: (usize, usize) = (80, 24);

/// What a terminal can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only go on.
    Dumb,
    /// Put text in places; ASCII alone.
    Plain,
    /// The same, with all characters.
    Full,
}

impl Kind {
    /// By the name in `TERM`.
    pub fn of(term: &str) -> Self {
        match term {
            "" | "dumb" | "unknown" => Self::Dumb,
            _ if term.starts_with("vt") => Self::Plain,
            _ => Self::Full,
        }
    }
}

/// Width and height of the terminal.
pub(crate) fn size() -> (usize, usize) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL,
    }
}

/// What to send so that the terminal shows `new`: lines that differ from `old`, or all if it is not known what it shows.
pub(crate) fn update(old: Option<&[Line]>, new: &[Line], kind: Kind) -> String {
    let mut out = String::new();
    if kind == Kind::Dumb {
        if old != Some(new) {
            for line in new {
                out.push_str(&ascii(&line.text));
                out.push_str("\r\n");
            }
            out.push_str("\r\n");
        }
        return out;
    }
    // Writing to a string does not fail.
    if old.is_none() {
        out.push_str("\x1b[0m\x1b[?25l\x1b[H\x1b[2J");
    }
    let old = old.unwrap_or_default();
    for row in 0..old.len().max(new.len()) {
        if old.get(row) == new.get(row) {
            continue;
        }
        let _ = write!(out, "\x1b[{};1H", row + 1);
        if let Some(line) = new.get(row) {
            let text = if kind == Kind::Plain {
                ascii(&line.text)
            } else {
                line.text.clone()
            };
            match line.strong {
                true => out.extend(["\x1b[1m", &text, "\x1b[0m"]),
                false => out.push_str(&text),
            }
        }
        out.push_str("\x1b[K");
    }
    out
}

/// As many characters as before.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '…' => '.',
            '“' | '”' | '„' => '"',
            '‘' | '’' => '\'',
            c if c.is_ascii() => c,
            _ => '?',
        })
        .collect()
}

/// The terminal while the screen is on it: keys are not shown, and taken one by one.
pub(crate) struct Terminal(Option<Termios>);

impl Terminal {
    /// Changes its manners, if it is one.
    pub fn open() -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(before) = &before {
            let mut ours = before.clone();
            // Ctrl-C still ends it.
            ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &ours);
        }
        Self(before)
    }

    /// Sends a text.
    ///
    /// # Errors
    /// If nobody is there any more.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .context("writing to the terminal")
    }

    /// Leaves it as it was, below the screen.
    ///
    /// # Errors
    /// If nobody is there any more.
    pub fn close(self, kind: Kind) -> anyhow::Result<()> {
        if kind != Kind::Dumb {
            let (_, height) = size();
            self.write(&format!("\x1b[{height};1H\x1b[?25h\r\n"))?;
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line {
            text: (*text).to_owned(),
            strong: text.starts_with('*'),
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn only_what_changed_is_sent() {
        let (old, new) = (
            lines(&["*name", "state", "52 C", "last"]),
            lines(&["*name", "state", "53 C"]),
        );
        assert_eq!(
            update(None, &old, Kind::Full),
            "\x1b[0m\x1b[?25l\x1b[H\x1b[2J\x1b[1;1H\x1b[1m*name\x1b[0m\x1b[K\x1b[2;1Hstate\x1b[K\x1b[3;1H52 C\x1b[K\x1b[4;1Hlast\x1b[K"
        );
        assert_eq!(update(Some(&old), &old, Kind::Full), "");
        assert_eq!(
            update(Some(&old), &new, Kind::Full),
            "\x1b[3;1H53 C\x1b[K\x1b[4;1H\x1b[K"
        );
    }

    #[test]
    fn a_serial_line_gets_ascii_and_a_dumb_one_no_commands() {
        let new = lines(&["key “é…”"]);
        assert!(update(None, &new, Kind::of("vt220")).contains("key \"?.\""));
        assert_eq!(update(None, &new, Kind::of("dumb")), "key \"?.\"\r\n\r\n");
        assert_eq!(update(Some(&new), &new, Kind::Dumb), "");
        assert_eq!(Kind::of("linux"), Kind::Full);
    }
}
