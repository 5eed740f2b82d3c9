//! Tasks of boards that will not report any more.
//!
//! A board that is down may come back with its tasks running; they are replaced at once (see `restart`) but count as
//! existing until [`GIVEN_UP`] has passed. The time begins anew with each leader. A board that was removed never
//! comes back under its id.

use crate::Reason;
use crate::draft::{Draft, Footing};
use crate::slots;
use crate::time::after;
use jiff::SignedDuration;
use model::{Task, TaskState, TaskStatus};
use std::sync::Arc;

/// How long tasks of a board that is down count as existing.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(24);

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let lost: Vec<(Arc<Task>, Footing)> = draft
        .tasks()
        .filter(|task| !task.status.state.is_final() && task.status.state >= TaskState::Assigned)
        .map(|task| (task.clone(), draft.footing(task)))
        .filter(|(_, footing)| matches!(footing, Footing::Down | Footing::Gone))
        .collect();
    for (task, footing) in lost {
        // A wanted task is first replaced, with the true reason; the next round orphans it.
        if task.is_wanted() {
            continue;
        }
        if footing == Footing::Down {
            let report = task.node_id.as_ref().and_then(|id| draft.reports.nodes.get(id));
            let until = report.map(|report| after(report.since, GIVEN_UP));
            if let Some(until) = until.filter(|until| *until > draft.now) {
                draft.wake(until);
                continue;
            }
        }
        orphan(draft, &task, footing);
    }
}

fn orphan(draft: &mut Draft<'_>, task: &Task, footing: Footing) {
    let now = draft.now;
    let err = match footing {
        Footing::Gone => "the task's node was removed from the cluster",
        _ => "the task's node has been down for 24 hours",
    };
    draft.edit_task(&task.id, |task| {
        task.status = TaskStatus {
            timestamp: now,
            state: TaskState::Orphaned,
            message: "orphaned".to_owned(),
            err: Some(err.to_owned()),
            ..task.status.clone()
        };
    });
    let node = task
        .node_id
        .as_ref()
        .map(|id| draft.node_name(id))
        .unwrap_or_default();
    let task = slots::name(draft, task);
    draft.say(Reason::Orphaned { task, node });
}
