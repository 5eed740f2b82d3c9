//! What the texts say.

use super::*;
use crate::{Subnet, wanted::Wanted};
use exec::{Endpoint, Fabric, HostPort, MeshPort, Overlay, Peer, Place, Virtual, Wish};
use model::PortProtocol as Protocol;
use std::net::Ipv4Addr;

fn wish(id: &str, host_ports: &[(Protocol, u16, u16)]) -> Wish {
    let port = |&(protocol, published, target): &_| HostPort {
        protocol,
        published,
        target,
    };
    Wish {
        task: id.into(),
        host_ports: host_ports.iter().map(port).collect(),
        ..Wish::default()
    }
}

#[test]
fn every_port_is_one_element_and_those_leaving_have_none() {
    let mut wanted = Wanted::new("bramble0", Subnet::LOCAL);
    wanted
        .admit(&wish(
            "a",
            &[(Protocol::Udp, 53, 5353), (Protocol::Tcp, 8080, 80)],
        ))
        .unwrap();
    wanted.admit(&wish("b", &[(Protocol::Sctp, 8080, 80)])).unwrap();
    wanted.admit(&wish("c", &[(Protocol::Tcp, 99, 99)])).unwrap();
    wanted.depart(&"c".into());
    let text = ruleset(&wanted);
    let elements: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| l.ends_with(',') && l.contains(" : 172.30."))
        .collect();
    assert_eq!(
        elements,
        [
            "tcp . 8080 : 172.30.0.2 . 80,",
            "udp . 53 : 172.30.0.2 . 5353,",
            "sctp . 8080 : 172.30.0.3 . 80,"
        ]
    );
}

#[test]
fn the_text_is_one_replacement_of_the_one_table() {
    let text = ruleset(&Wanted::new("br7", Subnet::LOCAL));
    assert!(text.starts_with("table inet bramble\ndelete table inet bramble\ntable inet bramble {\n"));
    assert!(
        text.ends_with("\n}\n"),
        "nft wants a newline before the closing brace"
    );
    assert_eq!(text.matches("table ").count(), 3);
    assert!(
        !text.contains("elements"),
        "an empty list of elements is an error to nft"
    );
    assert!(text.contains("oifname != \"br7\" ip saddr 172.30.0.0/16 masquerade"));
}

#[test]
fn the_same_wishes_make_the_same_text_in_any_order() {
    let (one_port, other_port) = ((Protocol::Tcp, 1, 1), (Protocol::Tcp, 2, 2));
    let mut one = Wanted::new("bramble0", Subnet::LOCAL);
    one.admit(&wish("a", &[other_port, one_port, one_port])).unwrap();
    let mut other = Wanted::new("bramble0", Subnet::LOCAL);
    other.admit(&wish("a", &[other_port])).unwrap();
    other.admit(&wish("a", &[one_port, other_port])).unwrap();
    assert_eq!(ruleset(&one), ruleset(&other));
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, last)
}

fn endpoint(service: &str, last: u8, takes: bool) -> Endpoint {
    Endpoint {
        task: format!("t{last}").as_str().into(),
        name: format!("t{last}"),
        service: service.into(),
        node: "other".into(),
        address: address(last),
        takes,
    }
}

fn service(name: &str, last: u8) -> Virtual {
    Virtual {
        service: name.into(),
        name: name.to_owned(),
        aliases: Vec::new(),
        address: Some(address(last)),
    }
}

/// A network that is the mesh's too, with a task of ours and two others, one of which takes nothing.
fn woven(internal: bool) -> (Wanted, Fabric) {
    let overlay = Overlay {
        id: "o".into(),
        name: "o".to_owned(),
        vni: 0x1001,
        subnet: address(0),
        prefix: 24,
        board: address(1),
        internal,
        ingress: !internal,
        encrypted: false,
        mtu: None,
        peers: vec![Peer {
            node: "other".into(),
            address: address(2),
            underlay: Ipv4Addr::new(192, 168, 0, 2),
            key: None,
        }],
        endpoints: vec![
            endpoint("web", 12, true),
            endpoint("web", 11, true),
            endpoint("web", 13, false),
            endpoint("idle", 14, false),
        ],
        services: vec![service("web", 100), service("idle", 101)],
    };
    let port = |protocol, published, service: &str| MeshPort {
        protocol,
        published,
        target: 80,
        service: service.into(),
    };
    let fabric = Fabric {
        number: 1,
        key: None,
        networks: vec![overlay],
        ports: vec![
            port(Protocol::Tcp, 8080, "web"),
            port(Protocol::Udp, 8081, "web"),
            port(Protocol::Tcp, 8082, "idle"),
        ],
    };
    let mut wanted = Wanted::new("bramble0", Subnet::LOCAL);
    wanted.weave(&fabric);
    let place = Place {
        network: "o".into(),
        address: address(11),
        prefix: 24,
    };
    wanted
        .admit(&Wish {
            places: vec![place],
            ..wish("a", &[])
        })
        .unwrap();
    (wanted, fabric)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.trim().trim_end_matches(','))
        .collect()
}

