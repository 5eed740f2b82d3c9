//! Whatever happens to a board: after the next weaving it is what managers tell.

mod place;

use std::collections::HashSet;

use exec::Attached;
use place::{
    ask,
    boards::{APP, Board, Boards, MESH, WEB, changes, lan, sorted},
    call, serve, within,
};

/// A board and one of its tasks, as text to compare.
fn all(board: &Board, task: &Attached) -> String {
    let inside = "ip -o link | cut -d: -f2,3 | sed s/@if[0-9]*//; ip -4 -o addr | tr -s ' ' | cut -d' ' -f2,4
        ip -4 route show table all; ip rule; nft list ruleset; grep . /proc/sys/net/ipv4/conf/*/rp_filter";
    let lines = inside.replace('\n', ";");
    board.trace() + &sorted(&within(&task.namespace, &format!("sh -ec \"{lines}\"")))
}

#[test]
fn a_restarted_daemon_mends_all_that_was_broken() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        for (task, name) in tasks.iter().zip(["a", "b", "c"]) {
            serve(Some(&task.namespace), 80, name).await;
        }
        let task = &tasks[0];
        let before = all(&boards.boards[0], task);
        boards.weave().await;
        assert_eq!(
            changes(&before, &all(&boards.boards[0], task)),
            "",
            "told the same again"
        );
        let seat = format!("ip link del b{APP:06x}0a00010b");
        let breakages = [
            format!("ip link del bramble-{APP:06x}; ip link del bramblex-{MESH:06x}"),
            format!("ip link set bramble-{MESH:06x} down; ip addr add 10.0.0.99/24 dev bramble-{MESH:06x}"),
            format!("ip link set bramblex-{APP:06x} nomaster; ip link set bramble-{APP:06x} mtu 1300"),
            format!(
                "ip link del bramblex-{APP:06x}; ip link add bramblex-{APP:06x} type vxlan id 9 dstport 4789"
            ),
            format!(
                "ip neigh flush nud permanent dev bramble-{APP:06x}; bridge fdb del 02:42:0a:00:01:0c dev bramblex-{APP:06x} self"
            ),
            format!("bridge fdb replace 02:42:0a:00:01:0c dev bramblex-{APP:06x} dst 10.8.0.13 self"),
            format!(
                "bridge fdb add 02:42:0a:00:01:63 dev bramblex-{APP:06x} master static; ip neigh add 10.0.1.99 lladdr 02:42:0a:00:01:63 dev bramble-{APP:06x}"
            ),
            "nft delete table inet bramble".to_owned(),
            seat,
            format!(
                "ip link add bramble-00beef type bridge; ip link add b00beef0a000001 type veth peer name x; ip link set b{APP:06x}0a00010b nomaster"
            ),
            format!(
                "nsenter --net={} sh -ec \"nft delete table ip bramble; ip rule flush; ip rule add lookup main priority 32766; ip rule add lookup default priority 32767; ip link set eth2 mtu 1400; ip addr del 10.0.1.11/24 dev eth1\"",
                task.namespace.display()
            ),
            format!(
                "rm {0}/fabric.json; nft delete table inet bramble",
                boards.boards[0].dir.display()
            ),
            format!(
                "echo 7 > {0}/fabric.json; rm {0}/network.json",
                boards.boards[0].dir.display()
            ),
        ];
        for breakage in breakages {
            let board = &mut boards.boards[0];
            board.shut();
            board.sh(&breakage);
            board.reopen().await;
            boards.weave_one(0).await;
            assert_eq!(changes(&before, &all(&boards.boards[0], task)), "", "{breakage}");
            let answers = ask(None, lan(0), 8080, 3).await;
            assert_eq!(answers.len(), 3, "{breakage}: {answers:?}");
            let answers = ask(Some(&task.namespace), WEB, 80, 3).await;
            assert_eq!(answers.len(), 3, "{breakage}: {answers:?}");
        }
        // Also a daemon that goes on sees at the next weaving what links are gone.
        boards.boards[0].sh(&format!(
            "ip link del bramble-{APP:06x}; ip link del b{MESH:06x}0a00000b"
        ));
        boards.weave_one(0).await;
        assert_eq!(changes(&before, &all(&boards.boards[0], task)), "");
    });
}

#[test]
fn connections_outlive_the_daemon_and_its_news() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        for (task, name) in tasks.iter().zip(["a", "b", "c"]) {
            serve(Some(&task.namespace), 80, name).await;
        }
        boards.boards[0].shut();
        assert_eq!(ask(None, lan(0), 8080, 6).await.len(), 3, "with nobody at home");
        boards.boards[0].reopen().await;
        assert_eq!(
            ask(None, lan(0), 8080, 6).await.len(),
            3,
            "before it is told anything"
        );
    });
}

#[test]
fn a_network_goes_with_its_last_task() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        serve(Some(&tasks[0].namespace), 80, "a").await;
        let links = |boards: &Boards| boards.boards[0].sh("ip -o link");
        boards.app = false;
        boards.weave().await;
        assert!(links(&boards).contains("bramble-001001"), "a task is in it");
        assert!(call(Some(&tasks[0].namespace), WEB, 80).await.is_ok());
        boards.boards[0].shut();
        boards.boards[0].reopen().await;
        boards.weave().await;
        assert!(links(&boards).contains("bramble-001001"));
        boards.boards[0].network().detach(&"a".into()).await.unwrap();
        let left = links(&boards);
        for gone in ["bramble-001001", "bramblex-001001", "0a00010b", "0a00000b"] {
            assert!(!left.contains(gone), "{gone} in {left}");
        }
        assert!(left.contains("bramble-001000"), "the mesh's stays");
    });
}

#[test]
fn closing_leaves_nothing() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        boards.boards[0].sh(
            "nft add table inet theirs; ip link add theirs type bridge; ip addr add 10.77.0.1/24 dev theirs",
        );
        boards.boards[0].network().close().await.unwrap();
        let before = boards.boards[0].trace();
        boards.boards[0].reopen().await;
        boards.populate().await;
        assert_ne!(boards.boards[0].trace(), before);
        boards.boards[0].network().close().await.unwrap();
        assert_eq!(changes(&before, &boards.boards[0].trace()), "");
    });
}

#[test]
fn a_place_in_an_unknown_network_waits() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        boards.add("a", 0, 11);
        let before = boards.boards[0].trace();
        let refused = boards.try_attach("a").await.unwrap_err();
        assert!(
            refused.to_string().contains("not been told of network"),
            "{refused}"
        );
        assert_eq!(changes(&before, &boards.boards[0].trace()), "");
        boards.weave().await;
        let a = boards.attach("a").await;
        assert_eq!(boards.attach("a").await, a, "told again");
        boards.add("b", 0, 11);
        let taken = boards.try_attach("b").await.unwrap_err();
        assert!(taken.to_string().contains("still belongs to a"), "{taken}");
        boards.boards[0].network().retain(&HashSet::new()).await.unwrap();
        boards.attach("b").await;
    });
}
