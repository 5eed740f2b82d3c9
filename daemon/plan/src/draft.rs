//! The plan while it is being made: the store's moment, what nodes have told laid over it, and what rules changed.
//!
//! Rules read and write here only. Statuses told by nodes are already in the tasks; whether one of them goes to the
//! store is decided once, at the end, by [`survives`].

use crate::reports::newer;
use crate::{Plan, Reason, Reports};
use model::{
    Ailment, Availability, Cluster, Network, NetworkId, Node, NodeId, NodeRole, NodeState, Service,
    ServiceId, Task, TaskId, TaskState, TaskStatus, Timestamp,
};
use rand::Rng;
use state::{Transaction, View};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// At most so many new tasks in one plan, so that no transaction grows without end; the next plan goes on.
pub const MAX_NEW_TASKS: usize = 1000;

/// The plan while it is being made.
pub(crate) struct Draft<'a> {
    pub(crate) now: Timestamp,
    pub(crate) reports: &'a Reports,
    view: &'a View,
    rng: &'a mut dyn Rng,
    nodes: BTreeMap<NodeId, Arc<Node>>,
    services: BTreeMap<ServiceId, Arc<Service>>,
    networks: BTreeMap<NetworkId, Arc<Network>>,
    tasks: BTreeMap<TaskId, Arc<Task>>,
    by_service: BTreeMap<ServiceId, BTreeSet<TaskId>>,
    new_tasks: usize,
    edits: u64,
    wake_at: Option<Timestamp>,
    because: Vec<Reason>,
}

