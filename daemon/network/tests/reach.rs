//! Who reaches whom, seen from all sides.

mod place;

use std::net::Ipv4Addr;

use exec::{HostPort, Wish};
use model::PortProtocol;
use place::{BOARD, PEER, call, call_udp, serve, sh, wish};

#[test]
fn tasks_reach_each_other_and_the_lan_under_the_board_s_address() {
    place::run(async |place| {
        let network = place.open().await;
        let a = network.attach(&wish("a", &[])).await.unwrap();
        let b = network.attach(&wish("b", &[])).await.unwrap();
        serve(Some(&b.namespace), 80, "b").await;
        serve(Some(&place.peer()), 90, "peer").await;
        assert_eq!(
            call(Some(&a.namespace), b.address, 80).await.unwrap(),
            format!("b saw {}", a.address)
        );
        assert_eq!(
            call(Some(&a.namespace), PEER, 90).await.unwrap(),
            format!("peer saw {BOARD}")
        );
        assert_eq!(
            call_udp(Some(&a.namespace), PEER, 90).await.unwrap(),
            format!("peer saw {BOARD}")
        );
        assert_eq!(
            call(None, b.address, 80).await.unwrap(),
            format!("b saw {}", b.gateway)
        );
        serve(Some(&a.namespace), 81, "a").await;
        assert_eq!(
            call(Some(&a.namespace), Ipv4Addr::LOCALHOST, 81).await.unwrap(),
            "a saw 127.0.0.1"
        );
    });
}

#[test]
fn a_host_port_is_reached_from_everywhere() {
    place::run(async |place| {
        let network = place.open().await;
        let mut asked = wish("a", &[(8080, 80)]);
        asked.host_ports.push(HostPort {
            protocol: PortProtocol::Udp,
            published: 5353,
            target: 80,
        });
        let a = network.attach(&asked).await.unwrap();
        let b = network.attach(&wish("b", &[])).await.unwrap();
        serve(Some(&a.namespace), 80, "a").await;
        let (peer, own, other) = (place.peer(), a.namespace.clone(), b.namespace.clone());
        // From the LAN the caller's address is seen.
        assert_eq!(
            call(Some(&peer), BOARD, 8080).await.unwrap(),
            format!("a saw {PEER}")
        );
        assert_eq!(
            call_udp(Some(&peer), BOARD, 5353).await.unwrap(),
            format!("a saw {PEER}")
        );
        assert_eq!(call(None, BOARD, 8080).await.unwrap(), format!("a saw {BOARD}"));
        assert_eq!(
            call(None, Ipv4Addr::LOCALHOST, 8080).await.unwrap(),
            format!("a saw {}", a.gateway)
        );
        assert_eq!(
            call_udp(None, Ipv4Addr::LOCALHOST, 5353).await.unwrap(),
            format!("a saw {}", a.gateway)
        );
        for from in [&own, &other] {
            for at in [BOARD, a.gateway] {
                // Twice: a redirect after the first packet would spoil the second call.
                for _ in 0..2 {
                    assert_eq!(
                        call(Some(from), at, 8080).await.unwrap(),
                        format!("a saw {}", a.gateway)
                    );
                }
            }
        }
        assert!(
            call(Some(&peer), BOARD, 5353).await.is_err(),
            "UDP's port is not TCP's"
        );
        // The same port of somebody else is not ours.
        serve(Some(&peer), 8080, "peer").await;
        assert_eq!(
            call(Some(&own), PEER, 8080).await.unwrap(),
            format!("peer saw {BOARD}")
        );
        network.detach(&"a".into()).await.unwrap();
        assert!(call(Some(&peer), BOARD, 8080).await.is_err());
    });
}

#[test]
fn host_ports_follow_a_changed_wish() {
    place::run(async |place| {
        let network = place.open().await;
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        serve(Some(&a.namespace), 80, "a").await;
        assert_eq!(network.attach(&wish("a", &[(8081, 80)])).await.unwrap(), a);
        assert!(call(Some(&place.peer()), BOARD, 8080).await.is_err());
        assert!(call(Some(&place.peer()), BOARD, 8081).await.is_ok());
    });
}

#[test]
fn outsiders_reach_only_what_is_published() {
    place::run(async |place| {
        let network = place.open().await;
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        serve(Some(&a.namespace), 80, "a").await;
        serve(Some(&a.namespace), 81, "a").await;
        let peer = place.peer();
        sh(&format!(
            "nsenter --net={} ip route add 172.30.0.0/16 via {BOARD}",
            peer.display()
        ));
        assert!(
            call(Some(&peer), a.address, 80).await.is_err(),
            "by its own address"
        );
        assert!(call(Some(&peer), a.address, 81).await.is_err());
        assert!(call(Some(&peer), BOARD, 8080).await.is_ok());
    });
}

#[test]
fn the_board_s_loopback_is_out_of_a_task_s_reach() {
    place::run(async |place| {
        let network = place.open().await;
        let a = network.attach(&wish("a", &[])).await.unwrap();
        serve(None, 70, "board").await;
        // A hostile task may bend its own routes.
        sh(&format!(
            "nsenter --net={} sh -ec 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip addr del 127.0.0.1/8 dev lo
             ip route flush table local; ip route add local {} dev eth0 table local
             ip route add 127.0.0.1 via {} dev eth0'",
            a.namespace.display(), a.address, a.gateway
        ));
        assert!(
            call(Some(&a.namespace), a.gateway, 70).await.is_ok(),
            "the bent routes work"
        );
        assert!(call(Some(&a.namespace), Ipv4Addr::LOCALHOST, 70).await.is_err());
    });
}

#[test]
fn sctp_ports_are_accepted_by_the_filter() {
    place::run(async |place| {
        let network = place.open().await;
        let port = HostPort {
            protocol: PortProtocol::Sctp,
            published: 9899,
            target: 99,
        };
        let a = network
            .attach(&Wish {
                task: "a".into(),
                host_ports: vec![port],
                ..Wish::default()
            })
            .await
            .unwrap();
        assert!(sh("nft list ruleset").contains(&format!("sctp . 9899 : {} . 99", a.address)));
    });
}
