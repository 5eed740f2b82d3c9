//! Work that ends: a number of runs, or one on each board.
//!
//! Every update of a job begins a new iteration; its tasks carry the number, and those of older ones go. A run that
//! fails is started again by its restart policy (where `any` means `on-failure`); one that the policy gives up keeps
//! its place, so that a job that can't succeed comes to rest instead of trying for ever.

use super::{timed, vacate};
use crate::create::{Waits, create, iteration};
use crate::draft::Draft;
use crate::slots::{Place, Slot, Slots, slots};
use crate::{Reason, enforce};
use model::{JobStatus, NodeId, ReplicatedJob, Service, TaskState, Version, Wishes};
use std::sync::Arc;

pub(crate) fn apply(draft: &mut Draft<'_>, service: &Service) {
    begin_iteration(draft, service);
    let Some(service) = draft.service(&service.id).cloned() else {
        return;
    };
    let current = iteration(&service);
    let (mut now, mut before) = (Slots::new(), Slot::default());
    for (place, slot) in slots(draft, &service) {
        let (ours, old): (Vec<_>, Vec<_>) =
            slot.0.into_iter().partition(|task| task.job_iteration == current);
        before.0.extend(old);
        if !ours.is_empty() {
            now.insert(place, Slot(ours));
        }
    }
    vacate(draft, &before);
    let schedule = Wishes::checked(&service.spec.labels).schedule;
    if let Some(schedule) = &schedule {
        let total = service.spec.mode.replicated_job.map(total);
        let run = timed::run(&service, &now, total);
        timed::apply(draft, &service, schedule, &run);
        let begun = |service: &Arc<Service>| {
            let status = service.job_status.as_ref();
            status.is_some_and(|status| status.last_execution.is_some())
        };
        // If a run has just begun, the next round makes its tasks.
        let same = draft
            .service(&service.id)
            .is_some_and(|again| begun(again) && iteration(again) == current);
        if !same {
            return;
        }
    }
    match service.spec.mode.replicated_job {
        Some(job) => replicated(draft, &service, job, &now),
        None => global(draft, &service, &now),
    }
}

/// The first iteration is 0; a spec that tasks of this iteration were not made from begins the next.
fn begin_iteration(draft: &mut Draft<'_>, service: &Service) {
    let (now, current) = (draft.now, iteration(service));
    let is_timed = Wishes::checked(&service.spec.labels).schedule.is_some();
    let version = service.spec_version.unwrap_or_default();
    let next = match (&service.job_status, current) {
        (None, _) | (_, None) => 0,
        (Some(_), Some(current)) => {
            let outdated = draft
                .tasks_of(&service.id)
                .any(|task| task.job_iteration == Some(current) && task.origin.spec_version != version);
            if !outdated {
                return;
            }
            current.index + 1
        }
    };
    draft.edit_service(&service.id, |service| {
        let status = JobStatus {
            job_iteration: Version { index: next },
            // One with a schedule waits for its time.
            last_execution: Some(now).filter(|_| !is_timed),
            schedule: service.job_status.take().and_then(|status| status.schedule),
        };
        service.job_status = Some(status);
    });
    if next > 0 {
        draft.say(Reason::JobAgain {
            service: service.spec.name.clone(),
            iteration: next,
        });
    }
}

/// How many runs are wanted.
fn total(job: ReplicatedJob) -> u64 {
    job.total_completions.or(job.max_concurrent).unwrap_or(1)
}

pub(super) fn is_complete(slot: &Slot) -> bool {
    slot.0.iter().any(|task| task.status.state == TaskState::Complete)
}

/// True if a run of the place goes on or is on its way.
pub(super) fn is_active(slot: &Slot) -> bool {
    slot.wanted().any(|task| !task.status.state.is_final())
}

fn replicated(draft: &mut Draft<'_>, service: &Service, job: ReplicatedJob, slots: &Slots) {
    let at_once = job.max_concurrent.unwrap_or(1);
    let total = total(job);
    let taken = |slot: &Slot| is_complete(slot) || slot.is_taken();
    let active = slots.values().filter(|slot| is_active(slot)).count() as u64;
    let missing = total.saturating_sub(slots.values().filter(|slot| taken(slot)).count() as u64);
    let wanted = missing.min(at_once.saturating_sub(active));
    let mut made = 0;
    for number in 0..total {
        let place = Place::Slot(number);
        if slots.get(&place).is_some_and(taken) {
            continue;
        }
        if made == wanted || !draft.may_create() {
            break;
        }
        create(draft, service, &place, slots.get(&place), Waits::default());
        made += 1;
    }
    if made > 0 {
        draft.say(Reason::ScaledUp {
            service: service.spec.name.clone(),
            by: made,
            to: total,
        });
    }
}

fn global(draft: &mut Draft<'_>, service: &Service, slots: &Slots) {
    let boards: Vec<NodeId> = draft
        .nodes()
        .filter(|node| enforce::may_come(draft, service, node))
        .map(|node| node.id.clone())
        .collect();
    for id in boards {
        let place = Place::Board(id.clone());
        let slot = slots.get(&place);
        if slot.is_some_and(|slot| is_complete(slot) || slot.is_taken()) || !draft.may_create() {
            continue;
        }
        create(draft, service, &place, slot, Waits::default());
        let node = draft.node_name(&id);
        draft.say(Reason::BoardJoined {
            service: service.spec.name.clone(),
            node,
        });
    }
    let gone: Vec<_> = slots
        .iter()
        .filter(|(place, _)| matches!(place, Place::Board(id) if draft.node(id).is_none()))
        .map(|(_, slot)| slot)
        .collect();
    for slot in gone {
        vacate(draft, &Slot(slot.0.iter().map(Arc::clone).collect()));
    }
}
