//! Takes a secret off a card once it is kept elsewhere: its line becomes a comment, all else stays as its user wrote it.

use crate::kinds::Card;
use crate::lenient::lenient;
use crate::read::read;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A key that is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// `join-key`
    JoinKey,
    /// `[wifi] passphrase`
    Passphrase,
}

/// What is left of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It holds no such secret.
    Same,
    /// The card without it.
    Text(String),
    /// It stands where this can't take it out without harm to the rest: its user must.
    Stuck,
}

impl Taken {
    /// As its user knows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JoinKey => "join-key",
            Self::Passphrase => "wifi.passphrase",
        }
    }

    fn clear(self, card: &mut Card) {
        match self {
            Self::JoinKey => card.join_key = None,
            Self::Passphrase => {
                if let Some(wifi) = &mut card.wifi {
                    wifi.passphrase = None;
                }
            }
        }
    }
}

/// The card without a secret. `note` tells on one line when and where it went.
pub fn take_off(text: &str, what: Taken, note: &str) -> Left {
    let mut left = text.to_owned();
    // More than once if it stands there more than once: the second counts when the first is gone.
    for _ in 0..4 {
        let Some((name, value)) = find(&left, what) else {
            break;
        };
        let Some(shorter) = without(&left, name, value, &format!("# {}: {note}", what.name())) else {
            return Left::Stuck;
        };
        left = shorter;
    }
    if left == text {
        return Left::Same;
    }
    let mut wanted = read(text).card;
    what.clear(&mut wanted);
    if read(&left).card == wanted && find(&left, what).is_none() {
        Left::Text(left)
    } else {
        Left::Stuck
    }
}

/// Where the key's name and its value are.
fn find(text: &str, what: Taken) -> Option<(Range<usize>, Range<usize>)> {
    let parsed = lenient(text);
    let root = DeTable::parse(&parsed.text).ok()?;
    let entry = |table: &DeTable<'_>, wanted: &str| {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == wanted)?;
        Some((name.span(), value.span()))
    };
    match what {
        Taken::JoinKey => entry(root.get_ref(), "join-key"),
        Taken::Passphrase => {
            let (_, wifi) = root.get_ref().iter().find(|(name, _)| name.get_ref() == "wifi")?;
            let DeValue::Table(wifi) = wifi.get_ref() else {
                return None;
            };
            // An empty one is no secret: it says that the network is open.
            let (_, value) = wifi.iter().find(|(name, _)| name.get_ref() == "passphrase")?;
            match value.get_ref() {
                DeValue::String(text) if text.is_empty() => None,
                _ => entry(wifi, "passphrase"),
            }
        }
    }
}

fn without(text: &str, name: Range<usize>, value: Range<usize>, comment: &str) -> Option<String> {
    let start = text[..name.start].rfind('\n').map_or(0, |end| end + 1);
    let end = text[value.end..]
        .find('\n')
        .map_or(text.len(), |at| value.end + at);
    let (before, after) = (&text[start..name.start], text[value.end..end].trim());
    let dotted = before.trim().trim_end_matches('.').trim();
    // Alone on its lines.
    if (after.is_empty() || after.starts_with('#')) && (before.trim().is_empty() || dotted == "wifi") {
        let ending = if text[value.end..end].ends_with('\r') {
            "\r"
        } else {
            ""
        };
        return Some(format!("{}{comment}{ending}{}", &text[..start], &text[end..]));
    }
    // In a table on one line: with the comma before it, or else the one after it.
    let comma_before = text[..name.start].trim_end().strip_suffix(',').map(str::len);
    let rest = &text[value.end..];
    let comma_after = rest
        .trim_start()
        .starts_with(',')
        .then(|| value.end + rest.find(',').unwrap_or_default() + 1);
    let (from, to) = match (comma_before, comma_after) {
        (Some(from), _) => (from, value.end),
        (None, Some(to)) => (name.start, to),
        (None, None) if before.trim_end().ends_with('{') => (name.start, value.end),
        (None, None) => return None,
    };
    Some(format!(
        "{}{comment}\n{}{}",
        &text[..start],
        &text[start..from],
        &text[to..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn left(text: &str, what: Taken) -> String {
        match take_off(text, what, "kept") {
            Left::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_becomes_a_comment() {
        let card = "# my card\r\ncluster = \"home\"\r\njoin-key = \"hunter22\" # secret!\r\nboards = 3\r\n";
        assert_eq!(
            left(card, Taken::JoinKey),
            "# my card\r\ncluster = \"home\"\r\n# join-key: kept\r\nboards = 3\r\n"
        );
        assert_eq!(take_off("cluster = 'home'", Taken::JoinKey, "kept"), Left::Same);
    }

    #[test]
    fn wherever_a_passphrase_may_stand() {
        for card in [
            "[wifi]\nssid = \"a\"\npassphrase = \"hunter22\"\ncountry = \"DE\"",
            "wifi.ssid = \"a\"\nwifi.passphrase = \"hunter22\"\nwifi.country = \"DE\"",
            "wifi = { ssid = \"a\", passphrase = \"hunter22\", country = \"DE\" }",
            "wifi = { passphrase = \"hunter22\", ssid = \"a\", country = \"DE\" }",
            "[wifi]\nssid = \"a\"\ncountry = \"DE\"\npassphrase = \"\"\"\nhunter22\"\"\"",
            "boards =\n[wifi]\nssid = \"a\"\ncountry = \"DE\"\npassphrase = 'hunter22'",
            "[wifi]\nssid = \"a\"\ncountry = \"DE\"\npassphrase = 'hunter22'\npassphrase = 'hunter22'",
        ] {
            let left = left(card, Taken::Passphrase);
            assert!(!left.contains("hunter"), "{left}");
            let wifi = read(&left).card.wifi.unwrap();
            assert_eq!(
                (wifi.ssid.as_str(), wifi.country.as_deref(), wifi.passphrase),
                ("a", Some("DE"), None)
            );
        }
        assert_eq!(
            take_off("[wifi]\nssid='a'\npassphrase=''", Taken::Passphrase, "kept"),
            Left::Same
        );
    }

    proptest! {
        #[test]
        fn nothing_else_changes(
            before in "([a-z#]{0,8}\n){0,3}",
            after in "(\n[a-z=#' ]{0,12}){0,3}",
            labels in proptest::collection::btree_map("[a-z]{1,6}", "[ -!#-~]{0,9}", 0..3),
        ) {
            let labels = toml::to_string(&labels).unwrap();
            let card = format!("{before}join-key = 'hunter22'{after}\n[labels]\n{labels}");
            match take_off(&card, Taken::JoinKey, "kept") {
                Left::Text(left) => {
                    let mut wanted = read(&card).card;
                    wanted.join_key = None;
                    prop_assert_eq!(read(&left).card, wanted);
                    prop_assert!(!left.contains("hunter22"));
                }
                other => prop_assert!(other != Left::Stuck, "{card}"),
            }
        }
    }
}
