//! What the texts say.

use super::*;
use crate::{Subnet, wanted::Wanted};
use exec::{HostPort, Wish};
use model::PortProtocol as Protocol;

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
