//! Laws of the wanted state.

use model::PortProtocol;

use super::*;

fn tcp(published: u16) -> HostPort {
    HostPort {
        protocol: PortProtocol::Tcp,
        published,
        target: 80,
    }
}

fn wish(id: &str, host_ports: &[HostPort]) -> Wish {
    Wish {
        task: id.into(),
        host_ports: host_ports.to_vec(),
        ..Wish::default()
    }
}

fn tiny() -> Wanted {
    Wanted::new("bramble0", Subnet::new(Ipv4Addr::new(10, 0, 0, 0), 29).unwrap())
}

#[test]
fn admitting_again_keeps_the_address_and_changes_the_ports() {
    let mut wanted = tiny();
    assert_eq!(wanted.admit(&wish("a", &[tcp(80)])), Ok(None));
    let first = wanted.members()["a"].clone();
    assert_eq!(wanted.admit(&wish("a", &[tcp(81)])), Ok(Some(first.clone())));
    assert_eq!(wanted.members()["a"].address, first.address);
    assert_eq!(wanted.host_ports().into_keys().collect::<Vec<_>>(), [tcp(81)]);
    assert_eq!(
        wanted.admit(&wish("b", &[tcp(80)])),
        Ok(None),
        "the old port is free"
    );
}

#[test]
fn a_taken_port_is_refused_and_names_its_owner() {
    let mut wanted = tiny();
    wanted.admit(&wish("a", &[tcp(80)])).unwrap();
    let before = wanted.clone();
    assert_eq!(
        wanted.admit(&wish("b", &[tcp(80)])),
        Err(Error::PortTaken {
            port: 80,
            by: "a".into()
        })
    );
    assert_eq!(wanted, before);
    let udp = HostPort {
        protocol: PortProtocol::Udp,
        ..tcp(80)
    };
    assert_eq!(
        wanted.admit(&wish("b", &[udp])),
        Ok(None),
        "another protocol is another port"
    );
    wanted.depart(&"a".into());
    assert_eq!(
        wanted.admit(&wish("c", &[tcp(80)])),
        Ok(None),
        "who leaves has no ports"
    );
}

#[test]
fn addresses_are_unique_rest_long_and_run_out() {
    let mut wanted = tiny();
    for id in ["a", "b", "c"] {
        wanted.admit(&wish(id, &[])).unwrap();
    }
    let freed = wanted.depart(&"a".into()).unwrap().address;
    for id in ["d", "e"] {
        wanted.admit(&wish(id, &[])).unwrap();
        assert_ne!(wanted.members()[id].address, freed);
    }
    assert_eq!(
        wanted.admit(&wish("f", &[])),
        Err(Error::Full(wanted.subnet)),
        "not free before it is forgotten"
    );
    wanted.forget(&"a".into());
    wanted.admit(&wish("f", &[])).unwrap();
    assert_eq!(wanted.members()["f"].address, freed);
    let all: HashSet<_> = wanted.members().values().map(|m| m.address).collect();
    assert_eq!(all.len(), 5);
    assert!(!all.contains(&wanted.subnet.gateway()));
}

#[test]
fn a_failed_admission_leaves_no_trace() {
    let mut wanted = tiny();
    wanted.admit(&wish("a", &[tcp(80)])).unwrap();
    let before = wanted.admit(&wish("a", &[tcp(81)])).unwrap();
    wanted.restore(&"a".into(), before);
    assert_eq!(wanted.host_ports().into_keys().collect::<Vec<_>>(), [tcp(80)]);
    let before = wanted.admit(&wish("b", &[tcp(81)])).unwrap();
    wanted.restore(&"b".into(), before);
    assert!(!wanted.members().contains_key("b"));
}

#[test]
fn senseless_wishes_are_refused() {
    let mut wanted = tiny();
    let twice = [
        tcp(80),
        HostPort {
            target: 81,
            ..tcp(80)
        },
    ];
    let zero = [HostPort {
        published: 0,
        ..tcp(80)
    }];
    for wish in [
        wish("", &[]),
        wish("../x", &[]),
        wish("a/b", &[]),
        wish("a", &twice),
        wish("a", &zero),
    ] {
        assert!(matches!(wanted.admit(&wish), Err(Error::Wish { .. })), "{wish:?}");
    }
}

#[test]
fn the_board_s_end_is_named_after_the_address() {
    let address = Ipv4Addr::new(172, 30, 0, 5);
    assert_eq!(port_name(address), "btac1e0005");
    assert_eq!(port_address("btac1e0005"), Some(address));
    for other in ["eth0", "bt1", "btac1e0005x", "btzzzzzzzz", "vtac1e0005"] {
        assert_eq!(port_address(other), None);
    }
    assert_eq!(Mac::of(address).to_string(), "02:42:ac:1e:00:05");
}
