//! Laws of names and entries.

use exec::{Endpoint, Peer};

use super::*;

const BRIDGE: u32 = 7;
const TUNNEL: u32 = 8;

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, last)
}

fn endpoint(node: &str, last: u8) -> Endpoint {
    Endpoint {
        task: "t".into(),
        name: "t".to_owned(),
        service: "s".into(),
        node: node.into(),
        address: address(last),
        takes: true,
    }
}

fn overlay(endpoints: Vec<Endpoint>) -> Overlay {
    let peer = |n: u8| Peer {
        node: format!("n{n}").as_str().into(),
        address: address(n),
        underlay: Ipv4Addr::new(192, 168, 0, n),
        key: None,
    };
    Overlay {
        id: "o".into(),
        name: "o".to_owned(),
        vni: 0x1001,
        subnet: address(0),
        prefix: 24,
        board: address(1),
        internal: false,
        ingress: false,
        encrypted: false,
        mtu: None,
        peers: vec![peer(2), peer(3)],
        endpoints,
        services: Vec::new(),
    }
}

fn of(overlay: &Overlay, seats: &[(u8, u32)]) -> Entries {
    let fixture = Fixture {
        bridge: BRIDGE,
        tunnel: TUNNEL,
        mtu: 1450,
    };
    let seats = seats.iter().map(|(last, port)| (address(*last), *port)).collect();
    entries(overlay, &fixture, &seats)
}

fn across(entries: &Entries, last: u8) -> Option<Value> {
    entries.get(&Key::Across(TUNNEL, Mac::of(address(last)))).copied()
}

fn behind(entries: &Entries, last: u8) -> Option<Value> {
    entries.get(&Key::Behind(BRIDGE, Mac::of(address(last)))).copied()
}

#[test]
fn names_fit_the_kernel_and_tell_what_they_are_of() {
    for vni in [0, 0x1001, 0x00ff_ffff] {
        for name in [bridge_name(vni), tunnel_name(vni)] {
            assert!(name.len() <= 15, "{name}");
            assert_eq!(network_of(&name), Some(vni));
            assert_eq!(seat_of(&name), None);
        }
        let name = seat_name(vni, address(9));
        assert!(name.len() <= 15, "{name}");
        assert_eq!(seat_of(&name), Some((vni, address(9))));
        assert_eq!(network_of(&name), None);
    }
    for other in [
        "bramble0",
        "bramble-",
        "bramble-00100g",
        "bond0",
        "btac1e0005",
        "br-0123456789ab",
        "bé",
        "b+0010010a000109",
    ] {
        assert_eq!((network_of(other), seat_of(other)), (None, None), "{other}");
    }
}

#[test]
fn every_board_and_endpoint_is_known_by_its_board() {
    let entries = of(
        &overlay(vec![endpoint("n2", 12), endpoint("n3", 13), endpoint("self", 11)]),
        &[(11, 20)],
    );
    for last in [2, 3, 11, 12, 13] {
        let neighbour = entries.get(&Key::Neighbour(BRIDGE, address(last)));
        assert_eq!(neighbour, Some(&Value::At(Mac::of(address(last)))));
    }
    for (last, board) in [(2, 2), (12, 2), (3, 3), (13, 3)] {
        assert_eq!(
            across(&entries, last),
            Some(Value::On(Ipv4Addr::new(192, 168, 0, board).into()))
        );
        assert_eq!(behind(&entries, last), Some(Value::By(TUNNEL)));
    }
    assert_eq!(
        (across(&entries, 11), behind(&entries, 11)),
        (None, Some(Value::By(20)))
    );
}

#[test]
fn who_is_seated_here_is_here() {
    let entries = of(&overlay(vec![endpoint("n2", 11)]), &[(11, 20), (14, 21)]);
    assert_eq!(
        (across(&entries, 11), behind(&entries, 11)),
        (None, Some(Value::By(20)))
    );
    assert_eq!(
        behind(&entries, 14),
        Some(Value::By(21)),
        "before managers tell of it"
    );
}

#[test]
fn nothing_leads_to_an_unknown_board() {
    let entries = of(&overlay(vec![endpoint("n9", 19)]), &[]);
    assert_eq!((across(&entries, 19), behind(&entries, 19)), (None, None));
}

#[test]
fn only_what_differs_is_changed() {
    let before = of(&overlay(vec![endpoint("n2", 12), endpoint("n2", 13)]), &[]);
    let after = of(&overlay(vec![endpoint("n3", 12)]), &[]);
    assert_eq!(difference(&before, &before), (Entries::new(), Entries::new()));
    let (removed, set) = difference(&before, &after);
    assert_eq!(removed.len(), 3, "all of the one that is gone: {removed:?}");
    let moved = (
        Key::Across(TUNNEL, Mac::of(address(12))),
        Value::On(Ipv4Addr::new(192, 168, 0, 3).into()),
    );
    assert_eq!(
        set,
        Entries::from([moved]),
        "the tunnel's other end of the one that moved"
    );
}
