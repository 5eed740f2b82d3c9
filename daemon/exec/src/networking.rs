//! What a container runtime asks of the board's network.

use crate::{Error, Fabric, Place};
use async_trait::async_trait;
use model::{PortProtocol, TaskId, WireguardKey};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// A port of the board that leads to a task's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Protocol.
    pub protocol: PortProtocol,
    /// On the board.
    pub published: u16,
    /// In the task.
    pub target: u16,
}

/// What network a task is to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The task.
    pub task: TaskId,
    /// Ports of the board that lead to it.
    pub host_ports: Vec<HostPort>,
    /// Its places in overlay networks, in the order of its interfaces.
    pub places: Vec<Place>,
    /// What it is called inside: a name that stands for its own address.
    pub hostname: String,
    /// Who is asked for names that are not the cluster's; the board's own resolvers if there are none.
    pub resolvers: Vec<IpAddr>,
}

/// What network a task has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its network namespace, to be put into the OCI spec.
    pub namespace: PathBuf,
    /// Its address on the board's bridge.
    pub address: Ipv4Addr,
    /// Length of the bridge's prefix, in bits.
    pub prefix: u8,
    /// The bridge's address.
    pub gateway: Ipv4Addr,
}

/// Gives tasks a network namespace of their own. Implemented by `network`.
#[async_trait]
pub trait Networking: Send + Sync + 'static {
    /// Makes it so; told again, answers the same.
    async fn attach(&self, wish: &Wish) -> Result<Attached, Error>;

    /// Removes it. "Not found" is success.
    async fn detach(&self, task: &TaskId) -> Result<(), Error>;

    /// Makes the board's part of the cluster's networks so: tunnels, neighbours, virtual addresses, published ports, names.
    /// Whole and idempotent; when it returns, no new connection goes to an endpoint that takes none.
    async fn weave(&self, fabric: Arc<Fabric>) -> Result<(), Error>;

    /// The board's public key for encrypted networks; none if its kernel has no WireGuard.
    async fn wireguard(&self) -> Result<Option<WireguardKey>, Error>;

    /// Tasks that have a network here.
    async fn attached(&self) -> Vec<TaskId>;
}
