//! The board's table: host ports, the routing mesh, who may pass.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr};

use exec::{MeshPort, Overlay, TUNNEL_PORT};

use super::{NONE, collection, in_turn, prompting};
use crate::{
    overlay::bridge_name,
    wanted::Wanted,
    wireguard::{DEVICE, clear_ends},
};

/// The complete rules of the board for `nft -f -`.
pub fn ruleset(wanted: &Wanted) -> String {
    let mut text = String::from(NONE);
    text.push_str("table inet bramble {\n");
    let host_ports = wanted.host_ports();
    let elements = host_ports.iter().map(|(port, address)| {
        format!(
            "{} . {} : {address} . {}",
            port.protocol, port.published, port.target
        )
    });
    let port = "inet_proto . inet_service";
    let target = format!("{port} : ipv4_addr . inet_service");
    collection(&mut text, "map", "host_ports", &target, elements);
    mesh(&mut text, wanted);
    let own = wanted.own_ports();
    let own = own
        .iter()
        .map(|(protocol, published)| format!("{protocol} . {published}"));
    collection(&mut text, "set", "own", port, own);
    sets(&mut text, wanted);
    text.push_str(&prompting());
    chains(&mut text, wanted);
    text.push_str("}\n");
    text
}

/// The addresses that connections to a port of the mesh may go to.
fn backends(wanted: &Wanted, port: &MeshPort) -> Vec<Ipv4Addr> {
    let mesh = wanted.fabric().networks.iter().find(|one| one.ingress);
    let endpoints = mesh.into_iter().flat_map(|overlay| &overlay.endpoints);
    let takers = endpoints.filter(|one| one.takes && one.service == port.service);
    let addresses: BTreeSet<Ipv4Addr> = takers.map(|one| one.address).collect();
    addresses.into_iter().collect()
}

/// A chain for each published port, the map that leads to them, and the ports behind which there is nobody.
fn mesh(text: &mut String, wanted: &Wanted) {
    let (mut served, mut deaf) = (Vec::new(), Vec::new());
    for port in &wanted.fabric().ports {
        let (protocol, published) = (port.protocol, port.published);
        let backends = backends(wanted, port);
        if backends.is_empty() {
            deaf.push(format!("{protocol} . {published}"));
            continue;
        }
        let turns: Vec<String> = backends
            .iter()
            .map(|to| format!("{to} . {}", port.target))
            .collect();
        let _ = writeln!(
            text,
            "\tchain mesh_{protocol}_{published} {{\n\t\tmeta l4proto {protocol} dnat ip to {}\n\t}}",
            in_turn(&turns)
        );
        served.push(format!(
            "{protocol} . {published} : jump mesh_{protocol}_{published}"
        ));
    }
    let port = "inet_proto . inet_service";
    collection(text, "map", "mesh", &format!("{port} : verdict"), served);
    collection(text, "set", "deaf", port, deaf);
}

fn sets(text: &mut String, wanted: &Wanted) {
    let overlays = &wanted.fabric().networks;
    let bridges: Vec<String> = overlays
        .iter()
        .map(|one| format!("\"{}\"", bridge_name(one.vni)))
        .collect();
    collection(text, "set", "overlays", "ifname", &bridges);
    let within = bridges.iter().map(|bridge| format!("{bridge} . {bridge}"));
    collection(text, "set", "within", "ifname . ifname", within);
    let there: BTreeSet<String> = overlays
        .iter()
        .flat_map(|overlay| endpoints(wanted, overlay))
        .collect();
    collection(text, "set", "endpoints", "ifname . ipv4_addr", there);
    let boards = overlays.iter().flat_map(|overlay| {
        let peers = overlay.peers.iter().map(|peer| peer.address);
        peers.chain([overlay.board])
    });
    let there: BTreeSet<Ipv4Addr> = wanted.addresses().into_iter().chain(boards).collect();
    collection(text, "set", "there", "ipv4_addr", there);
    let closed = wanted.staying().filter(|member| member.closed);
    collection(
        text,
        "set",
        "closed",
        "ipv4_addr",
        closed.map(|member| member.address),
    );
}

/// All that is in a network, with its bridge: what managers tell of, and who is seated here already.
fn endpoints(wanted: &Wanted, overlay: &Overlay) -> impl Iterator<Item = String> {
    let vni = overlay.vni;
    let seats = wanted.staying().flat_map(|member| &member.seats);
    let seated = seats.filter(move |seat| seat.vni == vni).map(|seat| seat.address);
    let told = overlay.endpoints.iter().map(|one| one.address);
    told.chain(seated)
        .map(move |address| format!("\"{}\" . {address}", bridge_name(vni)))
}

/// Which packets of a network's tunnel are meant: its number is in the fifth to seventh octet after UDP's header.
fn packets(overlays: &[Overlay], encrypted: bool) -> Option<String> {
    let meant = overlays.iter().filter(|overlay| overlay.encrypted == encrypted);
    let numbers: Vec<String> = meant.map(|overlay| format!("{:#x}", overlay.vni)).collect();
    let packets = || format!("udp dport {TUNNEL_PORT} @th,96,24 {{ {} }}", numbers.join(", "));
    (!numbers.is_empty()).then(packets)
}

