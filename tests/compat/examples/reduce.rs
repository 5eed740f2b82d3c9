//! Makes `recorded/NAME.jsonl` out of a raw recording: `NAME-transcript.jsonl` (a request and its answer a line, in order, with
//! the command that asked) and `NAME-cli.txt` (`$ command`, what it printed, `[rc N]`).
//!
//!     cargo run -p bramble-compat --example reduce -- FOLDER main more
//!
//! Kept are the commands of swarms, with what is compared and nothing else: the raw recordings are thirty times as long.

use anyhow::{Context, Result};
use bramble_compat::printed::normal;
use bramble_compat::session::{Command, Said, ask, gather};
use bramble_compat::shape::Shape;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;

/// Arguments with blanks in them, which the recording does not quote.
const GLUED: [&str; 5] = [
    "echo hello $A; exec top",
    "bad name",
    "top -d 2",
    "{{json .Swarm}}",
    "{{json .}}",
];
/// Subcommands that are compared.
const COMPARED: [&str; 12] = [
    "version", "info", "node", "service", "stack", "secret", "config", "swarm", "volume", "network",
    "system", "events",
];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().context("the folder of the recordings")?;
    for name in args {
        let read = |end: &str| fs::read_to_string(Path::new(&folder).join(format!("{name}-{end}")));
        let mut text = String::new();
        for command in commands(&read("transcript.jsonl")?, &read("cli.txt")?)? {
            text.push_str(&serde_json::to_string(&command)?);
            text.push('\n');
        }
        let to = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("recorded/{name}.jsonl"));
        fs::write(&to, text)?;
    }
    Ok(())
}

fn commands(transcript: &str, cli: &str) -> Result<Vec<Command>> {
    let mut printed = printed(cli);
    let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
    for line in transcript.lines() {
        let entry: Value = serde_json::from_str(line)?;
        let label = entry["label"].as_str().context("a label")?.to_owned();
        // A command begins with a ping. An answer that is a stream was recorded at its end, when the next command had begun.
        let begins = entry["method"] == "HEAD" && groups.last().is_none_or(|(known, _)| *known != label);
        match groups
            .iter_mut()
            .rev()
            .find(|(known, _)| *known == label && !begins)
        {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((label, vec![entry])),
        }
    }
    let compared = |label: &str| {
        let word = label.split_whitespace().nth(1).unwrap_or_default();
        COMPARED.contains(&word) && !label.contains(" bridge c2") || label == "docker inspect w"
    };
    groups.retain(|(label, _)| compared(label));
    Ok(groups
        .into_iter()
        .map(|(label, entries)| Command {
            args: split(&label),
            stdin: label.ends_with(" -").then(|| "secret=1".to_owned()),
            said: printed.get_mut(&label).and_then(VecDeque::pop_front),
            asked: gather(entries.iter().map(|entry| {
                let text = |key: &str| entry[key].as_str().unwrap_or_default();
                let json = entry["resp_headers"]["content-type"].as_str() == Some("application/json");
                let shape = (json && !entry["response"].is_null()).then(|| Shape::of(&entry["response"]));
                let status = entry["status"]
                    .as_u64()
                    .and_then(|status| u16::try_from(status).ok());
                (
                    ask(text("method"), text("path")),
                    status.unwrap_or_default(),
                    shape,
                )
            })),
        })
        .collect())
}

fn split(label: &str) -> Vec<String> {
    let glued = GLUED.iter().fold(label.to_owned(), |label, part| {
        label.replace(part, &part.replace(' ', "\u{0}"))
    });
    glued
        .split_whitespace()
        .skip(1)
        .map(|word| {
            let id = word.len() == 25 && word.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase());
            if id {
                "{node}".to_owned()
            } else {
                word.replace('\u{0}', " ")
            }
        })
        .collect()
}

/// What each command printed, by the command; one that was typed several times printed several times.
fn printed(cli: &str) -> HashMap<String, VecDeque<Said>> {
    let mut all = HashMap::<String, VecDeque<Said>>::new();
    let (mut command, mut text) = (String::new(), String::new());
    for line in cli.lines() {
        if let Some(typed) = line.strip_prefix("$ ") {
            typed.clone_into(&mut command);
            text.clear();
        } else if let Some((rest, code)) = line.strip_suffix(']').and_then(|line| line.split_once("[rc ")) {
            text.push_str(rest);
            let code = code.parse().unwrap_or(-1);
            let said = Said {
                code,
                lines: normal(&text),
            };
            all.entry(std::mem::take(&mut command))
                .or_default()
                .push_back(said);
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    all
}
