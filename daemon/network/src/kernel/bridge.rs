//! The board's bridge and the two switches of the kernel that it needs.

use std::{net::Ipv4Addr, path::PathBuf};

use super::{Link, Links, links::refused};
use crate::{Error, Subnet, wanted::Mac};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Makes the bridge of the board's own subnet, or what is missing of it. Returns its number.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed, or if the name is that of another kind of link.
pub async fn ensure(board: &Links, name: &str, subnet: Subnet) -> Result<u32, Error> {
    let link = ensure_link(board, name, subnet.gateway(), subnet.prefix()).await?;
    allow_loopback(name).await?;
    Ok(link.index)
}

/// Makes a bridge with its address, or what is missing of it.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed, or if the name is that of another kind of link.
pub(super) async fn ensure_link(
    board: &Links,
    name: &str,
    address: Ipv4Addr,
    prefix: u8,
) -> Result<Link, Error> {
    let mac = Mac::of(address);
    board.add_bridge(name, mac).await?;
    let link = board
        .find(name)
        .await?
        .ok_or_else(|| refused("making bridge", name, "it is gone again"))?;
    if !link.is_bridge {
        let reason = "there is a link of that name which is no bridge";
        return Err(refused("making bridge", name, reason));
    }
    if link.mac != Some(mac) {
        board.set_mac(link.index, mac).await?;
    }
    // A daemon that was killed may have been about to remove it.
    if !link.up || link.group != 0 {
        board.up(link.index).await?;
    }
    board.set_address(link.index, address, prefix).await?;
    Ok(link)
}

/// Lets the board's own 127.0.0.1 be translated to addresses behind a bridge.
///
/// # Errors
/// [`Error::Kernel`] if the kernel refuses.
pub(super) async fn allow_loopback(name: &str) -> Result<(), Error> {
    let switch = PathBuf::from("/proc/sys/net/ipv4/conf")
        .join(name)
        .join("route_localnet");
    write(switch, "1").await
}

/// Whether the board forwards packets between its links.
///
/// # Errors
/// [`Error::Kernel`] if the kernel does not say.
pub async fn forwarding() -> Result<bool, Error> {
    let text = tokio::fs::read_to_string(FORWARDING)
        .await
        .map_err(Error::kernel("reading", FORWARDING))?;
    Ok(text.trim() != "0")
}

/// Switches the forwarding of the board.
///
/// # Errors
/// [`Error::Kernel`] if the kernel refuses.
pub async fn set_forwarding(on: bool) -> Result<(), Error> {
    write(PathBuf::from(FORWARDING), if on { "1" } else { "0" }).await
}

async fn write(path: PathBuf, value: &str) -> Result<(), Error> {
    tokio::fs::write(&path, value)
        .await
        .map_err(Error::kernel("writing", path.display()))
}
