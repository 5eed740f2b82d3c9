//! Where this board stands, and what of that lasts over a restart.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;

/// What lasts: `node.json` in the state folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// True while this board is a member of a cluster (its certificate is in `tls/`).
    pub member: bool,
    /// True after `docker swarm leave`: the board stays out until told to join or init.
    pub left: bool,
    /// The cluster's name, as boards announce it.
    pub cluster: String,
    /// Its number in Raft while it holds a store.
    pub raft_id: Option<u64>,
    /// The number whose store was damaged and set aside, until there is a new one.
    pub lost: Option<u64>,
    /// The generation of the quorum that this board last gave way to: a store that is filled anew knows of it only later.
    pub generation: u64,
    /// Where managers were last, leader first.
    pub managers: Vec<(String, SocketAddr)>,
}

impl Kept {
    /// Whether it holds a store, or held one that was damaged and is to have another.
    pub fn is_manager(&self) -> bool {
        self.raft_id.is_some() || self.lost.is_some()
    }

    /// Reads it; a board that was never in a cluster has none.
    ///
    /// # Errors
    /// If it is there and can't be read.
    pub fn load(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("node.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("in {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// If the disk can't be written.
    pub fn save(&self, state: &Path) -> anyhow::Result<()> {
        pki::files::write_atomic(&state.join("node.json"), &serde_json::to_vec_pretty(self)?, 0o600)
            .context("writing node.json")
    }
}

/// Where this board stands now; what `docker info` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// In no cluster.
    #[default]
    Out,
    /// On its way into one.
    Pending,
    /// A member.
    In,
    /// A member whose keys are sealed until a person unlocks it.
    Locked,
}

impl Standing {
    /// Where a board stands that does nothing yet. `forms`: its card names a cluster.
    pub fn to_begin_with(kept: &Kept, forms: bool) -> Self {
        if kept.member {
            Standing::In
        } else if forms && !kept.left {
            Standing::Pending
        } else {
            Standing::Out
        }
    }
}
