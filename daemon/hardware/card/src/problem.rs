//! A mistake on a card, as a sentence for its user.

use std::fmt;

/// What of a value is shown; more would not fit where problems are shown.
const SHOWN: usize = 40;

/// A mistake, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters; only where it helps.
    pub column: Option<usize>,
    /// What is wrong, and what would be right. Never shows a secret.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// A text for one line of a screen or a log: no control characters, no more than `most` characters.
pub fn plain(text: &str, most: usize) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most)
        .collect();
    if text.chars().nth(most).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// A value as it stands on the card, short enough for a sentence.
pub(crate) fn shown(source: &str) -> String {
    plain(source, SHOWN)
}

/// Line and column (from 1) of a byte.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

/// The likeliest of `known`, if one is likely.
pub(crate) fn likeliest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let given = plain(given);
    known
        .map(|known| (strsim::damerau_levenshtein(&given, &plain(known)), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
