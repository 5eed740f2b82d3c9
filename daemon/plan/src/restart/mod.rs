//! Tasks that can't go on give their place to another: they ended, or their board can't keep them.
//!
//! The successor is made at once, wanted READY, and says itself when it may start ([`start`]). One that lost its
//! board waits for nothing but the old one's stop; one that ended waits for the policy's delay or the back-off.

pub(crate) mod policy;
pub(crate) mod start;

use crate::create::{Waits, create};
use crate::draft::{Draft, Footing};
use crate::slots::{self, Place, slots};
use crate::time::after;
use crate::{Cause, Reason, enforce, moves};
use jiff::SignedDuration;
use model::{Availability, Service, Task, TaskId, TaskState, Timestamp};
use std::collections::BTreeSet;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let roomless = enforce::without_room(draft);
    for service in draft.services() {
        // Cheap in the usual case that nothing is amiss: a service's tasks are looked at once and not sorted.
        if !draft
            .tasks_of(&service.id)
            .any(|task| cause(draft, task, &roomless).is_some())
        {
            continue;
        }
        for (place, slot) in slots(draft, &service) {
            // The newest first: a task that has a successor already needs no other.
            let mut has_successor = false;
            for task in slot.wanted().rev() {
                let Some(cause) = cause(draft, task, &roomless) else {
                    has_successor = true;
                    continue;
                };
                draft.want(&task.id, TaskState::Shutdown);
                note_run(draft, task);
                // One that was to take another's place on a better board, and can't, is not missed.
                if has_successor || moves::is_under_way(draft, task) {
                    continue;
                }
                has_successor = replace(draft, &service, &place, &slot, task, cause);
            }
        }
    }
}

/// Makes the successor of `task`, if it is to have one.
fn replace(
    draft: &mut Draft<'_>,
    service: &Service,
    place: &Place,
    slot: &slots::Slot,
    task: &Task,
    cause: Cause,
) -> bool {
    let name = slots::name(draft, task);
    if !policy::should_restart(task, &slot.0) || !is_kept(draft, service, place, task) {
        draft.say(Reason::Stopped { task: name, cause });
        return false;
    }
    let (failures, delay) = match cause {
        Cause::Ended { .. } => {
            let same = task.origin.spec_version == service.spec_version.unwrap_or_default();
            let failures = policy::failures(task, ran_from(draft, task), same);
            let lost = is_drained(draft, task) || draft.footing(task) != Footing::Held;
            let policy = service.spec.task_template.restart_policy.as_ref();
            (
                failures,
                if lost {
                    SignedDuration::ZERO
                } else {
                    policy::delay(policy, failures)
                },
            )
        }
        _ => (task.origin.failures, SignedDuration::ZERO),
    };
    let begin = match cause {
        // Counted from the end that the node told, so that a slow leader adds nothing.
        Cause::Ended { .. } => task.status.timestamp,
        _ => draft.now,
    };
    let not_before = Some(after(begin, delay)).filter(|_| delay > SignedDuration::ZERO);
    let waits = Waits {
        replaces: Some(task.id.clone()),
        not_before,
        failures,
        ..Waits::default()
    };
    let by = create(draft, service, place, Some(slot), waits);
    draft.say(Reason::Replaced {
        task: name,
        cause,
        by,
        delay,
    });
    true
}

/// Keeps when a task that ended had begun to run.
fn note_run(draft: &mut Draft<'_>, task: &Task) {
    if let Some(from) = ran_from(draft, task).filter(|_| task.status.state.is_final()) {
        draft.edit_task(&task.id, |task| task.origin.ran_from = Some(from));
    }
}

/// Why a wanted task can't go on; none if it can.
fn cause(draft: &Draft<'_>, task: &Task, roomless: &BTreeSet<TaskId>) -> Option<Cause> {
    if !task.is_wanted() {
        return None;
    }
    if task.status.state.is_final() {
        let done = task.is_job() && task.status.state == TaskState::Complete;
        let ended = Cause::Ended {
            state: task.status.state,
            err: task.status.err.clone(),
        };
        return (!done).then_some(ended);
    }
    match draft.footing(task) {
        Footing::Unplaced => None,
        Footing::Gone => Some(Cause::NodeGone),
        Footing::Down => Some(Cause::NodeDown),
        Footing::Held if is_drained(draft, task) => Some(Cause::NodeDrained),
        Footing::Held if enforce::is_misfit(draft, task) => Some(Cause::Misfit),
        Footing::Held => roomless.contains(&task.id).then_some(Cause::NoRoom),
    }
}

fn is_drained(draft: &Draft<'_>, task: &Task) -> bool {
    let node = task.node_id.as_ref().and_then(|id| draft.node(id));
    node.is_some_and(|node| node.spec.availability == Availability::Drain)
}

/// False if the place itself is no more: a board that a global service can't be on, an old iteration of a job.
fn is_kept(draft: &Draft<'_>, service: &Service, place: &Place, task: &Task) -> bool {
    let current = task.job_iteration == crate::create::iteration(service);
    match place {
        Place::Slot(_) => current,
        Place::Board(node) => {
            current
                && draft
                    .node(node)
                    .is_some_and(|node| enforce::may_stay(draft, service, node))
        }
    }
}

/// When the task began to run, if it ever did: the status in the store before its end was told.
fn ran_from(draft: &Draft<'_>, task: &Task) -> Option<Timestamp> {
    let stored = &draft.stored(&task.id)?.status;
    (stored.state == TaskState::Running).then_some(stored.timestamp)
}
