//! Rolling updates and rollbacks: from one spec to the next, slot by slot.
//!
//! There is no updater that runs: in every plan each slot's [`Stage`] is read from its tasks, and the service's
//! `update_status` says whether to go on, so a new leader resumes in the middle. An update
//!
//! - begins when a slot is of the old spec (`updating`), or by hand as a rollback (`rollback_started`),
//! - takes the next slots while fewer than `parallelism` are busy,
//! - fails when more than `max_failure_ratio` of the slots failed: a task of the new spec ended while it was watched,
//!   or did not run within [`START_LIMIT`] or what the service says in its place; then it stops (`paused`), goes on,
//!   or goes back, and says why,
//! - ends when each slot has run the new spec for the monitored time (`completed`).
//!
//! Every update has its own spec version, also a rollback, so nothing of an earlier one is mistaken for it.

mod dirty;
mod outcome;
mod stage;

use crate::create::{Waits, create, goal};
use crate::draft::{Draft, takes_tasks};
use crate::slots::{self, Place, Slot, slots};
use crate::time::{after, nanos};
use crate::{Reason, moves};
use dirty::is_dirty;
use jiff::SignedDuration;
use model::{FailureAction, Service, TaskState, UpdateOrder, UpdateState, Wishes};
use stage::Stage;

/// How long a new task may take until it runs before it counts as failed. Swarm has no such limit, and its updates can
/// hang for ever; ten minutes are enough for a large image, a slow line and an SD card.
pub const START_LIMIT: SignedDuration = SignedDuration::from_mins(10);

/// How long a new task is watched, where the spec says nothing.
const MONITOR: SignedDuration = SignedDuration::from_secs(5);

/// An update's settings, with defaults filled in.
pub(crate) struct Settings {
    parallelism: usize,
    delay: SignedDuration,
    monitor: SignedDuration,
    ratio: f64,
    action: FailureAction,
    order: UpdateOrder,
    start_limit: SignedDuration,
}

/// How long a service's new task may take until it runs.
pub(crate) fn start_limit(service: &Service) -> SignedDuration {
    Wishes::checked(&service.spec.labels)
        .start_limit
        .unwrap_or(START_LIMIT)
}

/// A slot as the update sees it.
struct Step {
    place: Place,
    slot: Slot,
    stage: Stage,
}

pub(crate) fn apply(draft: &mut Draft<'_>) {
    for service in draft
        .services()
        .into_iter()
        .filter(|service| !service.spec.is_job())
    {
        let status = service.update_status.as_ref().map(|status| status.state);
        let going = matches!(status, Some(UpdateState::Updating | UpdateState::RollbackStarted));
        let version = service.spec_version.unwrap_or_default();
        if going
            || draft
                .tasks_of(&service.id)
                .any(|task| task.origin.spec_version != version)
        {
            update(draft, &service);
        }
    }
}

