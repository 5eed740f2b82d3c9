//! What a node is to run, as differences from what it was told: a pure function of the view.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use model::{Driver, FileKey, Hidden, NodeId, Task, TaskId, TaskState};
use state::View;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a node was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Only the desired state of a task ever changes for its node.
    tasks: BTreeMap<TaskId, TaskState>,
    /// What its tasks read, with the version that it was sent in.
    files: BTreeMap<FileKey, u64>,
}

/// What to tell it now, in this order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub files: Vec<(FileKey, Option<Payload>)>,
    pub tasks: Vec<Arc<Task>>,
    pub gone: Vec<TaskId>,
    pub files_gone: Vec<FileKey>,
}

/// What stands behind a key.
#[derive(Debug, PartialEq)]
pub(super) struct Payload {
    pub data: Hidden<Vec<u8>>,
    pub template: bool,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.tasks.is_empty() && self.gone.is_empty() && self.files_gone.is_empty()
    }
}

/// Brings `told` up to the view and says what that took.
pub(super) fn difference(view: &View, node: &NodeId, told: &mut Told) -> Difference {
    let mut difference = Difference::default();
    let mut read = BTreeSet::new();
    for task in view
        .tasks_of_node(node)
        .filter(|task| task.status.state >= TaskState::Assigned)
    {
        // A task that ends reads nothing any more.
        if task.desired_state <= TaskState::Complete && !task.status.state.is_final() {
            read.extend(FileKey::of(task));
        }
        if told.tasks.insert(task.id.clone(), task.desired_state) != Some(task.desired_state) {
            difference.tasks.push(task.clone());
        }
    }
    told.tasks.retain(|id, _| {
        let stays = view
            .task(id)
            .is_some_and(|task| task.node_id.as_ref() == Some(node));
        if !stays {
            difference.gone.push(id.clone());
        }
        stays
    });
    told.files.retain(|key, _| {
        let stays = read.contains(key);
        if !stays {
            difference.files_gone.push(key.clone());
        }
        stays
    });
    for key in read {
        let version = version(view, &key);
        if told.files.insert(key.clone(), version) != Some(version) {
            let payload = payload(view, &key);
            difference.files.push((key, payload));
        }
    }
    difference
}

/// When what stands behind a key last changed: the payload of a secret or config never does, and 0 is "not there".
fn version(view: &View, key: &FileKey) -> u64 {
    match key {
        FileKey::Secret(id) => u64::from(view.secret(id).is_some()),
        FileKey::Config(id) => u64::from(view.config(id).is_some()),
        FileKey::RegistryAuth(id) => {
            let service = view.service(id).filter(|service| service.registry_auth.is_some());
            service.map_or(0, |service| service.spec_version.unwrap_or_default().index)
        }
    }
}

fn payload(view: &View, key: &FileKey) -> Option<Payload> {
    let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
    let is_template = |driver: &Option<Driver>| {
        let name = driver.as_ref().and_then(|driver| driver.name.as_deref());
        !matches!(name, None | Some(""))
    };
    let (data, template) = match key {
        FileKey::Secret(id) => {
            let spec = &view.secret(id)?.spec;
            (
                bytes(spec.data.as_ref()?.reveal())?,
                is_template(&spec.templating),
            )
        }
        FileKey::Config(id) => {
            let spec = &view.config(id)?.spec;
            (bytes(spec.data.as_ref()?)?, is_template(&spec.templating))
        }
        FileKey::RegistryAuth(id) => {
            let auth = view.service(id)?.registry_auth.as_ref()?.reveal().clone();
            (auth.into_bytes(), false)
        }
    };
    Some(Payload {
        data: Hidden::new(data),
        template,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::Transaction;

    fn task(id: &str, node: &str, desired: TaskState) -> Task {
        let mut task = Task {
            id: id.into(),
            node_id: Some(node.into()),
            desired_state: desired,
            ..Task::default()
        };
        task.status.state = TaskState::Assigned;
        task
    }

    #[test]
    fn only_what_concerns_the_node_and_changed_is_told() {
        let mut all = Transaction::new();
        all.create(task("a", "n", TaskState::Running))
            .create(task("b", "other", TaskState::Running));
        let view = View::default().apply(1, &all).unwrap();
        let (node, mut told) = (NodeId::from("n"), Told::default());
        let first = difference(&view, &node, &mut told);
        assert_eq!(first.tasks.len(), 1);
        assert!(difference(&view, &node, &mut told).is_empty());

        let mut again = (**view.task(&"a".into()).unwrap()).clone();
        again.status.message = "something only managers care for".into();
        let view = view.apply(2, Transaction::new().update(again.clone())).unwrap();
        assert!(difference(&view, &node, &mut told).is_empty());

        again.meta.version.index = 2;
        again.desired_state = TaskState::Shutdown;
        let view = view.apply(3, Transaction::new().update(again)).unwrap();
        assert_eq!(
            difference(&view, &node, &mut told).tasks[0].desired_state,
            TaskState::Shutdown
        );

        let last = (**view.task(&"a".into()).unwrap()).clone();
        let view = view.apply(4, Transaction::new().remove(last)).unwrap();
        assert_eq!(difference(&view, &node, &mut told).gone, vec![TaskId::from("a")]);
        assert!(told.tasks.is_empty());
    }

    #[test]
    fn a_node_gets_what_its_tasks_read_once_and_forgets_it_after_them() {
        let mut reader = task("a", "n", TaskState::Running);
        reader.spec.container_spec = Some(model::ContainerSpec {
            secrets: Some(vec![model::SecretReference {
                secret_id: "s".into(),
                ..Default::default()
            }]),
            ..Default::default()
        });
        let mut secret = model::Secret {
            id: "s".into(),
            ..Default::default()
        };
        secret.spec.data = Some(Hidden::new("aGk=".to_owned()));
        let mut other = secret.clone();
        other.id = "not read here".into();
        other.spec.name = "other".into();
        let mut all = Transaction::new();
        all.create(reader).create(secret).create(other);
        let view = View::default().apply(1, &all).unwrap();
        let (node, mut told) = (NodeId::from("n"), Told::default());
        let first = difference(&view, &node, &mut told);
        let sent = Payload {
            data: Hidden::new(b"hi".to_vec()),
            template: false,
        };
        assert_eq!(first.files, vec![(FileKey::Secret("s".into()), Some(sent))]);
        assert!(difference(&view, &node, &mut told).is_empty());
        assert!(
            difference(&view, &"m".into(), &mut Told::default())
                .files
                .is_empty()
        );

        let mut ends = (**view.task(&"a".into()).unwrap()).clone();
        ends.desired_state = TaskState::Shutdown;
        let view = view.apply(2, Transaction::new().update(ends)).unwrap();
        let last = difference(&view, &node, &mut told);
        assert_eq!(last.files_gone, vec![FileKey::Secret("s".into())]);
    }

    #[test]
    fn what_is_not_there_is_told_as_such() {
        let mut reader = task("a", "n", TaskState::Running);
        reader.origin.registry_auth = true;
        reader.service_id = "web".into();
        let view = View::default()
            .apply(1, Transaction::new().create(reader))
            .unwrap();
        let first = difference(&view, &"n".into(), &mut Told::default());
        assert_eq!(first.files, vec![(FileKey::RegistryAuth("web".into()), None)]);
    }
}
