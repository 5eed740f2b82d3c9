//! One task's ties to the board's bridges.

use std::{
    collections::{BTreeMap, HashSet},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::{
    Link, Links,
    links::{Veth, refused},
    namespace::{self, Namespace},
};
use crate::{
    Error, Subnet,
    overlay::{Fixture, seat_name, seat_of},
    recover::Found,
    rules::Ways,
    wanted::{Mac, Member, Seat, link_name, port_name},
};

/// The name of the link in the task's namespace.
const INSIDE: &str = "eth0";
/// The loopback link is the first in every namespace.
const LOOPBACK: u32 = 1;

/// What a task is tied to.
pub struct Ties<'a> {
    /// Its namespace's place.
    pub netns: &'a Path,
    /// What it is to have.
    pub member: &'a Member,
    /// The number of the board's bridge.
    pub bridge: u32,
    /// The subnet behind it.
    pub subnet: Subnet,
    /// The networks that there are, by number. Seats in others wait for theirs.
    pub fixtures: &'a BTreeMap<u32, Fixture>,
}

/// Makes namespace, veth pairs, addresses and route, or what is missing of them.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed; what was made before stays.
pub async fn ensure(board: &Links, ties: &Ties<'_>) -> Result<(), Error> {
    let task = namespace::open(ties.netns).await?;
    task.links.up(LOOPBACK).await?;
    let (member, subnet) = (ties.member, ties.subnet);
    let pair = Pair {
        port: port_name(member.address),
        inside: INSIDE.to_owned(),
        bridge: ties.bridge,
        address: member.address,
        prefix: subnet.prefix(),
        mtu: None,
    };
    let (port, inside) = tie(board, &task, &pair).await?;
    // Who is in a network of the cluster's reaches others by that, not by the way out.
    let isolated = !member.seats.is_empty();
    board.guard_port(port.index, isolated).await?;
    if isolated {
        namespace::inside(ties.netns, roads).await?;
    }
    for (n, seat) in member.seats.iter().enumerate() {
        let Some(fixture) = ties.fixtures.get(&seat.vni) else {
            continue;
        };
        let pair = Pair {
            port: seat_name(seat.vni, seat.address),
            inside: link_name(n),
            bridge: fixture.bridge,
            address: seat.address,
            prefix: seat.prefix,
            mtu: Some(fixture.mtu),
        };
        let (port, _) = tie(board, &task, &pair).await?;
        board.guard_seat(port.index).await?;
    }
    if member.closed {
        task.links.remove_default_route().await
    } else {
        task.links.set_default_route(inside.index, subnet.gateway()).await
    }
}

/// Makes the ways of a task's answers.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed, or if a link is not there.
pub async fn set_ways(netns: &Path, ways: &Ways) -> Result<(), Error> {
    namespace::open(netns).await?.links.set_ways(ways).await
}

/// Switches of the calling thread's namespace: calls that come in by another link than the way out are answered, and
/// the connection that is made of such a call has its mark from the first packet on.
fn roads() -> Result<(), Error> {
    for (switch, value) in [
        ("conf/all/rp_filter", "0"),
        ("conf/default/rp_filter", "0"),
        ("conf/eth0/rp_filter", "0"),
        ("tcp_fwmark_accept", "1"),
    ] {
        let path = Path::new("/proc/sys/net/ipv4").join(switch);
        std::fs::write(&path, value).map_err(Error::kernel("writing", path.display()))?;
    }
    Ok(())
}

/// A veth pair as it is to be.
struct Pair {
    port: String,
    inside: String,
    bridge: u32,
    address: Ipv4Addr,
    prefix: u8,
    mtu: Option<u32>,
}

