//! A service's tasks by the place that they are for: a slot, or a board of a global service.

use crate::draft::Draft;
use crate::restart::policy;
use model::{NodeId, Service, Task, TaskState};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A replica.
    Slot(u64),
    /// A global service's board.
    Board(NodeId),
}

impl Place {
    /// The place of a task; none for a task with neither slot nor board, which only a foreign hand could make.
    pub(crate) fn of(task: &Task) -> Option<Self> {
        match (task.slot, &task.node_id) {
            (Some(slot), _) => Some(Self::Slot(slot)),
            (None, Some(node)) => Some(Self::Board(node.clone())),
            (None, None) => None,
        }
    }

    /// `1`, or the board's name.
    pub(crate) fn name(&self, draft: &Draft<'_>) -> String {
        match self {
            Self::Slot(slot) => slot.to_string(),
            Self::Board(node) => draft.node_name(node),
        }
    }
}

/// `web.1` or `web.board-1`: a task's place in words.
pub(crate) fn name(draft: &Draft<'_>, task: &Task) -> String {
    let place = Place::of(task).map_or_else(|| "?".to_owned(), |place| place.name(draft));
    format!("{}.{place}", task.origin.service_name)
}

/// All tasks that are or were in one place, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot(pub(crate) Vec<Arc<Task>>);

/// A service's places.
pub(crate) type Slots = BTreeMap<Place, Slot>;

/// The places of a service, as they are now.
pub(crate) fn slots(draft: &Draft<'_>, service: &Service) -> Slots {
    let mut slots = Slots::new();
    for task in draft.tasks_of(&service.id) {
        if let Some(place) = Place::of(task) {
            slots.entry(place).or_default().0.push(task.clone());
        }
    }
    for slot in slots.values_mut() {
        slot.0
            .sort_by(|a, b| (a.meta.created_at, &a.id).cmp(&(b.meta.created_at, &b.id)));
    }
    slots
}

impl Slot {
    /// Those wanted to run, oldest first.
    pub(crate) fn wanted(&self) -> impl DoubleEndedIterator<Item = &Arc<Task>> {
        self.0.iter().filter(|task| task.is_wanted())
    }

    /// The one made last.
    pub(crate) fn newest(&self) -> Option<&Arc<Task>> {
        self.0.last()
    }

    /// True if the place is taken: something is wanted in it, or its policy leaves it stopped.
    pub(crate) fn is_taken(&self) -> bool {
        self.wanted().next().is_some() || self.stays_stopped()
    }

    /// True if its last task ended and is not to be started again.
    pub(crate) fn stays_stopped(&self) -> bool {
        self.newest().is_some_and(|task| {
            task.desired_state == TaskState::Shutdown && !policy::should_restart(task, &self.0)
        })
    }

    /// True if a wanted task runs.
    pub(crate) fn is_running(&self) -> bool {
        self.wanted().any(|task| task.status.state == TaskState::Running)
    }

    /// The last one that is to stop and has not yet: a newcomer waits for it.
    pub(crate) fn stopping(&self, draft: &Draft<'_>) -> Option<&Arc<Task>> {
        self.0
            .iter()
            .rev()
            .find(|task| !task.is_wanted() && !draft.is_stopped(task))
    }
}
