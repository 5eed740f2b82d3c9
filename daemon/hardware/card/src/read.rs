//! Reads a card: every key that is right counts, every mistake is named.

use crate::keys::{KEYS, Key, LABEL, LABELS, TABLES, Take};
use crate::kinds::Card;
use crate::lenient::{Lenient, lenient};
use crate::problem::{Problem, likeliest, position, shown};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Bytes of a card that are read; a longer file is something else.
pub const LONGEST: usize = 64 * 1024;
/// Problems that are told of one card.
const MOST: usize = 32;

/// What a card says, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What counts.
    pub card: Card,
    /// What does not, in the order of the lines.
    pub problems: Vec<Problem>,
    /// False if this is no card at all: then nothing counts.
    pub whole: bool,
    /// True if a mistake may have hit what Wi-Fi needs: `card.wifi` is absent, and what was kept goes on.
    pub wifi_spoiled: bool,
}

/// Reads what may not even be a text.
pub fn read_bytes(bytes: &[u8]) -> Reading {
    let long = bytes.len() > LONGEST;
    if long {
        let text = format!("a card of more than {LONGEST} bytes is not read");
        return Reading {
            problems: vec![Problem {
                line: 1,
                column: None,
                text,
            }],
            ..Reading::default()
        };
    }
    read(&String::from_utf8_lossy(bytes))
}

/// Reads the text of a card. Never fails: see the crate's documentation for what becomes of mistakes.
pub fn read(text: &str) -> Reading {
    let parsed = lenient(text);
    let mut reader = Reader {
        text,
        card: Card::default(),
        problems: parsed.problems.clone(),
        wifi_trouble: parsed.dropped.iter().any(|lines| is_about_wifi(text, lines)),
    };
    // Blank if there was nothing to be read: parses.
    if let Ok(table) = DeTable::parse(&parsed.text) {
        reader.table("", table.get_ref());
    }
    let wifi_spoiled = reader.settle();
    let Reader {
        card, mut problems, ..
    } = reader;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    shorten(&mut problems, &parsed);
    Reading {
        card,
        problems,
        whole: parsed.whole,
        wifi_spoiled,
    }
}

/// Tells the first ones, and that there are more.
fn shorten(problems: &mut Vec<Problem>, parsed: &Lenient) {
    if !parsed.whole {
        problems.truncate(1);
        let more = "and so many more mistakes that nothing of this card counts".to_owned();
        let line = problems.first().map_or(1, |first| first.line);
        problems.push(Problem {
            line,
            column: None,
            text: more,
        });
    } else if problems.len() > MOST {
        problems.truncate(MOST);
        let line = problems.last().map_or(1, |last| last.line);
        problems.push(Problem {
            line,
            column: None,
            text: "and more mistakes after this one".to_owned(),
        });
    }
}

/// Whether lines that are no TOML may have been meant for Wi-Fi.
fn is_about_wifi(text: &str, lines: &Range<usize>) -> bool {
    let head = |line: &&str| line.trim_start().starts_with('[');
    let table = text[..lines.start].lines().rev().find(head).unwrap_or_default();
    let lines = &text[lines.clone()];
    table.contains("wifi")
        || ["wifi", "ssid", "passphrase"]
            .iter()
            .any(|word| lines.contains(word))
}

struct Reader<'t> {
    text: &'t str,
    card: Card,
    problems: Vec<Problem>,
    /// A mistake that may have hit what Wi-Fi needs.
    wifi_trouble: bool,
}

