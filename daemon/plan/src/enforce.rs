//! Which boards a task may be on: constraints, what is reserved, and for global services the board's own state.

use crate::draft::Draft;
use crate::schedule::Stock;
use model::{
    Availability, Constraint, Labels, Node, NodeId, NodeState, Placement, Service, Task, TaskId, TaskSpec,
    TaskState, Wishes,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The constraints of a task, soft ones too. One that can't be read was refused when the spec was written; should one
/// be there all the same, no board meets it.
pub(crate) fn constraints(placement: Option<&Placement>) -> Option<Vec<Constraint>> {
    let texts = placement
        .and_then(|placement| placement.constraints.as_deref())
        .unwrap_or_default();
    texts.iter().map(|text| Constraint::parse(text).ok()).collect()
}

/// True if the board meets the constraints of the spec and has the devices that the service's labels ask for.
pub(crate) fn fits(spec: &TaskSpec, labels: &Labels, node: &Node) -> bool {
    let constraints = constraints(spec.placement.as_ref());
    let holds = |constraint: &Constraint| constraint.is_soft() || constraint.holds(node);
    constraints.is_some_and(|constraints| constraints.iter().all(holds))
        && Wishes::checked(labels).met_by(&node.description)
}

/// True if one of the task's networks is encrypted.
pub(crate) fn is_encrypted(task: &Task) -> bool {
    task.held().iter().any(|held| held.network.is_encrypted())
}

/// True if one of the networks that a service asks for is encrypted.
fn asks_for_encryption(draft: &Draft<'_>, service: &Service) -> bool {
    let mut networks = service.spec.networks().iter();
    networks.any(|wish| {
        draft
            .network(&wish.target().into())
            .is_some_and(|network| network.is_encrypted())
    })
}

/// True if the board can be in encrypted networks, where that is wanted.
pub(crate) fn encrypts(wanted: bool, node: &Node) -> bool {
    !wanted || node.description.wireguard.is_some()
}

/// True if a task's board no longer meets its constraints, or can't encrypt what it must any more. Boards that are paused keep what they have, and of a
/// board that is not heard of nothing is said.
pub(crate) fn is_misfit(draft: &Draft<'_>, task: &Task) -> bool {
    let Some(node) = task.node_id.as_ref().and_then(|id| draft.node(id)) else {
        return false;
    };
    let fits = fits(&task.spec, &task.origin.service_labels, node) && encrypts(is_encrypted(task), node);
    crate::draft::takes_tasks(node) && !fits
}

/// True if a global service's task may stay on the board.
pub(crate) fn may_stay(draft: &Draft<'_>, service: &Service, node: &Node) -> bool {
    node.status.state != NodeState::Down
        && node.spec.availability != Availability::Drain
        && (node.spec.availability == Availability::Pause || can_hold(draft, service, node))
}

/// True if a global service may come to the board.
pub(crate) fn may_come(draft: &Draft<'_>, service: &Service, node: &Node) -> bool {
    crate::draft::takes_tasks(node) && can_hold(draft, service, node)
}

/// True if tasks of the service can be on the board.
pub(crate) fn can_hold(draft: &Draft<'_>, service: &Service, node: &Node) -> bool {
    fits(&service.spec.task_template, &service.spec.labels, node)
        && encrypts(asks_for_encryption(draft, service), node)
}

/// Tasks for which their board, which has become smaller, has no room any more: the youngest of those that reserve
/// something. As with constraints, boards that are paused or not heard of keep what they have.
pub(crate) fn without_room(draft: &Draft<'_>) -> BTreeSet<TaskId> {
    let mut reserving: BTreeMap<&NodeId, Vec<&Arc<Task>>> = BTreeMap::new();
    for task in draft.tasks().filter(|task| task.is_wanted()) {
        let there = task.status.state >= TaskState::Assigned && !task.status.state.is_final();
        if let Some(node) = task.node_id.as_ref().filter(|_| there && reserves(task)) {
            reserving.entry(node).or_default().push(task);
        }
    }
    let mut without = BTreeSet::new();
    for (id, mut tasks) in reserving {
        let Some(node) = draft.node(id).filter(|node| crate::draft::takes_tasks(node)) else {
            continue;
        };
        tasks.sort_by(|a, b| (a.meta.created_at, &a.id).cmp(&(b.meta.created_at, &b.id)));
        let has = &node.description.resources;
        let (mut cpus, mut memory) = (has.nano_cpus.unwrap_or(0), has.memory_bytes.unwrap_or(0));
        let mut stock = Stock::of(has.generic_resources.as_deref().unwrap_or_default());
        for task in tasks {
            let (wanted_cpus, wanted_memory) = reserved(task);
            let given = task.assigned_generic_resources.as_deref().unwrap_or_default();
            // What is not reserved may well be overdrawn: less than nothing is left, and nobody asked.
            let room =
                (wanted_cpus <= 0 || wanted_cpus <= cpus) && (wanted_memory <= 0 || wanted_memory <= memory);
            if room && stock.holds(given) {
                cpus -= wanted_cpus;
                memory -= wanted_memory;
                stock.claim(given);
            } else {
                without.insert(task.id.clone());
            }
        }
    }
    without
}

/// Billionths of a processor and bytes of memory that a task reserves.
fn reserved(task: &Task) -> (i64, i64) {
    let resources = task.spec.resources.as_ref();
    let reserved = resources.and_then(|resources| resources.reservations.as_ref());
    let of = |field: Option<i64>| field.unwrap_or(0);
    reserved.map_or((0, 0), |reserved| {
        (of(reserved.nano_cpus), of(reserved.memory_bytes))
    })
}

fn reserves(task: &Task) -> bool {
    reserved(task) != (0, 0)
        || task
            .assigned_generic_resources
            .as_ref()
            .is_some_and(|given| !given.is_empty())
}
