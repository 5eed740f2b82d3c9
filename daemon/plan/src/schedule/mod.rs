//! A board for each task.
//!
//! Tasks of one spec are looked at together: what they need is worked out once, then each goes to the best of the
//! boards that no filter refuses. Tasks of global services already have their board, which must pass the same
//! filters; they come first. A task without a board says why, and is tried again with every plan.

mod better;
mod board;
mod filter;
mod rank;
mod request;
mod stock;

pub(crate) use better::Better;
pub(crate) use stock::Stock;

use crate::allocate::addresses;
use crate::draft::Draft;
use crate::slots;
use crate::{Reason, depends};
use board::Boards;
use filter::{Refusal, refusal};
use model::{NodeId, ServiceId, Task, TaskState, TaskStatus, Version, Wishes};
use rank::Ranking;
use request::Request;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tasks that were made from the same spec; those with a board of their own apart, and first.
type Groups = BTreeMap<(bool, ServiceId, Version), Vec<Arc<Task>>>;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let mut groups = Groups::new();
    let free = |task: &&Arc<Task>| task.is_wanted() && task.status.state < TaskState::Assigned;
    let free: Vec<Arc<Task>> = draft
        .tasks()
        .filter(free)
        // What has no addresses yet says so itself.
        .filter(|task| addresses::is_ready(draft, task))
        .cloned()
        .collect();
    for task in free {
        if let Some(why) = backs_off(draft, &task) {
            refuse(draft, &task, why);
            continue;
        }
        let key = (
            task.node_id.is_none(),
            task.service_id.clone(),
            task.origin.spec_version,
        );
        groups.entry(key).or_default().push(task);
    }
    if groups.is_empty() {
        return;
    }
    let mut boards = Boards::survey(draft);
    for ((is_free, service, _), mut tasks) in groups {
        let service = draft.service(&service).cloned();
        let wishes = service
            .as_ref()
            .map_or_else(Wishes::default, |service| Wishes::checked(&service.spec.labels));
        if let Some(why) = service.and_then(|service| depends::waits_for(draft, &service.spec, &wishes)) {
            tasks.iter().for_each(|task| refuse(draft, task, why.clone()));
            continue;
        }
        tasks.sort_by(|a, b| (a.meta.created_at, a.slot, &a.id).cmp(&(b.meta.created_at, b.slot, &b.id)));
        if is_free {
            place_anywhere(draft, &mut boards, &tasks, &wishes);
        } else {
            tasks
                .iter()
                .for_each(|task| place_at_home(draft, &mut boards, task));
        }
    }
}

/// Why a task is not placed yet after failures in a row. A first restart has its board at once, where it makes itself
/// ready in the meantime; what keeps failing, or could not even be made ready, is left alone until its time has come.
fn backs_off(draft: &Draft<'_>, task: &Task) -> Option<String> {
    let until = task.origin.not_before.filter(|until| *until > draft.now)?;
    let before = task.origin.replaces.as_ref().and_then(|id| draft.task(id));
    let failures = task.origin.failures;
    let is_hopeless =
        failures >= 2 || before.is_some_and(|before| before.status.state == TaskState::Rejected);
    let until = until.strftime("%H:%M:%S UTC");
    is_hopeless.then(|| match failures {
        0 | 1 => format!("backing off after a failure: not before {until}"),
        _ => format!("backing off after {failures} failures in a row: not before {until}"),
    })
}

/// Places tasks of one spec.
fn place_anywhere(draft: &mut Draft<'_>, boards: &mut Boards, tasks: &[Arc<Task>], wishes: &Wishes) {
    let Some(first) = tasks.first() else { return };
    let request = Request::of(first);
    let standing: Vec<Option<Refusal>> = boards
        .list
        .iter()
        .map(|board| filter::standing(board, &request))
        .collect();
    let mut ranking = Ranking::over(boards, first, wishes);
    let mut refused: Option<String> = None;
    for task in tasks {
        // What one of them did not find, the next won't: boards only get fuller.
        if refused.is_none() {
            let mut refusals = Vec::new();
            let home = wishes.volume_affinity.then(|| home(draft, task)).flatten();
            let best = (0..boards.list.len())
                .filter(|&at| match refusal(&boards.list[at], &request, standing[at]) {
                    Some(refusal) => {
                        refusals.push(refusal);
                        false
                    }
                    None => true,
                })
                .min_by_key(|&at| {
                    ranking.rank(at, &boards.list[at], &request, home.as_ref(), draft.chance())
                });
            if let Some(at) = best {
                ranking.add(at);
                assign(
                    draft,
                    boards,
                    at,
                    task,
                    &request,
                    "scheduler assigned task to node",
                );
                continue;
            }
            refused = Some(filter::explain(&refusals));
        }
        refuse(draft, task, refused.clone().unwrap_or_default());
    }
}

/// The board that had the task's slot before it.
fn home(draft: &Draft<'_>, task: &Task) -> Option<NodeId> {
    draft
        .tasks_of(&task.service_id)
        .filter(|other| other.id != task.id && other.slot == task.slot && other.node_id.is_some())
        .max_by_key(|other| (other.meta.created_at, &other.id))
        .and_then(|other| other.node_id.clone())
}

/// Confirms the board that a task was made for.
fn place_at_home(draft: &mut Draft<'_>, boards: &mut Boards, task: &Task) {
    let Some(at) = task.node_id.as_ref().and_then(|id| boards.position(id)) else {
        return;
    };
    let request = Request::of(task);
    let standing = filter::standing(&boards.list[at], &request);
    match refusal(&boards.list[at], &request, standing) {
        None => assign(
            draft,
            boards,
            at,
            task,
            &request,
            "scheduler confirmed task can run on preassigned node",
        ),
        Some(refusal) => refuse(draft, task, filter::explain(&[refusal])),
    }
}

fn assign(
    draft: &mut Draft<'_>,
    boards: &mut Boards,
    at: usize,
    task: &Task,
    request: &Request,
    message: &str,
) {
    let board = &mut boards.list[at];
    let given = board.stock.take(&request.things);
    let (id, now) = (board.node.id.clone(), draft.now);
    draft.edit_task(&task.id, |task| {
        task.node_id = Some(id.clone());
        task.assigned_generic_resources = Some(given).filter(|given| !given.is_empty());
        task.status = TaskStatus {
            timestamp: now,
            state: TaskState::Assigned,
            message: message.to_owned(),
            ..TaskStatus::default()
        };
    });
    board.add(task, request);
    let node = draft.node_name(&id);
    let name = draft
        .task(&task.id)
        .map(|task| slots::name(draft, task))
        .unwrap_or_default();
    draft.say(Reason::Placed {
        task: name,
        id: task.id.clone(),
        node,
    });
}

fn refuse(draft: &mut Draft<'_>, task: &Task, err: String) {
    if task.status.err.as_deref() == Some(err.as_str()) {
        return;
    }
    let now = draft.now;
    draft.edit_task(&task.id, |task| {
        task.status.err = Some(err.clone());
        task.status.timestamp = now;
    });
    let task = slots::name(draft, task);
    draft.say(Reason::Unplaced { task, err });
}
