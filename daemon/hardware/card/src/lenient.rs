//! TOML with lines that are none.

use crate::problem::{Problem, position};
use std::ops::Range;
use toml::de::DeTable;

/// A text with more lines that are no TOML than this is something else.
const MOST: usize = 16;

/// What could be read as TOML.
pub(crate) struct Lenient {
    /// The text with spaces for what is no TOML, so that every byte is where it was.
    pub text: String,
    /// What was left out, in bytes.
    pub dropped: Vec<Range<usize>>,
    /// Why.
    pub problems: Vec<Problem>,
    /// False if it is no TOML at all; then `text` is blank.
    pub whole: bool,
}

/// Leaves out lines until the rest is TOML.
pub(crate) fn lenient(original: &str) -> Lenient {
    let mut all = Lenient {
        text: original.to_owned(),
        dropped: Vec::new(),
        problems: Vec::new(),
        whole: true,
    };
    // A byte-order mark is how some editors begin a text.
    if original.starts_with('\u{feff}') {
        blank(&mut all.text, 0..'\u{feff}'.len_utf8());
    }
    while let Err(error) = DeTable::parse(&all.text) {
        let at = error.span().map_or(0, |span| span.start).min(all.text.len());
        let lines = hit(&all.text, at);
        if all.dropped.len() >= MOST || lines.is_empty() {
            all.whole = false;
            blank(&mut all.text, 0..original.len());
            break;
        }
        all.problems.push(problem(original, &lines, at, error.message()));
        blank(&mut all.text, lines.clone());
        all.dropped.push(lines);
    }
    all
}

/// The line that a mistake is in, or the last one before it that says something. If it heads a table, all of the table.
fn hit(text: &str, at: usize) -> Range<usize> {
    let mut line = line_at(text, at);
    while text[line.clone()].trim().is_empty() && line.start > 0 {
        line = line_at(text, line.start - 1);
    }
    if text[line.clone()].trim().is_empty() {
        return 0..0;
    }
    if text[line.clone()].trim_start().starts_with('[') {
        let next = text[line.end..]
            .match_indices("\n[")
            .next()
            .map_or(text.len(), |(at, _)| line.end + at);
        line.end = next;
    }
    line
}

/// The bytes of the line around a byte, without its end.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = bytes[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let end = bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |end| at + end);
    start..end
}

fn problem(original: &str, lines: &Range<usize>, at: usize, message: &str) -> Problem {
    let inside = if lines.contains(&at) { at } else { lines.end };
    let (line, column) = position(original, inside);
    let head = original[lines.clone()].trim_start().starts_with('[');
    let hint = if original[lines.clone()].contains(['“', '”', '„', '‘', '’']) {
        "; quotes must be straight: \""
    } else {
        ""
    };
    let left_out = if head {
        "this table is left out"
    } else {
        "this line is left out"
    };
    Problem {
        line,
        column: Some(column),
        // Only the first line of a message that may show the text: it may be a secret.
        text: format!(
            "{}{hint} ({left_out})",
            message.lines().next().unwrap_or("no TOML")
        ),
    }
}

/// Spaces for all but ends of lines.
fn blank(text: &mut String, range: Range<usize>) {
    let spaces: String = text[range.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(range, &spaces);
}
