//! What the leader knows but need not keep: who is there, and what nodes last said of their tasks.
//!
//! All of it can be told again by the nodes, so a new leader starts with none of it. Every call is short; the lock
//! is never held over an await.

use model::{NodeId, NodeState, TaskId, TaskStatus, Timestamp, Unfit};
use pki::Clock;
use plan::{NodeReport, Reports};
use state::View;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Between two beats of a node, unless the cluster's settings say otherwise (swarm.md 1.8).
pub const BEAT: Duration = Duration::from_secs(5);
/// Beats that a node may miss before it counts as down.
const MISSED: u32 = 3;
/// The same after a change of leaders: what everyone gets to come back.
const MISSED_AT_TAKEOVER: u32 = 6;

/// Between two beats of a node.
pub fn beat(view: &View) -> Duration {
    let nanos = view
        .cluster()
        .and_then(|cluster| cluster.spec.dispatcher.heartbeat_period);
    nanos
        .and_then(|nanos| u64::try_from(nanos).ok())
        .filter(|nanos| *nanos > 0)
        .map_or(BEAT, Duration::from_nanos)
}

/// How long a node may be silent.
pub fn grace(view: &View) -> Duration {
    beat(view) * MISSED
}

/// What the leader knows but need not keep.
pub struct Soft {
    clock: Clock,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// Shared with whoever looks; copied when it changes while somebody does.
    reports: Arc<Reports>,
    deadlines: HashMap<NodeId, Instant>,
    seats: HashMap<NodeId, Seat>,
    grace: Option<Duration>,
    /// The last sign of life of those that have a session.
    heard: HashMap<NodeId, Instant>,
}

/// What a node said of itself as a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its number in Raft if its store is open.
    pub raft_id: Option<u64>,
    /// Its number in Raft whose store is damaged.
    pub lost: Option<u64>,
}

impl Soft {
    /// Knows nothing.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            inner: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Tells whenever something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Forgets all: this node has just become the leader of these nodes (or is none any more).
    pub fn reset(&self, me: Option<&NodeId>, view: &View) {
        let until = Instant::now() + beat(view) * MISSED_AT_TAKEOVER;
        let now = self.clock.now();
        let mut inner = self.lock();
        *inner = Inner {
            grace: Some(grace(view)),
            ..Inner::default()
        };
        let mut reports = Reports {
            leader: me.cloned(),
            ..Reports::default()
        };
        if me.is_some() {
            for node in view.nodes() {
                inner.deadlines.insert(node.id.clone(), until);
                reports
                    .nodes
                    .insert(node.id.clone(), report(NodeState::Unknown, now));
            }
        }
        inner.reports = Arc::new(reports);
        drop(inner);
        self.touch();
    }

    /// What the plan decides from.
    pub fn reports(&self) -> Arc<Reports> {
        self.lock().reports.clone()
    }

    /// A node's state as the leader sees it.
    pub fn node_states(&self) -> BTreeMap<NodeId, NodeState> {
        self.lock()
            .reports
            .nodes
            .iter()
            .map(|(id, report)| (id.clone(), report.state))
            .collect()
    }

    /// A node's report.
    pub fn node(&self, id: &NodeId) -> Option<NodeReport> {
        self.lock().reports.nodes.get(id).cloned()
    }

    /// What a node last said of a task.
    pub fn task(&self, id: &TaskId) -> Option<TaskStatus> {
        self.lock().reports.tasks.get(id).cloned()
    }

    /// What nodes said of themselves as managers.
    pub fn seats(&self) -> HashMap<NodeId, Seat> {
        self.lock().seats.clone()
    }

