//! What changes in the store when one manager goes on alone (`docker swarm init --force-new-cluster`).

use model::{NodeId, NodeRole};
use state::{Transaction, View};
use std::net::SocketAddr;
use store::Member;

/// This manager with a number that nobody had, and the transaction that lets go of all other managers: their boards stay in the
/// cluster, and one that comes back becomes a worker. None if the view knows no cluster, or not this node.
pub fn alone(view: &View, me: &NodeId, address: SocketAddr) -> Option<(Member, Transaction)> {
    let mut cluster = (**view.cluster()?).clone();
    view.node(me)?;
    let keys = cluster.keys.as_mut()?;
    let used = view.nodes().filter_map(|node| node.membership.raft_id).max();
    let id = keys.next_raft_id.max(used.map_or(0, |used| used + 1));
    keys.next_raft_id = id + 1;
    keys.generation += 1;
    let mut transaction = Transaction::new();
    transaction.update(cluster);
    for node in view.nodes() {
        let mut changed = (**node).clone();
        if node.id == *me {
            changed.spec.role = NodeRole::Manager;
            changed.membership.role = NodeRole::Manager;
            changed.membership.raft_id = Some(id);
            changed.membership.address = Some(address);
        } else {
            changed.spec.role = NodeRole::Worker;
            changed.membership.role = NodeRole::Worker;
            changed.membership.raft_id = None;
        }
        if changed != **node {
            transaction.update(changed);
        }
    }
    let member = Member {
        id,
        node: me.clone(),
        address: address.to_string(),
    };
    Some((member, transaction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Cluster, ClusterKeys, Node};

    #[test]
    fn the_others_are_let_go_and_the_number_is_new() {
        let mut first = Transaction::new();
        let keys = ClusterKeys {
            next_raft_id: 3,
            ..ClusterKeys::default()
        };
        first.create(Cluster {
            id: "c".into(),
            keys: Some(keys),
            ..Cluster::default()
        });
        for (id, raft_id) in [("a", Some(1)), ("b", Some(2)), ("w", None)] {
            let mut node = Node {
                id: id.into(),
                ..Node::default()
            };
            let role = raft_id.map_or(NodeRole::Worker, |_| NodeRole::Manager);
            (node.spec.role, node.membership.role) = (role, role);
            node.membership.raft_id = raft_id;
            first.create(node);
        }
        let view = View::default().apply(1, &first).unwrap();
        let address = "10.0.0.2:2377".parse().unwrap();
        let (member, transaction) = alone(&view, &"b".into(), address).unwrap();
        assert_eq!(member.id, 3);
        let after = view.apply(2, &transaction).unwrap();
        let managers: Vec<_> = after
            .nodes()
            .filter(|node| node.spec.role == NodeRole::Manager)
            .map(|node| (node.id.as_str(), node.membership.raft_id))
            .collect();
        assert_eq!(managers, [("b", Some(3))]);
        let lost = after.node(&"a".into()).unwrap();
        assert_eq!(
            (lost.membership.role, lost.membership.raft_id),
            (NodeRole::Worker, None)
        );
        let keys = after.cluster().unwrap().keys.as_ref().unwrap();
        assert_eq!((keys.next_raft_id, keys.generation), (4, 1));
        assert!(alone(&View::default(), &"b".into(), address).is_none());
        assert!(alone(&view, &"stranger".into(), address).is_none());
    }
}
