//! `{{.Node.Hostname}}` and the like, in environment, mounts and host names, and in secrets and configs that are
//! templates (swarm.md 1.11).

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
    let filled = replace(text, |name| {
        Ok(value(name, task, board).unwrap_or_else(|| format!("{{{{{name}}}}}")))
    });
    filled.unwrap_or_else(|_| text.to_owned())
}

/// Fills in a file: beside what [`fill`] knows, `env "NAME"`, `secret "target"` and `config "target"`.
///
/// # Errors
/// What can't be filled in: a file with a hole in it would be read as if it were whole.
pub(crate) fn fill_file(
    text: &str,
    task: &Task,
    board: &Board,
    other: &dyn Fn(&'static str, &str) -> Option<String>,
) -> Result<String, String> {
    replace(text, |inside| {
        let words = inside.trim().split_once(char::is_whitespace);
        let function = words.map(|(function, rest)| (function, rest.trim().trim_matches(['"', '`'])));
        let found = match function {
            Some(("env", name)) => Some(environment(task, name, board)),
            Some(("secret", name)) => other("secret", name),
            Some(("config", name)) => other("config", name),
            _ => value(inside, task, board),
        };
        found.ok_or_else(|| format!("{{{{{inside}}}}} means nothing here"))
    })
}

fn environment(task: &Task, name: &str, board: &Board) -> String {
    let container = task.spec.container_spec.iter();
    let lines = container.flat_map(|container| container.env.iter().flatten());
    let mut values = lines.filter_map(|line| line.split_once('=').filter(|(known, _)| *known == name));
    values
        .next_back()
        .map(|(_, value)| fill(value, task, board))
        .unwrap_or_default()
}

/// Puts `with(inside)` in place of every `{{inside}}`.
fn replace(text: &str, with: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        match after.split_once("}}") {
            Some((inside, tail)) => {
                out.push_str(&with(inside)?);
                rest = tail;
            }
            None => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    Ok(out + rest)
}

fn value(name: &str, task: &Task, board: &Board) -> Option<String> {
    let name = name.trim();
    let labels = &task.origin.service_labels;
    if let Some(quoted) = name.strip_prefix("index .Service.Labels ") {
        return labels.get(quoted.trim().trim_matches('"')).cloned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_filled_in_or_refused() {
        let mut task = Task::default();
        task.origin.service_name = "web".to_owned();
        task.spec.container_spec = Some(model::ContainerSpec {
            env: Some(vec!["A=1".to_owned(), "B={{.Service.Name}}".to_owned()]),
            ..Default::default()
        });
        let other =
            |kind: &'static str, name: &str| (kind == "secret" && name == "key").then(|| "k".to_owned());
        let filled = |text: &str| fill_file(text, &task, &Board::default(), &other);
        let text = r#"{{ .Service.Name }} {{env "A"}}{{env "B"}}{{env "C"}} {{ secret "key" }} {{"#;
        assert_eq!(filled(text).unwrap(), "web 1web k {{");
        assert!(filled(r#"{{ secret "other" }}"#).is_err());
        assert!(filled("{{ if .Nonsense }}").is_err());
        assert_eq!(
            fill("{{ .Nonsense }}", &task, &Board::default()),
            "{{ .Nonsense }}"
        );
    }
}
