//! What Raft is told of our types.

use model::NodeId;
use serde::{Deserialize, Serialize};
use state::{Conflict, Transaction};
use std::io::Cursor;

/// A manager's place in the quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub node: NodeId,
    pub address: String,
}

/// What is in a log entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request(pub Transaction);

impl std::fmt::Display for Request {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} changes", self.0.changes.len())
    }
}

/// What applying an entry gives: decided by `state`, the same on every manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub index: u64,
    pub outcome: Result<(), Conflict>,
}

openraft::declare_raft_types!(
    pub(crate) Types:
        D = Request,
        R = Applied,
        NodeId = u64,
        Node = Place,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
);

pub(crate) type Raft = openraft::Raft<Types>;
pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, Place>;
pub(crate) type Snapshot = openraft::Snapshot<Types>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, Place>;
pub(crate) type StorageError = openraft::StorageError<u64>;

/// This manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number in Raft, never used before.
    pub id: u64,
    /// Its node.
    pub node: NodeId,
    /// Where others reach it.
    pub address: String,
}

/// Another manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its number in Raft.
    pub id: u64,
    /// Its node.
    pub node: NodeId,
    /// Where it was last known to be reached.
    pub address: String,
}
