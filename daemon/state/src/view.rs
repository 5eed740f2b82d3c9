//! One moment of the store.

use imbl::{OrdMap, OrdSet};
use model::{
    Cluster, Config, ConfigId, Network, NetworkId, Node, NodeId, Secret, SecretId, Service, ServiceId, Task,
    TaskId,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One moment of the store. Cloning it is cheap: maps share what did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Tables", into = "Tables")]
pub struct View {
    pub(crate) tables: Tables,
    pub(crate) tasks_of_service: OrdMap<ServiceId, OrdSet<TaskId>>,
    pub(crate) tasks_of_node: OrdMap<NodeId, OrdSet<TaskId>>,
}

/// The tables themselves; a snapshot is exactly this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tables {
    pub index: u64,
    pub cluster: Option<Arc<Cluster>>,
    pub nodes: OrdMap<NodeId, Arc<Node>>,
    pub services: OrdMap<ServiceId, Arc<Service>>,
    pub tasks: OrdMap<TaskId, Arc<Task>>,
    pub networks: OrdMap<NetworkId, Arc<Network>>,
    pub secrets: OrdMap<SecretId, Arc<Secret>>,
    pub configs: OrdMap<ConfigId, Arc<Config>>,
}

macro_rules! table {
    ($one:ident, $all:ident, $id:ty, $object:ty, $doc_one:literal, $doc_all:literal) => {
        #[doc = $doc_one]
        pub fn $one(&self, id: &$id) -> Option<&Arc<$object>> {
            self.tables.$all.get(id)
        }

        #[doc = $doc_all]
        pub fn $all(&self) -> impl Iterator<Item = &Arc<$object>> {
            self.tables.$all.values()
        }
    };
}

impl View {
    /// The index of the last transaction that was applied.
    pub fn index(&self) -> u64 {
        self.tables.index
    }

    /// The cluster; none before it is founded.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.tables.cluster.as_ref()
    }

    table!(node, nodes, NodeId, Node, "A node.", "All nodes, by id.");
    table!(
        service,
        services,
        ServiceId,
        Service,
        "A service.",
        "All services, by id."
    );
    table!(task, tasks, TaskId, Task, "A task.", "All tasks, by id.");
    table!(
        network,
        networks,
        NetworkId,
        Network,
        "A network.",
        "All networks, by id."
    );
    table!(
        secret,
        secrets,
        SecretId,
        Secret,
        "A secret.",
        "All secrets, by id."
    );
    table!(
        config,
        configs,
        ConfigId,
        Config,
        "A config.",
        "All configs, by id."
    );

    /// All tasks of a service, by id.
    pub fn tasks_of_service(&self, id: &ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks_in(self.tasks_of_service.get(id))
    }

    /// All tasks that were placed on a node, by id.
    pub fn tasks_of_node(&self, id: &NodeId) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks_in(self.tasks_of_node.get(id))
    }

    fn tasks_in<'a>(&'a self, ids: Option<&'a OrdSet<TaskId>>) -> impl Iterator<Item = &'a Arc<Task>> {
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.tables.tasks.get(id))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        let tables = &self.tables;
        usize::from(tables.cluster.is_some())
            + tables.nodes.len()
            + tables.services.len()
            + tables.tasks.len()
            + tables.networks.len()
            + tables.secrets.len()
            + tables.configs.len()
    }

    /// True before founding.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if `other` is this very moment with nothing changed: cheap, by index.
    pub fn is_same_moment(&self, other: &Self) -> bool {
        self.index() == other.index()
    }
}

impl From<Tables> for View {
    fn from(tables: Tables) -> Self {
        let mut view = Self {
            tables,
            ..Self::default()
        };
        let tasks: Vec<_> = view.tables.tasks.values().cloned().collect();
        for task in &tasks {
            view.link(task);
        }
        view
    }
}

impl From<View> for Tables {
    fn from(view: View) -> Self {
        view.tables
    }
}

impl View {
    pub(crate) fn link(&mut self, task: &Task) {
        self.tasks_of_service
            .entry(task.service_id.clone())
            .or_default()
            .insert(task.id.clone());
        if let Some(node) = &task.node_id {
            self.tasks_of_node
                .entry(node.clone())
                .or_default()
                .insert(task.id.clone());
        }
    }

    pub(crate) fn unlink(&mut self, task: &Task) {
        forget(&mut self.tasks_of_service, &task.service_id, &task.id);
        if let Some(node) = &task.node_id {
            forget(&mut self.tasks_of_node, node, &task.id);
        }
    }
}

fn forget<K: Ord + Clone>(index: &mut OrdMap<K, OrdSet<TaskId>>, key: &K, task: &TaskId) {
    if let Some(tasks) = index.get_mut(key) {
        tasks.remove(task);
        if tasks.is_empty() {
            index.remove(key);
        }
    }
}
