//! A task's own table and ways: the virtual addresses that it may call, and by which board its answers go back.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr};

use exec::Overlay;

use super::{Ways, collection, in_turn, prompting};
use crate::{
    Subnet,
    wanted::{Mac, Member, Wanted},
};

/// What is to be in force in a task's namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inside {
    /// The packet filter, for `nft -f -`.
    pub text: String,
    /// By which way what leaves.
    pub ways: Ways,
}

/// What is to be in force in a member's namespace; none for one that is in no network of the cluster.
pub fn inside(wanted: &Wanted, member: &Member) -> Option<Inside> {
    if member.seats.is_empty() {
        return None;
    }
    let ways = Ways::of(wanted, member);
    let overlays: Vec<&Overlay> = member
        .seats
        .iter()
        .filter_map(|seat| wanted.overlay(seat.vni))
        .collect();
    let mut text = String::from("table ip bramble\ndelete table ip bramble\ntable ip bramble {\n");
    virtuals(&mut text, &overlays);
    let marks = ways
        .doors()
        .map(|board| format!("{} : {:#010x}", Mac::of(board), u32::from(board)));
    collection(&mut text, "map", "doors", "ether_addr : mark", marks);
    collection(&mut text, "set", "there", "ipv4_addr", there(member, &overlays));
    zones(&mut text, &ways);
    text.push_str(&prompting());
    chains(&mut text, wanted.subnet, member, &overlays);
    if ways.borrows() {
        // Calls from such a port, which are no answers, leave as others do.
        let _ = write!(
            text,
            "\tchain posting {{\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n\t\toifname \"eth0\" ip saddr != {} masquerade\n\t}}\n",
            member.address
        );
    }
    text.push_str("}\n");
    Some(Inside { text, ways })
}

/// A chain for each virtual address behind which there is somebody, and the map that leads to them.
fn virtuals(text: &mut String, overlays: &[&Overlay]) {
    let mut map = Vec::new();
    for overlay in overlays {
        for service in &overlay.services {
            let Some(address) = service.address else {
                continue;
            };
            let takers = overlay
                .endpoints
                .iter()
                .filter(|one| one.takes && one.service == service.service);
            let takers: BTreeSet<Ipv4Addr> = takers.map(|one| one.address).collect();
            if takers.is_empty() {
                continue;
            }
            let name = format!("to_{:08x}", u32::from(address));
            let turns: Vec<Ipv4Addr> = takers.into_iter().collect();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\tchain {name} {{\n\t\tdnat to {}\n\t}}", in_turn(&turns));
            map.push(format!("{address} : jump {name}"));
        }
    }
    collection(text, "map", "virtual", "ipv4_addr : verdict", map);
}

/// Calls by different boards are told apart. A caller may use one port for calls to two boards, and both come here, with one
/// address and port for two connections: so each board's have a zone of their own in the table of connections, and where
/// two would look the same to the task, the kernel gives the later one another port.
fn zones(text: &mut String, ways: &Ways) {
    // Boards' addresses in one network differ in these bits, and keep their zone whoever comes or goes.
    let zone = |board: Ipv4Addr| format!("{} : {}", Mac::of(board), u32::from(board) & 0xffff);
    let zones: Vec<String> = ways.doors().map(zone).collect();
    if zones.is_empty() {
        return;
    }
    let _ = write!(
        text,
        r#"	chain telling_apart {{
		type filter hook prerouting priority raw; policy accept;
		ct original zone set ether saddr map {{ {} }}
	}}
	# Nothing to translate, but for the kernel to look whether a port is taken.
	chain coming {{
		type nat hook input priority 100; policy accept;
	}}
"#,
        zones.join(", ")
    );
}

/// All addresses in the task's networks that are somebody's.
fn there(member: &Member, overlays: &[&Overlay]) -> BTreeSet<Ipv4Addr> {
    let own = member.seats.iter().map(|seat| seat.address);
    let others = overlays.iter().flat_map(|overlay| {
        let endpoints = overlay.endpoints.iter().map(|one| one.address);
        let boards = overlay.peers.iter().map(|peer| peer.address);
        endpoints.chain(boards).chain([overlay.board])
    });
    own.chain(others).collect()
}

fn chains(text: &mut String, local: Subnet, member: &Member, overlays: &[&Overlay]) {
    let gateway = local.gateway();
    let _ = write!(
        text,
        r#"	chain calling {{
		type nat hook output priority -100; policy accept;
		ip daddr vmap @virtual
	}}
	chain arriving {{
		type filter hook prerouting priority mangle; policy accept;
		iifname "eth0" ip saddr {local} ip saddr != {gateway} drop
		ct state new ct mark set ether saddr map @doors
		ct mark != 0 meta mark set ct mark
	}}
	chain answering {{
		type route hook output priority mangle; policy accept;
		ct mark != 0 meta mark set ct mark
	}}
	# Nobody is there, or not any more. Answers to a call that came before the news of its caller are let pass.
	chain gone {{
		tcp flags & (syn | ack) == syn | ack accept
		meta l4proto tcp reject with tcp reset
		reject
	}}
	chain leaving {{
		type filter hook output priority filter; policy accept;
"#
    );
    for overlay in overlays {
        let (subnet, prefix) = (overlay.subnet, overlay.prefix);
        let _ = writeln!(
            text,
            "\t\tip daddr {subnet}/{prefix} ip daddr != @there jump gone"
        );
    }
    if member.closed {
        text.push_str("\t\toifname \"eth0\" ct direction original reject\n");
    }
    text.push_str("\t}\n");
}
