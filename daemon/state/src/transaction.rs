//! What a transaction holds.

use model::{
    Cluster, Config, ConfigId, Meta, Network, NetworkId, Node, NodeId, Secret, SecretId, Service, ServiceId,
    Task, TaskId, Version,
};
use serde::{Deserialize, Serialize};

/// Any object of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// The cluster.
    Cluster(Box<Cluster>),
    /// A node.
    Node(Box<Node>),
    /// A service.
    Service(Box<Service>),
    /// A task.
    Task(Box<Task>),
    /// A network.
    Network(Box<Network>),
    /// A secret.
    Secret(Box<Secret>),
    /// A config.
    Config(Box<Config>),
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Key {
    /// The cluster: there is one.
    Cluster,
    /// A node.
    Node(NodeId),
    /// A service.
    Service(ServiceId),
    /// A task.
    Task(TaskId),
    /// A network.
    Network(NetworkId),
    /// A secret.
    Secret(SecretId),
    /// A config.
    Config(ConfigId),
}

impl Object {
    /// Which object it is.
    pub fn key(&self) -> Key {
        match self {
            Self::Cluster(_) => Key::Cluster,
            Self::Node(node) => Key::Node(node.id.clone()),
            Self::Service(service) => Key::Service(service.id.clone()),
            Self::Task(task) => Key::Task(task.id.clone()),
            Self::Network(network) => Key::Network(network.id.clone()),
            Self::Secret(secret) => Key::Secret(secret.id.clone()),
            Self::Config(config) => Key::Config(config.id.clone()),
        }
    }

    /// Its version and times.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Cluster(object) => &object.meta,
            Self::Node(object) => &object.meta,
            Self::Service(object) => &object.meta,
            Self::Task(object) => &object.meta,
            Self::Network(object) => &object.meta,
            Self::Secret(object) => &object.meta,
            Self::Config(object) => &object.meta,
        }
    }

    pub(crate) fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Cluster(object) => &mut object.meta,
            Self::Node(object) => &mut object.meta,
            Self::Service(object) => &mut object.meta,
            Self::Task(object) => &mut object.meta,
            Self::Network(object) => &mut object.meta,
            Self::Secret(object) => &mut object.meta,
            Self::Config(object) => &mut object.meta,
        }
    }
}

macro_rules! into_object {
    ($($name:ident),*) => {$(
        impl From<$name> for Object {
            fn from(object: $name) -> Self {
                Self::$name(Box::new(object))
            }
        }
    )*};
}
into_object!(Cluster, Node, Service, Task, Network, Secret, Config);

impl std::fmt::Display for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cluster => out.write_str("the cluster"),
            Self::Node(id) => write!(out, "node {id}"),
            Self::Service(id) => write!(out, "service {id}"),
            Self::Task(id) => write!(out, "task {id}"),
            Self::Network(id) => write!(out, "network {id}"),
            Self::Secret(id) => write!(out, "secret {id}"),
            Self::Config(id) => write!(out, "config {id}"),
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A new object; there must be none with its key or name.
    Create(Object),
    /// An object as it is to be; its `meta.version` says which version it was made from.
    Update(Object),
    /// An object goes, if it still has this version.
    Remove(Key, Version),
}

/// Changes that take effect together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// In this order; each object at most once.
    pub changes: Vec<Change>,
}

impl Transaction {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a new object.
    pub fn create(&mut self, object: impl Into<Object>) -> &mut Self {
        self.changes.push(Change::Create(object.into()));
        self
    }

    /// Adds a changed object.
    pub fn update(&mut self, object: impl Into<Object>) -> &mut Self {
        self.changes.push(Change::Update(object.into()));
        self
    }

    /// Adds the end of an object.
    pub fn remove(&mut self, object: impl Into<Object>) -> &mut Self {
        let object = object.into();
        self.changes
            .push(Change::Remove(object.key(), object.meta().version));
        self
    }

    /// True if there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
