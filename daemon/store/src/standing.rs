//! Who leads, and who is in the quorum.

use crate::network::Heard;
use crate::types::{Place, Raft};
use model::NodeId;
use openraft::RaftMetrics;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// A peer that has not answered for so long is out of reach.
const SILENCE: Duration = Duration::from_secs(3);
/// How often silence is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Who leads, and who is in the quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who leads, if it is known.
    pub leader: Option<NodeId>,
    /// True if this manager leads, and its view holds all that was ever acknowledged: who leads decides by what it sees.
    pub i_lead: bool,
    /// Raft's term.
    pub term: u64,
    /// All managers, by number.
    pub members: Vec<MemberInfo>,
    /// False if this manager knows that no majority is there.
    pub quorum: bool,
}

/// A manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its number in Raft.
    pub id: u64,
    /// Its node.
    pub node: NodeId,
    /// Where it is reached.
    pub address: String,
    /// True if it votes; else it only follows.
    pub voter: bool,
    /// Whether the leader can reach it; others take all to be.
    pub reachable: bool,
}

/// Keeps the standing up to date until Raft ends.
pub(crate) async fn follow(raft: Raft, heard: Heard, standing: watch::Sender<Standing>) {
    let mut metrics = raft.metrics();
    let mut due = None;
    loop {
        let now = read(&metrics.borrow_and_update(), &heard, &mut due);
        standing.send_if_modified(|known| {
            let news = *known != now;
            *known = now;
            news
        });
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { break },
            () = tokio::time::sleep(LOOK), if due.is_some() => {}
        }
        if metrics.borrow().running_state.is_err() {
            break;
        }
    }
    standing.send_modify(|standing| {
        standing.i_lead = false;
        standing.leader = None;
        standing.quorum = false;
    });
}

/// In which term this manager was elected, and the last entry that its log held then.
type Due = Option<(u64, Option<u64>)>;

/// Whether an elected manager has applied what its log held when it was elected. Entries of leaders before it may have been
/// acknowledged, and are committed only with its own first one (Raft, 5.4.2).
fn caught_up(metrics: &RaftMetrics<u64, Place>, due: &mut Due) -> bool {
    let (term, log) = (metrics.current_term, metrics.last_log_index);
    let (_, wanted) = *due.insert(due.filter(|(of, _)| *of == term).unwrap_or((term, log)));
    metrics.last_applied.map(|applied| applied.index) >= wanted
}

fn read(metrics: &RaftMetrics<u64, Place>, heard: &Heard, due: &mut Due) -> Standing {
    let membership = metrics.membership_config.membership();
    let elected = metrics.current_leader == Some(metrics.id) && metrics.state.is_leader();
    if !elected {
        *due = None;
    }
    let i_lead = elected && caught_up(metrics, due);
    let reachable = |id: u64| {
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        !elected || id == metrics.id || heard.get(&id).is_some_and(|at| at.elapsed() < SILENCE)
    };
    let voters: Vec<u64> = membership.voter_ids().collect();
    let members: Vec<MemberInfo> = membership
        .nodes()
        .map(|(id, place)| MemberInfo {
            id: *id,
            node: place.node.clone(),
            address: place.address.clone(),
            voter: voters.contains(id),
            reachable: reachable(*id),
        })
        .collect();
    let leader = metrics
        .current_leader
        .and_then(|id| members.iter().find(|member| member.id == id));
    let answering = members
        .iter()
        .filter(|member| member.voter && member.reachable)
        .count();
    Standing {
        leader: leader.map(|leader| leader.node.clone()),
        i_lead,
        term: metrics.current_term,
        quorum: leader.is_some() && answering * 2 > voters.len(),
        members,
    }
}