impl Reader<'_> {
    fn table(&mut self, table: &'static str, values: &DeTable<'_>) {
        for (name, value) in values {
            let at = name.span().start;
            let name: &str = name.get_ref();
            let row = KEYS.iter().find(|key| key.table == table && key.name == name);
            match (
                row,
                TABLES.iter().find(|known| table.is_empty() && **known == name),
            ) {
                (Some(key), _) => self.value(key, value),
                (None, Some(inner)) => match value.get_ref() {
                    DeValue::Table(values) if *inner == LABELS => self.labels(values),
                    DeValue::Table(values) => self.table(inner, values),
                    _ => self.wrong(
                        at,
                        &format!("{name} is a table: its keys stand below [{name}]"),
                        table,
                    ),
                },
                (None, None) => self.unknown(table, name, at),
            }
        }
    }

    fn value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let card = &mut self.card;
        let right = match (&key.take, value.get_ref()) {
            (Take::Text(take), DeValue::String(text)) => take(card, text),
            (Take::Number(take), DeValue::Integer(number)) => {
                let digits = number.as_str();
                i64::from_str_radix(digits, number.radix()).is_ok_and(|number| take(card, number))
            }
            (Take::Flag(take), DeValue::Boolean(flag)) => {
                take(card, *flag);
                true
            }
            (Take::Texts(take), DeValue::Array(list)) => {
                let mut wrong = Vec::new();
                for entry in list.iter() {
                    match entry.get_ref() {
                        DeValue::String(text) if take(card, text) => {}
                        _ => wrong.push(entry.span()),
                    }
                }
                for span in wrong {
                    self.not_allowed(key, span);
                }
                return;
            }
            _ => false,
        };
        if !right {
            self.not_allowed(key, value.span());
        }
    }

    fn labels(&mut self, values: &DeTable<'_>) {
        for (name, value) in values {
            match value.get_ref() {
                DeValue::String(text) => {
                    let labels = self.card.labels.get_or_insert_default();
                    labels.insert(name.get_ref().to_string(), text.to_string());
                }
                DeValue::Table(_) => {
                    let text = format!(
                        "labels.{0}: a name with dots needs quotes: \"{0}.…\" = \"…\"",
                        name.get_ref()
                    );
                    self.wrong(name.span().start, &text, LABELS);
                }
                _ => {
                    let text = format!(
                        "labels.{} = {}: must be {LABEL}",
                        name.get_ref(),
                        self.source(value.span())
                    );
                    self.wrong(name.span().start, &text, LABELS);
                }
            }
        }
    }

    fn unknown(&mut self, table: &'static str, name: &str, at: usize) {
        let full = full(table, &shown(name));
        // A table was left out, or its head forgotten.
        let elsewhere = KEYS.iter().find(|key| key.name == name && key.table != table);
        let near = match elsewhere {
            Some(key) if key.table.is_empty() => Some(format!("{name} belongs above all [tables]")),
            Some(key) => Some(format!("{name} belongs below [{}]", key.table)),
            None => {
                let here = KEYS.iter().filter(|key| key.table == table).map(|key| key.name);
                let tables = TABLES.iter().copied().filter(|_| table.is_empty());
                likeliest(name, here.chain(tables)).map(|near| format!("did you mean {near}?"))
            }
        };
        let near = near.map(|near| format!(" ({near})")).unwrap_or_default();
        self.wrong(at, &format!("unknown key {full}{near}"), table);
    }

    fn not_allowed(&mut self, key: &Key, span: Range<usize>) {
        let name = full(key.table, key.name);
        let text = match key.secret {
            true => format!("{name}: must be {}", key.allowed),
            false => format!("{name} = {}: must be {}", self.source(span.clone()), key.allowed),
        };
        self.wrong(span.start, &text, key.table);
    }

    fn wrong(&mut self, at: usize, text: &str, table: &str) {
        self.wifi_trouble |= table == "wifi" || text.starts_with("wifi");
        let (line, _) = position(self.text, at);
        self.problems.push(Problem {
            line,
            column: None,
            text: text.to_owned(),
        });
    }

    fn source(&self, span: Range<usize>) -> String {
        shown(self.text.get(span).unwrap_or_default())
    }

    /// What keys say together. True if Wi-Fi is not to be had from this card though it may have been meant.
    fn settle(&mut self) -> bool {
        if let Some(network) = &mut self.card.network {
            let wrong = match (network.gateway, network.address) {
                (Some(_), None) => Some(
                    "network.gateway: only with an address of the board's own (network.address)".to_owned(),
                ),
                (Some(gateway), Some(address)) if !address.holds(gateway) => Some(format!(
                    "network.gateway = {gateway}: not in the network of {address}"
                )),
                _ => None,
            };
            if let Some(wrong) = wrong {
                network.gateway = None;
                let at = self.text.find("gateway").unwrap_or_default();
                self.wrong(at, &wrong, "network");
            }
        }
        let unnamed = self.card.wifi.as_ref().is_some_and(|wifi| wifi.ssid.is_empty());
        if unnamed && !self.wifi_trouble {
            let at = self.text.find("wifi").unwrap_or_default();
            self.wrong(at, "wifi.ssid is missing: the name of the network", "wifi");
        }
        let complete = |wifi: &crate::Wifi| !wifi.ssid.is_empty() && wifi.passphrase.is_some();
        let spoiled = self.wifi_trouble && !self.card.wifi.as_ref().is_some_and(complete);
        if spoiled {
            self.card.wifi = None;
        }
        spoiled
    }
}

fn full(table: &str, name: &str) -> String {
    match table {
        "" => name.to_owned(),
        table => format!("{table}.{name}"),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
