//! Coming, going, coming back.

mod place;

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use bramble_network::{Error, Network};
use futures::future::join_all;
use model::TaskId;
use place::{BOARD, call, serve, sh, trace, wish};

#[test]
fn attaching_and_detaching_may_be_repeated() {
    place::run(async |place| {
        let network = place.open().await;
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        let before = trace(&place.dir);
        assert_eq!(network.attach(&wish("a", &[(8080, 80)])).await.unwrap(), a);
        assert_eq!(trace(&place.dir), before);
        assert_eq!(network.attached(), [("a".into(), a)]);
        network.detach(&"a".into()).await.unwrap();
        network.detach(&"a".into()).await.unwrap();
        network.detach(&"never-there".into()).await.unwrap();
        assert!(network.attached().is_empty());
        assert!(!trace(&place.dir).contains("/netns/a"));
    });
}

#[test]
fn thirty_at_once_have_thirty_addresses() {
    place::run(async |place| {
        let network = place.open().await;
        let wishes: Vec<_> = (0..30)
            .map(|n| wish(&format!("t{n}"), &[(8000 + n, 80)]))
            .collect();
        let all = join_all(wishes.iter().map(|wish| network.attach(wish))).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(all.iter().map(|a| a.address).collect::<BTreeSet<_>>().len(), 30);
        serve(Some(&all[29].namespace), 80, "last").await;
        assert!(call(Some(&all[0].namespace), all[29].address, 80).await.is_ok());
        assert!(call(Some(&place.peer()), BOARD, 8029).await.is_ok());
        let gone = join_all(wishes.iter().map(|wish| network.detach(&wish.task))).await;
        assert!(gone.into_iter().all(|result| result.is_ok()));
        assert!(!sh("ip -o link").contains("bt"));
        assert!(!sh("nft list ruleset").contains("elements"));
    });
}

#[test]
fn closing_leaves_no_trace() {
    place::run(async |place| {
        sh("nft 'add table inet theirs; add chain inet theirs c'");
        let before = trace(&place.dir);
        let network = place.open().await;
        network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        network.attach(&wish("b", &[])).await.unwrap();
        assert_ne!(trace(&place.dir), before);
        // Also when it was opened twice: who switched forwarding on is not forgotten.
        let network = reopened(network, &place).await;
        network.close().await.unwrap();
        assert_eq!(trace(&place.dir), before);
        assert_eq!(network.attach(&wish("a", &[])).await, Err(Error::Closed));
    });
}

#[test]
fn forwarding_that_the_owner_switched_on_stays_on() {
    place::run(async |place| {
        sh("echo 1 > /proc/sys/net/ipv4/ip_forward");
        place.open().await.close().await.unwrap();
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    });
}

#[test]
fn a_restarted_daemon_keeps_what_is_there() {
    place::run(async |place| {
        sh("nft 'add table inet theirs; add chain inet theirs c'");
        let network = place.open().await;
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        serve(Some(&a.namespace), 80, "a").await;
        let before = trace(&place.dir);
        let network = reopened(network, &place).await;
        assert_eq!(trace(&place.dir), before);
        assert_eq!(network.attached(), [("a".into(), a.clone())]);
        assert!(call(Some(&place.peer()), BOARD, 8080).await.is_ok());
        assert_ne!(network.attach(&wish("b", &[])).await.unwrap().address, a.address);
        assert!(matches!(
            network.attach(&wish("c", &[(8080, 1)])).await,
            Err(Error::PortTaken { .. })
        ));
    });
}

#[test]
fn a_restarted_daemon_mends_what_was_broken() {
    place::run(async |place| {
        let network = place.open().await;
        let clean = trace(&place.dir);
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        serve(Some(&a.namespace), 80, "a").await;
        let before = trace(&place.dir);
        let breakages = [
            "ip link del bramble0",
            "ip link set bramble0 down; ip addr add 172.30.99.1/16 dev bramble0",
            "ip link del $(ip -o link | grep -o 'bt[0-9a-f]\\{8\\}' | head -1)",
            "nft delete table inet bramble",
            "nft add rule inet bramble arriving drop; nft flush map inet bramble host_ports",
            "nsenter --net=$D/netns/a sh -ec 'ip link set lo down; ip route del default; ip addr add 172.30.9.9/16 dev eth0'",
            "nsenter --net=$D/netns/a ip link set eth0 down",
            "ip link add btac1efff0 type veth peer name x; touch $D/netns/b",
            "touch $D/netns/c; ip link add btac1e00ff type bridge",
        ];
        let mut network = network;
        for breakage in breakages {
            drop(network);
            sh(&format!("D={}; {breakage}", place.dir.display()));
            assert_ne!(
                trace(&place.dir) + &sh(&inner(&a)),
                before.clone() + "whole",
                "{breakage}"
            );
            network = place.open().await;
            assert_eq!(
                trace(&place.dir) + &sh(&inner(&a)),
                before.clone() + "whole",
                "{breakage}"
            );
            assert_eq!(network.attached(), [("a".into(), a.clone())], "{breakage}");
            let answer = call(Some(&place.peer()), BOARD, 8080).await;
            assert!(answer.is_ok(), "{breakage}: {answer:?}");
        }
        network.detach(&"a".into()).await.unwrap();
        assert_eq!(trace(&place.dir), clean);
    });
}

