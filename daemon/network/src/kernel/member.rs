//! One task's place on the bridge.

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::{
    Link, Links,
    links::Veth,
    namespace::{self, Namespace},
};
use crate::{
    Error, Subnet,
    wanted::{Mac, port_name},
};

/// The name of the link in the task's namespace.
const INSIDE: &str = "eth0";
/// The loopback link is the first in every namespace.
const LOOPBACK: u32 = 1;

/// Makes namespace, veth pair, address and route, or what is missing of them.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed; what was made before stays.
pub async fn ensure(
    board: &Links,
    bridge: u32,
    netns: &Path,
    subnet: Subnet,
    address: Ipv4Addr,
) -> Result<(), Error> {
    let task = namespace::open(netns).await?;
    let (port, inside) = ensure_pair(board, bridge, &task, address).await?;
    if port.bridge != Some(bridge) || !port.up || port.group != 0 {
        board.join(port.index, bridge).await?;
    }
    board.hairpin(port.index).await?;
    task.links.up(LOOPBACK).await?;
    if inside.mac != Some(Mac::of(address)) {
        task.links.set_mac(inside.index, Mac::of(address)).await?;
    }
    if !inside.up {
        task.links.up(inside.index).await?;
    }
    task.links
        .set_address(inside.index, address, subnet.prefix())
        .await?;
    task.links.set_default_route(inside.index, subnet.gateway()).await
}

/// What is to be removed of one task.
pub struct Remains {
    /// Where its namespace is mounted.
    pub netns: PathBuf,
    /// Its address, if known.
    pub address: Option<Ipv4Addr>,
}

/// Removes everything of these tasks and goes on after errors; the answers are in the same order. Nothing there is fine.
pub async fn remove(board: &Links, remains: Vec<Remains>) -> Vec<Vec<Error>> {
    if remains.is_empty() {
        return Vec::new();
    }
    // Not left to the namespaces' end: processes may hold them, and the addresses are to be free when we return.
    let ports: HashSet<String> = remains
        .iter()
        .filter_map(|one| one.address)
        .map(port_name)
        .collect();
    let unlinked = board.remove_all(&ports).await.err();
    let count = remains.len();
    let unmount = move || {
        remains
            .iter()
            .map(|one| namespace::remove(&one.netns).err())
            .collect()
    };
    let unmounted: Vec<Option<Error>> = tokio::task::spawn_blocking(unmount)
        .await
        .unwrap_or_else(|error| vec![Some(Error::kernel("waiting for", "a thread")(error)); count]);
    unmounted
        .into_iter()
        .map(|error| unlinked.clone().into_iter().chain(error).collect())
        .collect()
}

/// The address that a task's namespace has, for a daemon that lost its notes.
///
/// # Errors
/// [`Error::Kernel`] if the namespace cannot be entered.
pub async fn address(netns: &Path) -> Result<Option<Ipv4Addr>, Error> {
    let task = namespace::open(netns).await?;
    match task.links.find(INSIDE).await? {
        Some(link) => Ok(task.links.addresses(link.index).await?.first().copied()),
        None => Ok(None),
    }
}

/// Both ends of the pair, made anew unless they are there and belong together.
async fn ensure_pair(
    board: &Links,
    bridge: u32,
    task: &Namespace,
    address: Ipv4Addr,
) -> Result<(Link, Link), Error> {
    let name = port_name(address);
    if let Some(ends) = ends(board, &name, task).await? {
        return Ok(ends);
    }
    board.remove(&name).await?;
    task.links.remove(INSIDE).await?;
    let veth = Veth {
        name: &name,
        bridge,
        peer: INSIDE,
        peer_mac: Mac::of(address),
        peer_namespace: task.fd(),
    };
    board.add_veth(&veth).await?;
    ends(board, &name, task).await?.ok_or_else(|| Error::Kernel {
        doing: "making veth",
        what: name,
        reason: "its ends are gone again".to_owned(),
    })
}

async fn ends(board: &Links, name: &str, task: &Namespace) -> Result<Option<(Link, Link)>, Error> {
    let (Some(port), Some(inside)) = (board.find(name).await?, task.links.find(INSIDE).await?) else {
        return Ok(None);
    };
    let paired = port.peer == Some(inside.index) && inside.peer == Some(port.index);
    Ok(paired.then_some((port, inside)))
}
