//! Tasks of three boards in one network.

mod place;

use std::collections::BTreeMap;

use place::{
    ask,
    boards::{APP, Boards, CALLER, IDLE, MESH, WEB, at, gate, lan},
    call, call_udp, ping, serve, within,
};

#[test]
fn tasks_of_all_boards_are_neighbours() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        for (task, name) in tasks.iter().zip(["a", "b", "c"]) {
            serve(Some(&task.namespace), 80, name).await;
        }
        for from in 0..3 {
            for (to, name) in ["a", "b", "c"].into_iter().enumerate() {
                for vni in [APP, MESH] {
                    let (own, other) = (at(vni, 11 + from), at(vni, 11 + u8::try_from(to).unwrap()));
                    let said = format!("{name} saw {own}");
                    let here = Some(tasks[usize::from(from)].namespace.as_path());
                    assert_eq!(call(here, other, 80).await.unwrap(), said);
                    assert_eq!(call_udp(here, other, 80).await.unwrap(), said);
                }
            }
        }
        let inner = within(&tasks[0].namespace, "ip -o link");
        assert_eq!(inner.matches("mtu 1450").count(), 2, "{inner}");
    });
}

#[test]
fn a_virtual_address_is_served_in_turn() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        for (task, name) in tasks.iter().zip(["a", "b", "c"]) {
            serve(Some(&task.namespace), 80, name).await;
        }
        for (n, task) in tasks.iter().enumerate() {
            let own = at(APP, 11 + u8::try_from(n).unwrap());
            let answers = ask(Some(&task.namespace), WEB, 80, 30).await;
            let all = ["a", "b", "c"].map(|name| (format!("{name} saw {own}"), 10));
            assert_eq!(answers, BTreeMap::from(all));
            assert!(ping(Some(&task.namespace), WEB).await);
            let refused = call(Some(&task.namespace), IDLE, 80).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            // The kernel refuses to send, rather than to hear of it.
            let refused = call_udp(Some(&task.namespace), IDLE, 80).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        }
        boards.tasks[1].takes = false;
        boards.weave().await;
        let answers = ask(Some(&tasks[0].namespace), WEB, 80, 30).await;
        let own = at(APP, 11);
        assert_eq!(
            answers,
            BTreeMap::from([(format!("a saw {own}"), 15), (format!("c saw {own}"), 15)])
        );
    });
}

#[test]
fn an_internal_network_has_no_way_out() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        boards.internal = true;
        let tasks = boards.populate().await;
        serve(Some(&tasks[1].namespace), 80, "b").await;
        serve(None, 90, "lan").await;
        serve(Some(&boards.boards[0].namespace()), 91, "board").await;
        let a = Some(tasks[0].namespace.as_path());
        assert!(call(a, at(APP, 12), 80).await.is_ok());
        assert!(call(a, CALLER, 90).await.is_err());
        for gate in [tasks[0].gateway, lan(0), gate(APP, 0), gate(MESH, 0)] {
            assert!(call(a, gate, 91).await.is_err(), "{gate}");
        }
        // A hostile task may bend its own routes and rules.
        within(
            &tasks[0].namespace,
            &format!("ip route add default via {}", tasks[0].gateway),
        );
        within(&tasks[0].namespace, "nft delete table ip bramble");
        assert!(call(a, CALLER, 90).await.is_err());
        assert!(call(a, tasks[0].gateway, 91).await.is_err());
        within(
            &tasks[0].namespace,
            &format!("ip route replace default via {}", gate(APP, 0)),
        );
        assert!(call(a, CALLER, 90).await.is_err());
        assert!(call(a, gate(APP, 0), 91).await.is_err());
    });
}
