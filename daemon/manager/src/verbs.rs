//! What users ask, carried out: read the store, let `control` decide, commit; again if others were faster.

use crate::Manager;
use crate::control::deposits::{self, Deposit};
use crate::control::{Refusal, access, cluster, networks, nodes, services};
use model::{
    AccessRole, Cluster, ClusterSpec, Grant, NetworkId, NetworkSpec, Node, NodeId, NodeRole, NodeSpec,
    NodeState, Reachability, ServiceId, Task, Timestamp, Version,
};
use state::{Transaction, View};
use store::{CommitError, Unavailable};
use tokio::sync::watch;

/// How often a verb is tried again when the store changed under it.
const ATTEMPTS: usize = 16;
/// How long a new network's maker waits until it has its subnet.
const ALLOCATED_SOON: std::time::Duration = std::time::Duration::from_secs(2);

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(conflict) => conflict.into(),
            error => Self::Unavailable(no_quorum(&error)),
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(no_quorum(&error))
    }
}

/// What a user can do when the store does not answer.
fn no_quorum(error: &dyn std::fmt::Display) -> String {
    format!(
        "The swarm does not have a leader: {error}. It's possible that too few managers are online. Make sure more \
         than half of the managers are online (running tasks keep running meanwhile)."
    )
}

/// The store with what nodes last said: what users see. Only the leader has the latter.
#[derive(Clone)]
pub struct Merged {
    /// The store.
    pub view: View,
    manager: Manager,
}

impl Merged {
    /// A task with its newest status.
    pub fn task(&self, task: &Task) -> Task {
        let mut shown = task.clone();
        if let Some(status) = self.manager.inner.soft.task(&task.id)
            && (status.state, status.timestamp) > (shown.status.state, shown.status.timestamp)
        {
            shown.status = status;
        }
        shown
    }

    /// A node with its state and its part in the quorum.
    pub fn node(&self, node: &Node) -> Node {
        let mut shown = node.clone();
        if let Some(report) = self.manager.inner.soft.node(&node.id) {
            shown.status.state = report.state;
            shown.status.message = report.message.or(report.unfit.map(|unfit| unfit.text));
            shown.status.addr = report.addr.or(shown.status.addr);
        }
        let standing = self.manager.inner.store.standing().borrow().clone();
        let member = standing
            .members
            .iter()
            .find(|member| Some(member.id) == node.membership.raft_id);
        shown.manager_status = member.map(|member| model::ManagerStatus {
            leader: standing.leader.as_ref() == Some(&node.id),
            reachability: match member.reachable && shown.status.state != NodeState::Down {
                true => Reachability::Reachable,
                false => Reachability::Unreachable,
            },
            addr: member.address.clone(),
        });
        shown
    }
}

