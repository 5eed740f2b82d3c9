//! A recorded session: commands in order, with all that was asked, answered and printed.

use crate::shape::Shape;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One docker command.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Command {
    /// What is typed after `docker`. `{node}` stands for the id of the node.
    pub args: Vec<String>,
    /// What it gets on its standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Its exit code and what it printed ([`crate::printed::normal`]); absent if that was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Said>,
    /// What it asked, and how that was answered.
    pub asked: Vec<Asked>,
}

/// How a command ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Said {
    /// The exit code; 124 if it was ended after some time.
    pub code: i32,
    /// Normal lines.
    pub lines: Vec<String>,
}

/// A kind of request ([`ask`]) and its answers of one status: a command may ask the same many times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Method, path and names of parameters.
    pub ask: String,
    /// The status.
    pub status: u16,
    /// What the bodies looked like, if they were JSON ([`Shape::to_json`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Command {
    /// As a person would type it.
    pub fn typed(&self) -> String {
        format!("docker {}", self.args.join(" "))
    }

    /// True if it only looks. Then all was at rest, and what it heard is not a matter of the moment.
    pub fn looks(&self) -> bool {
        let verbs = ["ls", "ps", "inspect", "services", "logs", "events", "df"];
        let mut first = self.args.iter().take(2);
        first.any(|arg| verbs.contains(&arg.as_str()))
    }
}

/// Reads a session, a command a line.
///
/// # Errors
/// If a line is none.
pub fn read(text: &str) -> Result<Vec<Command>> {
    let line = |line| serde_json::from_str(line).with_context(|| format!("not a command: {line:.80}"));
    text.lines().map(line).collect()
}

/// A request without what differs from run to run: `GET /services/{id}?status`.
pub fn ask(method: &str, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.first().is_some_and(|part| part.starts_with("v1.")) {
        parts.remove(0);
    }
    let verbs = [
        "create",
        "update",
        "logs",
        "json",
        "init",
        "join",
        "leave",
        "unlock",
        "unlockkey",
        "df",
        "prune",
    ];
    let of_one = matches!(
        parts.first().copied(),
        Some(
            "nodes"
                | "services"
                | "tasks"
                | "networks"
                | "secrets"
                | "configs"
                | "volumes"
                | "containers"
                | "images"
        )
    );
    if parts.first() == Some(&"distribution") {
        parts = vec!["distribution", "{name}", "json"];
    } else if of_one && parts.len() > 1 && !verbs.contains(&parts[1]) {
        parts[1] = "{id}";
    }
    let mut names: Vec<&str> = query
        .split('&')
        .filter_map(|pair| pair.split('=').next())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    let mark = if names.is_empty() { "" } else { "?" };
    format!("{method} /{}{mark}{}", parts.join("/"), names.join("&"))
}

/// Puts many requests and answers together.
pub fn gather(all: impl IntoIterator<Item = (String, u16, Option<Shape>)>) -> Vec<Asked> {
    let mut kinds: BTreeMap<(String, u16), Option<Shape>> = BTreeMap::new();
    for (ask, status, shape) in all {
        let known = kinds.entry((ask, status)).or_default();
        match (known, shape) {
            (Some(known), Some(shape)) => known.merge(shape),
            (known @ None, shape) => *known = shape,
            (Some(_), None) => {}
        }
    }
    let asked = |((ask, status), shape): (_, Option<Shape>)| Asked {
        ask,
        status,
        body: shape.map(|shape| shape.to_json()),
    };
    kinds.into_iter().map(asked).collect()
}

#[cfg(test)]
mod tests {
    use super::ask;

    #[test]
    fn requests_are_seen_as_kinds() {
        for (path, kind) in [
            ("/_ping", "GET /_ping"),
            (
                "/v1.41/services/abc?insertDefaults=false",
                "GET /services/{id}?insertDefaults",
            ),
            (
                "/v1.41/services?filters=%7B%7D&status=true",
                "GET /services?filters&status",
            ),
            ("/v1.41/services/create", "GET /services/create"),
            (
                "/v1.41/services/abc/logs?tail=all",
                "GET /services/{id}/logs?tail",
            ),
            ("/v1.41/swarm/unlockkey", "GET /swarm/unlockkey"),
            ("/v1.41/distribution/a/b:1/json", "GET /distribution/{name}/json"),
        ] {
            assert_eq!(ask("GET", path), kind);
        }
    }
}
