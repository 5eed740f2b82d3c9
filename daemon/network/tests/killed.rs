//! A daemon killed in the middle of anything: the next one finds its way.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

mod place;

use std::{
    collections::{BTreeSet, HashSet},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bramble_network::{Config, Network};
use futures::future::join_all;
use place::{sh, trace, wish};

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
        let wishes: Vec<_> = (0..TASKS)
            .map(|n| wish(&format!("t{n}"), &[(8000 + n, 80)]))
            .collect();
        // Until it is killed.
        loop {
            join_all(wishes.iter().map(|wish| network.attach(wish))).await;
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
            let clean = trace(&place.dir);
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
            let left = network.attached();
            let addresses: BTreeSet<_> = left.iter().map(|(_, attached)| attached.address).collect();
            assert_eq!(addresses.len(), left.len(), "no address twice");
            for (task, attached) in left {
                let ports = (0..TASKS)
                    .find(|n| task.as_str() == format!("t{n}"))
                    .map(|n| (8000 + n, 80));
                let again = network
                    .attach(&wish(task.as_str(), &[ports.unwrap()]))
                    .await
                    .unwrap();
                assert_eq!(again, attached);
                let inside = sh(&format!(
                    "nsenter --net={} ip -4 -o addr",
                    attached.namespace.display()
                ));
                assert!(inside.contains(&format!("{}/16", attached.address)));
            }
            network.retain(&HashSet::new()).await.unwrap();
            assert_eq!(trace(&place.dir), clean, "round {round}");
        }
    });
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