    /// A node gave a sign of life, and said whether it is well.
    pub fn heard_of(&self, id: &NodeId, seat: Seat, unfit: Option<&Unfit>) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let grace = inner.grace.unwrap_or(BEAT * MISSED);
        inner.deadlines.insert(id.clone(), Instant::now() + grace);
        inner.heard.insert(id.clone(), Instant::now());
        let seated = inner.seats.insert(id.clone(), seat) != Some(seat);
        let known = Arc::make_mut(&mut inner.reports)
            .nodes
            .entry(id.clone())
            .or_insert_with(|| report(NodeState::Unknown, now));
        let addr = Some(seat.address.ip().to_string());
        let back = std::mem::take(&mut known.unreachable);
        let ailment = |unfit: Option<&Unfit>| unfit.map(|unfit| unfit.ailment);
        let mut news = known.state != NodeState::Ready || known.addr != addr || back;
        // How hot it is exactly is no reason to plan.
        news |= ailment(known.unfit.as_ref()) != ailment(unfit);
        if known.unfit.as_ref() != unfit {
            known.unfit = unfit.cloned();
        }
        if news {
            if known.state != NodeState::Ready {
                known.since = now;
            }
            known.state = NodeState::Ready;
            known.addr = addr;
            known.message = None;
        }
        drop(inner);
        if news || seated {
            self.touch();
        }
    }

    /// A session ended; the node has until its deadline to come back.
    pub fn session_ended(&self, id: &NodeId) {
        let mut inner = self.lock();
        inner.heard.remove(id);
        let news = inner.seats.remove(id).is_some();
        drop(inner);
        if news {
            self.touch();
        }
    }

    /// Nodes that have no session, or gave no sign of life for so long.
    pub fn silent(&self, view: &View, time: Duration) -> Vec<NodeId> {
        let inner = self.lock();
        let is_silent = |id: &NodeId| inner.heard.get(id).is_none_or(|at| at.elapsed() >= time);
        view.nodes()
            .map(|node| node.id.clone())
            .filter(is_silent)
            .collect()
    }

    /// What came of knocking at a silent node.
    pub fn knocked(&self, id: &NodeId, answers: bool) {
        let mut inner = self.lock();
        let Some(report) = Arc::make_mut(&mut inner.reports).nodes.get_mut(id) else {
            return;
        };
        let news = std::mem::replace(&mut report.unreachable, !answers) == answers;
        drop(inner);
        if news {
            tracing::info!(node = %id, answers, "a silent board was knocked at");
            self.touch();
        }
    }

    /// Nodes whose boards don't answer.
    pub fn unreachable(&self) -> BTreeSet<NodeId> {
        let inner = self.lock();
        let gone = inner
            .reports
            .nodes
            .iter()
            .filter(|(_, report)| report.unreachable);
        gone.map(|(id, _)| id.clone()).collect()
    }

    /// Takes statuses from a node. Those of tasks that are not its own, or that would move a task backwards, are left out.
    pub fn take_statuses(&self, view: &View, node: &NodeId, statuses: Vec<(TaskId, TaskStatus)>) {
        let mut inner = self.lock();
        let mut news = false;
        for (id, status) in statuses {
            let Some(task) = view.task(&id).filter(|task| task.node_id.as_ref() == Some(node)) else {
                continue;
            };
            let known = inner.reports.tasks.get(&id).unwrap_or(&task.status);
            if status.state < known.state || *known == status {
                continue;
            }
            news = true;
            Arc::make_mut(&mut inner.reports).tasks.insert(id, status);
        }
        drop(inner);
        if news {
            self.touch();
        }
    }

    /// Takes the settings from the store, and lets go of what is no longer in it, so that nothing grows.
    pub fn prune(&self, view: &View) {
        let mut inner = self.lock();
        inner.grace = Some(grace(view));
        let Inner {
            reports, deadlines, ..
        } = &mut *inner;
        let reports = Arc::make_mut(reports);
        reports.tasks.retain(|id, _| view.task(id).is_some());
        reports.nodes.retain(|id, _| view.node(id).is_some());
        let (now, until) = (self.clock.now(), Instant::now() + beat(view) * MISSED_AT_TAKEOVER);
        for node in view.nodes() {
            deadlines.entry(node.id.clone()).or_insert(until);
            reports
                .nodes
                .entry(node.id.clone())
                .or_insert_with(|| report(NodeState::Unknown, now));
        }
        inner.deadlines.retain(|id, _| view.node(id).is_some());
        inner.seats.retain(|id, _| view.node(id).is_some());
        inner.heard.retain(|id, _| view.node(id).is_some());
    }

    /// Marks nodes down whose deadline has passed; gives the next deadline.
    pub fn expire(&self) -> Option<Instant> {
        let (now, instant) = (self.clock.now(), Instant::now());
        let mut inner = self.lock();
        let Inner {
            reports,
            deadlines,
            seats,
            ..
        } = &mut *inner;
        let mut news = false;
        for (id, report) in &mut Arc::make_mut(reports).nodes {
            let late = deadlines.get(id).is_none_or(|deadline| *deadline <= instant);
            if late && report.state != NodeState::Down {
                report.state = NodeState::Down;
                report.since = now;
                report.message = Some("heartbeat failure".to_owned());
                seats.remove(id);
                news = true;
            }
        }
        let next = deadlines
            .values()
            .filter(|deadline| **deadline > instant)
            .min()
            .copied();
        drop(inner);
        if news {
            self.touch();
        }
        next
    }
}

fn report(state: NodeState, since: Timestamp) -> NodeReport {
    NodeReport {
        state,
        since,
        addr: None,
        message: None,
        unreachable: false,
        unfit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Ailment;

    fn hot(celsius: u32) -> Unfit {
        Unfit {
            ailment: Ailment::Hot,
            text: format!("hot: {celsius} °C; no new tasks"),
        }
    }

    #[test]
    fn the_plan_looks_again_when_a_board_falls_ill_but_not_for_each_degree() {
        let soft = Soft::new(Clock::system());
        let (id, seat) = (
            NodeId::from("n1"),
            Seat {
                address: SocketAddr::from(([10, 0, 0, 1], 2377)),
                raft_id: None,
                lost: None,
            },
        );
        soft.heard_of(&id, seat, None);
        let mut changes = soft.changes();
        let mut news = |unfit: Option<Unfit>| {
            changes.mark_unchanged();
            soft.heard_of(&id, seat, unfit.as_ref());
            let told = soft.node(&id).and_then(|report| report.unfit);
            assert_eq!(told, unfit);
            changes.has_changed().unwrap()
        };
        assert!(news(Some(hot(82))));
        assert!(!news(Some(hot(84))));
        assert!(!news(Some(hot(84))));
        assert!(news(None));
        assert!(!news(None));
    }
}
