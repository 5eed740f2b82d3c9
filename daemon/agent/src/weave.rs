//! Makes the board's part of the cluster's networks so: always the newest that was told, over and over until it is.

use crate::board::Inner;
use exec::Fabric;
use model::{NetworkId, NodeId, Task};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pauses between tries.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What the board's networks are to be, and are.
pub(crate) struct Loom {
    wanted: watch::Sender<Wanted>,
    state: watch::Sender<State>,
}

/// What the board's networks are to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// By the managers.
    told: Option<Arc<Fabric>>,
    /// Boards that were found to be gone here: nobody is sent there, whatever managers think that don't know it yet.
    lost: BTreeSet<NodeId>,
}

impl Wanted {
    /// What managers told last.
    pub fn told(&self) -> Option<&Arc<Fabric>> {
        self.told.as_ref()
    }

    /// What is to be woven.
    fn fabric(&self) -> Option<Arc<Fabric>> {
        let told = self.told.as_ref()?;
        if self.lost.is_empty() {
            return Some(told.clone());
        }
        let mut fabric = (**told).clone();
        for network in &mut fabric.networks {
            network.endpoints.retain(|one| !self.lost.contains(&one.node));
        }
        Some(Arc::new(fabric))
    }

    /// True if managers know that no calls are taken on a board.
    fn told_without(&self, node: &NodeId) -> bool {
        let networks = self.told.iter().flat_map(|fabric| &fabric.networks);
        let mut endpoints = networks.flat_map(|network| &network.endpoints);
        !endpoints.any(|one| one.node == *node)
    }
}

/// How far the board has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// What managers told that is in effect.
    pub woven: Option<Arc<Fabric>>,
    /// Why what is wanted is not.
    pub trouble: Option<String>,
}

impl Loom {
    /// Begins with what was told before the daemon started.
    pub fn new(fabric: Option<Arc<Fabric>>) -> Self {
        Self {
            wanted: watch::channel(Wanted {
                told: fabric,
                lost: BTreeSet::new(),
            })
            .0,
            state: watch::channel(State::default()).0,
        }
    }

    /// Wants something else.
    pub fn want(&self, fabric: Arc<Fabric>) {
        self.wanted.send_modify(|wanted| wanted.told = Some(fabric));
    }

    /// Tells whenever something else is wanted.
    pub fn told(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    /// Nobody is sent to a board any more; false if that is so already.
    pub fn lose(&self, node: &NodeId) -> bool {
        self.wanted
            .send_if_modified(|wanted| wanted.lost.insert(node.clone()))
    }

    /// The managers' word on a board counts again.
    pub fn regain(&self, node: &NodeId) {
        self.wanted.send_if_modified(|wanted| wanted.lost.remove(node));
    }

    /// Ends when managers know that no calls are taken on a board.
    pub async fn told_without(&self, node: &NodeId) {
        let mut wanted = self.wanted.subscribe();
        // It can't close: the sender is here.
        let _ = wanted.wait_for(|wanted| wanted.told_without(node)).await;
    }

    /// Tells whenever the board has come further.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What a task waits for: the first of its networks that the board has not, with the reason where there is one. None
    /// if it has them all.
    pub fn lacks(&self, task: &Task) -> Option<String> {
        lacks(&self.state.borrow(), task)
    }
}

fn lacks(state: &State, task: &Task) -> Option<String> {
    let known = |id: &NetworkId| {
        let woven = state.woven.as_ref();
        woven.is_some_and(|fabric| fabric.networks.iter().any(|network| network.id == *id))
    };
    let missing = task.held().iter().find(|held| !known(&held.network.id))?;
    let trouble = state.trouble.as_ref().map(|text| format!(": {text}"));
    Some(format!(
        "network {} is not on this board yet{}",
        missing.network.spec.name,
        trouble.unwrap_or_default()
    ))
}

/// Ends when the board has all networks of a task.
pub(crate) async fn ready(state: &mut watch::Receiver<State>, task: &Task) {
    if state
        .wait_for(|state| lacks(state, task).is_none())
        .await
        .is_err()
    {
        // The board closes: it stops us from outside.
        std::future::pending::<()>().await;
    }
}

/// Weaves until the board closes. What is told while it does is woven next; what was told in between never is.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut wanted = inner.loom.wanted.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let now = wanted.borrow_and_update().clone();
        let outcome = match now.fabric() {
            Some(fabric) => inner.executor.weave(fabric).await,
            None => Ok(()),
        };
        match outcome {
            Ok(()) => {
                pause = FIRST_PAUSE;
                inner.loom.state.send_replace(State {
                    woven: now.told,
                    trouble: None,
                });
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "networks not woven yet");
                let text = error.to_string();
                inner.loom.state.send_modify(|state| state.trouble = Some(text));
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exec::{Endpoint, Overlay};
    use std::net::Ipv4Addr;

    fn told(nodes: &[&str]) -> Arc<Fabric> {
        let endpoint = |node: &&str| Endpoint {
            task: (*node).into(),
            name: String::new(),
            service: "web".into(),
            node: (*node).into(),
            address: Ipv4Addr::new(10, 0, 1, 3),
            takes: true,
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
            endpoints: nodes.iter().map(endpoint).collect(),
            services: Vec::new(),
        };
        Arc::new(Fabric {
            networks: vec![network],
            ..Fabric::default()
        })
    }

    #[tokio::test]
    async fn nobody_is_sent_to_a_board_that_is_gone_until_managers_know() {
        let loom = Loom::new(None);
        loom.want(told(&["a", "b"]));
        let woven = || {
            let fabric = loom.wanted.borrow().fabric().unwrap();
            let endpoints = fabric.networks[0].endpoints.iter();
            endpoints.map(|one| one.node.to_string()).collect::<Vec<_>>()
        };
        let gone = NodeId::from("a");
        assert!(loom.lose(&gone));
        assert!(!loom.lose(&gone), "it is known");
        assert_eq!(woven(), ["b"]);
        // A leader that does not know yet tells of it still.
        loom.want(told(&["a", "b", "c"]));
        assert_eq!(woven(), ["b", "c"]);
        assert!(!loom.wanted.borrow().told_without(&gone));
        loom.want(told(&["b", "c"]));
        loom.told_without(&gone).await;
        loom.regain(&gone);
        loom.want(told(&["a", "b"]));
        assert_eq!(woven(), ["a", "b"]);
    }
}
