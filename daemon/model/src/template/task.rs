//! What templates of a task can name, and where they may stand (swarm.md 1.11).

use super::{TemplateError, Value, render};
use crate::{ContainerSpec, Task};
use std::collections::BTreeMap;

/// What templates can say of the board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateBoard {
    /// Its host name.
    pub hostname: String,
    /// Such as `linux`.
    pub os: String,
    /// Such as `aarch64`.
    pub architecture: String,
}

fn record(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let named = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Map(named.collect(), true)
}

fn text(text: impl std::fmt::Display) -> Value {
    Value::Text(text.to_string())
}

/// `.Service`, `.Node` and `.Task` of a task.
pub fn fields(task: &Task, board: &TemplateBoard) -> Value {
    let labels = task.origin.service_labels.iter();
    let labels: BTreeMap<String, Value> = labels.map(|(name, value)| (name.clone(), text(value))).collect();
    let node = task.node_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let slot = task.slot.map_or_else(|| node.clone(), |slot| slot.to_string());
    let platform = record([
        ("Architecture", text(&board.architecture)),
        ("OS", text(&board.os)),
    ]);
    record([
        (
            "Service",
            record([
                ("ID", text(&task.service_id)),
                ("Name", text(&task.origin.service_name)),
                ("Labels", Value::Map(labels, false)),
            ]),
        ),
        (
            "Node",
            record([
                ("ID", text(node)),
                ("Hostname", text(&board.hostname)),
                ("Platform", platform),
            ]),
        ),
        (
            "Task",
            record([
                ("ID", text(&task.id)),
                ("Name", text(task.name())),
                ("Slot", text(slot)),
            ]),
        ),
    ])
}

/// A container's spec with all templates filled in: in its environment, mounts and host name.
///
/// # Errors
/// In swarmkit's words, what can't be filled in.
pub fn expand(container: &ContainerSpec, data: &Value) -> Result<ContainerSpec, String> {
    let fill = |what: &str, text: &str| {
        render(text, data, &|_, _| None).map_err(|error| format!("expanding {what} failed: {error}"))
    };
    let mut filled = container.clone();
    for line in filled.env.iter_mut().flatten() {
        *line = fill("env", line)?;
    }
    for mount in filled.mounts.iter_mut().flatten() {
        for path in [&mut mount.source, &mut mount.target].into_iter().flatten() {
            *path = fill("mounts", path)?;
        }
        let options = mount.volume_options.as_mut();
        let labels = options.and_then(|options| options.labels.as_mut());
        for value in labels.into_iter().flat_map(|labels| labels.values_mut()) {
            *value = fill("mounts", value)?;
        }
    }
    if let Some(hostname) = &mut filled.hostname {
        *hostname = fill("hostname", hostname)?;
    }
    Ok(filled)
}

/// A secret or config that is a template, for a container whose spec has been expanded. `other` gives what the task may read
/// besides: `secret` or `config`, and the name that the container knows it by.
///
/// # Errors
/// What can't be filled in: a file with a hole in it would be read as if it were whole.
pub fn render_file(
    file: &str,
    container: &ContainerSpec,
    data: &Value,
    other: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<String, TemplateError> {
    let environment = |name: &str| {
        let lines = container.env.iter().flatten().rev();
        let mut values = lines.filter_map(|line| line.split_once('=').filter(|(known, _)| *known == name));
        values
            .next()
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    render(file, data, &|function, args| match (function, args) {
        ("env", [Value::Text(name)]) => Some(Ok(text(environment(name)))),
        ("secret" | "config", [Value::Text(name)]) => Some(
            other(function, name)
                .map(Value::Text)
                .ok_or_else(|| format!("{function} target {name} not found")),
        ),
        ("env" | "secret" | "config", _) => Some(Err("one name is needed".to_owned())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_filled_in_or_refused() {
        let mut task = Task {
            slot: Some(2),
            ..Task::default()
        };
        task.origin.service_name = "web".to_owned();
        let container = ContainerSpec {
            hostname: Some("{{.Service.Name}}-{{.Task.Slot}}".to_owned()),
            env: Some(vec!["ON={{.Node.Hostname}}/{{.Node.Platform.OS}}".to_owned()]),
            mounts: Some(vec![crate::Mount {
                source: Some("data-{{.Task.Slot}}".to_owned()),
                ..crate::Mount::default()
            }]),
            ..ContainerSpec::default()
        };
        let board = TemplateBoard {
            hostname: "pi".to_owned(),
            os: "linux".to_owned(),
            architecture: "aarch64".to_owned(),
        };
        let data = fields(&task, &board);
        let filled = expand(&container, &data).unwrap();
        assert_eq!(filled.hostname.as_deref(), Some("web-2"));
        assert_eq!(filled.env.as_deref(), Some(&["ON=pi/linux".to_owned()][..]));
        assert_eq!(
            filled.mounts.as_ref().unwrap()[0].source.as_deref(),
            Some("data-2")
        );
        let broken = ContainerSpec {
            env: Some(vec!["A={{.Nope}}".to_owned()]),
            ..ContainerSpec::default()
        };
        let refused = expand(&broken, &data).unwrap_err();
        assert_eq!(
            refused,
            "expanding env failed: template: can't evaluate field Nope"
        );

        let other = |kind: &str, name: &str| (kind == "secret" && name == "key").then(|| "k".to_owned());
        let file = |text: &str| render_file(text, &filled, &data, &other).map_err(|error| error.to_string());
        assert_eq!(
            file(r#"{{env "ON"}} {{secret "key"}}{{env "NO"}}"#).unwrap(),
            "pi/linux k"
        );
        assert!(
            file(r#"{{ config "key" }}"#)
                .unwrap_err()
                .contains("config target key not found")
        );
    }
}
