//! This board's own addresses.

use crate::config::Advertise;
use std::net::IpAddr;

/// Addresses to be found by, the likeliest first: those of the interface or address in the settings, else all that are
/// neither loopback nor of a bridge of ours.
pub fn own(advertise: Option<&Advertise>) -> Vec<IpAddr> {
    if let Some(Advertise::Address(address)) = advertise {
        return vec![*address];
    }
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut found: Vec<(u8, IpAddr)> = all
        .filter(|interface| match advertise {
            Some(Advertise::Interface(name)) => interface.interface_name == *name,
            _ => {
                !interface.interface_name.starts_with("bramble")
                    && !interface.interface_name.starts_with("veth")
            }
        })
        .filter_map(|interface| {
            let address = interface.address?;
            if let Some(v4) = address.as_sockaddr_in() {
                return Some((0, IpAddr::V4(v4.ip())));
            }
            address.as_sockaddr_in6().map(|v6| (1, IpAddr::V6(v6.ip())))
        })
        .filter(|(_, address)| is_reachable(address))
        .collect();
    found.sort();
    found.into_iter().map(|(_, address)| address).collect()
}

/// Others can't reach loopback, and IPv6 link-local addresses mean nothing without an interface.
fn is_reachable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified() && !v6.is_unicast_link_local(),
    }
}