/// What a task's board can do for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Footing {
    /// It has no board yet.
    Unplaced,
    /// Its board is there, or nothing is known to the contrary.
    Held,
    /// Its board is down: it may run there still, but nobody can tell.
    Down,
    /// Its board was removed from the cluster.
    Gone,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(view: &'a View, reports: &'a Reports, now: Timestamp, rng: &'a mut dyn Rng) -> Self {
        let nodes = view
            .nodes()
            .map(|node| (node.id.clone(), seen_node(node, reports)))
            .collect();
        let mut draft = Self {
            now,
            reports,
            view,
            rng,
            nodes,
            services: view
                .services()
                .map(|service| (service.id.clone(), service.clone()))
                .collect(),
            networks: view
                .networks()
                .map(|network| (network.id.clone(), network.clone()))
                .collect(),
            tasks: BTreeMap::new(),
            by_service: BTreeMap::new(),
            new_tasks: 0,
            edits: 0,
            wake_at: None,
            because: Vec::new(),
        };
        for task in view.tasks() {
            draft
                .by_service
                .entry(task.service_id.clone())
                .or_default()
                .insert(task.id.clone());
            draft.tasks.insert(task.id.clone(), seen_task(task, reports, now));
        }
        draft
    }

    /// Starts a round: only the last one's wishes to be woken count. Returns how much has been changed so far.
    pub(crate) fn begin_round(&mut self) -> u64 {
        self.wake_at = None;
        self.edits
    }

    /// Grows with every change.
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    pub(crate) fn cluster(&self) -> Option<&'a Arc<Cluster>> {
        self.view.cluster()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    pub(crate) fn node(&self, id: &NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(id)
    }

    /// What keeps a board from getting new tasks though it is there, by its own word.
    pub(crate) fn ailment(&self, id: &NodeId) -> Option<Ailment> {
        let report = self.reports.nodes.get(id)?;
        report.unfit.as_ref().map(|unfit| unfit.ailment)
    }

    /// A board's host name, or its id while it has not told one.
    pub(crate) fn node_name(&self, id: &NodeId) -> String {
        let hostname = self
            .nodes
            .get(id)
            .map(|node| node.description.hostname.as_str())
            .unwrap_or_default();
        if hostname.is_empty() {
            id.to_string()
        } else {
            hostname.to_owned()
        }
    }

    /// The services as they are now; rules change them while they go through the list.
    pub(crate) fn services(&self) -> Vec<Arc<Service>> {
        self.services.values().cloned().collect()
    }

    pub(crate) fn service(&self, id: &ServiceId) -> Option<&Arc<Service>> {
        self.services.get(id)
    }

    pub(crate) fn networks(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.values()
    }

    pub(crate) fn network(&self, id: &NetworkId) -> Option<&Arc<Network>> {
        self.networks.get(id)
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    pub(crate) fn task(&self, id: &TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(id)
    }

    /// A service's tasks, by id.
    pub(crate) fn tasks_of(&self, service: &ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        self.by_service
            .get(service)
            .into_iter()
            .flatten()
            .filter_map(|id| self.tasks.get(id))
    }

    /// The task as the store has it: its status before what its node told last.
    pub(crate) fn stored(&self, id: &TaskId) -> Option<&'a Arc<Task>> {
        self.view.task(id)
    }

    /// What the task's board can do for it.
    pub(crate) fn footing(&self, task: &Task) -> Footing {
        let Some(id) = &task.node_id else {
            return Footing::Unplaced;
        };
        match self.nodes.get(id).map(|node| node.status.state) {
            None => Footing::Gone,
            Some(NodeState::Down) => Footing::Down,
            Some(_) => Footing::Held,
        }
    }

    /// True if nothing of the task runs any more, or nobody could tell.
    pub(crate) fn is_stopped(&self, task: &Task) -> bool {
        task.status.state.is_final()
            || task.status.state < TaskState::Assigned
            || self.footing(task) != Footing::Held
    }

    /// True if another task may be made in this plan; asks to plan again if not.
    pub(crate) fn may_create(&mut self) -> bool {
        if self.new_tasks < MAX_NEW_TASKS {
            return true;
        }
        self.wake(self.now);
        false
    }

    /// Adds a task and returns its id.
    pub(crate) fn add_task(&mut self, mut task: Task) -> TaskId {
        let id = TaskId::generate(&mut *self.rng);
        task.id = id.clone();
        self.by_service
            .entry(task.service_id.clone())
            .or_default()
            .insert(id.clone());
        self.tasks.insert(id.clone(), Arc::new(task));
        self.new_tasks += 1;
        self.edits += 1;
        id
    }

    /// Changes a task, if it is still there and the change makes a difference.
    pub(crate) fn edit_task(&mut self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let mut next = (**task).clone();
        change(&mut next);
        if next != **task {
            *task = Arc::new(next);
            self.edits += 1;
        }
    }

    /// Wants a later state of a task; an earlier one is never wanted again.
    pub(crate) fn want(&mut self, id: &TaskId, desired: TaskState) {
        if self
            .tasks
            .get(id)
            .is_some_and(|task| task.desired_state < desired)
        {
            let now = self.now;
            self.edit_task(id, |task| {
                task.desired_state = desired;
                task.meta.updated_at = now;
            });
        }
    }

    /// Forgets a task.
    pub(crate) fn remove_task(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.remove(id) else { return };
        if let Some(ids) = self.by_service.get_mut(&task.service_id) {
            ids.remove(id);
        }
        self.edits += 1;
    }

    /// Changes a service, if the change makes a difference.
    pub(crate) fn edit_service(&mut self, id: &ServiceId, change: impl FnOnce(&mut Service)) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let mut next = (**service).clone();
        change(&mut next);
        if next != **service {
            *service = Arc::new(next);
            self.edits += 1;
        }
    }

    /// Wants another role of a node.
    pub(crate) fn set_role(&mut self, id: &NodeId, role: NodeRole) {
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.spec.role != role) else {
            return;
        };
        Arc::make_mut(node).spec.role = role;
        self.edits += 1;
    }

    /// A number that nobody can guess.
    pub(crate) fn chance(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Gives a node other addresses in networks.
    pub(crate) fn set_places(&mut self, id: &NodeId, places: BTreeMap<NetworkId, Ipv4Addr>) {
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.places != places) else {
            return;
        };
        Arc::make_mut(node).places = places;
        self.edits += 1;
    }

    /// Adds a network.
    pub(crate) fn add_network(&mut self, mut network: Network) {
        network.id = NetworkId::generate(&mut *self.rng);
        self.networks.insert(network.id.clone(), Arc::new(network));
        self.edits += 1;
    }

    /// Changes a network, if the change makes a difference.
    pub(crate) fn edit_network(&mut self, id: &NetworkId, change: impl FnOnce(&mut Network)) {
        let Some(network) = self.networks.get_mut(id) else {
            return;
        };
        let mut next = (**network).clone();
        change(&mut next);
        if next != **network {
            *network = Arc::new(next);
            self.edits += 1;
        }
    }

    /// Asks to be woken at `at`, if that is sooner than others ask.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |already| already.min(at)));
    }

    /// Gives a reason.
    pub(crate) fn say(&mut self, reason: Reason) {
        self.because.push(reason);
    }

    /// What was changed, as one transaction.
    pub(crate) fn finish(self) -> Plan {
        let mut changes = Transaction::new();
        for (id, service) in &self.services {
            if self.view.service(id).is_some_and(|old| old != service) {
                let mut service = (**service).clone();
                service.meta.updated_at = self.now;
                changes.update(service);
            }
        }
        self.finish_networks(&mut changes);
        self.finish_nodes(&mut changes);
        for old in self.view.tasks().filter(|old| !self.tasks.contains_key(&old.id)) {
            changes.remove((**old).clone());
        }
        for (id, task) in &self.tasks {
            match self.view.task(id) {
                None => drop(changes.create((**task).clone())),
                Some(old) if matters(old, task) => {
                    let mut task = (**task).clone();
                    task.meta.updated_at = self.now;
                    changes.update(task);
                }
                Some(_) => {}
            }
        }
        Plan {
            changes,
            wake_at: self.wake_at,
            because: self.because,
        }
    }

    fn finish_networks(&self, changes: &mut Transaction) {
        for (id, network) in &self.networks {
            match self.view.network(id) {
                None => drop(changes.create((**network).clone())),
                Some(old) if old != network => {
                    let mut network = (**network).clone();
                    network.meta.updated_at = self.now;
                    changes.update(network);
                }
                Some(_) => {}
            }
        }
    }

    /// Of a node, only what plans decide: what is seen of it is soft.
    fn finish_nodes(&self, changes: &mut Transaction) {
        for (id, node) in &self.nodes {
            let Some(old) = self.view.node(id) else { continue };
            if (old.spec.role, &old.places) != (node.spec.role, &node.places) {
                let mut next = (**old).clone();
                next.spec.role = node.spec.role;
                next.places.clone_from(&node.places);
                next.meta.updated_at = self.now;
                changes.update(next);
            }
        }
    }
}

