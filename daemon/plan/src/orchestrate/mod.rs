//! As many tasks as services want, and none without a service.
//!
//! A rule looks at places (slots, or boards), never at events: a place is taken, free, or one too many.

mod global;
mod jobs;
mod replicated;
mod timed;

use crate::Reason;
use crate::draft::Draft;
use crate::slots::{self, Slot};
use model::TaskState;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    without_service(draft);
    for service in draft.services() {
        let mode = &service.spec.mode;
        if mode.replicated_job.is_some() || mode.global_job.is_some() {
            jobs::apply(draft, &service);
        } else if mode.global.is_some() {
            global::apply(draft, &service);
        } else if let Some(replicas) = service.spec.replicas() {
            replicated::apply(draft, &service, replicas);
        }
    }
}

/// Tasks of a service that was removed go once they have stopped.
fn without_service(draft: &mut Draft<'_>) {
    let orphans: Vec<_> = draft
        .tasks()
        .filter(|task| task.desired_state != TaskState::Remove && draft.service(&task.service_id).is_none())
        // A task without a service is a plain container's network attachment, which is not ours.
        .filter(|task| !task.service_id.is_empty())
        .cloned()
        .collect();
    for task in orphans {
        draft.want(&task.id, TaskState::Remove);
        let task = slots::name(draft, &task);
        draft.say(Reason::ServiceGone { task });
    }
}

/// A place goes with all that is or was in it.
fn vacate(draft: &mut Draft<'_>, slot: &Slot) {
    for task in &slot.0 {
        draft.want(&task.id, TaskState::Remove);
    }
}
