//! Tasks that are of no more use are forgotten: those of places that are no more, and history beyond its limit.

use crate::Reason;
use crate::draft::{Draft, Footing};
use crate::slots::{self, Slot, slots};
use model::{Service, Task, TaskState};
use std::sync::Arc;

/// Tasks kept in a place, the running one included.
const HISTORY: i64 = 5;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let leaving: Vec<Arc<Task>> = draft
        .tasks()
        .filter(|task| match task.desired_state {
            TaskState::Remove => is_over(draft, task),
            // Never placed and never to be: nothing that a user could learn from.
            _ => !task.is_wanted() && task.status.state < TaskState::Assigned,
        })
        .cloned()
        .collect();
    for task in leaving {
        reap(draft, &task);
    }
    let limit = draft
        .cluster()
        .and_then(|cluster| cluster.spec.orchestration.task_history_retention_limit);
    let limit = limit.unwrap_or(HISTORY);
    if limit < 0 {
        return;
    }
    for service in draft.services() {
        let limit = kept(&service, limit as usize);
        // Cheap in the usual case: only services with old tasks are sorted into places.
        if !draft.tasks_of(&service.id).any(|task| is_history(task)) {
            continue;
        }
        for slot in slots(draft, &service).values() {
            trim(draft, slot, limit);
        }
    }
}

/// Restarts are counted from what is kept, so as many are kept as may be counted.
fn kept(service: &Service, limit: usize) -> usize {
    let policy = service.spec.task_template.restart_policy.as_ref();
    match policy.and_then(|policy| policy.max_attempts).unwrap_or(0) {
        0 => limit,
        attempts => limit.max(attempts.saturating_add(1) as usize),
    }
}

fn trim(draft: &mut Draft<'_>, slot: &Slot, limit: usize) {
    let surplus = slot.0.len().saturating_sub(limit);
    let newest = slot.newest().map(|task| task.id.clone());
    let old: Vec<&Arc<Task>> = slot
        .0
        .iter()
        // The last one says why its place is empty, even where no history is wanted.
        .filter(|task| is_history(task) && Some(&task.id) != newest.as_ref())
        .take(surplus)
        .collect();
    for task in old {
        reap(draft, task);
    }
}

fn is_history(task: &Task) -> bool {
    !task.is_wanted() && task.status.state.is_final()
}

/// True if nothing is left of the task anywhere: it stopped, never was, or its board is no more.
fn is_over(draft: &Draft<'_>, task: &Task) -> bool {
    let state = task.status.state;
    state.is_final() || state < TaskState::Assigned || draft.footing(task) == Footing::Gone
}

fn reap(draft: &mut Draft<'_>, task: &Task) {
    draft.remove_task(&task.id);
    let name = slots::name(draft, task);
    draft.say(Reason::Reaped {
        task: name,
        id: task.id.clone(),
    });
}
