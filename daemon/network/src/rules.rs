//! The packet filter as text: a pure function of the wanted state.
//!
//! The text replaces the whole table `inet bramble` in one transaction and touches no other. The first line makes the table
//! exist so that the second can delete it, whether or not there was one.

use std::fmt::Write;

use crate::wanted::Wanted;

/// The text that removes the table, whether or not there is one.
pub const NONE: &str = "table inet bramble\ndelete table inet bramble\n";

/// The complete rules for `nft -f -`.
pub fn ruleset(wanted: &Wanted) -> String {
    let (bridge, subnet) = (&wanted.bridge, wanted.subnet);
    let ports = wanted.host_ports();
    let mut text = String::from(NONE);
    text.push_str("table inet bramble {\n");
    text.push_str("\tmap host_ports {\n\t\ttype inet_proto . inet_service : ipv4_addr . inet_service\n");
    if !ports.is_empty() {
        text.push_str("\t\telements = {\n");
        for (port, address) in &ports {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "\t\t\t{} . {} : {address} . {},",
                port.protocol, port.published, port.target
            );
        }
        text.push_str("\t\t}\n");
    }
    text.push_str("\t}\n");
    let _ = write!(
        text,
        r#"	# route_localnet is on for the bridge: the board's loopback addresses are nothing for tasks all the same.
	chain loopback {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{bridge}" ip daddr 127.0.0.0/8 drop
	}}
	chain arriving {{
		type nat hook prerouting priority dstnat; policy accept;
		meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @host_ports
	}}
	chain from_board {{
		type nat hook output priority -100; policy accept;
		meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @host_ports
	}}
	# Whom tasks did not call reaches them by published ports only, even if routed here on purpose.
	chain passing {{
		type filter hook forward priority filter; policy accept;
		oifname != "{bridge}" accept
		iifname "{bridge}" accept
		ct state established,related accept
		ct status dnat accept
		drop
	}}
	# A task that calls a neighbour by the board's address must not be told of a shorter way: it would go past the translation.
	chain redirects {{
		type filter hook output priority filter; policy accept;
		oifname "{bridge}" icmp type redirect drop
	}}
	chain leaving {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "{bridge}" ip saddr {subnet} masquerade
		oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
		oifname "{bridge}" ip saddr {subnet} ct status dnat masquerade
	}}
}}
"#
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subnet;
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
}
