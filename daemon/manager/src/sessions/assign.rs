//! What a node is to run, as differences from what it was told: a pure function of the view.
//!
//! A task that is to end is told so only once no board sends new connections to it any more, or [`PATIENCE`] is over.

use super::loom::PATIENCE;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use model::{Driver, FileKey, Hidden, NodeId, Task, TaskId, TaskState};
use state::View;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// What a node was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Only the desired state of a task ever changes for its node.
    tasks: BTreeMap<TaskId, TaskState>,
    /// What its tasks read, with the version that it was sent in.
    files: BTreeMap<FileKey, u64>,
    /// Tasks that are to end and are not told yet, since then.
    held: BTreeMap<TaskId, Instant>,
    /// Nothing was told in this session: what is told now must name all tasks.
    begun: bool,
}

/// What is asked of the boards' networks.
pub(super) struct Drain<'a> {
    /// True if a board may still send new connections to the task.
    pub reaches: &'a dyn Fn(&TaskId) -> bool,
    /// The time.
    pub now: Instant,
}

/// What to tell it now, in this order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub files: Vec<(FileKey, Option<Payload>)>,
    pub tasks: Vec<Arc<Task>>,
    pub gone: Vec<TaskId>,
    pub files_gone: Vec<FileKey>,
    /// Look again then: until that time a board is waited for.
    pub look_again: Option<Instant>,
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
pub(super) fn difference(view: &View, node: &NodeId, told: &mut Told, drain: &Drain<'_>) -> Difference {
    let mut difference = Difference::default();
    let mut held = BTreeMap::new();
    let mut read = BTreeSet::new();
    for task in view
        .tasks_of_node(node)
        .filter(|task| task.status.state >= TaskState::Assigned)
    {
        if let Some((known, since, until)) = told.holds(task, drain) {
            if !told.begun {
                difference.tasks.push(Arc::new(Task {
                    desired_state: known,
                    ..(**task).clone()
                }));
            }
            held.insert(task.id.clone(), since);
            let look_again = difference.look_again.map_or(until, |already| already.min(until));
            difference.look_again = Some(look_again);
            read.extend(FileKey::of(task));
            continue;
        }
        // A task that ends reads nothing any more.
        if task.desired_state <= TaskState::Complete && !task.status.state.is_final() {
            read.extend(FileKey::of(task));
        }
        let known = told.tasks.insert(task.id.clone(), task.desired_state);
        if known != Some(task.desired_state) || !told.begun {
            difference.tasks.push(task.clone());
        }
    }
    told.held = held;
    told.begun = true;
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

impl Told {
    /// A node that was told this in a session before.
    pub fn before(known: BTreeMap<TaskId, TaskState>) -> Self {
        Self {
            tasks: known,
            ..Self::default()
        }
    }

    /// What a task is to be as far as its node knows; since when, and until when at most, its end is not told.
    fn holds(&self, task: &Task, drain: &Drain<'_>) -> Option<(TaskState, Instant, Instant)> {
        let ends = |state: TaskState| state >= TaskState::Shutdown;
        let known = self.tasks.get(&task.id)?;
        let ends_now = ends(task.desired_state) && !ends(*known);
        if !ends_now || task.held().is_empty() || !(drain.reaches)(&task.id) {
            return None;
        }
        let since = self.held.get(&task.id).copied().unwrap_or(drain.now);
        let until = since + PATIENCE;
        (until > drain.now).then_some((*known, since, until))
    }
}

/// When what stands behind a key last changed: the payload of a secret or config never does, and 0 is "not there".
fn version(view: &View, key: &FileKey) -> u64 {
    match key {
        FileKey::Secret(id) => u64::from(view.secret(id).is_some()),
        FileKey::Config(id) => u64::from(view.config(id).is_some()),
        FileKey::RegistryAuth(id) => {
            let service = view.service(id).filter(|service| service.registry_auth.is_some());
            service.map_or(0, |service| service.meta.version.index)
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
            networks_attachments: Some(vec![model::NetworkAttachment::default()]),
            ..Task::default()
        };
        task.status.state = TaskState::Assigned;
        task
    }

    fn differs(view: &View, node: &NodeId, told: &mut Told) -> Difference {
        let drain = Drain {
            reaches: &|_| false,
            now: Instant::now(),
        };
        difference(view, node, told, &drain)
    }

    #[tokio::test]
    async fn the_end_of_a_task_is_told_once_nobody_sends_to_it() {
        let view = View::default()
            .apply(1, Transaction::new().create(task("a", "n", TaskState::Running)))
            .unwrap();
        let (node, mut told, now) = (NodeId::from("n"), Told::default(), Instant::now());
        let mut look = |view: &View, reaches: bool, now| {
            let drain = Drain {
                reaches: &|_| reaches,
                now,
            };
            difference(view, &node, &mut told, &drain)
        };
        assert_eq!(
            look(&view, true, now).tasks.len(),
            1,
            "a wanted task is told at once"
        );
        let mut ends = (**view.task(&"a".into()).unwrap()).clone();
        ends.desired_state = TaskState::Remove;
        let view = view.apply(2, Transaction::new().update(ends)).unwrap();
        let held = look(&view, true, now);
        assert!(held.is_empty());
        assert_eq!(held.look_again, Some(now + PATIENCE));
        let later = now + PATIENCE / 2;
        assert_eq!(look(&view, true, later).look_again, Some(now + PATIENCE));
        let told_now = look(&view, false, later);
        assert_eq!(told_now.tasks[0].desired_state, TaskState::Remove);
        assert!(told_now.look_again.is_none());
        // To a node that is told of it for the first time, all is told as it is.
        let mut fresh = Told::default();
        let drain = Drain {
            reaches: &|_| true,
            now,
        };
        assert_eq!(difference(&view, &node, &mut fresh, &drain).tasks.len(), 1);
    }

    #[tokio::test]
    async fn a_board_that_does_not_answer_is_waited_for_only_so_long() {
        let view = View::default()
            .apply(1, Transaction::new().create(task("a", "n", TaskState::Running)))
            .unwrap();
        let (node, mut told, now) = (NodeId::from("n"), Told::default(), Instant::now());
        let drain = |now| Drain {
            reaches: &|_| true,
            now,
        };
        difference(&view, &node, &mut told, &drain(now));
        let mut ends = (**view.task(&"a".into()).unwrap()).clone();
        ends.desired_state = TaskState::Shutdown;
        let view = view.apply(2, Transaction::new().update(ends)).unwrap();
        assert!(difference(&view, &node, &mut told, &drain(now)).tasks.is_empty());
        let last = difference(&view, &node, &mut told, &drain(now + PATIENCE));
        assert_eq!(last.tasks.len(), 1);
    }

    #[test]
    fn only_what_concerns_the_node_and_changed_is_told() {
        let mut all = Transaction::new();
        all.create(task("a", "n", TaskState::Running))
            .create(task("b", "other", TaskState::Running));
        let view = View::default().apply(1, &all).unwrap();
        let (node, mut told) = (NodeId::from("n"), Told::default());
        let first = differs(&view, &node, &mut told);
        assert_eq!(first.tasks.len(), 1);
        assert!(differs(&view, &node, &mut told).is_empty());

        let mut again = (**view.task(&"a".into()).unwrap()).clone();
        again.status.message = "something only managers care for".into();
        let view = view.apply(2, Transaction::new().update(again.clone())).unwrap();
        assert!(differs(&view, &node, &mut told).is_empty());

        again.meta.version.index = 2;
        again.desired_state = TaskState::Shutdown;
        let view = view.apply(3, Transaction::new().update(again)).unwrap();
        assert_eq!(
            differs(&view, &node, &mut told).tasks[0].desired_state,
            TaskState::Shutdown
        );

        let last = (**view.task(&"a".into()).unwrap()).clone();
        let view = view.apply(4, Transaction::new().remove(last)).unwrap();
        assert_eq!(differs(&view, &node, &mut told).gone, vec![TaskId::from("a")]);
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
        let first = differs(&view, &node, &mut told);
        let sent = Payload {
            data: Hidden::new(b"hi".to_vec()),
            template: false,
        };
        assert_eq!(first.files, vec![(FileKey::Secret("s".into()), Some(sent))]);
        assert!(differs(&view, &node, &mut told).is_empty());
        assert!(differs(&view, &"m".into(), &mut Told::default()).files.is_empty());

        let mut ends = (**view.task(&"a".into()).unwrap()).clone();
        ends.desired_state = TaskState::Shutdown;
        let view = view.apply(2, Transaction::new().update(ends)).unwrap();
        let last = differs(&view, &node, &mut told);
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
        let first = differs(&view, &"n".into(), &mut Told::default());
        assert_eq!(first.files, vec![(FileKey::RegistryAuth("web".into()), None)]);
    }
}
