//! One overlay network as this board's kernel is to have it. Pure.
//!
//! ```text
//!   task's namespace                    board's namespace
//!   eth1 10.0.1.7 ──veth── b0010010a000107 ┐
//!                                          ├─ bramble-001001 10.0.1.2
//!                         bramblex-001001 ┘   VXLAN 0x1001 ── UDP 4789 ── the other boards
//! ```
//! Nothing is learnt and nothing is flooded to other boards: hardware addresses follow from addresses ([`Mac::of`]), so
//! the managers' list of who is where is all that is needed. A board that asks for an address by ARP is answered by its
//! own bridge.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use exec::Overlay;

use crate::{wanted::Mac, wireguard};

/// What a VXLAN header and the headers around it take of the LAN's largest packet, in bytes.
pub const OVERHEAD: u32 = 50;
/// The largest packet of an overlay where the LAN's is not known: Ethernet's, less the overhead.
pub const USUAL_MTU: u32 = 1450;

/// The name of a network's bridge.
pub fn bridge_name(vni: u32) -> String {
    format!("bramble-{vni:06x}")
}

/// The name of a network's tunnel to the other boards.
pub fn tunnel_name(vni: u32) -> String {
    format!("bramblex-{vni:06x}")
}

/// The name of the board's end of a seat's veth pair.
pub fn seat_name(vni: u32, address: Ipv4Addr) -> String {
    format!("b{vni:06x}{:08x}", u32::from(address))
}

/// The network that a name made by [`bridge_name`] or [`tunnel_name`] stands for.
pub fn network_of(name: &str) -> Option<u32> {
    let hex = name
        .strip_prefix("bramble-")
        .or_else(|| name.strip_prefix("bramblex-"))?;
    number(hex, 6)
}

/// The network and address that a name made by [`seat_name`] stands for.
pub fn seat_of(name: &str) -> Option<(u32, Ipv4Addr)> {
    let (vni, address) = name.strip_prefix('b')?.split_at_checked(6)?;
    Some((number(vni, 6)?, number(address, 8)?.into()))
}

fn number(hex: &str, length: usize) -> Option<u32> {
    let digits = hex.len() == length && hex.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u32::from_str_radix(hex, 16).ok()).flatten()
}

/// The numbers of the links that a network consists of on this board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// Its bridge.
    pub bridge: u32,
    /// Its tunnel.
    pub tunnel: u32,
    /// Its largest packet, in bytes.
    pub mtu: u32,
}

/// What an entry of the kernel's tables is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A neighbour of a bridge, by address.
    Neighbour(u32, Ipv4Addr),
    /// A hardware address behind a bridge.
    Behind(u32, Mac),
    /// A hardware address at the other end of a tunnel.
    Across(u32, Mac),
}

/// What such an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Of a [neighbour](Key::Neighbour): its hardware address.
    At(Mac),
    /// Of one [behind](Key::Behind) a bridge: by which port.
    By(u32),
    /// Of one [across](Key::Across): the board that it is on, by its address on the LAN or within WireGuard.
    On(IpAddr),
}

/// Entries of the kernel's tables.
pub type Entries = BTreeMap<Key, Value>;

/// The entries that a network is to have. `seats` has the addresses of the tasks that are seated here, and their ports.
pub fn entries(overlay: &Overlay, fixture: &Fixture, seats: &BTreeMap<Ipv4Addr, u32>) -> Entries {
    let boards: HashMap<_, _> = wireguard::ends(overlay).collect();
    let endpoints = overlay.endpoints.iter().map(|one| (&one.node, one.address));
    let bridges = overlay.peers.iter().map(|peer| (&peer.node, peer.address));
    let mut entries = Entries::new();
    for (node, address) in endpoints.chain(bridges) {
        let mac = Mac::of(address);
        entries.insert(Key::Neighbour(fixture.bridge, address), Value::At(mac));
        // Of an unknown board, or of this one but not seated yet: nothing leads there.
        if let Some(end) = boards.get(node) {
            entries.insert(Key::Behind(fixture.bridge, mac), Value::By(fixture.tunnel));
            entries.insert(Key::Across(fixture.tunnel, mac), Value::On(*end));
        }
    }
    // Who is seated here is here, whatever is said of the address.
    for (address, port) in seats {
        let mac = Mac::of(*address);
        entries.insert(Key::Neighbour(fixture.bridge, *address), Value::At(mac));
        entries.insert(Key::Behind(fixture.bridge, mac), Value::By(*port));
        entries.remove(&Key::Across(fixture.tunnel, mac));
    }
    entries
}

/// What must go, and what must be set, for the kernel's entries to be the wanted ones.
pub fn difference(found: &Entries, wanted: &Entries) -> (Entries, Entries) {
    let only = |one: &Entries, keep: &dyn Fn(&Key, &Value) -> bool| {
        one.iter()
            .filter(|(key, value)| keep(key, value))
            .map(|(key, value)| (*key, *value))
            .collect()
    };
    (
        only(found, &|key, _| !wanted.contains_key(key)),
        only(wanted, &|key, value| found.get(key) != Some(value)),
    )
}

#[cfg(test)]
mod tests;
