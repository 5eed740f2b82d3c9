//! One overlay network's bridge and tunnel.

use std::net::Ipv4Addr;

use nix::libc;
use rtnetlink::{LinkBridgePort, LinkUnspec, LinkVxlan};

use super::{
    Link, Links, Within, bridge,
    link::Tunnel,
    links::{allow, refused},
};
use crate::{
    Error,
    overlay::{Fixture, bridge_name, tunnel_name},
};

/// What a network's links are to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Its number.
    pub vni: u32,
    /// The board's own address in it.
    pub address: Ipv4Addr,
    /// Length of its subnet's prefix, in bits.
    pub prefix: u8,
    /// Its largest packet, in bytes.
    pub mtu: u32,
    /// The board's own loopback addresses may be translated to addresses in it.
    pub from_loopback: bool,
    /// What all of it goes through on its way to other boards; none if it goes in the clear.
    pub within: Option<Within>,
}

/// Makes bridge and tunnel, or what is missing of them. The second answer is true if something was.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed, or if the bridge's name is that of another kind of link.
pub async fn ensure(board: &Links, plan: &Plan, found: &[Link]) -> Result<(Fixture, bool), Error> {
    let name = bridge_name(plan.vni);
    let before = found.iter().find(|link| link.name == name && link.is_bridge);
    let (index, changed) = ensure_bridge(board, plan, &name, before).await?;
    let (tunnel, mended) = ensure_tunnel(board, plan, index, found).await?;
    let fixture = Fixture {
        bridge: index,
        tunnel,
        mtu: plan.mtu,
    };
    Ok((fixture, changed || mended))
}

async fn ensure_bridge(
    board: &Links,
    plan: &Plan,
    name: &str,
    before: Option<&Link>,
) -> Result<(u32, bool), Error> {
    let link = bridge::ensure_link(board, name, plan.address, plan.prefix).await?;
    if plan.from_loopback {
        bridge::allow_loopback(name).await?;
    }
    let changed = link.mtu != plan.mtu || before.is_none_or(|before| before.index != link.index);
    // Before its ports have theirs: a bridge whose largest packet was never set takes the smallest of theirs.
    if link.mtu != plan.mtu {
        board.set_mtu(link.index, plan.mtu).await?;
    }
    Ok((link.index, changed))
}

async fn ensure_tunnel(
    board: &Links,
    plan: &Plan,
    bridge: u32,
    found: &[Link],
) -> Result<(u32, bool), Error> {
    let name = tunnel_name(plan.vni);
    let right = Tunnel {
        vni: plan.vni,
        port: exec::TUNNEL_PORT,
        learning: false,
        within: plan.within,
    };
    let before = found.iter().find(|link| link.name == name);
    if let Some(link) = before.filter(|link| link.tunnel == Some(right)) {
        if link.mtu != plan.mtu {
            board.set_mtu(link.index, plan.mtu).await?;
        }
        if link.bridge != Some(bridge) || !link.up || link.group != 0 {
            board.join(link.index, bridge).await?;
        }
        board.guard_tunnel(link.index).await?;
        return Ok((link.index, false));
    }
    board.remove(&name).await?;
    board.add_tunnel(&name, plan, bridge).await?;
    let link = board
        .find(&name)
        .await?
        .ok_or_else(|| refused("making tunnel", &name, "it is gone again"))?;
    board.guard_tunnel(link.index).await?;
    Ok((link.index, true))
}

impl Links {
    async fn add_tunnel(&self, name: &str, plan: &Plan, bridge: u32) -> Result<(), Error> {
        let mut tunnel = LinkVxlan::new(name, plan.vni)
            .port(exec::TUNNEL_PORT)
            .learning(false)
            .mtu(plan.mtu)
            .controller(bridge)
            .up();
        if let Some(within) = plan.within {
            tunnel = tunnel.dev(within.device).local6(within.address);
        }
        let message = tunnel.build();
        allow(self.0.link().add(message).execute().await, libc::EEXIST)
            .map_err(Error::kernel("making tunnel", name))
    }

    /// Lets a tunnel carry only what is known to be at its other end, and lets the bridge answer for those.
    async fn guard_tunnel(&self, index: u32) -> Result<(), Error> {
        let message = LinkBridgePort::new(index)
            .learning(false)
            .flood(false)
            .mcast_flood(false)
            .bcast_flood(false)
            .neigh_suppress(true)
            .build();
        self.set_port(message, index).await
    }

    /// Makes a task's port in an overlay: it may speak to itself, and nothing is learnt from it.
    pub(super) async fn guard_seat(&self, index: u32) -> Result<(), Error> {
        let message = LinkBridgePort::new(index)
            .hairpin(true)
            .learning(false)
            .flood(false)
            .build();
        self.set_port(message, index).await
    }

    /// Gives a link its largest packet, in bytes.
    pub(super) async fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).build();
        self.0
            .link()
            .change(message)
            .execute()
            .await
            .map_err(Error::kernel("setting the largest packet of link", index))
    }
}
