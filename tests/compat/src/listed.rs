//! `differences.md`: the list of what may differ, each with its reason.
//!
//! ```text
//!  ## Intended: why                a reason; "Not built yet: …" and "Varies: …" are the others
//!  - `docker node ls: …`           a difference; `*` stands for anything
//! ```
//!
//! A listed difference that no longer occurs is an error too, except below "Varies", where chance decides.

use regex::Regex;
use std::collections::BTreeSet;

/// The list.
#[derive(Debug, Default)]
pub struct Listed(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    text: String,
    pattern: Regex,
    varies: bool,
}

/// What is wrong with the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Differences that are not listed.
    pub unlisted: Vec<String>,
    /// Listed ones that do not occur.
    pub gone: Vec<String>,
}

impl Listed {
    /// Reads the list.
    ///
    /// # Errors
    /// In words, if an entry has no reason or can't be read.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut entries = Vec::new();
        let mut reason = "";
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                reason = title;
            }
            let Some(text) = line.strip_prefix("- `").and_then(|rest| rest.strip_suffix('`')) else {
                continue;
            };
            if !["Intended: ", "Not built yet: ", "Varies: "]
                .iter()
                .any(|kind| reason.starts_with(kind))
            {
                return Err(format!("no reason is given for: {text}"));
            }
            let parts: Vec<_> = text.split('*').map(regex::escape).collect();
            let pattern =
                Regex::new(&format!("^{}$", parts.join(".*"))).map_err(|error| error.to_string())?;
            entries.push(Entry {
                text: text.to_owned(),
                pattern,
                varies: reason.starts_with("Varies"),
            });
        }
        Ok(Self(entries))
    }

    /// Compares it with what was found.
    pub fn judge(&self, found: &BTreeSet<String>) -> Verdict {
        let listed = |one: &&String| !self.0.iter().any(|entry| entry.pattern.is_match(one));
        let gone = |entry: &&Entry| !entry.varies && !found.iter().any(|one| entry.pattern.is_match(one));
        Verdict {
            unlisted: found.iter().filter(listed).cloned().collect(),
            gone: self
                .0
                .iter()
                .filter(gone)
                .map(|entry| entry.text.clone())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_and_what_is_gone_is_told() {
        let list =
            "# T\n## Intended: because\n- `docker x: *`\n- `docker y: 1 * 2`\n## Varies: timing\n- `z`\n";
        let listed = Listed::read(list).unwrap();
        let found = ["docker x: prints \"(\"", "q"].map(str::to_owned).into();
        assert_eq!(
            listed.judge(&found),
            Verdict {
                unlisted: vec!["q".to_owned()],
                gone: vec!["docker y: 1 * 2".to_owned()]
            }
        );
        assert!(Listed::read("- `a`\n").is_err());
    }
}