impl Manager {
    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What users see, as of now: linearizable, so only the leader has an answer.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] without quorum or on a follower.
    pub async fn merged(&self) -> Result<Merged, Refusal> {
        Ok(Merged {
            view: self.inner.store.read().await?,
            manager: self.clone(),
        })
    }

    /// What this manager knows by itself: a moment old perhaps, and on a follower without what nodes last said.
    pub fn seen(&self) -> Merged {
        Merged {
            view: self.inner.store.view(),
            manager: self.clone(),
        }
    }

    /// Tells whenever a node said something.
    pub fn reported(&self) -> watch::Receiver<u64> {
        self.inner.soft.changes()
    }

    /// Decides on the newest view and commits; again while others are faster. A conflict that `decide` would not
    /// see (a version given by the user) is its own to refuse.
    async fn change<T>(
        &self,
        mut decide: impl FnMut(&View) -> Result<(Transaction, T), Refusal>,
    ) -> Result<T, Refusal> {
        let mut view = self.inner.store.read().await?;
        for _ in 0..ATTEMPTS {
            let (transaction, value) = decide(&view)?;
            if transaction.is_empty() {
                return Ok(value);
            }
            match self.inner.store.commit(transaction).await {
                Ok(_) => return Ok(value),
                Err(CommitError::Conflict(_)) => view = self.inner.store.read().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Refusal::Unavailable(
            "too many changes at once: try again".to_owned(),
        ))
    }

    /// Makes a service.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn create_service(&self, asked: services::Asked) -> Result<ServiceId, Refusal> {
        let now = self.now();
        let _claim = self.inner.claims.lock().await;
        self.change(|view| services::create(view, asked.clone(), now, &mut rand::rng()))
            .await
    }

    /// Changes a service.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn update_service(
        &self,
        id: &ServiceId,
        version: Version,
        asked: services::Asked,
        wanted: services::Wanted,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let _claim = self.inner.claims.lock().await;
        self.change(|view| {
            Ok((
                services::update(view, id, version, asked.clone(), wanted, now)?,
                (),
            ))
        })
        .await
    }

    /// Removes a service.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn remove_service(&self, id: &ServiceId) -> Result<(), Refusal> {
        self.change(|view| Ok((services::remove(view, id)?, ()))).await
    }

    /// Makes a network; its id, once it has its subnet (or a moment later: then its tasks say what it lacks).
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn create_network(&self, spec: NetworkSpec) -> Result<NetworkId, Refusal> {
        let now = self.now();
        let claim = self.inner.claims.lock().await;
        let made = self
            .change(|view| networks::create(view, spec.clone(), now, &mut rand::rng()))
            .await?;
        drop(claim);
        let mut views = self.inner.store.watch();
        let given = views.wait_for(|view| {
            view.network(&made)
                .is_none_or(|network| network.subnet().is_some())
        });
        // The plan is quick; should it not be, the network is there all the same.
        let _ = tokio::time::timeout(ALLOCATED_SOON, given).await;
        Ok(made)
    }

    /// Removes a network that no service is in.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn remove_network(&self, id: &NetworkId) -> Result<(), Refusal> {
        self.change(|view| Ok((networks::remove(view, id)?, ()))).await
    }

    /// Keeps a secret or config; its id.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn create_deposit<D: Deposit>(&self, spec: D::Spec) -> Result<String, Refusal> {
        let now = self.now();
        self.change(|view| deposits::create::<D>(view, spec.clone(), now, &mut rand::rng()))
            .await
    }

    /// Changes the labels of a secret or config.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn update_deposit<D: Deposit>(
        &self,
        id: &str,
        version: Version,
        spec: &D::Spec,
    ) -> Result<(), Refusal> {
        let now = self.now();
        self.change(|view| Ok((deposits::update::<D>(view, id, version, spec, now)?, ())))
            .await
    }

    /// Removes a secret or config that no service uses.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn remove_deposit<D: Deposit>(&self, id: &str) -> Result<(), Refusal> {
        self.change(|view| Ok((deposits::remove::<D>(view, id)?, ())))
            .await
    }

    /// Changes a node.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn update_node(&self, id: &NodeId, version: Version, spec: NodeSpec) -> Result<(), Refusal> {
        let now = self.now();
        self.change(|view| Ok((nodes::update(view, id, version, spec.clone(), now)?, ())))
            .await
    }

    /// Removes a node.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn remove_node(&self, id: &NodeId, force: bool) -> Result<(), Refusal> {
        let (now, states) = (self.now(), self.inner.soft.node_states());
        self.change(|view| Ok((nodes::remove(view, &states, id, force, now)?, ())))
            .await
    }

    /// This node is about to leave by itself: it is made a worker, so that the others' quorum is right without it.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn step_out(&self, id: &NodeId) -> Result<(), Refusal> {
        self.change(|view| {
            let mut transaction = Transaction::new();
            if let Some(node) = view.node(id).filter(|node| node.spec.role == NodeRole::Manager) {
                let mut node = (**node).clone();
                node.spec.role = NodeRole::Worker;
                node.membership.by_hand = true;
                transaction.update(node);
            }
            Ok((transaction, ()))
        })
        .await
    }

    /// Changes the cluster; rotates tokens that are asked for.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn update_cluster(
        &self,
        version: Version,
        spec: ClusterSpec,
        rotate: cluster::Rotate,
    ) -> Result<(), Refusal> {
        let now = self.now();
        self.change(|view| Ok((cluster::update(view, version, spec.clone(), rotate, now)?, ())))
            .await
    }

    /// Gives out a client certificate for the Engine API.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn grant_access(
        &self,
        name: &str,
        role: AccessRole,
        days: u64,
    ) -> Result<access::Given, Refusal> {
        let now = self.now();
        self.change(|view| access::grant(view, name, role, days, now))
            .await
    }

    /// Takes a client certificate back.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn revoke_access(&self, id: &str) -> Result<(), Refusal> {
        let now = self.now();
        self.change(|view| Ok((access::revoke(view, id, now)?, ()))).await
    }

    /// Client certificates that are out.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn access_grants(&self) -> Result<Vec<Grant>, Refusal> {
        Ok(access::grants(&self.inner.store.read().await?, self.now()))
    }

    /// What opens locked managers; empty while they are not locked.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn unlock_key(&self) -> Result<String, Refusal> {
        let view = self.inner.store.read().await?;
        let key = view
            .cluster()
            .and_then(|cluster| cluster.keys.as_ref()?.unlock_key.clone());
        Ok(key.map(|key| key.reveal().clone()).unwrap_or_default())
    }

    /// The cluster, with its join tokens.
    ///
    /// # Errors
    /// [`Refusal`]
    pub async fn cluster(&self) -> Result<Cluster, Refusal> {
        let view = self.inner.store.read().await?;
        view.cluster()
            .map(|cluster| cluster.with_tokens())
            .ok_or_else(|| Refusal::NotFound("the cluster".to_owned()))
    }
}
