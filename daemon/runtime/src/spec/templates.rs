//! `{{.Node.Hostname}}` and the like, in environment, mounts and host names (swarm.md 1.11).

use model::Task;

/// What templates can say of the board.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    pub hostname: String,
    pub os: String,
    pub architecture: String,
}

/// Fills in what is known; the rest stays as it was written.
pub(crate) fn fill(text: &str, task: &Task, board: &Board) -> String {
    if !text.contains("{{") {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        match after.split_once("}}") {
            Some((name, tail)) => {
                match value(name.trim(), task, board) {
                    Some(value) => out.push_str(&value),
                    None => out.push_str(&format!("{{{{{name}}}}}")),
                }
                rest = tail;
            }
            None => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out + rest
}

fn value(name: &str, task: &Task, board: &Board) -> Option<String> {
    let labels = &task.origin.service_labels;
    if let Some(quoted) = name.strip_prefix("index .Service.Labels ") {
        return labels.get(quoted.trim_matches('"')).cloned();
    }
    Some(match name {
        ".Service.ID" => task.service_id.to_string(),
        ".Service.Name" => task.origin.service_name.clone(),
        ".Node.ID" => task.node_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ".Node.Hostname" => board.hostname.clone(),
        ".Node.Platform.OS" => board.os.clone(),
        ".Node.Platform.Architecture" => board.architecture.clone(),
        ".Task.ID" => task.id.to_string(),
        ".Task.Name" => task.name(),
        ".Task.Slot" => match (task.slot, &task.node_id) {
            (Some(slot), _) => slot.to_string(),
            (None, node) => node.as_ref().map(ToString::to_string).unwrap_or_default(),
        },
        name => labels.get(name.strip_prefix(".Service.Labels.")?)?.clone(),
    })
}
