//! What nodes were told of the cluster's networks and what they have made of it.
//!
//! A node has one fabric on its way at a time: what changes meanwhile is told once it has acknowledged, or has not for
//! [`PATIENCE`]. So a slow node gets fewer and larger steps, and a manager knows at any time which tasks a node may
//! still send new connections to. A task that is to end is told so only once nobody does any more. Of a node that has lost
//! its session, or has not found a new leader yet, that is not known: for [`PATIENCE`] it may send wherever it did.

use exec::Fabric;
use model::{NodeId, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a node is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The looms of all nodes that have a session.
pub struct Looms {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    /// Numbers count up for as long as this manager runs.
    number: u64,
    looms: BTreeMap<NodeId, Loom>,
    /// Nodes that have none, since when.
    away: BTreeMap<NodeId, Instant>,
}

/// One node's.
#[derive(Debug)]
struct Loom {
    /// Which session it belongs to.
    session: u64,
    /// Told last, and when.
    told: Option<(Arc<Fabric>, Instant)>,
    /// Acknowledged last.
    woven: Option<Arc<Fabric>>,
}

/// What to do next for a node.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Next {
    /// To be sent now.
    pub send: Option<Arc<Fabric>>,
    /// What was sent before it in this session.
    pub before: Option<Arc<Fabric>>,
    /// Look again then, though nothing has changed.
    pub look_again: Option<Instant>,
}

impl Default for Looms {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changed: watch::channel(0).0,
        }
    }
}

impl Looms {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whenever a node acknowledged something, or is gone.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// This manager has just become the leader of these nodes: none of them has found it yet.
    pub(crate) fn expect(&self, nodes: impl Iterator<Item = NodeId>, now: Instant) {
        let mut inner = self.lock();
        let new = nodes.filter(|id| !inner.looms.contains_key(id));
        inner.away = new.map(|id| (id, now)).collect();
    }

    /// A session begins: its node has nothing of it yet. Returns the session's number.
    pub(super) fn open(&self, node: &NodeId) -> u64 {
        let mut inner = self.lock();
        inner.number += 1;
        let session = inner.number;
        let loom = Loom {
            session,
            told: None,
            woven: None,
        };
        inner.looms.insert(node.clone(), loom);
        inner.away.remove(node);
        session
    }

    /// The node's session is over.
    pub(super) fn close(&self, node: &NodeId, session: u64, now: Instant) {
        let mut inner = self.lock();
        if inner.looms.get(node).is_some_and(|loom| loom.session == session) {
            inner.looms.remove(node);
            inner.away.insert(node.clone(), now);
        }
        drop(inner);
        self.changed.send_modify(|count| *count += 1);
    }

    /// What to tell a node whose fabric is now to be `fabric`.
    pub(super) fn tell(&self, node: &NodeId, session: u64, fabric: Fabric, now: Instant) -> Next {
        let mut inner = self.lock();
        let Inner { number, looms, .. } = &mut *inner;
        match looms.get_mut(node).filter(|loom| loom.session == session) {
            Some(loom) => loom.tell(fabric, number, now),
            None => Next::default(),
        }
    }

