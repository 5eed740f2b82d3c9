//! A daemon killed in the middle of anything: the next one finds its way.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

mod place;

use std::{
    collections::{BTreeSet, HashSet},
    net::Ipv4Addr,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bramble_network::{Config, Network};
use exec::{Endpoint, Fabric, Overlay, Peer, Place, Virtual, Wish};
use futures::future::join_all;
use place::{
    boards::{changes, sorted},
    trace, wish, within,
};

const DIR: &str = "BRAMBLE_TEST_DAEMON_IN";
const TASKS: u16 = 6;

/// Not a test but the daemon to kill: this program is started again for it by the test below.
#[test]
#[ignore = "the other test's daemon"]
fn busy_daemon() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let network = Network::open(Config::in_run_dir(&dir)).await.unwrap();
        let wishes: Vec<_> = (0..TASKS).map(member).collect();
        // Until it is killed.
        loop {
            let _ = network.weave(fabric(0)).await;
            let (_, _) = tokio::join!(
                join_all(wishes.iter().map(|wish| network.attach(wish))),
                network.weave(fabric(30))
            );
            let _ = network.weave(Arc::default()).await;
            join_all(wishes.iter().step_by(2).map(|wish| network.detach(&wish.task))).await;
            join_all(
                wishes
                    .iter()
                    .skip(1)
                    .step_by(2)
                    .map(|wish| network.detach(&wish.task)),
            )
            .await;
        }
    });
}

#[test]
fn a_killed_daemon_s_successor_finds_its_way() {
    place::run(async |place| {
        let clean = {
            let network = place.open().await;
            network.weave(fabric(10)).await.unwrap();
            let clean = sorted(&trace(&place.dir));
            drop(network);
            clean
        };
        for round in 0..16 {
            let mut daemon = start(&place.dir);
            // Chance decides where it is hit; the delays only spread the hits.
            tokio::time::sleep(Duration::from_millis(20 + 17 * round)).await;
            daemon.kill().unwrap();
            daemon.wait().unwrap();

            let network = place.open().await;
            network.weave(fabric(10)).await.unwrap();
            let left = network.attached();
            let addresses: BTreeSet<_> = left.iter().map(|(_, attached)| attached.address).collect();
            assert_eq!(addresses.len(), left.len(), "no address twice");
            for (task, attached) in left {
                let number = (0..TASKS).find(|n| task.as_str() == format!("t{n}")).unwrap();
                let again = network.attach(&member(number)).await.unwrap();
                assert_eq!(again, attached);
                let inside = within(&attached.namespace, "ip -4 -o addr");
                assert!(inside.contains(&format!("{}/16", attached.address)));
                if number.is_multiple_of(2) {
                    assert!(inside.contains(&format!("{}/24", at(number))), "{inside}");
                    let rules = within(&attached.namespace, "nft list ruleset");
                    assert!(rules.contains("numgen inc mod 10"), "{rules}");
                }
            }
            network.retain(&HashSet::new()).await.unwrap();
            assert_eq!(changes(&clean, &sorted(&trace(&place.dir))), "", "round {round}");
        }
    });
}

/// A task's wish; half of them are in the network.
fn member(number: u16) -> Wish {
    let place = Place {
        network: "app".into(),
        address: at(number),
        prefix: 24,
    };
    Wish {
        places: number.is_multiple_of(2).then_some(place).into_iter().collect(),
        ..wish(&format!("t{number}"), &[(8000 + number, 80)])
    }
}

fn at(number: u16) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, u8::try_from(200 + number).unwrap())
}

/// A network with so many tasks on another board.
fn fabric(tasks: u8) -> Arc<Fabric> {
    let other = Peer {
        node: "other".into(),
        address: Ipv4Addr::new(10, 0, 1, 2),
        underlay: place::PEER,
        key: None,
    };
    let endpoint = |n| Endpoint {
        task: "x".into(),
        name: "x".to_owned(),
        service: "web".into(),
        node: "other".into(),
        address: Ipv4Addr::new(10, 0, 1, 10 + n),
        takes: true,
    };
    let overlay = Overlay {
        id: "app".into(),
        name: "app".to_owned(),
        vni: 0x1001,
        subnet: Ipv4Addr::new(10, 0, 1, 0),
        prefix: 24,
        board: Ipv4Addr::new(10, 0, 1, 1),
        internal: false,
        ingress: true,
        encrypted: false,
        mtu: None,
        peers: vec![other],
        endpoints: (0..tasks).map(endpoint).collect(),
        services: vec![Virtual {
            service: "web".into(),
            name: "web".to_owned(),
            aliases: Vec::new(),
            address: Some(Ipv4Addr::new(10, 0, 1, 99)),
        }],
    };
    Arc::new(Fabric {
        networks: vec![overlay],
        ..Fabric::default()
    })
}

/// The daemon, on the calling thread's board.
fn start(dir: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "busy_daemon"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}
