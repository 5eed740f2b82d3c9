//! The cluster's networks as one board has to know them: what managers tell it, and what its kernel is to look like.
//!
//! ```text
//!  manager (a function of its view) ── session ──> agent (keeps it on disk) ──> Networking::weave ──> kernel, names
//!                                   <── number ──
//! ```
//! A fabric is numbered by the managers, and whole; only on its way to a board it is a [`Change`](crate::Change) to the one before. A board that has woven number 7 acknowledges 7, and managers
//! wait for that before they stop a task that connections may still be going to: no fixed pauses, nothing to go stale.

use model::{NetworkId, NodeId, PortProtocol, ServiceId, TaskId, WireguardKey};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The UDP port of overlay networks' tunnels from board to board, on all boards (Swarm's).
pub const TUNNEL_PORT: u16 = 4789;
/// The UDP port of WireGuard, which carries those of encrypted networks, on all boards.
pub const WIREGUARD_PORT: u16 = 4790;

/// All networks that concern a board: those that its tasks are in, and the routing mesh's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fabric {
    /// Counts up within one leader's epoch; only for acknowledging.
    pub number: u64,
    /// The board's own public key for encrypted networks, as the others are told: a new one is a reason to weave.
    pub key: Option<WireguardKey>,
    /// Networks, by id.
    pub networks: Vec<Overlay>,
    /// Ports that every board listens at, by protocol and number.
    pub ports: Vec<MeshPort>,
}

/// An overlay network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its id.
    pub id: NetworkId,
    /// Its name.
    pub name: String,
    /// Its VXLAN number, 24 bits.
    pub vni: u32,
    /// Its subnet's first address.
    pub subnet: Ipv4Addr,
    /// Its subnet's prefix length, in bits.
    pub prefix: u8,
    /// This board's own address in it: its bridge's. Hardware addresses follow from addresses (02:42 and the four
    /// octets), so nobody has to be asked for them.
    pub board: Ipv4Addr,
    /// True if tasks have no way out by it.
    pub internal: bool,
    /// True of the one network that carries the routing mesh.
    pub ingress: bool,
    /// True if nothing of it may go from board to board but encrypted.
    #[serde(default)]
    pub encrypted: bool,
    /// Largest packet, in bytes, if the user chose it; else what the underlay leaves.
    pub mtu: Option<u16>,
    /// The other boards in it.
    pub peers: Vec<Peer>,
    /// All tasks in it, of every board, this one's included.
    pub endpoints: Vec<Endpoint>,
    /// The services whose tasks are in it.
    pub services: Vec<Virtual>,
}

/// Another board in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its node.
    pub node: NodeId,
    /// Its bridge's address in the network.
    pub address: Ipv4Addr,
    /// Where it is reached on the LAN: the other end of the VXLAN tunnel, or of the WireGuard one around it.
    pub underlay: Ipv4Addr,
    /// Its public key, by which an encrypted network reaches it; without, it does not.
    #[serde(default)]
    pub key: Option<WireguardKey>,
}

/// A task in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The task.
    pub task: TaskId,
    /// `service.slot.id`.
    pub name: String,
    /// Its service.
    pub service: ServiceId,
    /// Its board.
    pub node: NodeId,
    /// Its address in the network.
    pub address: Ipv4Addr,
    /// True while new connections may go to it: it runs, is healthy, and is wanted. One that ends is still in the list,
    /// with `false`, until it is gone, so that what it serves can be finished.
    pub takes: bool,
}

/// A service in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Virtual {
    /// The service.
    pub service: ServiceId,
    /// Its name: answers to `name` and `tasks.name`.
    pub name: String,
    /// Other names that it answers to in this network.
    pub aliases: Vec<String>,
    /// Its virtual address; none with endpoint mode `dnsrr`, whose name stands for all its tasks.
    pub address: Option<Ipv4Addr>,
}

/// A port that every board listens at. Its backends are the endpoints of its service in the ingress network that take
/// connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshPort {
    /// Protocol.
    pub protocol: PortProtocol,
    /// On the boards.
    pub published: u16,
    /// In the tasks.
    pub target: u16,
    /// The service.
    pub service: ServiceId,
}

/// A task's own place in an overlay network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The network, which the board's fabric has or will have in a moment.
    pub network: NetworkId,
    /// The task's address in it.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix, in bits.
    pub prefix: u8,
}