    /// A node has made it so.
    pub(super) fn woven(&self, node: &NodeId, number: u64) {
        if let Some(loom) = self.lock().looms.get_mut(node) {
            loom.acknowledge(number);
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// True if a node may still send new connections to the task. Those that are gone for good are not waited for.
    pub(super) fn reaches(&self, task: &TaskId, gone: &BTreeSet<NodeId>, now: Instant) -> bool {
        let mut inner = self.lock();
        inner.away.retain(|_, since| *since + PATIENCE > now);
        let away = inner.away.keys().any(|id| !gone.contains(id));
        let mut looms = inner.looms.iter().filter(|(id, _)| !gone.contains(*id));
        away || looms.any(|(_, loom)| loom.reaches(task))
    }
}

impl Loom {
    fn tell(&mut self, mut fabric: Fabric, number: &mut u64, now: Instant) -> Next {
        if let Some((told, at)) = &self.told {
            fabric.number = told.number;
            if fabric == **told {
                return Next::default();
            }
            let until = *at + PATIENCE;
            if self.is_on_its_way() && until > now {
                return Next {
                    look_again: Some(until),
                    ..Next::default()
                };
            }
        }
        *number += 1;
        fabric.number = *number;
        let fabric = Arc::new(fabric);
        let before = self.told.replace((fabric.clone(), now));
        Next {
            send: Some(fabric),
            before: before.map(|(before, _)| before),
            look_again: None,
        }
    }

    fn acknowledge(&mut self, number: u64) {
        if let Some((told, _)) = self.told.as_ref().filter(|(told, _)| told.number == number) {
            self.woven = Some(told.clone());
        }
    }

    fn is_on_its_way(&self) -> bool {
        let woven = self.woven.as_ref().map(|fabric| fabric.number);
        self.told
            .as_ref()
            .is_some_and(|(told, _)| Some(told.number) != woven)
    }

    /// What is on its way may be in effect already, and what it replaces may be still. Before the first acknowledgement
    /// nobody knows what is: a session or a leader before this one may have told it.
    fn reaches(&self, task: &TaskId) -> bool {
        if self.woven.is_none() {
            return true;
        }
        let told = self.told.as_ref().map(|(told, _)| told);
        [told, self.woven.as_ref()]
            .into_iter()
            .flatten()
            .any(|fabric| takes(fabric, task))
    }
}

/// True if new connections may go to the task.
fn takes(fabric: &Fabric, task: &TaskId) -> bool {
    fabric
        .networks
        .iter()
        .flat_map(|network| &network.endpoints)
        .any(|endpoint| endpoint.takes && endpoint.task == *task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use exec::{Endpoint, Overlay};
    use std::net::Ipv4Addr;

    fn fabric(takes: Option<bool>) -> Fabric {
        let endpoint = |takes| Endpoint {
            task: "t".into(),
            name: "web.1.t".into(),
            service: "s".into(),
            node: "n".into(),
            address: Ipv4Addr::new(10, 0, 1, 3),
            takes,
        };
        let network = Overlay {
            id: "o".into(),
            name: "net".into(),
            vni: 4097,
            subnet: Ipv4Addr::new(10, 0, 1, 0),
            prefix: 24,
            board: Ipv4Addr::new(10, 0, 1, 2),
            internal: false,
            ingress: false,
            encrypted: false,
            mtu: None,
            peers: Vec::new(),
            endpoints: takes.map(endpoint).into_iter().collect(),
            services: Vec::new(),
        };
        Fabric {
            networks: vec![network],
            ..Fabric::default()
        }
    }

    #[tokio::test]
    async fn one_fabric_is_on_its_way_at_a_time() {
        let (looms, node, now) = (Looms::default(), NodeId::from("n"), Instant::now());
        let session = looms.open(&node);
        let first = looms.tell(&node, session, fabric(None), now).send.unwrap();
        // The same again is nothing new; another waits for the acknowledgement …
        assert_eq!(looms.tell(&node, session, fabric(None), now), Next::default());
        let waits = looms.tell(&node, session, fabric(Some(true)), now);
        assert_eq!((waits.send, waits.look_again), (None, Some(now + PATIENCE)));
        looms.woven(&node, first.number + 7);
        assert!(looms.tell(&node, session, fabric(Some(true)), now).send.is_none());
        looms.woven(&node, first.number);
        let second = looms.tell(&node, session, fabric(Some(true)), now).send.unwrap();
        assert!(second.number > first.number);
        // … but not for ever.
        let late = looms.tell(&node, session, fabric(None), now + PATIENCE);
        assert!(late.send.is_some());
        // What an older session has to say is of no interest.
        let next = looms.open(&node);
        assert_eq!(looms.tell(&node, session, fabric(None), now), Next::default());
        looms.close(&node, session, now);
        assert!(looms.tell(&node, next, fabric(None), now).send.is_some());
    }

    #[tokio::test]
    async fn a_task_is_reached_until_all_that_know_it_acknowledged_otherwise() {
        let (looms, now, task) = (Looms::default(), Instant::now(), TaskId::from("t"));
        let nodes = [NodeId::from("a"), NodeId::from("b")];
        let none = BTreeSet::new();
        let reaches = |now| looms.reaches(&task, &none, now);
        let sessions = nodes.clone().map(|node| looms.open(&node));
        let tell = |at: usize, takes| {
            let told = looms.tell(&nodes[at], sessions[at], fabric(takes), now).send;
            told.map(|fabric| fabric.number).unwrap()
        };
        assert!(reaches(now), "nobody knows what a session before this one told");
        let (a, b) = (tell(0, None), tell(1, None));
        looms.woven(&nodes[0], a);
        looms.woven(&nodes[1], b);
        assert!(!reaches(now));
        let (a, b) = (tell(0, Some(true)), tell(1, Some(true)));
        assert!(reaches(now), "it may be in effect before it is acknowledged");
        looms.woven(&nodes[0], a);
        looms.woven(&nodes[1], b);
        let (a, b) = (tell(0, Some(false)), tell(1, None));
        assert!(reaches(now));
        looms.woven(&nodes[0], a);
        assert!(reaches(now), "b still sends to it");
        looms.woven(&nodes[1], b);
        assert!(!reaches(now));
        // A node that has lost its session is waited for only so long, and not at all if its board is gone.
        tell(1, Some(true));
        let gone = BTreeSet::from([nodes[1].clone()]);
        assert!(reaches(now) && !looms.reaches(&task, &gone, now));
        looms.close(&nodes[1], sessions[1], now);
        assert!(reaches(now) && !looms.reaches(&task, &gone, now));
        assert!(!reaches(now + PATIENCE));
    }

    #[tokio::test]
    async fn a_new_leader_waits_for_those_that_have_not_found_it() {
        let (looms, now, task) = (Looms::default(), Instant::now(), TaskId::from("t"));
        let nodes = [NodeId::from("a"), NodeId::from("b")];
        let none = BTreeSet::new();
        looms.expect(nodes.iter().cloned(), now);
        for node in &nodes {
            assert!(looms.reaches(&task, &none, now));
            let session = looms.open(node);
            let told = looms.tell(node, session, fabric(None), now).send.unwrap();
            looms.woven(node, told.number);
        }
        assert!(!looms.reaches(&task, &none, now));
    }
}
