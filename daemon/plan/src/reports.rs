//! What nodes have told the leader and the store does not hold.

use model::{NodeId, NodeState, TaskId, TaskStatus, Timestamp, Unfit};
use std::collections::BTreeMap;

/// Soft state of the leader: lost with it, and told again by every node to the next one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reports {
    /// This leader's own node, which is never demoted.
    pub leader: Option<NodeId>,
    /// Nodes heard of, or missed for three heartbeats, since this leader took over. A node that is absent here is
    /// [`NodeState::Unknown`]: it keeps its tasks and gets no new ones.
    pub nodes: BTreeMap<NodeId, NodeReport>,
    /// Newest statuses told by nodes. They may stay here after the plan has stored them; the later state counts.
    pub tasks: BTreeMap<TaskId, TaskStatus>,
}

/// What the leader sees of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Ready: has a session. Down: missed for three heartbeats.
    pub state: NodeState,
    /// Since when, by the leader's clock.
    pub since: Timestamp,
    /// Where its session comes from, without the port (`node.ip` in constraints).
    pub addr: Option<String>,
    /// Why, where there is something to say.
    pub message: Option<String>,
    /// True if it is silent and does not even refuse a connection: connections to its tasks lead nowhere. Its tasks are not
    /// moved for it; that takes missed heartbeats.
    pub unreachable: bool,
    /// Why it is to get no new tasks, by its own word: it is too hot, say. What it has it keeps.
    pub unfit: Option<Unfit>,
}

/// The later of what the store holds and what the node has told. Times told by boards without a good clock are
/// pulled to the leader's: a state can't be older than the one before it, nor be from the future.
pub(crate) fn newer(stored: &TaskStatus, told: &TaskStatus, now: Timestamp) -> Option<TaskStatus> {
    if told.state <= stored.state {
        return None;
    }
    let mut status = told.clone();
    if status.timestamp < stored.timestamp || status.timestamp > now {
        status.timestamp = now;
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TaskState;

    fn status(state: TaskState, second: i64) -> TaskStatus {
        TaskStatus {
            state,
            timestamp: Timestamp::from_second(second).unwrap(),
            ..TaskStatus::default()
        }
    }

    #[test]
    fn states_only_move_forward() {
        let now = Timestamp::from_second(100).unwrap();
        let stored = status(TaskState::Running, 50);
        assert_eq!(newer(&stored, &status(TaskState::Starting, 60), now), None);
        assert_eq!(newer(&stored, &status(TaskState::Running, 60), now), None);
        assert_eq!(
            newer(&stored, &status(TaskState::Failed, 60), now),
            Some(status(TaskState::Failed, 60))
        );
    }

    #[test]
    fn a_board_that_woke_up_in_1970_is_given_the_leaders_time() {
        let now = Timestamp::from_second(100).unwrap();
        for second in [0, 4000] {
            let told = newer(
                &status(TaskState::Assigned, 50),
                &status(TaskState::Running, second),
                now,
            );
            assert_eq!(told, Some(status(TaskState::Running, 100)));
        }
    }
}
