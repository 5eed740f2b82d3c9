//! Boards: what the user wants of one, what it says of itself, what the managers see of it.

use crate::{Labels, Meta, NetworkId, NodeId, WireguardKey};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// A board in the cluster.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// Its identifier, which is its key's: never its address.
    #[serde(rename = "ID")]
    pub id: NodeId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user wants of it.
    pub spec: NodeSpec,
    /// What it says of itself.
    pub description: NodeDescription,
    /// What the leader sees of it.
    pub status: NodeStatus,
    /// Only of managers: filled in for the API from the quorum's state, never stored.
    pub manager_status: Option<ManagerStatus>,
    /// What Bramble keeps beside Docker's fields.
    #[serde(rename = "BrambleMembership")]
    pub membership: Membership,
    /// Its own address in each network that its tasks are in, and in the routing mesh's.
    #[serde(rename = "BrambleNetworks", skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<NetworkId, Ipv4Addr>,
}

/// What the user wants of a board.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeSpec {
    /// A name for it, seldom used; its host name is in the description.
    pub name: Option<String>,
    /// Labels (`node.labels.*` in constraints).
    pub labels: Labels,
    /// Wanted role; the observed one is in [`Membership::role`].
    pub role: NodeRole,
    /// Whether tasks may run on it.
    pub availability: Availability,
}

/// Manager or worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// Runs tasks.
    #[default]
    #[serde(alias = "")]
    Worker,
    /// Runs tasks and holds the store.
    Manager,
}

/// Whether tasks may run on a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Takes new tasks.
    #[default]
    #[serde(alias = "")]
    Active,
    /// Keeps its tasks, takes no new ones.
    Pause,
    /// Its tasks move away.
    Drain,
}

/// What a board says of itself.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeDescription {
    /// Host name.
    pub hostname: String,
    /// Architecture and operating system.
    pub platform: Platform,
    /// All that it has.
    pub resources: Resources,
    /// The engine's version, labels and plugins.
    pub engine: EngineDescription,
    /// The certificate authority that it trusts.
    #[serde(rename = "TLSInfo")]
    pub tls_info: Option<TlsInfo>,
    /// Devices that tasks may ask for, as paths.
    #[serde(rename = "BrambleDevices")]
    pub devices: Option<Vec<String>>,
    /// Volumes that have a name, sorted; the first ones if there are very many.
    #[serde(rename = "BrambleVolumes")]
    pub volumes: Option<Vec<String>>,
    /// Its public key for encrypted networks; none if its kernel has no WireGuard.
    #[serde(rename = "BrambleWireguard")]
    pub wireguard: Option<WireguardKey>,
}

/// Architecture and operating system, in the kernel's words (`x86_64`, `aarch64`) for nodes and in Go's
/// (`amd64`, `arm64`) in placements: `plan` compares them by [`Platform::normal`].
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Platform {
    /// Such as `aarch64`.
    pub architecture: Option<String>,
    /// Such as `linux`.
    #[serde(rename = "OS")]
    pub os: Option<String>,
    /// Variant of an ARM architecture, such as `v7` (Bramble's own; Swarm compares none).
    pub variant: Option<String>,
}

impl Platform {
    /// Operating system and architecture in Go's words, lower case; empty where nothing is said.
    pub fn normal(&self) -> (String, String) {
        let os = self.os.as_deref().unwrap_or_default().to_lowercase();
        let architecture = match self
            .architecture
            .as_deref()
            .unwrap_or_default()
            .to_lowercase()
            .as_str()
        {
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            // `armv7l` is the kernel's word; `armv7` is how a registry's answer can name it to the docker command, which
            // takes a plain `arm` for "any".
            "armhf" => "arm".to_owned(),
            word if word.starts_with("armv") => "arm".to_owned(),
            other => other.to_owned(),
        };
        (os, architecture)
    }
}

/// Amounts of what tasks use up.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Resources {
    /// Processor time, in billionths of a core.
    #[serde(rename = "NanoCPUs")]
    pub nano_cpus: Option<i64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<i64>,
    /// Named things that a board has some of.
    pub generic_resources: Option<Vec<GenericResource>>,
}

/// A counted or a named thing that a board has and a task may reserve.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GenericResource {
    /// One named thing of a kind.
    pub named_resource_spec: Option<NamedResource>,
    /// A number of things of a kind.
    pub discrete_resource_spec: Option<DiscreteResource>,
}

/// One named thing of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NamedResource {
    /// The kind.
    pub kind: String,
    /// Its name.
    pub value: String,
}

/// A number of things of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DiscreteResource {
    /// The kind.
    pub kind: String,
    /// How many.
    pub value: i64,
}

/// The engine's version, labels and plugins.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineDescription {
    /// Bramble's version.
    pub engine_version: Option<String>,
    /// Labels set in the board's configuration (`engine.labels.*` in constraints).
    pub labels: Option<Labels>,
    /// What it can do: drivers of volumes, networks and logs.
    pub plugins: Option<Vec<PluginDescription>>,
}

/// A driver that the engine has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginDescription {
    /// `Volume`, `Network` or `Log`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Such as `local`, `overlay`, `json-file`.
    pub name: String,
}

/// The certificate authority, as inspect shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TlsInfo {
    /// The root certificate, PEM.
    pub trust_root: String,
    /// Its subject, DER in base 64.
    pub cert_issuer_subject: String,
    /// Its public key, DER in base 64.
    pub cert_issuer_public_key: String,
}

/// What the leader sees of a board.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeStatus {
    /// Up or down.
    pub state: NodeState,
    /// Why, where there is something to say.
    pub message: Option<String>,
    /// The address that its session comes from.
    pub addr: Option<String>,
}

/// Up or down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Not heard of since this leader took over.
    #[default]
    #[serde(alias = "")]
    Unknown,
    /// Not heard of for three heartbeats.
    Down,
    /// Has a session.
    Ready,
    /// Its session was ended.
    Disconnected,
}

/// A manager's part in the quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ManagerStatus {
    /// True of one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leader: bool,
    /// Whether the leader can reach it.
    pub reachability: Reachability,
    /// Where it listens, `address:port`.
    pub addr: String,
}

/// Whether the leader can reach a manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reachability {
    /// Not known.
    #[default]
    Unknown,
    /// It does not answer.
    Unreachable,
    /// It answers.
    Reachable,
}

/// What Bramble keeps of a board beside Docker's fields.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Membership {
    /// The role that it really has (its certificate's), which follows the wanted one.
    pub role: NodeRole,
    /// The board's own key, by which a cloned card is noticed.
    pub board: String,
    /// Its number in Raft, once it is or was a manager. Never reused.
    pub raft_id: Option<u64>,
    /// Where it was last known to listen for managers' talk.
    pub address: Option<SocketAddr>,
    /// True if a person chose its role: the cluster then leaves it alone.
    pub by_hand: bool,
}
