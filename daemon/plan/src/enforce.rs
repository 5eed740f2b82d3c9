//! Which boards a task may be on: constraints, and for global services the board's own state.

use crate::draft::Draft;
use model::{Availability, Constraint, Labels, Node, NodeState, Placement, Service, Task, TaskSpec, Wishes};

/// The constraints of a task. One that can't be read was refused when the spec was written; should one be there all
/// the same, no board meets it.
pub(crate) fn constraints(placement: Option<&Placement>) -> Option<Vec<Constraint>> {
    let texts = placement
        .and_then(|placement| placement.constraints.as_deref())
        .unwrap_or_default();
    texts.iter().map(|text| Constraint::parse(text).ok()).collect()
}

/// True if the board meets the constraints of the spec and has the devices that the service's labels ask for.
pub(crate) fn fits(spec: &TaskSpec, labels: &Labels, node: &Node) -> bool {
    let constraints = constraints(spec.placement.as_ref());
    constraints.is_some_and(|constraints| constraints.iter().all(|constraint| constraint.holds(node)))
        && Wishes::checked(labels).met_by(&node.description)
}

/// True if a task's board no longer meets its constraints. Boards that are paused keep what they have, and of a
/// board that is not heard of nothing is said.
pub(crate) fn is_misfit(draft: &Draft<'_>, task: &Task) -> bool {
    let Some(node) = task.node_id.as_ref().and_then(|id| draft.node(id)) else {
        return false;
    };
    node.spec.availability == Availability::Active
        && node.status.state == NodeState::Ready
        && !fits(&task.spec, &task.origin.service_labels, node)
}

/// True if a global service's task may stay on the board.
pub(crate) fn may_stay(service: &Service, node: &Node) -> bool {
    node.status.state != NodeState::Down
        && node.spec.availability != Availability::Drain
        && (node.spec.availability == Availability::Pause
            || fits(&service.spec.task_template, &service.spec.labels, node))
}

/// True if a global service may come to the board.
pub(crate) fn may_come(service: &Service, node: &Node) -> bool {
    crate::draft::takes_tasks(node) && fits(&service.spec.task_template, &service.spec.labels, node)
}
