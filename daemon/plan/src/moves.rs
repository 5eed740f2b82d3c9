//! Tasks move to better boards (`bramble.rebalance=true`): when a board comes back or is new, a service that asks for it
//! spreads over it again.
//!
//! One task of a service moves at a time, [`PAUSE`] apart, to a board that has been there for [`STEADY`], and only if
//! the scheduler would place it elsewhere today by more than the task's own weight. Its successor is made in the same
//! slot and waits on the new board until its image is there. Then, with start-first, it runs before the old task
//! stops; with stop-first the old one stops just then, so that the slot is empty for no longer than a stop and a start
//! take. A successor that does not come so far is given up, and the old task stays.

use crate::create::{Waits, create};
use crate::draft::{Draft, Footing, takes_tasks};
use crate::schedule::Better;
use crate::slots::{self, Place, Slots, slots};
use crate::time::after;
use crate::{Reason, depends, update};
use jiff::SignedDuration;
use model::{NodeId, Service, Task, TaskState, Timestamp, UpdateOrder, UpdateState, Wishes};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Between two tasks of a service that move, and after anything else that was new in it.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// How long a board must have been there to be moved to: one that comes and goes is left alone.
const STEADY: SignedDuration = SignedDuration::from_secs(30);
/// After a move that came to nothing.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(10);

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let mut better: Option<Better> = None;
    for service in draft.services() {
        if draft.tasks_of(&service.id).any(|task| is_under_way(draft, task)) {
            go_on(draft, &service);
            continue;
        }
        let wishes = Wishes::checked(&service.spec.labels);
        if !wishes.rebalance || !may_begin(draft, &service, &wishes) {
            continue;
        }
        let open = open_boards(draft);
        let better = better.get_or_insert_with(|| Better::survey(draft));
        begin(draft, &service, &wishes, better, &open);
    }
}

/// True if the task is to take the place of one that is still wanted.
pub(crate) fn is_under_way(draft: &Draft<'_>, task: &Task) -> bool {
    task.origin.moves && task.is_wanted() && forerunner(draft, task).is_some()
}

/// The task that this one takes the place of, while it goes on.
pub(crate) fn forerunner<'d>(draft: &'d Draft<'_>, task: &Task) -> Option<&'d Arc<Task>> {
    let old = draft.task(task.origin.replaces.as_ref()?)?;
    let goes_on = old.is_wanted() && !old.status.state.is_final() && draft.footing(old) == Footing::Held;
    (task.origin.moves && goes_on).then_some(old)
}

/// Sees to the move that is under way.
fn go_on(draft: &mut Draft<'_>, service: &Service) {
    let movers: Vec<Arc<Task>> = draft
        .tasks_of(&service.id)
        .filter(|task| is_under_way(draft, task))
        .cloned()
        .collect();
    let order = service
        .spec
        .update_config
        .as_ref()
        .and_then(|config| config.order)
        .unwrap_or_default();
    for mover in movers {
        let Some(old) = forerunner(draft, &mover).cloned() else {
            continue;
        };
        let far_enough = match order {
            UpdateOrder::StartFirst => mover.status.state == TaskState::Running,
            UpdateOrder::StopFirst => {
                mover.status.state >= TaskState::Ready && !mover.status.state.is_final()
            }
        };
        let until = after(mover.meta.created_at, update::start_limit(service));
        if far_enough {
            draft.want(&old.id, TaskState::Shutdown);
        } else if until <= draft.now {
            draft.want(&mover.id, TaskState::Shutdown);
            let task = slots::name(draft, &mover);
            draft.say(Reason::StaysPut { task });
        } else {
            draft.wake(until);
        }
    }
}