/// Makes a pair and its inner end's address, or what is missing of them.
async fn tie(board: &Links, task: &Namespace, pair: &Pair) -> Result<(Link, Link), Error> {
    let (port, inside) = ensure_pair(board, task, pair).await?;
    if port.bridge != Some(pair.bridge) || !port.up || port.group != 0 {
        board.join(port.index, pair.bridge).await?;
    }
    if let Some(mtu) = pair.mtu {
        for (links, link) in [(board, &port), (&task.links, &inside)] {
            if link.mtu != mtu {
                links.set_mtu(link.index, mtu).await?;
            }
        }
    }
    if inside.mac != Some(Mac::of(pair.address)) {
        task.links.set_mac(inside.index, Mac::of(pair.address)).await?;
    }
    if !inside.up {
        task.links.up(inside.index).await?;
    }
    task.links
        .set_address(inside.index, pair.address, pair.prefix)
        .await?;
    Ok((port, inside))
}

/// What is to be removed of one task.
#[derive(Clone)]
pub struct Remains {
    /// Where its namespace is mounted.
    pub netns: PathBuf,
    /// The board's ends of its veth pairs, as far as they are known.
    pub ports: Vec<String>,
}

impl Remains {
    /// All that a member has.
    pub fn of(netns: PathBuf, member: &Member) -> Self {
        let ports = std::iter::once(port_name(member.address)).chain(member.seat_ports());
        Remains {
            netns,
            ports: ports.collect(),
        }
    }
}

/// Removes everything of these tasks and goes on after errors; the answers are in the same order. Nothing there is fine.
pub async fn remove(board: &Links, remains: Vec<Remains>) -> Vec<Vec<Error>> {
    if remains.is_empty() {
        return Vec::new();
    }
    // Not left to the namespaces' end: processes may hold them, and the addresses are to be free when we return.
    let ports: HashSet<String> = remains.iter().flat_map(|one| one.ports.iter().cloned()).collect();
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

/// What a task's namespace has, for a daemon that lost its notes.
///
/// # Errors
/// [`Error::Kernel`] if the namespace cannot be entered.
pub async fn found(board: &Links, netns: &Path) -> Result<Option<Found>, Error> {
    let task = namespace::open(netns).await?;
    let Some(link) = task.links.find(INSIDE).await? else {
        return Ok(None);
    };
    let Some((address, _)) = task.links.addresses(link.index).await?.first().copied() else {
        return Ok(None);
    };
    let ports = board.all().await?;
    let mut seats = Vec::new();
    while let Some(link) = task.links.find(&link_name(seats.len())).await? {
        // Namespaces number their links by themselves, so the number must be of a pair that has this one's number too.
        let port = ports
            .iter()
            .find(|port| Some(port.index) == link.peer && port.peer == Some(link.index));
        let Some((vni, address)) = port.and_then(|port| seat_of(&port.name)) else {
            break;
        };
        let addresses = task.links.addresses(link.index).await?;
        let Some((_, prefix)) = addresses.iter().find(|(found, _)| *found == address) else {
            break;
        };
        seats.push(Seat {
            vni,
            address,
            prefix: *prefix,
        });
    }
    let closed = !seats.is_empty() && !task.links.has_default_route().await?;
    Ok(Some(Found {
        address,
        seats,
        closed,
    }))
}

/// Both ends of the pair, made anew unless they are there and belong together.
async fn ensure_pair(board: &Links, task: &Namespace, pair: &Pair) -> Result<(Link, Link), Error> {
    if let Some(ends) = ends(board, task, pair).await? {
        return Ok(ends);
    }
    board.remove(&pair.port).await?;
    task.links.remove(&pair.inside).await?;
    let veth = Veth {
        name: &pair.port,
        bridge: pair.bridge,
        peer: &pair.inside,
        peer_mac: Mac::of(pair.address),
        peer_namespace: task.fd(),
        mtu: pair.mtu,
    };
    board.add_veth(&veth).await?;
    ends(board, task, pair)
        .await?
        .ok_or_else(|| refused("making veth", &pair.port, "its ends are gone again"))
}

async fn ends(board: &Links, task: &Namespace, pair: &Pair) -> Result<Option<(Link, Link)>, Error> {
    let (Some(port), Some(inside)) = (
        board.find(&pair.port).await?,
        task.links.find(&pair.inside).await?,
    ) else {
        return Ok(None);
    };
    let paired = port.peer == Some(inside.index) && inside.peer == Some(port.index);
    Ok(paired.then_some((port, inside)))
}
