//! The routing mesh: every board answers, and the caller's own address is seen.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

mod place;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    time::Duration,
};

use exec::Attached;
use place::{
    ask,
    boards::{APP, Boards, CALLER, MESH, WEB, at, gate, lan},
    call, call_udp, inside, serve,
};

const NAMES: [&str; 3] = ["a", "b", "c"];

async fn serving(boards: &mut Boards) -> Vec<Attached> {
    let tasks = boards.populate().await;
    for (task, name) in tasks.iter().zip(NAMES) {
        serve(Some(&task.namespace), 80, name).await;
    }
    tasks
}

/// What is heard of thirty calls that go to three tasks in turn.
fn thirds(seen: Ipv4Addr) -> BTreeMap<String, usize> {
    NAMES.map(|name| (format!("{name} saw {seen}"), 10)).into()
}

#[test]
fn every_board_answers_in_turn_and_the_caller_is_seen() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let _tasks = serving(&mut boards).await;
        for board in 0..3 {
            assert_eq!(
                ask(None, lan(board), 8080, 30).await,
                thirds(CALLER),
                "board {board}"
            );
            for _ in 0..3 {
                let answer = call_udp(None, lan(board), 8080).await.unwrap();
                assert!(answer.ends_with(&format!("saw {CALLER}")), "{answer}");
            }
            // The board itself, and its neighbour.
            let here = boards.boards[board].namespace();
            assert_eq!(ask(Some(&here), lan(board), 8080, 30).await, thirds(lan(board)));
            assert_eq!(
                ask(Some(&here), Ipv4Addr::LOCALHOST, 8080, 30).await,
                thirds(gate(MESH, board))
            );
            assert_eq!(
                ask(Some(&here), lan((board + 1) % 3), 8080, 30).await,
                thirds(lan(board))
            );
            let refused = call(None, lan(board), 8081).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
            let refused = call_udp(None, lan(board), 8081).await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn a_program_of_the_board_keeps_its_port() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let _tasks = serving(&mut boards).await;
        let here = boards.boards[0].namespace();
        serve(Some(&here), 8080, "program").await;
        // From outside at once; the board's own calls once it has looked again.
        let own = |seen| BTreeMap::from([(format!("program saw {seen}"), 6)]);
        assert_eq!(ask(None, lan(0), 8080, 6).await, own(CALLER));
        assert_eq!(ask(None, lan(1), 8080, 30).await, thirds(CALLER));
        boards.weave().await;
        assert_eq!(ask(Some(&here), lan(0), 8080, 6).await, own(lan(0)));
        // Also while nobody is behind the port.
        for task in &mut boards.tasks {
            task.takes = false;
        }
        boards.weave().await;
        assert_eq!(ask(None, lan(0), 8080, 6).await, own(CALLER));
        let refused = call(None, lan(1), 8080).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_task_may_call_its_own_published_port() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = serving(&mut boards).await;
        let task = &tasks[0];
        for at in [lan(0), task.gateway] {
            assert_eq!(
                ask(Some(&task.namespace), at, 8080, 30).await,
                thirds(gate(MESH, 0))
            );
        }
        assert_eq!(ask(Some(&task.namespace), lan(1), 8080, 30).await, thirds(lan(0)));
    });
}

#[test]
fn outsiders_do_not_get_into_the_networks() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let _tasks = serving(&mut boards).await;
        for subnet in [at(APP, 0), at(MESH, 0)] {
            place::sh(&format!("ip route add {subnet}/24 via {}", lan(0)));
        }
        for address in [at(APP, 11), at(MESH, 11)] {
            assert!(call(None, address, 80).await.is_err(), "{address}");
        }
        // Nor by a tunnel of their own.
        place::sh(&format!(
            "ip route del {0}/24; ip link add vx type vxlan id {APP} dstport 4789 remote {1}; ip addr add 10.0.1.77/24 dev vx
             ip link set vx up; ip neigh add 10.0.1.11 dev vx lladdr 02:42:0a:00:01:0b",
            at(APP, 0), lan(0)
        ));
        let before = received(&boards.boards[0]);
        assert!(call(None, at(APP, 11), 80).await.is_err());
        assert_eq!(
            received(&boards.boards[0]),
            before,
            "nothing came out of the tunnel"
        );
    });
}

/// How many packets came out of a board's tunnel.
fn received(board: &place::boards::Board) -> String {
    board.sh(&format!("ip -s link show bramblex-{APP:06x} | sed -n 4p"))
}