/// True if the service is as it should be and has been so for a while.
fn may_begin(draft: &mut Draft<'_>, service: &Service, wishes: &Wishes) -> bool {
    let state = service.update_status.as_ref().map(|status| status.state);
    if matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted)) {
        return false;
    }
    let version = service.spec_version.unwrap_or_default();
    let mut running = 0;
    let mut quiet_from = Timestamp::MIN;
    for task in draft.tasks_of(&service.id) {
        let mut pause = PAUSE;
        if task.is_wanted() {
            running += 1;
            let is_settled = task.status.state == TaskState::Running && draft.footing(task) == Footing::Held;
            if !is_settled || task.origin.spec_version != version && state == Some(UpdateState::Paused) {
                return false;
            }
        } else if task.origin.moves
            && task.origin.ran_from.is_none()
            && task.status.state != TaskState::Shutdown
        {
            pause = AFTER_FAILURE;
        }
        quiet_from = quiet_from.max(after(task.meta.created_at, pause));
    }
    if Some(running) != service.spec.replicas() || depends::waits_for(draft, &service.spec, wishes).is_some()
    {
        return false;
    }
    if quiet_from > draft.now {
        draft.wake(quiet_from);
        return false;
    }
    true
}

/// Boards that have been there for long enough and that nothing else moves to just now.
fn open_boards(draft: &mut Draft<'_>) -> BTreeSet<NodeId> {
    let (mut open, mut steady_from) = (BTreeSet::new(), Vec::new());
    for node in draft.nodes().filter(|node| takes_tasks(node)) {
        let since = draft
            .reports
            .nodes
            .get(&node.id)
            .map_or(draft.now, |report| report.since);
        let steady = after(since, STEADY);
        if steady <= draft.now {
            open.insert(node.id.clone());
        } else {
            steady_from.push(steady);
        }
    }
    for task in draft.tasks().filter(|task| is_under_way(draft, task)) {
        if let Some(node) = &task.node_id {
            open.remove(node);
        }
    }
    steady_from.into_iter().for_each(|at| draft.wake(at));
    open
}

/// Makes the successor of one task that would be better off elsewhere, if there is one.
fn begin(
    draft: &mut Draft<'_>,
    service: &Service,
    wishes: &Wishes,
    better: &mut Better,
    open: &BTreeSet<NodeId>,
) {
    let all = slots(draft, service);
    let found = candidates(&all)
        .into_iter()
        .find(|(_, task)| better.than_now(task, wishes, open).is_some());
    let Some((place, task)) = found else {
        return;
    };
    if !draft.may_create() {
        return;
    }
    let order = service
        .spec
        .update_config
        .as_ref()
        .and_then(|config| config.order)
        .unwrap_or_default();
    let waits = Waits {
        replaces: Some(task.id.clone()),
        at_once: order == UpdateOrder::StartFirst,
        moves: true,
        ..Waits::default()
    };
    let by = create(draft, service, &place, all.get(&place), waits);
    let from = task
        .node_id
        .as_ref()
        .map(|id| draft.node_name(id))
        .unwrap_or_default();
    let task = slots::name(draft, &task);
    draft.say(Reason::Moves { task, from, by });
}

/// One task of each board, the youngest, those of the fullest boards first.
fn candidates(all: &Slots) -> Vec<(Place, Arc<Task>)> {
    let wanted = all
        .iter()
        .flat_map(|(place, slot)| slot.wanted().map(move |task| (place, task)));
    let mut by_board: std::collections::BTreeMap<&NodeId, Vec<(&Place, &Arc<Task>)>> = Default::default();
    for (place, task) in wanted {
        if let Some(node) = &task.node_id {
            by_board.entry(node).or_default().push((place, task));
        }
    }
    let mut boards: Vec<_> = by_board.into_values().collect();
    boards.sort_by_key(|tasks| std::cmp::Reverse(tasks.len()));
    boards
        .into_iter()
        .filter_map(|tasks| {
            tasks
                .into_iter()
                .max_by_key(|(_, task)| (task.meta.created_at, &task.id))
        })
        .map(|(place, task)| (place.clone(), task.clone()))
        .collect()
}
