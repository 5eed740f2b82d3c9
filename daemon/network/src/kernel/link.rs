//! What the kernel's messages say of a link, as far as it matters here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_route::{
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};

use crate::wanted::Mac;

/// What is known of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Switched on.
    pub up: bool,
    /// True for a bridge.
    pub is_bridge: bool,
    /// The number of the bridge that it is a port of.
    pub bridge: Option<u32>,
    /// The group that it is in, 0 by default.
    pub group: u32,
    /// The number of a veth's other end, in that end's namespace.
    pub peer: Option<u32>,
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its largest packet, in bytes.
    pub mtu: u32,
    /// What it is if it is a VXLAN.
    pub tunnel: Option<Tunnel>,
    /// True for a WireGuard device.
    pub is_wireguard: bool,
}

/// What matters of a VXLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tunnel {
    /// Its number.
    pub vni: u32,
    /// The UDP port of all boards.
    pub port: u16,
    /// It notes who is where from what comes in.
    pub learning: bool,
    /// The only device that it sends by, and the board's address there; none if it sends by any.
    pub within: Option<Within>,
}

/// A device that a VXLAN is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// Its number.
    pub device: u32,
    /// The board's own address there.
    pub address: Ipv6Addr,
}

impl From<&LinkMessage> for Link {
    fn from(message: &LinkMessage) -> Self {
        let mut link = Link {
            index: message.header.index,
            name: String::new(),
            up: message.header.flags.contains(LinkFlags::Up),
            is_bridge: false,
            bridge: None,
            group: 0,
            peer: None,
            mac: None,
            mtu: 0,
            tunnel: None,
            is_wireguard: false,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Controller(index) => link.bridge = Some(*index),
                LinkAttribute::Group(group) => link.group = *group,
                LinkAttribute::Link(index) => link.peer = Some(*index),
                LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().ok().map(Mac),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        match info {
                            LinkInfo::Kind(InfoKind::Bridge) => link.is_bridge = true,
                            LinkInfo::Kind(InfoKind::Wireguard) => link.is_wireguard = true,
                            LinkInfo::Data(InfoData::Vxlan(data)) => link.tunnel = Some(tunnel(data)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        link
    }
}

fn tunnel(data: &[InfoVxlan]) -> Tunnel {
    let mut tunnel = Tunnel::default();
    let (mut device, mut address) = (None, None);
    for info in data {
        match info {
            InfoVxlan::Id(vni) => tunnel.vni = *vni,
            InfoVxlan::Port(port) => tunnel.port = *port,
            InfoVxlan::Learning(on) => tunnel.learning = *on,
            InfoVxlan::Link(index) => device = Some(*index).filter(|index| *index != 0),
            InfoVxlan::Local6(own) => address = Some(*own),
            _ => {}
        }
    }
    tunnel.within = match (device, address) {
        (None, None) => None,
        // Half bound is wrong, whatever is wanted.
        (device, address) => Some(Within {
            device: device.unwrap_or_default(),
            address: address.unwrap_or(Ipv6Addr::UNSPECIFIED),
        }),
    };
    tunnel
}

/// The IPv4 address that a message is about, none if it is about another family's.
pub fn ipv4(message: &AddressMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })
}

/// The IPv6 address that a message is about, none if it is about another family's.
pub fn ipv6(message: &AddressMessage) -> Option<Ipv6Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(IpAddr::V6(address)) => Some(*address),
        _ => None,
    })
}