/// Only the other boards may put packets into the networks' tunnels; into those of encrypted ones only what was encrypted.
fn tunnels(overlays: &[Overlay]) -> String {
    let boards: BTreeSet<String> = clear_ends(overlays).map(|end| end.to_string()).collect();
    let boards: Vec<String> = boards.into_iter().collect();
    let others = match boards.as_slice() {
        [] => String::new(),
        boards => format!("ip saddr != {{ {} }} ", boards.join(", ")),
    };
    let clear = packets(overlays, false).map(|packets| format!("\t\t{packets} {others}drop\n"));
    let encrypted = packets(overlays, true).map(|packets| {
        format!(
            "\t\tiifname != \"{DEVICE}\" {packets} drop\n\t\tiifname \"{DEVICE}\" udp dport != {TUNNEL_PORT} drop\n\t\tiifname \"{DEVICE}\" meta l4proto != udp drop\n"
        )
    });
    [clear, encrypted].into_iter().flatten().collect()
}

/// Nothing of an encrypted network leaves the board but by WireGuard, whatever its routes say.
fn kept_in(overlays: &[Overlay]) -> String {
    let line = |packets| format!("\t\toifname != \"{DEVICE}\" {packets} drop\n");
    packets(overlays, true).map(line).unwrap_or_default()
}

/// The board's own calls to who is gone. The link of a call that was translated is still said to be the one before.
fn sending(overlays: &[Overlay]) -> String {
    let lines = overlays.iter().map(|overlay| {
        let (subnet, prefix) = (overlay.subnet, overlay.prefix);
        format!("\t\tip daddr {subnet}/{prefix} ip daddr != @there jump gone\n")
    });
    lines.collect()
}

fn chains(text: &mut String, wanted: &Wanted) {
    let (bridge, subnet) = (&wanted.bridge, wanted.subnet);
    let tunnels = tunnels(&wanted.fabric().networks);
    let sending = kept_in(&wanted.fabric().networks) + &sending(&wanted.fabric().networks);
    let _ = write!(
        text,
        r#"	# route_localnet is on for bridges: the board's loopback addresses are nothing for tasks all the same.
	chain loopback {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{bridge}" ip daddr 127.0.0.0/8 drop
		iifname @overlays ip daddr 127.0.0.0/8 drop
	}}
	chain arriving {{
		type nat hook prerouting priority dstnat; policy accept;
		iifname @overlays accept
		meta nfproto ipv4 fib daddr type local jump arrived
	}}
	chain from_board {{
		type nat hook output priority -100; policy accept;
		meta nfproto ipv4 fib daddr type local jump published
	}}
	# What programs of the board listen at stays theirs, whenever they begin: ssh is not to be cut off by a service.
	chain arrived {{
		dnat ip to meta l4proto . th dport map @host_ports
		socket wildcard {{ 0, 1 }} accept
		meta l4proto . th dport vmap @mesh
	}}
	chain published {{
		dnat ip to meta l4proto . th dport map @host_ports
		meta l4proto . th dport @own accept
		meta l4proto . th dport vmap @mesh
	}}
	# A tool that hears "no" at once is better off than one that waits.
	chain gone {{
		meta l4proto tcp reject with tcp reset
		reject
	}}
	# Whom tasks did not call reaches them by published ports only, even if routed here on purpose. Networks of the cluster
	# have no way out here but the answers of the mesh. Sessions of who is gone are cut.
	chain passing {{
		type filter hook forward priority filter; policy accept;
		iifname . oifname @within accept
		oifname @overlays oifname . ip daddr != @endpoints jump gone
		ct state established,related accept
		iifname "{bridge}" ip saddr @closed jump gone
		ct status dnat accept
		iifname @overlays jump gone
		oifname @overlays drop
		oifname != "{bridge}" accept
		iifname "{bridge}" accept
		drop
	}}
	# Networks of the cluster do not reach the board itself.
	chain entering {{
		type filter hook input priority filter; policy accept;
		ct state established,related accept
		iifname @overlays icmp type echo-request accept
		iifname @overlays jump gone
		iifname "{bridge}" ip saddr @closed jump gone
		meta l4proto . th dport @deaf socket wildcard {{ 0, 1 }} accept
		fib daddr type local meta l4proto . th dport @deaf jump gone
{tunnels}	}}
	# A task that calls a neighbour by the board's address must not be told of a shorter way: it would go past the translation.
	chain sending {{
		type filter hook output priority filter; policy accept;
{sending}		oifname "{bridge}" icmp type redirect drop
	}}
	chain leaving {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "{bridge}" ip saddr {subnet} masquerade
		oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
		oifname @overlays ip saddr 127.0.0.0/8 masquerade
		oifname "{bridge}" ip saddr {subnet} ct status dnat masquerade
	}}
"#
    );
}
