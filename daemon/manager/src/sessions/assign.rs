//! What a node is to run, as differences from what it was told: a pure function of the view.

use model::{NodeId, Task, TaskId, TaskState};
use state::View;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node was told. Only the desired state of a task ever changes for its node.
pub(super) type Told = BTreeMap<TaskId, TaskState>;

/// What to tell it now.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    pub tasks: Vec<Arc<Task>>,
    pub gone: Vec<TaskId>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.gone.is_empty()
    }
}

/// Brings `told` up to the view and says what that took.
pub(super) fn difference(view: &View, node: &NodeId, told: &mut Told) -> Difference {
    let mut difference = Difference::default();
    for task in view
        .tasks_of_node(node)
        .filter(|task| task.status.state >= TaskState::Assigned)
    {
        if told.insert(task.id.clone(), task.desired_state) != Some(task.desired_state) {
            difference.tasks.push(task.clone());
        }
    }
    told.retain(|id, _| {
        let stays = view
            .task(id)
            .is_some_and(|task| task.node_id.as_ref() == Some(node));
        if !stays {
            difference.gone.push(id.clone());
        }
        stays
    });
    difference
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
        let (node, mut told) = (NodeId::from("n"), Told::new());
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
        assert!(told.is_empty());
    }
}
