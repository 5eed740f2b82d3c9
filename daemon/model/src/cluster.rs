//! The cluster itself: one object, made at founding.

use crate::{AccessKeys, ClusterId, Hidden, Labels, Meta, NodeId, Timestamp, TlsInfo};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;

/// The cluster.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Cluster {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: ClusterId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user wants of it.
    pub spec: ClusterSpec,
    /// Its certificate authority.
    #[serde(rename = "TLSInfo")]
    pub tls_info: TlsInfo,
    /// True while a new certificate authority takes over.
    pub root_rotation_in_progress: bool,
    /// Pools that networks get their subnets from.
    pub default_addr_pool: Option<Vec<String>>,
    /// Prefix length of such a subnet, in bits.
    pub subnet_size: u32,
    /// UDP port of the overlay.
    pub data_path_port: u32,
    /// Only in `GET /swarm`, filled in from the keys.
    pub join_tokens: Option<JoinTokens>,
    /// What no API answer shows: see [`Cluster::public`].
    #[serde(rename = "BrambleKeys")]
    pub keys: Option<ClusterKeys>,
}

impl Cluster {
    /// The cluster as `GET /info` shows it: without its keys and tokens.
    pub fn public(&self) -> Self {
        Self {
            keys: None,
            join_tokens: None,
            ..self.clone()
        }
    }

    /// The cluster as `GET /swarm` shows it to a manager's user: with its join tokens.
    pub fn with_tokens(&self) -> Self {
        Self {
            join_tokens: self.keys.as_ref().map(|keys| keys.tokens.clone()),
            ..self.public()
        }
    }
}

/// What the cluster alone knows.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClusterKeys {
    /// The root certificate, PEM.
    pub ca_certificate: String,
    /// Its key, PEM.
    pub ca_key: Hidden<String>,
    /// The authority of client certificates for the Engine API.
    pub access: Option<AccessKeys>,
    /// A new certificate authority that is taking over.
    pub rotation: Option<RootRotation>,
    /// Roots signed by the ones before them, PEM, oldest first: nodes that trust an older root need them.
    pub cross_signed: Vec<String>,
    /// Join tokens in use.
    pub tokens: JoinTokens,
    /// What opens a manager's keys after a restart (`SWMKEY-1-…`); absent while managers are not locked.
    pub unlock_key: Option<Hidden<String>>,
    /// The key on the cards, by which boards join unasked; absent in a cluster founded by hand.
    pub join_key: Option<Hidden<String>>,
    /// Nodes that were removed, until their certificates have run out.
    pub barred: BTreeMap<NodeId, Timestamp>,
    /// The next number in Raft to give away: never reused.
    pub next_raft_id: u64,
    /// How often one manager went on alone: the quorum of a lower generation is over, whoever is still in it.
    pub generation: u64,
}

/// A new certificate authority that is taking over: all nodes get new certificates from it before the old one goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RootRotation {
    /// The new root certificate, PEM.
    pub ca_certificate: String,
    /// Its key, PEM.
    pub ca_key: Hidden<String>,
    /// The new root signed by the old one, PEM.
    pub cross_signed: String,
}

/// What a machine shows to be let in by hand (`SWMTKN-1-…`).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JoinTokens {
    /// Lets in a worker.
    pub worker: String,
    /// Lets in a manager.
    pub manager: String,
}

impl std::fmt::Debug for JoinTokens {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("(hidden)")
    }
}

/// What the user wants of the cluster.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClusterSpec {
    /// Always `default` in Swarm; the cluster's name here.
    pub name: Option<String>,
    /// Labels.
    pub labels: Option<Labels>,
    /// Task history.
    pub orchestration: Orchestration,
    /// Raft's settings.
    pub raft: RaftSettings,
    /// Heartbeats.
    pub dispatcher: DispatcherSettings,
    /// Certificates.
    #[serde(rename = "CAConfig")]
    pub ca_config: CaSettings,
    /// Defaults of tasks.
    pub task_defaults: TaskDefaults,
    /// Locking.
    pub encryption_config: EncryptionSettings,
}

/// Task history.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Orchestration {
    /// Tasks kept per slot, the running one included; negative: all. Swarm's default is 5.
    pub task_history_retention_limit: Option<i64>,
}

/// Raft's settings, in Swarm's words; heartbeat and election ticks are kept and shown, our own clock is
/// finer (`store`).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftSettings {
    /// Log entries between snapshots.
    pub snapshot_interval: Option<u64>,
    /// Snapshots kept beside the newest.
    pub keep_old_snapshots: Option<u64>,
    /// Entries kept after a snapshot.
    pub log_entries_for_slow_followers: Option<u64>,
    /// Ticks without a leader before an election.
    pub election_tick: Option<i64>,
    /// Ticks between heartbeats.
    pub heartbeat_tick: Option<i64>,
}

/// Heartbeats.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DispatcherSettings {
    /// Time between two heartbeats of a node, in nanoseconds.
    pub heartbeat_period: Option<i64>,
}

/// Certificates.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CaSettings {
    /// How long a node's certificate is good, in nanoseconds.
    pub node_cert_expiry: Option<i64>,
    /// Certificate authorities elsewhere.
    #[serde(rename = "ExternalCAs")]
    pub external_cas: Option<Vec<ExternalCa>>,
    /// A certificate to sign with, PEM.
    #[serde(rename = "SigningCACert")]
    pub signing_ca_cert: Option<String>,
    /// Its key, PEM.
    #[serde(rename = "SigningCAKey")]
    pub signing_ca_key: Option<Hidden<String>>,
    /// Counted up to ask for a new authority.
    pub force_rotate: Option<u64>,
}

/// A certificate authority elsewhere.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExternalCa {
    /// Always `cfssl`.
    pub protocol: Option<String>,
    /// Where it answers.
    #[serde(rename = "URL")]
    pub url: Option<String>,
    /// Its options.
    pub options: Option<Labels>,
    /// The root that it signs for, PEM.
    #[serde(rename = "CACert")]
    pub ca_cert: Option<String>,
}

/// Defaults of tasks.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskDefaults {
    /// For tasks that name no log driver.
    pub log_driver: Option<crate::LogDriver>,
}

/// Locking.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EncryptionSettings {
    /// Whether a manager needs the unlock key after a restart.
    pub auto_lock_managers: Option<bool>,
}
