//! How a transaction becomes the next view.

use crate::{Change, Key, Object, Transaction, View};
use model::Version;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a transaction was not applied. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Conflict {
    /// Swarm's words, which the docker command's users know.
    #[error("update out of sequence")]
    Stale(Key),
    /// An object with this id is there already.
    #[error("{0} already exists")]
    Exists(Key),
    /// It has been removed meanwhile.
    #[error("{0} not found")]
    Missing(Key),
    /// Another object of its kind has the name.
    #[error("name conflicts with an existing object: {0}")]
    NameTaken(String),
}

impl View {
    /// The view after `transaction`, which becomes number `index`; every object that it writes gets that version.
    ///
    /// # Errors
    /// [`Conflict`] if an object is not as the transaction expects it; then this view still holds.
    pub fn apply(&self, index: u64, transaction: &Transaction) -> Result<Self, Conflict> {
        let mut next = self.clone();
        next.tables.index = index;
        for change in &transaction.changes {
            next.change(index, change)?;
        }
        Ok(next)
    }

    /// The same moment under a later index: an entry that changed nothing.
    pub fn advanced(&self, index: u64) -> Self {
        let mut next = self.clone();
        next.tables.index = index;
        next
    }

    fn change(&mut self, index: u64, change: &Change) -> Result<(), Conflict> {
        match change {
            Change::Create(object) => {
                let key = object.key();
                if self.version(&key).is_some() {
                    return Err(Conflict::Exists(key));
                }
                self.check_name(object)?;
                self.put(index, object.clone());
            }
            Change::Update(object) => {
                self.expect(&object.key(), object.meta().version)?;
                self.check_name(object)?;
                self.put(index, object.clone());
            }
            Change::Remove(key, version) => {
                self.expect(key, *version)?;
                self.take(key);
            }
        }
        Ok(())
    }

    fn expect(&self, key: &Key, version: Version) -> Result<(), Conflict> {
        match self.version(key) {
            None => Err(Conflict::Missing(key.clone())),
            Some(current) if current != version => Err(Conflict::Stale(key.clone())),
            Some(_) => Ok(()),
        }
    }

    /// The version of an object, if there is one.
    pub fn version(&self, key: &Key) -> Option<Version> {
        let tables = &self.tables;
        Some(match key {
            Key::Cluster => tables.cluster.as_ref()?.meta.version,
            Key::Node(id) => tables.nodes.get(id)?.meta.version,
            Key::Service(id) => tables.services.get(id)?.meta.version,
            Key::Task(id) => tables.tasks.get(id)?.meta.version,
            Key::Network(id) => tables.networks.get(id)?.meta.version,
            Key::Secret(id) => tables.secrets.get(id)?.meta.version,
            Key::Config(id) => tables.configs.get(id)?.meta.version,
        })
    }

    /// Names are unique among the objects of a kind (tasks and nodes have none of their own).
    fn check_name(&self, object: &Object) -> Result<(), Conflict> {
        let taken = match object {
            Object::Service(new) => self
                .services()
                .any(|old| old.spec.name == new.spec.name && old.id != new.id),
            Object::Network(new) => self
                .networks()
                .any(|old| old.spec.name == new.spec.name && old.id != new.id),
            Object::Secret(new) => self
                .secrets()
                .any(|old| old.spec.name == new.spec.name && old.id != new.id),
            Object::Config(new) => self
                .configs()
                .any(|old| old.spec.name == new.spec.name && old.id != new.id),
            Object::Cluster(_) | Object::Node(_) | Object::Task(_) => false,
        };
        if taken {
            Err(Conflict::NameTaken(object.name().to_owned()))
        } else {
            Ok(())
        }
    }

    fn put(&mut self, index: u64, mut object: Object) {
        object.meta_mut().version = Version { index };
        let tables = &mut self.tables;
        match object {
            Object::Cluster(new) => tables.cluster = Some(Arc::new(*new)),
            Object::Node(new) => drop(tables.nodes.insert(new.id.clone(), Arc::new(*new))),
            Object::Service(new) => drop(tables.services.insert(new.id.clone(), Arc::new(*new))),
            Object::Network(new) => drop(tables.networks.insert(new.id.clone(), Arc::new(*new))),
            Object::Secret(new) => drop(tables.secrets.insert(new.id.clone(), Arc::new(*new))),
            Object::Config(new) => drop(tables.configs.insert(new.id.clone(), Arc::new(*new))),
            Object::Task(new) => {
                if let Some(old) = tables.tasks.insert(new.id.clone(), Arc::new((*new).clone())) {
                    self.unlink(&old);
                }
                self.link(&new);
            }
        }
    }

    fn take(&mut self, key: &Key) {
        let tables = &mut self.tables;
        match key {
            Key::Cluster => tables.cluster = None,
            Key::Node(id) => drop(tables.nodes.remove(id)),
            Key::Service(id) => drop(tables.services.remove(id)),
            Key::Network(id) => drop(tables.networks.remove(id)),
            Key::Secret(id) => drop(tables.secrets.remove(id)),
            Key::Config(id) => drop(tables.configs.remove(id)),
            Key::Task(id) => {
                if let Some(old) = tables.tasks.remove(id) {
                    self.unlink(&old);
                }
            }
        }
    }
}

impl Object {
    /// Its name; empty for what has none.
    pub fn name(&self) -> &str {
        match self {
            Self::Service(object) => &object.spec.name,
            Self::Network(object) => &object.spec.name,
            Self::Secret(object) => &object.spec.name,
            Self::Config(object) => &object.spec.name,
            Self::Cluster(_) | Self::Node(_) | Self::Task(_) => "",
        }
    }
}