#[test]
fn lost_notes_are_made_up_for_by_the_kernel() {
    place::run(async |place| {
        let mut network = place.open().await;
        let a = network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        for loss in ["rm", "truncate -s 7"] {
            drop(network);
            sh(&format!("{loss} {}", place.config().state_file.display()));
            network = place.open().await;
            assert_eq!(network.attached(), [("a".into(), a.clone())]);
            assert_eq!(network.attach(&wish("a", &[(8080, 80)])).await.unwrap(), a);
        }
    });
}

#[test]
fn leftovers_of_unwanted_tasks_go() {
    place::run(async |place| {
        let network = place.open().await;
        for task in ["a", "b", "c"] {
            network.attach(&wish(task, &[])).await.unwrap();
        }
        network
            .retain(&HashSet::from(["b".into(), "unknown".into()]))
            .await
            .unwrap();
        let left: Vec<TaskId> = network.attached().into_iter().map(|(task, _)| task).collect();
        assert_eq!(left, ["b".into()]);
        assert_eq!(sh(&format!("ls {}", place.config().netns_dir.display())), "b\n");
    });
}

#[test]
fn a_taken_port_is_refused_with_its_owner() {
    place::run(async |place| {
        let network = place.open().await;
        network.attach(&wish("a", &[(8080, 80)])).await.unwrap();
        let refused = network.attach(&wish("b", &[(8080, 81)])).await;
        assert_eq!(
            refused,
            Err(Error::PortTaken {
                port: 8080,
                by: "a".into()
            })
        );
        serve(None, 2377, "daemon").await;
        let refused = network.attach(&wish("b", &[(2377, 80)])).await;
        assert_eq!(
            refused,
            Err(Error::PortTaken {
                port: 2377,
                by: "another program".into()
            })
        );
        assert_eq!(network.attached().len(), 1);
        network.detach(&"a".into()).await.unwrap();
        network.attach(&wish("b", &[(8080, 81)])).await.unwrap();
    });
}

#[test]
fn a_failure_is_its_own_and_leaves_nothing() {
    place::run(async |place| {
        let network = place.open().await;
        let dir = place.config().netns_dir.join("bad");
        std::fs::create_dir(&dir).unwrap();
        let (bad, good) = (wish("bad", &[(8080, 80)]), wish("good", &[(8081, 80)]));
        let (bad, good) = tokio::join!(network.attach(&bad), network.attach(&good));
        assert!(matches!(bad, Err(Error::Kernel { .. })), "{bad:?}");
        good.unwrap();
        assert_eq!(network.attached().len(), 1);
        network.attach(&wish("other", &[(8080, 80)])).await.unwrap();
    });
}

#[test]
fn an_impatient_caller_leaves_nothing_half_done() {
    place::run(async |place| {
        let network = place.open().await;
        let asked = wish("a", &[(8080, 80)]);
        let _ = tokio::time::timeout(Duration::from_millis(1), network.attach(&asked)).await;
        network.detach(&asked.task).await.unwrap();
        assert!(network.attached().is_empty());
        assert!(!sh("ip -o link").contains("bt"));
    });
}

/// "whole" if a task's inside is as it was made.
fn inner(a: &exec::Attached) -> String {
    format!(
        "nsenter --net={} sh -c 'ip -o link | grep -q lo.*,UP && ip -o link | grep -q eth0.*,UP &&
         ip route | grep -q default && ! ip addr | grep -q 172.30.9.9 && printf whole || true'",
        a.namespace.display()
    )
}

async fn reopened(network: Network, place: &place::Place) -> Network {
    // The old one is idle, so dropping its handle is its end.
    drop(network);
    place.open().await
}