#[test]
fn the_mesh_hands_connections_to_those_that_take_them() {
    let text = ruleset(&woven(false).0);
    let lines = lines(&text);
    for line in [
        "meta l4proto tcp dnat ip to numgen inc mod 2 map { 0 : 10.0.1.11 . 80, 1 : 10.0.1.12 . 80 }",
        "meta l4proto udp dnat ip to numgen inc mod 2 map { 0 : 10.0.1.11 . 80, 1 : 10.0.1.12 . 80 }",
        "tcp . 8080 : jump mesh_tcp_8080",
        "udp . 8081 : jump mesh_udp_8081",
        "tcp . 8082",
        "\"bramble-001001\" . 10.0.1.13",
        "udp dport 4789 @th,96,24 { 0x1001 } ip saddr != { 192.168.0.2 } drop",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("mesh_tcp_8082"), "nobody is there to take it");
}

#[test]
fn an_encrypted_network_comes_and_goes_by_wireguard_only() {
    let (mut wanted, mut fabric) = woven(false);
    assert!(!ruleset(&wanted).contains("bramble-wg"));
    let mut secret = fabric.networks[0].clone();
    (secret.vni, secret.id, secret.encrypted) = (0x1002, "secret".into(), true);
    secret.peers[0].underlay = Ipv4Addr::new(192, 168, 0, 3);
    fabric.networks.push(secret);
    wanted.weave(&fabric);
    let text = ruleset(&wanted);
    let lines = lines(&text);
    for line in [
        "udp dport 4789 @th,96,24 { 0x1001 } ip saddr != { 192.168.0.2 } drop",
        "iifname != \"bramble-wg\" udp dport 4789 @th,96,24 { 0x1002 } drop",
        "oifname != \"bramble-wg\" udp dport 4789 @th,96,24 { 0x1002 } drop",
        "iifname \"bramble-wg\" udp dport != 4789 drop",
    ] {
        assert!(lines.contains(&line), "{line} in {text}");
    }
}

#[test]
fn a_task_s_virtual_addresses_and_ways() {
    let (wanted, _) = woven(false);
    let inside = inside(&wanted, &wanted.members()["a"]).unwrap();
    let lines = lines(&inside.text);
    for line in [
        "dnat to numgen inc mod 2 map { 0 : 10.0.1.11, 1 : 10.0.1.12 }",
        "10.0.1.100 : jump to_0a000164",
        "02:42:0a:00:01:01 : 0x0a000101",
        "02:42:0a:00:01:02 : 0x0a000102",
        "ip daddr 10.0.1.0/24 ip daddr != @there jump gone",
        "10.0.1.13",
    ] {
        assert!(lines.contains(&line), "{line} in {}", inside.text);
    }
    assert!(!inside.text.contains("10.0.1.101"), "nobody is there to take it");
    let whose: Vec<Whose> = inside.ways.rules.iter().map(|(whose, _)| *whose).collect();
    assert_eq!(
        whose,
        [
            Whose::Board(address(1)),
            Whose::Board(address(2)),
            Whose::Near,
            Whose::Port(Protocol::Udp, 80)
        ]
    );
    let answers = &inside.ways.routes[&address(11)];
    assert_eq!(
        (answers.gateway, answers.source),
        (Subnet::LOCAL.gateway(), Some(address(11)))
    );
}

#[test]
fn a_task_in_no_network_has_nothing_inside() {
    let mut wanted = woven(false).0;
    wanted.admit(&wish("b", &[])).unwrap();
    assert_eq!(inside(&wanted, &wanted.members()["b"]), None);
}

#[test]
fn a_task_of_internal_networks_is_closed() {
    let (mut wanted, fabric) = woven(true);
    assert!(wanted.members()["a"].closed);
    assert!(lines(&ruleset(&wanted)).contains(&"172.30.0.2"));
    let text = inside(&wanted, &wanted.members()["a"]).unwrap().text;
    assert!(text.contains("oifname \"eth0\" ct direction original reject"));
    // What is not told of any more stays as it was while somebody is in it.
    wanted.weave(&Fabric::default());
    assert!(wanted.members()["a"].closed);
    assert_eq!(wanted.fabric().networks, fabric.networks);
    assert!(!wanted.prune());
    wanted.depart(&"a".into());
    assert!(!wanted.prune(), "not gone yet");
    wanted.forget(&"a".into());
    assert!(wanted.prune());
    assert_eq!(wanted.fabric().networks, []);
}

#[test]
fn the_order_in_which_things_are_told_does_not_matter() {
    let (wanted, mut fabric) = woven(false);
    let mut other = wanted.clone();
    fabric.networks[0].endpoints.reverse();
    other.weave(&fabric);
    assert_eq!(ruleset(&wanted), ruleset(&other));
    let member = &wanted.members()["a"];
    assert_eq!(inside(&wanted, member), inside(&other, member));
}
