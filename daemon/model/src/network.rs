//! Networks, in the shapes that the store and tasks' attachments use.

use crate::{Labels, Meta, NetworkId, Subnet};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::net::Ipv4Addr;

/// The option in which Swarm keeps an overlay's VXLAN number.
pub const VXLAN_OPTION: &str = "com.docker.network.driver.overlay.vxlanid_list";

/// The option by which a user chooses the largest packet, in bytes.
pub const MTU_OPTION: &str = "com.docker.network.driver.mtu";

/// The option by which a user asks for an encrypted network. The docker command itself makes `""` of `--opt encrypted`.
pub const ENCRYPTED_OPTION: &str = "encrypted";

/// Networks that every board has for itself; services name them like those of the cluster.
pub const PREDEFINED: [&str; 3] = ["bridge", "host", "none"];

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
    /// The address after the one that was given last: what is given back rests until all others had their turn.
    #[serde(rename = "BrambleNext")]
    pub next: Option<Ipv4Addr>,
}

impl Network {
    /// Its VXLAN number, once it was given one.
    pub fn vni(&self) -> Option<u32> {
        let options = self.driver_state.as_ref()?.options.as_ref()?;
        options.get(VXLAN_OPTION)?.parse().ok()
    }

    /// Its subnet, once it was given one.
    pub fn subnet(&self) -> Option<Subnet> {
        self.given()?.subnet.as_ref()?.parse().ok()
    }

    /// The addresses and the gateway that it was given.
    pub fn given(&self) -> Option<&IpamConfig> {
        self.ipam_options.as_ref()?.configs.as_ref()?.first()
    }

    /// The addresses that its user asked for.
    pub fn asked(&self) -> Option<&IpamConfig> {
        self.spec.ipam_options.as_ref()?.configs.as_ref()?.first()
    }

    /// True of the one that carries the routing mesh.
    pub fn is_ingress(&self) -> bool {
        self.spec.ingress == Some(true)
    }

    /// True if what goes from board to board must be encrypted. Any value but a clear "no" means it.
    pub fn is_encrypted(&self) -> bool {
        let wish = self.option(ENCRYPTED_OPTION);
        wish.is_some_and(|wish| !matches!(wish, "false" | "0"))
    }

    /// An option that its user gave.
    pub fn option(&self, key: &str) -> Option<&str> {
        let driver = self.spec.driver_configuration.as_ref()?;
        driver.options.as_ref()?.get(key).map(String::as_str)
    }
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

impl NetworkAttachment {
    /// The task's address.
    pub fn address(&self) -> Option<Ipv4Addr> {
        let first = self.addresses.as_ref()?.first()?;
        first.split_once('/')?.0.parse().ok()
    }
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

impl NetworkAttachmentConfig {
    /// The network's id or name; empty if none is named.
    pub fn target(&self) -> &str {
        self.target.as_deref().unwrap_or_default()
    }

    /// True if it is a network that each board has for itself.
    pub fn is_local(&self) -> bool {
        PREDEFINED.contains(&self.target())
    }
}
