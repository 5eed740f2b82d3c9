use super::*;
use exec::Peer;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

fn key(n: u8) -> WireguardKey {
    WireguardKey([n; 32])
}

fn network(vni: u32, encrypted: bool, peers: &[(u8, Option<WireguardKey>)]) -> Overlay {
    let peer = |(n, key): &(u8, Option<WireguardKey>)| Peer {
        node: format!("n{n}").into(),
        address: Ipv4Addr::new(10, 0, 1, *n),
        underlay: Ipv4Addr::new(192, 168, 0, *n),
        key: *key,
    };
    Overlay {
        id: format!("{vni}").into(),
        name: format!("{vni}"),
        vni,
        subnet: Ipv4Addr::new(10, 0, 1, 0),
        prefix: 24,
        board: Ipv4Addr::new(10, 0, 1, 1),
        internal: false,
        ingress: false,
        encrypted,
        mtu: None,
        peers: peers.iter().map(peer).collect(),
        endpoints: Vec::new(),
        services: Vec::new(),
    }
}

fn fabric(networks: Vec<Overlay>) -> Fabric {
    Fabric {
        networks,
        ..Fabric::default()
    }
}

#[test]
fn only_boards_of_encrypted_networks_are_peers_and_only_with_a_key() {
    let plain = network(1, false, &[(2, Some(key(2))), (5, Some(key(5)))]);
    assert_eq!(peers(&fabric(vec![plain.clone()])), None);
    let (one, two) = (
        network(2, true, &[(2, Some(key(2))), (3, None)]),
        network(3, true, &[(2, Some(key(2))), (4, Some(key(4)))]),
    );
    let at = |n: u8| SocketAddr::from(([192, 168, 0, n], WIREGUARD_PORT));
    let both = peers(&fabric(vec![plain, one, two])).unwrap();
    assert_eq!(both, Peers::from([(key(2), at(2)), (key(4), at(4))]));
}

#[test]
fn an_encrypted_network_meets_nobody_in_the_clear() {
    let encrypted = network(2, true, &[(2, Some(key(2))), (3, None)]);
    let met: Vec<_> = ends(&encrypted).collect();
    assert_eq!(met, [(&"n2".into(), address(&key(2)).into())]);
    let clear = network(1, false, &[(3, None), (4, Some(key(4)))]);
    let met: Vec<_> = ends(&clear).map(|(_, end)| end.to_string()).collect();
    assert_eq!(met, ["192.168.0.3", "192.168.0.4"]);
    let may: Vec<_> = clear_ends(&[encrypted, clear])
        .map(|end| end.octets()[3])
        .collect();
    assert_eq!(may, [3, 4]);
}

#[test]
fn packets_fit_into_the_lans() {
    assert_eq!((mtu(Some(1500)), tunnel_mtu(mtu(Some(1500)))), (1440, 1370));
    assert_eq!(mtu(None), 1440);
    assert_eq!((mtu(Some(1300)), tunnel_mtu(mtu(Some(1300)))), (1280, 1210));
}

proptest! {
    #[test]
    fn addresses_are_of_the_boards_and_their_own(one: [u8; 32], other: [u8; 32]) {
        let [one, other] = [one, other].map(WireguardKey);
        prop_assert!(address(&one).to_string().starts_with("fd62:7261:6d62:"));
        prop_assert_eq!(address(&one) == address(&other), one.0[..10] == other.0[..10]);
    }

    #[test]
    fn after_the_changes_the_peers_are_the_wanted_ones_and_there_is_nothing_left_to_do(
        found in prop::collection::btree_map(0..6u8, (any::<bool>(), any::<bool>()), 0..6),
        wanted in prop::collection::btree_set(0..6u8, 0..6),
    ) {
        let at = |n: u8| SocketAddr::from(([10, 0, 0, n], WIREGUARD_PORT));
        let right = |n: u8| Found { endpoint: Some(at(n)), allowed: vec![(address(&key(n)).into(), 128)] };
        let found: BTreeMap<_, _> = found.into_iter().map(|(n, (moved, open))| {
            let mut peer = right(n);
            if moved { peer.endpoint = None; }
            if open { peer.allowed.push((Ipv6Addr::UNSPECIFIED.into(), 0)); }
            (key(n), peer)
        }).collect();
        let wanted: Peers = wanted.into_iter().map(|n| (key(n), at(n))).collect();
        let mut after = found.clone();
        for change in difference(&found, &wanted) {
            match change {
                Change::Remove(key) => prop_assert!(after.remove(&key).is_some()),
                Change::Set(one, end) => {
                    let set = Found { endpoint: Some(end), allowed: vec![(address(&one).into(), 128)] };
                    prop_assert!(after.insert(one, set.clone()) != Some(set), "what is right is left alone");
                }
            }
        }
        prop_assert!(difference(&after, &wanted).is_empty());
        prop_assert!(after.keys().eq(wanted.keys()));
    }
}
