//! How far an update has come in one slot, read from the slot's tasks.
//!
//! ```text
//! old → changing → young → settled
//!          └─────────┴────→ failed
//! ```

use super::Settings;
use super::dirty::is_dirty;
use crate::draft::Draft;
use crate::restart::policy::is_failure;
use crate::slots::Slot;
use crate::time::after;
use model::{Service, Task, TaskId, TaskState, Timestamp};
use std::sync::Arc;

/// How far an update has come in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing of the new spec was tried in it.
    Old,
    /// A new task is on its way; it counts as failed from this time on.
    Changing(Timestamp),
    /// A new task runs since then, and not for long enough yet.
    Young(Timestamp),
    /// A new task runs.
    Settled,
    /// This task of the new spec ended, or never came to run.
    Failed(TaskId),
}

impl Stage {
    pub(crate) fn of(draft: &Draft<'_>, service: &Service, settings: &Settings, slot: &Slot) -> Self {
        let version = service.spec_version.unwrap_or_default();
        let new: Vec<&Arc<Task>> = slot
            .0
            .iter()
            .filter(|task| task.origin.spec_version == version)
            .collect();
        if let Some(failed) = failed(&new, settings) {
            return Self::Failed(failed);
        }
        let Some(task) = slot.wanted().rev().find(|task| !is_dirty(draft, service, task)) else {
            let newest = slot
                .newest()
                .filter(|newest| !newest.is_wanted() && !is_dirty(draft, service, newest));
            // Its policy leaves it stopped, and it is what the service wants: nothing to do.
            return if newest.is_some() && slot.stays_stopped() {
                Self::Settled
            } else {
                Self::Old
            };
        };
        let changed = task.origin.spec_version == version;
        if task.status.state == TaskState::Running {
            let settled_at = after(task.status.timestamp, settings.monitor.max(settings.delay));
            return if changed && settled_at > draft.now {
                Self::Young(task.status.timestamp)
            } else {
                Self::Settled
            };
        }
        if !changed {
            // The restart rule sees to it.
            return Self::Settled;
        }
        let due = after(
            task.origin
                .not_before
                .map_or(task.meta.created_at, |at| at.max(task.meta.created_at)),
            settings.start_limit,
        );
        if due > draft.now {
            Self::Changing(due)
        } else {
            Self::Failed(task.id.clone())
        }
    }

    /// True if the slot counts against the update's parallelism.
    pub(crate) fn is_busy(&self, settings: &Settings, now: Timestamp) -> bool {
        match self {
            Self::Changing(_) => true,
            Self::Young(since) => after(*since, settings.delay) > now,
            Self::Old | Self::Settled | Self::Failed(_) => false,
        }
    }
}

/// A task of the new version that ended by itself while it was watched, or whose end its successor remembers.
fn failed(new: &[&Arc<Task>], settings: &Settings) -> Option<TaskId> {
    let ended = |task: &Task| is_failure(task) || task.status.state == TaskState::Complete;
    let was_watched = |task: &Task| {
        let from = task.origin.ran_from;
        from.is_none_or(|from| after(from, settings.monitor) >= task.status.timestamp)
    };
    new.iter().find_map(|task| {
        if ended(task) {
            return was_watched(task).then(|| task.id.clone());
        }
        let before = task.origin.replaces.as_ref();
        // What its forerunner came to is seen there, unless that is forgotten already.
        let is_known = before.is_some_and(|before| new.iter().any(|other| other.id == *before));
        (task.origin.failures > 0 && !is_known).then(|| before.unwrap_or(&task.id).clone())
    })
}
