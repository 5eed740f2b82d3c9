//! Nodes: what users want of them, and their removal.

use super::Refusal;
use model::{Node, NodeId, NodeRole, NodeSpec, NodeState, Timestamp, Version};
use state::{Transaction, View};
use std::collections::BTreeMap;

/// A node with another spec; made from `version`, or refused. A role that a person chose is left alone by the
/// cluster's own choice of managers from then on.
///
/// # Errors
/// [`Refusal`]: gone, moved on, or it would take the last manager.
pub fn update(
    view: &View,
    id: &NodeId,
    version: Version,
    spec: NodeSpec,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let old = find(view, id)?;
    if old.meta.version != version {
        return Err(Refusal::OutOfSequence);
    }
    if old.spec.role == NodeRole::Manager && spec.role == NodeRole::Worker && managers(view) <= 1 {
        return Err(Refusal::precondition(
            "attempting to demote the last manager of the swarm",
        ));
    }
    let mut node = (**old).clone();
    node.membership.by_hand |= spec.role != node.spec.role;
    node.spec = spec;
    node.meta.updated_at = now;
    let mut transaction = Transaction::new();
    transaction.update(node);
    Ok(transaction)
}

/// A node goes. Its certificate is barred until it has run out, so it is locked out at once.
///
/// # Errors
/// [`Refusal`]: it is a manager, or it is not down and that is not forced.
pub fn remove(
    view: &View,
    states: &BTreeMap<NodeId, NodeState>,
    id: &NodeId,
    force: bool,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let node = find(view, id)?;
    if node.spec.role == NodeRole::Manager || node.membership.role == NodeRole::Manager {
        return Err(Refusal::precondition(format!(
            "node {id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
        )));
    }
    let state = states.get(id).copied().unwrap_or(node.status.state);
    if state == NodeState::Ready && !force {
        return Err(Refusal::precondition(format!(
            "node {id} is not down and can't be removed"
        )));
    }
    let mut transaction = Transaction::new();
    transaction.remove((**node).clone());
    if let Some(cluster) = view.cluster() {
        let mut cluster = (**cluster).clone();
        if let Some(keys) = &mut cluster.keys {
            keys.barred.retain(|_, until| *until > now);
            keys.barred.insert(id.clone(), now + BARRED);
            transaction.update(cluster);
        }
    }
    Ok(transaction)
}

/// A certificate's life and a week (swarm.md 1.9).
const BARRED: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 97);

fn find<'a>(view: &'a View, id: &NodeId) -> Result<&'a std::sync::Arc<Node>, Refusal> {
    view.node(id)
        .ok_or_else(|| Refusal::NotFound(format!("node {id}")))
}

fn managers(view: &View) -> usize {
    view.nodes()
        .filter(|node| node.spec.role == NodeRole::Manager)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let mut all = Transaction::new();
        for (id, role) in [("m", NodeRole::Manager), ("w", NodeRole::Worker)] {
            let mut node = Node {
                id: id.into(),
                ..Node::default()
            };
            node.spec.role = role;
            all.create(node);
        }
        all.create(model::Cluster {
            keys: Some(model::ClusterKeys::default()),
            ..Default::default()
        });
        View::default().apply(1, &all).unwrap()
    }

    fn with_role(role: NodeRole) -> NodeSpec {
        NodeSpec {
            role,
            ..NodeSpec::default()
        }
    }

    #[test]
    fn the_last_manager_stays() {
        let refused = update(
            &view(),
            &"m".into(),
            Version { index: 1 },
            with_role(NodeRole::Worker),
            Timestamp::UNIX_EPOCH,
        );
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("demote the last manager")
        );
    }

    #[test]
    fn a_role_chosen_by_hand_is_marked_so() {
        let next = |role| {
            let transaction = update(
                &view(),
                &"w".into(),
                Version { index: 1 },
                with_role(role),
                Timestamp::UNIX_EPOCH,
            )
            .unwrap();
            view()
                .apply(2, &transaction)
                .unwrap()
                .node(&"w".into())
                .unwrap()
                .membership
                .by_hand
        };
        assert!(next(NodeRole::Manager));
        assert!(!next(NodeRole::Worker));
    }

    #[test]
    fn a_ready_node_goes_only_by_force_and_is_barred() {
        let states = [("w".into(), NodeState::Ready)].into();
        let refused = remove(&view(), &states, &"w".into(), false, Timestamp::UNIX_EPOCH);
        assert!(refused.unwrap_err().to_string().contains("is not down"));
        let transaction = remove(&view(), &states, &"w".into(), true, Timestamp::UNIX_EPOCH).unwrap();
        let next = view().apply(2, &transaction).unwrap();
        assert!(next.node(&"w".into()).is_none());
        let barred = &next.cluster().unwrap().keys.as_ref().unwrap().barred;
        assert!(barred.contains_key("w"));
    }

    #[test]
    fn a_manager_is_demoted_first() {
        let refused = remove(
            &view(),
            &BTreeMap::new(),
            &"m".into(),
            true,
            Timestamp::UNIX_EPOCH,
        );
        assert!(refused.unwrap_err().to_string().contains("demoted to worker"));
    }
}
