//! What goes around the tunnels of encrypted networks: one WireGuard device a board. Pure.
//!
//! ```text
//!   bramblex-001001 ──VXLAN── bramble-wg fd62:…:1 ──WireGuard, UDP 4790── the other boards' bramble-wg
//! ```
//! A board's address in there follows from its public key, so nobody has to give any out, and none can be had by who has not
//! the key. The device lets in from a peer only what comes from that peer's address, and a tunnel is bound to the device: what
//! it can't send encrypted it does not send.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use exec::{Fabric, Overlay, WIREGUARD_PORT};
use model::WireguardKey;

use crate::overlay::USUAL_MTU;

/// The device's name.
pub const DEVICE: &str = "bramble-wg";
/// Length of the prefix that all boards' addresses share, in bits.
pub const PREFIX: u8 = 48;

/// A unique local prefix (RFC 4193) that spells "bramb".
const BOARDS: [u8; 6] = [0xfd, b'b', b'r', b'a', b'm', b'b'];
/// What WireGuard and the IPv4 headers around it take of the LAN's largest packet, in bytes.
const OVERHEAD: u32 = 60;
/// What VXLAN and the IPv6 headers around it take of the device's, in bytes.
const TUNNEL_OVERHEAD: u32 = 70;
/// Ethernet's largest packet, in bytes.
const ETHERNET: u32 = USUAL_MTU + crate::overlay::OVERHEAD;
/// IPv6 needs links that carry so much (RFC 8200); WireGuard's own packets may be cut into pieces on the way.
const LEAST: u32 = 1280;

/// A board's address on the device.
pub fn address(key: &WireguardKey) -> Ipv6Addr {
    let mut octets = [0; 16];
    let (boards, own) = octets.split_at_mut(BOARDS.len());
    boards.copy_from_slice(&BOARDS);
    for (octet, of_key) in own.iter_mut().zip(key.0) {
        *octet = of_key;
    }
    octets.into()
}

/// The device's largest packet, in bytes, on a LAN whose own is `underlay`.
pub fn mtu(underlay: Option<u32>) -> u32 {
    underlay.unwrap_or(ETHERNET).saturating_sub(OVERHEAD).max(LEAST)
}

/// The largest packet of a network whose tunnel goes through a device with such a one.
pub fn tunnel_mtu(device: u32) -> u32 {
    device - TUNNEL_OVERHEAD
}

/// Other boards, by their keys, and where each is reached.
pub type Peers = BTreeMap<WireguardKey, SocketAddr>;

/// The boards that this one is to reach; none if there is nothing to encrypt.
pub fn peers(fabric: &Fabric) -> Option<Peers> {
    let mut encrypted = fabric
        .networks
        .iter()
        .filter(|network| network.encrypted)
        .peekable();
    encrypted.peek()?;
    let reached = encrypted.flat_map(|network| &network.peers);
    let reached = reached.filter_map(|peer| Some((peer.key?, (peer.underlay, WIREGUARD_PORT).into())));
    Some(reached.collect())
}

/// Where the tunnel of a network meets each of its other boards: no board of an encrypted network is met in the clear.
pub fn ends(overlay: &Overlay) -> impl Iterator<Item = (&model::NodeId, std::net::IpAddr)> {
    overlay.peers.iter().filter_map(|peer| {
        let end = if overlay.encrypted {
            address(&peer.key?).into()
        } else {
            peer.underlay.into()
        };
        Some((&peer.node, end))
    })
}

/// The boards from which the tunnels of networks in the clear come in.
pub fn clear_ends(overlays: &[Overlay]) -> impl Iterator<Item = Ipv4Addr> {
    let clear = overlays.iter().filter(|overlay| !overlay.encrypted);
    clear.flat_map(|overlay| &overlay.peers).map(|peer| peer.underlay)
}

/// A peer as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Where it is reached; the kernel follows it when it moves.
    pub endpoint: Option<SocketAddr>,
    /// From where it may send.
    pub allowed: Vec<(std::net::IpAddr, u8)>,
}

/// One thing to do to the kernel's peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The peer goes, and with it all that it shares with this board.
    Remove(WireguardKey),
    /// The peer is there, at that end, and sends from its own address only.
    Set(WireguardKey, SocketAddr),
}

/// What makes the kernel's peers the wanted ones. Those that are right keep their sessions.
pub fn difference(found: &BTreeMap<WireguardKey, Found>, wanted: &Peers) -> Vec<Change> {
    let stray = found.keys().filter(|key| !wanted.contains_key(key));
    let right = |key: &WireguardKey, end: &SocketAddr| {
        found.get(key).is_some_and(|found| {
            found.endpoint == Some(*end) && found.allowed == [(address(key).into(), 128)]
        })
    };
    let wrong = wanted.iter().filter(|(key, end)| !right(key, end));
    let removed = stray.map(|key| Change::Remove(*key));
    removed
        .chain(wrong.map(|(key, end)| Change::Set(*key, *end)))
        .collect()
}

#[cfg(test)]
mod tests;
