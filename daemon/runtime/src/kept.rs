//! What is kept beside a container so that it can be shown: its task, when it was started, its place on the board's
//! network. Losing any of it loses a column of `docker ps`, never a container.

use exec::Attached;
use model::{Labels, LocalEvent, LocalNetwork, Task, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

/// Keeps the task beside its container.
pub(crate) fn save_task(folder: &Path, task: &Task) -> std::io::Result<()> {
    std::fs::write(folder.join("task.json"), serde_json::to_vec(task)?)
}

/// The task of a container.
pub(crate) fn task(folder: &Path) -> Option<Task> {
    serde_json::from_slice(&std::fs::read(folder.join("task.json")).ok()?).ok()
}

/// A container's process has just been started.
pub(crate) fn start(run: &Path) {
    put(&run.join("started"), Timestamp::now().to_string().as_bytes());
}

/// When it was.
pub(crate) fn started(run: &Path) -> Option<Timestamp> {
    std::fs::read_to_string(run.join("started"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// A container has this place on the board's network.
pub(crate) fn network(run: &Path, attached: &Attached) {
    let value = json!({
        "namespace": attached.namespace,
        "address": attached.address,
        "prefix": attached.prefix,
        "gateway": attached.gateway,
    });
    put(&run.join("network.json"), value.to_string().as_bytes());
}

/// Where it is on the board's network.
pub(crate) fn network_of(run: &Path) -> Option<LocalNetwork> {
    let value: Value = serde_json::from_slice(&std::fs::read(run.join("network.json")).ok()?).ok()?;
    Some(LocalNetwork {
        namespace: value["namespace"].as_str()?.into(),
        address: value["address"].as_str()?.parse().ok()?,
        prefix: value["prefix"].as_u64()?.try_into().ok()?,
        gateway: value["gateway"].as_str()?.parse().ok()?,
    })
}

fn put(path: &Path, bytes: &[u8]) {
    if let Some(folder) = path.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    if let Err(error) = std::fs::write(path, bytes) {
        tracing::debug!(path = %path.display(), %error, "not kept");
    }
}

/// protobuf's time as ours; now if there is none.
pub(crate) fn time(at: Option<prost_types::Timestamp>) -> Timestamp {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
        .unwrap_or_else(Timestamp::now)
}

/// Something that happened to a container.
pub(crate) fn event(id: &str, task: &Task, action: &str, more: &[(&str, String)]) -> LocalEvent {
    let mut attributes: Labels = model::container_labels(task);
    let spec = task.spec.container_spec.as_ref();
    let image = spec.and_then(|spec| spec.image.clone()).unwrap_or_default();
    attributes.insert("image".to_owned(), image);
    attributes.insert("name".to_owned(), task.name());
    attributes.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone())),
    );
    LocalEvent {
        kind: "container",
        action: action.to_owned(),
        id: id.to_owned(),
        attributes,
        at: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let attached = Attached {
            namespace: "/run/netns/x".into(),
            address: [10, 1, 2, 3].into(),
            prefix: 16,
            gateway: [10, 1, 0, 1].into(),
        };
        network(folder.path(), &attached);
        let found = network_of(folder.path()).unwrap();
        assert_eq!((found.address, found.prefix), (attached.address, 16));
        start(folder.path());
        assert!(started(folder.path()).is_some());
        let task_kept = Task {
            id: "t".into(),
            ..Task::default()
        };
        save_task(folder.path(), &task_kept).unwrap();
        assert_eq!(task(folder.path()), Some(task_kept));
    }
}
