//! Replacements start once their time has come and their forerunner has stopped.

use crate::create::goal;
use crate::draft::Draft;
use crate::slots::{self, Place};
use crate::time::after;
use crate::{Reason, moves};
use jiff::SignedDuration;
use model::{Task, TaskState, Timestamp};

/// How long a replacement waits for the task before it to stop. A board that is down is not waited for at all.
pub const STOP_PATIENCE: SignedDuration = SignedDuration::from_mins(1);

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let held: Vec<_> = draft
        .tasks()
        .filter(|task| task.desired_state == TaskState::Ready)
        .cloned()
        .collect();
    for task in held {
        // One that is to take another's place on a better board starts when `moves` has stopped that one.
        if moves::is_under_way(draft, &task) {
            continue;
        }
        let patience = after(waits_since(draft, &task), STOP_PATIENCE);
        let waits_for_stop = is_blocked(draft, &task);
        let ready_at = task.origin.not_before.unwrap_or(Timestamp::MIN);
        if ready_at > draft.now {
            draft.wake(ready_at);
        } else if waits_for_stop && patience > draft.now {
            // The stop itself wakes the plan: a node tells it.
            draft.wake(patience);
        } else {
            draft.want(&task.id, goal(&task));
            let name = slots::name(draft, &task);
            draft.say(Reason::Started {
                task: name,
                waited_in_vain: waits_for_stop,
            });
        }
    }
}

/// Since when a task waits for its forerunner to stop: since it was made, or since a move stopped that one.
fn waits_since(draft: &Draft<'_>, task: &Task) -> Timestamp {
    let forerunner = task.origin.replaces.as_ref().filter(|_| task.origin.moves);
    let stopped = forerunner
        .and_then(|id| draft.task(id))
        .map(|old| old.meta.updated_at);
    stopped.map_or(task.meta.created_at, |stopped| stopped.max(task.meta.created_at))
}

/// True if another task of the place is to stop and has not yet.
fn is_blocked(draft: &Draft<'_>, task: &Task) -> bool {
    let place = Place::of(task);
    draft.tasks_of(&task.service_id).any(|other| {
        other.id != task.id && Place::of(other) == place && !other.is_wanted() && !draft.is_stopped(other)
    })
}