#[test]
fn who_takes_no_more_may_finish_and_who_is_gone_is_cut() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        for task in &tasks {
            echo(Some(&task.namespace)).await;
        }
        boards.tasks[0].takes = false;
        boards.tasks[2].takes = false;
        boards.weave().await;
        let mut line = dial(None, lan(0)).await;
        assert!(alive(&mut line));
        boards.tasks[1].takes = false;
        boards.tasks[2].takes = true;
        boards.weave().await;
        assert!(alive(&mut line), "it may finish");
        let mut other = dial(None, lan(0)).await;
        assert!(alive(&mut other));
        // Who waits for an answer, too: a caller on the LAN, the board itself, a task by the virtual address.
        let board = boards.boards[0].namespace();
        boards.tasks[1].takes = true;
        boards.tasks[2].takes = false;
        boards.weave().await;
        let waiting = [
            dial(None, lan(0)).await,
            dial(None, lan(1)).await,
            dial(Some(&board), lan(0)).await,
            dial(Some(&board), Ipv4Addr::LOCALHOST).await,
            dial_port(Some(&tasks[2].namespace), WEB, 80).await,
        ];
        boards.tasks.remove(1);
        boards.weave().await;
        boards.boards[1].network().detach(&"b".into()).await.unwrap();
        for (n, mut one) in waiting.into_iter().enumerate() {
            let heard = one.read(&mut [0; 1]).unwrap_err();
            assert_eq!(heard.kind(), std::io::ErrorKind::ConnectionReset, "{n}");
        }
        assert!(!alive(&mut line), "cut");
        assert!(alive(&mut other), "another's");
    });
}

#[test]
fn one_port_of_a_caller_may_call_by_two_boards() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = boards.populate().await;
        echo(Some(&tasks[2].namespace)).await;
        boards.tasks[0].takes = false;
        boards.tasks[1].takes = false;
        boards.weave().await;
        let mut lines: Vec<TcpStream> = (0..3).map(|board| dial_from(40_000, lan(board))).collect();
        for line in &mut lines {
            assert!(alive(line));
        }
    });
}

/// Calls a board from a port of the caller's choice.
fn dial_from(port: u16, board: Ipv4Addr) -> TcpStream {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
    };
    use std::os::fd::AsRawFd;
    let own = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    setsockopt(&own, sockopt::ReuseAddr, &true).unwrap();
    let [a, b, c, d] = CALLER.octets();
    bind(own.as_raw_fd(), &SockaddrIn::new(a, b, c, d, port)).unwrap();
    let [a, b, c, d] = board.octets();
    connect(own.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 8080)).unwrap();
    let stream = TcpStream::from(own);
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream
}

#[test]
fn datagrams_go_to_who_is_there() {
    place::run(async |place| {
        let mut boards = Boards::new(&place.dir).await;
        let tasks = serving(&mut boards).await;
        boards.tasks[2].takes = false;
        boards.tasks[0].takes = false;
        boards.weave().await;
        let lan_socket = datagrams(None, lan(0), 8080).await;
        let task_socket = datagrams(Some(&tasks[2].namespace), WEB, 80).await;
        for socket in [&lan_socket, &task_socket] {
            assert!(heard(socket).starts_with("b saw"));
        }
        boards.tasks[0].takes = true;
        boards.weave().await;
        for socket in [&lan_socket, &task_socket] {
            assert!(heard(socket).starts_with("b saw"), "it is still there");
        }
        boards.tasks.remove(1);
        boards.weave().await;
        for socket in [&lan_socket, &task_socket] {
            assert!(heard(socket).starts_with("a saw"));
        }
    });
}

async fn datagrams(from: Option<&Path>, address: Ipv4Addr, port: u16) -> UdpSocket {
    inside(from, move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.connect((address, port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket
    })
    .await
}

fn heard(socket: &UdpSocket) -> String {
    socket.send(b"?").unwrap();
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// Says back whatever it hears, at port 80.
async fn echo(namespace: Option<&Path>) {
    inside(namespace, || {
        let server = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).unwrap();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = server.accept() {
                std::thread::spawn(move || {
                    let mut heard = [0; 1];
                    while stream.read_exact(&mut heard).is_ok() && stream.write_all(&heard).is_ok() {}
                });
            }
        });
    })
    .await;
}

async fn dial(from: Option<&Path>, board: Ipv4Addr) -> TcpStream {
    dial_port(from, board, 8080).await
}

async fn dial_port(from: Option<&Path>, address: Ipv4Addr, port: u16) -> TcpStream {
    inside(from, move || {
        let patience = Duration::from_secs(2);
        let stream = TcpStream::connect_timeout(&SocketAddr::from((address, port)), patience).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        stream
    })
    .await
}

/// Whether the other end says back what it is told.
fn alive(line: &mut TcpStream) -> bool {
    line.write_all(b"?").is_ok() && line.read_exact(&mut [0; 1]).is_ok()
}