/// True if a board can be given new tasks.
pub(crate) fn takes_tasks(node: &Node) -> bool {
    node.status.state == NodeState::Ready && node.spec.availability == Availability::Active
}

/// The node with what the leader sees of it; the stored status is another leader's, from another day.
fn seen_node(node: &Arc<Node>, reports: &Reports) -> Arc<Node> {
    let report = reports.nodes.get(&node.id);
    let state = report.map_or(NodeState::Unknown, |report| report.state);
    let addr = report
        .and_then(|report| report.addr.clone())
        .or_else(|| node.status.addr.clone());
    if node.status.state == state && node.status.addr == addr {
        return node.clone();
    }
    let mut node = (**node).clone();
    node.status.state = state;
    node.status.addr = addr;
    Arc::new(node)
}

fn seen_task(task: &Arc<Task>, reports: &Reports, now: Timestamp) -> Arc<Task> {
    match reports
        .tasks
        .get(&task.id)
        .and_then(|told| newer(&task.status, told, now))
    {
        Some(status) => Arc::new(Task {
            status,
            ..(**task).clone()
        }),
        None => task.clone(),
    }
}

fn matters(old: &Arc<Task>, new: &Arc<Task>) -> bool {
    if Arc::ptr_eq(old, new) {
        return false;
    }
    let status_matters = old.status != new.status && survives(&new.status);
    status_matters
        || Task {
            status: old.status.clone(),
            ..(**new).clone()
        } != **old
}

/// True if a new leader must find this status in the store: the plan's own words (up to assigned), the first
/// RUNNING (updates watch from it, back-off measures from it), and final states.
fn survives(status: &TaskStatus) -> bool {
    status.state <= TaskState::Assigned || status.state >= TaskState::Running
}
