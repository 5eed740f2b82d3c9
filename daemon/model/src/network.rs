//! Networks, in the shapes that the store and tasks' attachments use.

use crate::{Labels, Meta, NetworkId};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A network of the cluster.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: NetworkId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user wants of it.
    pub spec: NetworkSpec,
    /// What the allocator chose for the driver.
    pub driver_state: Option<Driver>,
    /// What the allocator chose for its addresses.
    #[serde(rename = "IPAMOptions")]
    pub ipam_options: Option<IpamOptions>,
}

/// What the user wants of a network.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkSpec {
    /// Its name, unique among networks.
    pub name: String,
    /// Labels.
    pub labels: Labels,
    /// Such as `overlay`.
    pub driver_configuration: Option<Driver>,
    /// Whether it carries IPv6.
    #[serde(rename = "IPv6Enabled")]
    pub ipv6_enabled: Option<bool>,
    /// Whether it has no way out.
    pub internal: Option<bool>,
    /// Whether plain containers may join.
    pub attachable: Option<bool>,
    /// Whether it is the routing mesh's.
    pub ingress: Option<bool>,
    /// How addresses are given.
    #[serde(rename = "IPAMOptions")]
    pub ipam_options: Option<IpamOptions>,
    /// `swarm` or `local`.
    pub scope: Option<String>,
}

/// A driver and its options.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Driver {
    /// Its name.
    pub name: Option<String>,
    /// Its options.
    pub options: Option<Labels>,
}

/// How a network's addresses are given.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamOptions {
    /// Always the default driver.
    pub driver: Option<Driver>,
    /// Subnets.
    pub configs: Option<Vec<IpamConfig>>,
}

/// A subnet.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IpamConfig {
    /// Such as `10.0.1.0/24`.
    pub subnet: Option<String>,
    /// The part of it that addresses are taken from.
    pub range: Option<String>,
    /// Its gateway.
    pub gateway: Option<String>,
}

/// A task's place in a network.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAttachment {
    /// The network as it was when the task was made.
    pub network: Network,
    /// The task's addresses in it, with prefix length.
    pub addresses: Option<Vec<String>>,
}

/// A wish to be in a network.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAttachmentConfig {
    /// The network's id or name.
    pub target: Option<String>,
    /// Other names that the task answers to in it.
    pub aliases: Option<Vec<String>>,
    /// Options of the driver.
    pub driver_opts: Option<Labels>,
}
