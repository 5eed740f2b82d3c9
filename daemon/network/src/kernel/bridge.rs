//! The board's bridge and the two switches of the kernel that it needs.

use std::path::PathBuf;

use super::Links;
use crate::{Error, Subnet, wanted::Mac};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Makes the bridge with its address, or what is missing of it. Returns its number.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed, or if the name is that of another kind of link.
pub async fn ensure(board: &Links, name: &str, subnet: Subnet) -> Result<u32, Error> {
    let mac = Mac::of(subnet.gateway());
    board.add_bridge(name, mac).await?;
    let refuse = |reason: &str| Error::Kernel {
        doing: "making bridge",
        what: name.to_owned(),
        reason: reason.to_owned(),
    };
    let link = board
        .find(name)
        .await?
        .ok_or_else(|| refuse("it is gone again"))?;
    if !link.is_bridge {
        return Err(refuse("there is a link of that name which is no bridge"));
    }
    if link.mac != Some(mac) {
        board.set_mac(link.index, mac).await?;
    }
    if !link.up {
        board.up(link.index).await?;
    }
    board
        .set_address(link.index, subnet.gateway(), subnet.prefix())
        .await?;
    // Lets the board's own 127.0.0.1 be translated to a task's address.
    write(
        PathBuf::from("/proc/sys/net/ipv4/conf")
            .join(name)
            .join("route_localnet"),
        "1",
    )
    .await?;
    Ok(link.index)
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
