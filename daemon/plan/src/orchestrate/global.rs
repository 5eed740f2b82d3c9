//! One task on each board that meets the constraints and is neither drained nor down. A paused board keeps what it
//! has.

use super::vacate;
use crate::create::{Waits, create};
use crate::draft::Draft;
use crate::slots::{Place, Slot, slots};
use crate::{Cause, Reason, enforce};
use model::{Node, NodeState, Service, TaskState};
use std::sync::Arc;

pub(crate) fn apply(draft: &mut Draft<'_>, service: &Service) {
    let all = slots(draft, service);
    for (place, slot) in &all {
        let Place::Board(id) = place else {
            vacate(draft, slot);
            continue;
        };
        match draft.node(id).cloned() {
            // What is left of a board that was removed is nobody's history.
            None => vacate(draft, slot),
            Some(node) if !enforce::may_stay(draft, service, &node) => leave(draft, service, &node, slot),
            Some(_) => {}
        }
    }
    let free: Vec<Arc<Node>> = draft
        .nodes()
        .filter(|node| enforce::may_come(draft, service, node))
        .cloned()
        .collect();
    for node in free {
        let place = Place::Board(node.id.clone());
        let slot = all.get(&place);
        if slot.is_some_and(Slot::is_taken) || !draft.may_create() {
            continue;
        }
        create(draft, service, &place, slot, Waits::default());
        let node = draft.node_name(&node.id);
        draft.say(Reason::BoardJoined {
            service: service.spec.name.clone(),
            node,
        });
    }
}

/// The service's tasks go from a board that it can't be on.
fn leave(draft: &mut Draft<'_>, service: &Service, node: &Node, slot: &Slot) {
    let cause = match node.status.state {
        NodeState::Down => Cause::NodeDown,
        _ if !enforce::can_hold(draft, service, node) => Cause::Misfit,
        _ => Cause::NodeDrained,
    };
    if slot.wanted().next().is_none() {
        return;
    }
    for task in slot.wanted() {
        draft.want(&task.id, TaskState::Shutdown);
    }
    let node = draft.node_name(&node.id);
    draft.say(Reason::BoardLeft {
        service: service.spec.name.clone(),
        node,
        cause,
    });
}
