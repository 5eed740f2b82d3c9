//! Makes the quorum what the nodes' wanted roles say: the leader's shell around the store's membership.
//!
//! ```text
//! spec.role = manager:  number given → node opens its store → learner → voter → membership.role = manager
//! spec.role = worker:   (leader: hands over first) → out of the quorum → membership.role = worker, number dropped
//! ```
//! Each pass takes the first step that is due and looks again; all steps are idempotent.

use crate::Inner;
use model::{Node, NodeRole};
use state::{Transaction, View};
use std::time::Duration;
use store::{CommitError, MemberInfo, MembershipError, Peer};

/// After a step that did not go through.
const AGAIN: Duration = Duration::from_secs(1);
/// A member that was out of reach may be back without the store changing.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A number in Raft for a node that is to be a manager.
    Number(Node),
    /// A node that is ready comes in, not voting yet.
    Learner(Peer),
    /// A learner gets its vote.
    Voter(u64),
    /// The node's role is written down.
    Record(Node, NodeRole),
    /// Leadership goes to another.
    HandOver,
    /// A member goes out.
    Out(u64),
    /// A member has moved.
    Move(u64, String),
}

/// Runs while this node leads.
pub(crate) async fn reconcile(manager: &Inner) {
    let mut views = manager.store.watch();
    let mut seats = manager.soft.changes();
    loop {
        let view = views.borrow_and_update().clone();
        seats.mark_unchanged();
        let members = manager.store.standing().borrow().members.clone();
        if let Some(step) = next(&view, &members, manager) {
            tracing::debug!(?step, "membership");
            match take(manager, &view, step).await {
                Ok(()) => continue,
                Err(error) => {
                    tracing::warn!(%error, "membership not changed");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            changed = seats.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn next(view: &View, members: &[MemberInfo], manager: &Inner) -> Option<Step> {
    let seats = manager.soft.seats();
    decide(view, members, &manager.me, &|node| {
        let number = node.membership.raft_id;
        match seats.get(&node.id) {
            Some(seat) if seat.raft_id.is_some() && seat.raft_id == number => {
                Holds::Store(seat.address.to_string())
            }
            Some(seat) if seat.lost.is_some() && seat.lost == number => Holds::Ruin,
            _ => Holds::Nothing,
        }
    })
}

/// What a node has of the store under its number.
#[derive(Clone, Debug, PartialEq)]
enum Holds {
    /// None that is open, as far as it is known.
    Nothing,
    /// An open one; it listens there.
    Store(String),
    /// A damaged one: it doesn't know what it voted under this number, so it needs another.
    Ruin,
}

/// The first step that is due.
fn decide(
    view: &View,
    members: &[MemberInfo],
    me: &model::NodeId,
    holds: &dyn Fn(&Node) -> Holds,
) -> Option<Step> {
    let member = |node: &Node| {
        members
            .iter()
            .find(|member| Some(member.id) == node.membership.raft_id)
    };
    for node in view.nodes().filter(|node| node.spec.role == NodeRole::Manager) {
        let Some(id) = node.membership.raft_id else {
            return Some(Step::Number((**node).clone()));
        };
        match (member(node), holds(node)) {
            (Some(info), Holds::Ruin) => return Some(Step::Out(info.id)),
            (None, Holds::Ruin) => return Some(Step::Number((**node).clone())),
            (None, Holds::Store(address)) => {
                return Some(Step::Learner(Peer {
                    id,
                    node: node.id.clone(),
                    address,
                }));
            }
            (Some(info), Holds::Store(address)) if info.address != address => {
                return Some(Step::Move(id, address));
            }
            (Some(info), Holds::Store(_)) if !info.voter => return Some(Step::Voter(id)),
            (Some(info), _) if info.voter && node.membership.role == NodeRole::Worker => {
                return Some(Step::Record((**node).clone(), NodeRole::Manager));
            }
            _ => {}
        }
    }
    for node in view.nodes().filter(|node| node.spec.role == NodeRole::Worker) {
        match member(node) {
            Some(_) if node.id == *me => return Some(Step::HandOver),
            Some(info) => return Some(Step::Out(info.id)),
            None if node.membership.role == NodeRole::Manager || node.membership.raft_id.is_some() => {
                return Some(Step::Record((**node).clone(), NodeRole::Worker));
            }
            None => {}
        }
    }
    let known = |info: &MemberInfo| view.nodes().any(|node| node.membership.raft_id == Some(info.id));
    members
        .iter()
        .find(|info| !known(info))
        .map(|info| Step::Out(info.id))
}

async fn take(manager: &Inner, view: &View, step: Step) -> Result<(), String> {
    let membership = |error: MembershipError| error.to_string();
    match step {
        Step::Learner(peer) => manager.store.add_learner(peer).await.map_err(membership),
        Step::Voter(id) => manager.store.promote(id).await.map_err(membership),
        Step::HandOver => manager.store.hand_over().await.map_err(membership),
        Step::Out(id) => manager.store.remove(id).await.map_err(membership),
        Step::Move(id, address) => manager.store.set_address(id, address).await.map_err(membership),
        Step::Number(node) => commit(manager, number(view, node)).await,
        Step::Record(mut node, role) => {
            node.membership.role = role;
            if role == NodeRole::Worker {
                node.membership.raft_id = None;
            }
            let mut transaction = Transaction::new();
            transaction.update(node);
            commit(manager, transaction).await
        }
    }
}

fn number(view: &View, mut node: Node) -> Transaction {
    let mut transaction = Transaction::new();
    if let Some(cluster) = view.cluster() {
        let mut cluster = (**cluster).clone();
        let keys = cluster.keys.get_or_insert_default();
        node.membership.raft_id = Some(keys.next_raft_id);
        keys.next_raft_id += 1;
        transaction.update(cluster).update(node);
    }
    transaction
}

async fn commit(manager: &Inner, transaction: Transaction) -> Result<(), String> {
    match manager.store.commit(transaction).await {
        // Someone else changed the node: the next look decides anew.
        Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cluster;

    fn node(id: &str, wanted: NodeRole, raft_id: Option<u64>, role: NodeRole) -> Node {
        let mut node = Node {
            id: id.into(),
            ..Node::default()
        };
        node.spec.role = wanted;
        node.membership.raft_id = raft_id;
        node.membership.role = role;
        node
    }

    fn view(nodes: Vec<Node>) -> View {
        let mut all = Transaction::new();
        all.create(Cluster::default());
        for node in nodes {
            all.create(node);
        }
        View::default().apply(1, &all).unwrap()
    }

    fn info(id: u64, node: &str, voter: bool) -> MemberInfo {
        MemberInfo {
            id,
            node: node.into(),
            address: "10.0.0.1:2377".into(),
            voter,
            reachable: true,
        }
    }

    fn at_home(_: &Node) -> Holds {
        Holds::Store("10.0.0.1:2377".into())
    }

    const WORKER: NodeRole = NodeRole::Worker;
    const MANAGER: NodeRole = NodeRole::Manager;

    #[test]
    fn a_promoted_node_is_numbered_then_learns_then_votes_then_is_recorded() {
        let me = "a".into();
        let a = || node("a", MANAGER, Some(1), MANAGER);
        let step = |b: Node, members: &[MemberInfo]| decide(&view(vec![a(), b]), members, &me, &at_home);
        let one = [info(1, "a", true)];
        let learner = [info(1, "a", true), info(2, "b", false)];
        let both = [info(1, "a", true), info(2, "b", true)];
        assert!(matches!(
            step(node("b", MANAGER, None, WORKER), &one),
            Some(Step::Number(_))
        ));
        assert!(matches!(
            step(node("b", MANAGER, Some(2), WORKER), &one),
            Some(Step::Learner(_))
        ));
        assert_eq!(
            step(node("b", MANAGER, Some(2), WORKER), &learner),
            Some(Step::Voter(2))
        );
        assert!(matches!(
            step(node("b", MANAGER, Some(2), WORKER), &both),
            Some(Step::Record(_, MANAGER))
        ));
        assert_eq!(step(node("b", MANAGER, Some(2), MANAGER), &both), None);
    }

    #[test]
    fn a_node_whose_store_is_not_open_waits() {
        let nodes = view(vec![
            node("a", MANAGER, Some(1), MANAGER),
            node("b", MANAGER, Some(2), WORKER),
        ]);
        assert_eq!(
            decide(
                &nodes,
                &[info(1, "a", true)],
                &"a".into(),
                &|node| match node.id.as_str() {
                    "a" => at_home(node),
                    _ => Holds::Nothing,
                }
            ),
            None
        );
    }

    #[test]
    fn a_node_whose_store_is_damaged_goes_out_and_comes_back_under_a_new_number() {
        let nodes = view(vec![
            node("a", MANAGER, Some(1), MANAGER),
            node("b", MANAGER, Some(2), MANAGER),
        ]);
        let ruined = |node: &Node| match node.membership.raft_id {
            Some(2) => Holds::Ruin,
            _ => at_home(node),
        };
        let members = [info(1, "a", true), info(2, "b", true)];
        let step = |members: &[MemberInfo]| decide(&nodes, members, &"a".into(), &ruined);
        assert_eq!(step(&members), Some(Step::Out(2)));
        assert!(matches!(step(&members[..1]), Some(Step::Number(b)) if b.id.as_str() == "b"));
    }

    #[test]
    fn a_demoted_leader_hands_over_and_a_demoted_other_goes_out() {
        let nodes = || {
            view(vec![
                node("a", WORKER, Some(1), MANAGER),
                node("b", MANAGER, Some(2), MANAGER),
            ])
        };
        let members = [info(1, "a", true), info(2, "b", true)];
        assert_eq!(
            decide(&nodes(), &members, &"a".into(), &at_home),
            Some(Step::HandOver)
        );
        assert_eq!(
            decide(&nodes(), &members, &"b".into(), &at_home),
            Some(Step::Out(1))
        );
        assert!(matches!(
            decide(&nodes(), &members[1..], &"b".into(), &at_home),
            Some(Step::Record(_, WORKER))
        ));
    }

    #[test]
    fn a_member_that_is_no_node_goes_out_and_one_that_moved_is_found() {
        let nodes = view(vec![node("a", MANAGER, Some(1), MANAGER)]);
        assert_eq!(
            decide(
                &nodes,
                &[info(1, "a", true), info(9, "x", true)],
                &"a".into(),
                &at_home
            ),
            Some(Step::Out(9))
        );
        let moved = |_: &Node| Holds::Store("10.0.0.2:2377".to_owned());
        assert_eq!(
            decide(&nodes, &[info(1, "a", true)], &"a".into(), &moved),
            Some(Step::Move(1, "10.0.0.2:2377".into()))
        );
    }
}
