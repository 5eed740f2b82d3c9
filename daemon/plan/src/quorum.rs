//! Who should be a manager, in a cluster that boards founded by themselves.
//!
//! Wanted are 1 manager of 1 or 2 boards, 3 from three boards, 5 from seven: odd numbers, since an even one survives
//! no more losses than the odd one below it. What is decided is the wanted role (`NodeSpec::role`); membership in Raft
//! follows it and shows in `Membership::role`. Boards whose role a person chose count, and are left alone.
//!
//! Of several boards the best made for it is chosen (see [`merit`]), but none loses its seat to a better one: to change managers
//! costs more than a better one brings.

use crate::Reason;
use crate::draft::Draft;
use crate::time::after;
use jiff::SignedDuration;
use model::{Availability, Node, NodeId, NodeRole, NodeState, Timestamp};
use std::cmp::Reverse;
use std::sync::Arc;

/// How long a manager has to be down before another takes its place.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(60);

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let keys = draft.cluster().and_then(|cluster| cluster.keys.as_ref());
    if keys.is_none_or(|keys| keys.join_key.is_none()) {
        return;
    }
    let boards: Vec<Arc<Node>> = draft.nodes().cloned().collect();
    let wanted = wanted(boards.len());
    let managers: Vec<&Arc<Node>> = boards
        .iter()
        .filter(|node| node.spec.role == NodeRole::Manager)
        .collect();
    let voters: Vec<&Arc<Node>> = boards
        .iter()
        .filter(|node| node.membership.role == NodeRole::Manager)
        .collect();
    let up = voters.iter().filter(|node| is_up(node)).count();
    if up * 2 <= voters.len() {
        // Without a quorum nothing could be committed, and what is seen here may be one side of a cut.
        return;
    }
    let good = managers.iter().filter(|node| !is_lost(draft, node)).count();
    let mut candidates: Vec<&Arc<Node>> = boards.iter().filter(|node| is_candidate(node)).collect();
    candidates.sort_by_key(|node| (merit(draft, node), node.id.clone()));
    let mut promoted = wanted.saturating_sub(good).min(candidates.len());
    if (good + promoted).is_multiple_of(2) {
        promoted = promoted.saturating_sub(1);
    }
    for manager in managers
        .iter()
        .filter(|node| node.status.state == NodeState::Down)
    {
        let lost_at = after(since(draft, &manager.id), LOST_AFTER);
        if lost_at > draft.now {
            draft.wake(lost_at);
        }
    }
    for node in candidates.into_iter().take(promoted) {
        draft.set_role(&node.id, NodeRole::Manager);
        draft.say(Reason::Promoted {
            node: draft.node_name(&node.id),
            managers: wanted,
        });
    }
    if promoted == 0
        && let Some(node) = surplus(draft, &managers, &voters, wanted)
    {
        draft.set_role(&node, NodeRole::Worker);
        draft.say(Reason::Demoted {
            node: draft.node_name(&node),
            managers: wanted,
        });
    }
}

/// How many managers so many boards should have.
fn wanted(boards: usize) -> usize {
    match boards {
        0..=2 => 1,
        3..=6 => 3,
        _ => 5,
    }
}

/// The next manager to go, if there are too many and it is safe.
fn surplus(
    draft: &Draft<'_>,
    managers: &[&Arc<Node>],
    voters: &[&Arc<Node>],
    wanted: usize,
) -> Option<NodeId> {
    // One at a time: the last change must have come into force, except on boards that can't be asked.
    let settled = managers
        .iter()
        .all(|node| node.membership.role == NodeRole::Manager || !is_up(node))
        && voters.iter().all(|node| node.spec.role == NodeRole::Manager);
    if managers.len() <= wanted || !settled {
        return None;
    }
    let up = voters.iter().filter(|node| is_up(node)).count();
    managers
        .iter()
        .filter(|node| !node.membership.by_hand && draft.reports.leader.as_ref() != Some(&node.id))
        .filter(|node| {
            // Those that are left must be a majority of themselves.
            let is_voter = node.membership.role == NodeRole::Manager;
            let left = up - usize::from(is_voter && is_up(node));
            left * 2 > voters.len() - usize::from(is_voter)
        })
        .max_by_key(|node| {
            let active = node.spec.availability == Availability::Active;
            (
                is_lost(draft, node),
                !is_up(node),
                !active,
                merit(draft, node),
                node.id.clone(),
            )
        })
        .map(|node| node.id.clone())
}

fn is_up(node: &Node) -> bool {
    node.status.state == NodeState::Ready
}

fn is_candidate(node: &Node) -> bool {
    node.spec.role == NodeRole::Worker
        && node.membership.role == NodeRole::Worker
        && !node.membership.by_hand
        && crate::draft::takes_tasks(node)
}

fn since(draft: &Draft<'_>, id: &NodeId) -> Timestamp {
    draft
        .reports
        .nodes
        .get(id)
        .map_or(draft.now, |report| report.since)
}

/// How little a board is made for a manager, the smallest is best: one that is well, at a cable, with its store on something
/// better than an SD card, and that has been there for long. What a board doesn't say doesn't count against it.
fn merit(draft: &Draft<'_>, node: &Node) -> (bool, bool, bool, (Reverse<bool>, Timestamp)) {
    let label = |name: &str| {
        let labels = node.description.engine.labels.as_ref();
        labels.and_then(|labels| labels.get(name)).map(String::as_str)
    };
    (
        draft.ailment(&node.id).is_some(),
        label("bramble.wired") == Some("false"),
        label("bramble.boot") == Some("sd"),
        ready_since(draft, node),
    )
}

/// Of boards that are ready, since when; longest ready is best.
fn ready_since(draft: &Draft<'_>, node: &Node) -> (Reverse<bool>, Timestamp) {
    (Reverse(is_up(node)), since(draft, &node.id))
}

/// True if the board has been down for long enough not to be waited for.
fn is_lost(draft: &Draft<'_>, node: &Node) -> bool {
    node.status.state == NodeState::Down && after(since(draft, &node.id), LOST_AFTER) <= draft.now
}