fn update(draft: &mut Draft<'_>, service: &Service) {
    let settings = Settings::of(service);
    let steps = steps(draft, service, &settings);
    outlive(draft, service, &steps, settings.order);
    if !outcome::is_going(draft, service, &steps) {
        return;
    }
    if outcome::judge(draft, service, &settings, &steps) {
        return;
    }
    let now = draft.now;
    let busy = steps
        .iter()
        .filter(|step| step.stage.is_busy(&settings, now))
        .count();
    let mut old: Vec<&Step> = steps
        .iter()
        .filter(|step| step.stage == Stage::Old && may_change(draft, &step.place))
        .collect();
    // What does not run anyway loses nothing.
    old.sort_by_key(|step| step.slot.is_running());
    for step in old.into_iter().take(settings.parallelism.saturating_sub(busy)) {
        if draft.may_create() {
            change(draft, service, step, settings.order);
        }
    }
    for step in &steps {
        match step.stage {
            Stage::Changing(due) => draft.wake(due),
            Stage::Young(since) => {
                for span in [settings.delay, settings.monitor] {
                    let at = after(since, span);
                    if at > now {
                        draft.wake(at);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The places of a service in the update's eyes.
fn steps(draft: &Draft<'_>, service: &Service, settings: &Settings) -> Vec<Step> {
    slots(draft, service)
        .into_iter()
        .filter(|(_, slot)| slot.is_taken())
        .map(|(place, slot)| {
            let stage = Stage::of(draft, service, settings, &slot);
            Step { place, slot, stage }
        })
        .collect()
}

/// A global service's task can only be replaced on a board that takes tasks; one that is not well keeps the old one.
fn may_change(draft: &Draft<'_>, place: &Place) -> bool {
    match place {
        Place::Slot(_) => true,
        Place::Board(node) => {
            draft.ailment(node).is_none() && draft.node(node).is_some_and(|node| takes_tasks(node))
        }
    }
}

/// Old tasks that have a new one beside them stop: with start-first once the new one runs.
fn outlive(draft: &mut Draft<'_>, service: &Service, steps: &[Step], order: UpdateOrder) {
    for step in steps {
        let (old, new): (Vec<_>, Vec<_>) = step
            .slot
            .wanted()
            // Of two that differ only in their board, `moves` decides which stays.
            .filter(|task| !moves::is_under_way(draft, task))
            .partition(|task| is_dirty(draft, service, task));
        let Some(keeper) = new
            .iter()
            .max_by_key(|task| (task.status.state, std::cmp::Reverse(task.meta.created_at)))
        else {
            continue;
        };
        if keeper.status.state != TaskState::Running && order == UpdateOrder::StartFirst {
            continue;
        }
        for task in old.iter().chain(new.iter().filter(|task| task.id != keeper.id)) {
            draft.want(&task.id, TaskState::Shutdown);
            let task = slots::name(draft, task);
            draft.say(Reason::Outlived { task });
        }
    }
}

/// Replaces what is in a slot.
fn change(draft: &mut Draft<'_>, service: &Service, step: &Step, order: UpdateOrder) {
    let running = step
        .slot
        .wanted()
        .rfind(|task| task.status.state == TaskState::Running);
    let stays = running.filter(|_| order == UpdateOrder::StartFirst);
    let at_once = stays.is_some();
    // Also what an update before this one had begun beside it.
    for task in step
        .slot
        .wanted()
        .filter(|task| stays.is_none_or(|stays| stays.id != task.id))
    {
        draft.want(&task.id, TaskState::Shutdown);
    }
    let replaces = step.slot.wanted().last().map(|task| task.id.clone());
    let waits = Waits {
        replaces,
        at_once,
        ..Waits::default()
    };
    let by = create(draft, service, &step.place, Some(&step.slot), waits);
    // A goal once given is kept: a stop-first task starts when its forerunner has stopped (`restart::start`).
    debug_assert!(
        draft
            .task(&by)
            .is_some_and(|task| !at_once || task.desired_state == goal(task))
    );
    let task = format!("{}.{}", service.spec.name, step.place.name(draft));
    draft.say(Reason::Updated { task, by });
}

impl Settings {
    fn of(service: &Service) -> Self {
        let back = matches!(
            service.update_status.as_ref().map(|status| status.state),
            Some(UpdateState::RollbackStarted | UpdateState::RollbackPaused | UpdateState::RollbackCompleted)
        );
        let config = if back {
            &service.spec.rollback_config
        } else {
            &service.spec.update_config
        };
        let config = config.clone().unwrap_or(model::UpdateConfig {
            parallelism: 1,
            ..Default::default()
        });
        let delay = nanos(config.delay, SignedDuration::ZERO);
        let mut monitor = nanos(config.monitor.filter(|monitor| *monitor != 0), MONITOR);
        if delay >= monitor {
            monitor = delay + SignedDuration::from_secs(1);
        }
        Self {
            parallelism: if config.parallelism == 0 {
                usize::MAX
            } else {
                config.parallelism as usize
            },
            delay,
            monitor,
            ratio: config.max_failure_ratio.0,
            action: config.failure_action.unwrap_or_default(),
            order: config.order.unwrap_or_default(),
            start_limit: start_limit(service),
        }
    }
}
