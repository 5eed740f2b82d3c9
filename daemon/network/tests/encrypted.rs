//! Networks that go encrypted from board to board; on a kernel without WireGuard, that they do not go at all.
//! `tests/vm/run network` runs it on one that has it.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes helpers outside test functions for no tests"
)]

mod place;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
        sockopt::ReceiveTimeout,
    },
    time::{TimeVal, TimeValLike},
};
use place::{
    ask,
    boards::{APP, Boards, MESH, WEB, at, changes, lan},
    call, call_udp, inside, serve, sh, within,
};

/// What tasks say to each other, to be looked for on the LAN.
const NAMES: [&str; 3] = ["password-a", "password-b", "password-c"];

/// Boards with a task each in an encrypted network; none if this machine's kernel has no WireGuard.
async fn encrypted(place: &place::Place) -> Option<(Boards, Vec<exec::Attached>)> {
    let mut boards = Boards::new(&place.dir).await;
    boards.encrypted = true;
    if boards.boards[0].network().wireguard().await.unwrap().is_none() {
        refuses(boards).await;
        return None;
    }
    let tasks = boards.populate().await;
    for (task, name) in tasks.iter().zip(NAMES) {
        serve(Some(&task.namespace), 80, name).await;
    }
    Some((boards, tasks))
}

/// Without WireGuard nothing of the network leaves the board, and the others go on.
async fn refuses(mut boards: Boards) {
    let plain = |boards: &mut Boards, encrypted| {
        boards.encrypted = encrypted;
        boards.fabric(0)
    };
    // It may have been in the clear by another daemon's mistake: then there is a tunnel already.
    let before = plain(&mut boards, false);
    boards.boards[0].network().weave(Arc::new(before)).await.unwrap();
    let after = plain(&mut boards, true);
    let refused = boards.boards[0].network().weave(Arc::new(after)).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "network app is encrypted, and this board's kernel has no WireGuard: nothing of it is sent in the clear"
    );
    let links = boards.boards[0].sh("ip -o link");
    assert!(!links.contains(&format!("bramblex-{APP:06x}")), "{links}");
    assert!(links.contains(&format!("bramblex-{MESH:06x}")), "{links}");
}

/// Every packet that passes the LAN.
struct Ear(OwnedFd);

impl Ear {
    fn open() -> Self {
        let all = SockProtocol::EthAll;
        let ear = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all).unwrap();
        setsockopt(&ear, ReceiveTimeout, &TimeVal::seconds(5)).unwrap();
        Ear(ear)
    }

    /// The next one; none if nothing comes for five seconds, or at once for what is only looked at.
    fn next(&self, flags: MsgFlags) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 70_000];
        match recv(self.0.as_raw_fd(), &mut buffer, flags) {
            Ok(length) => Some(buffer[..length].to_vec()),
            Err(error) if std::io::Error::from(error).kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// What was heard since the last time.
    fn heard(&self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.next(MsgFlags::MSG_DONTWAIT)).collect()
    }

    /// The first encrypted packet that comes.
    fn encrypted(&self) -> Vec<u8> {
        let mut all = std::iter::from_fn(|| self.next(MsgFlags::empty()));
        all.find(|frame| udp_port(frame) == Some(4790))
            .expect("an encrypted packet")
    }
}

/// The UDP port that an IPv4 packet in an Ethernet frame goes to.
fn udp_port(frame: &[u8]) -> Option<u16> {
    let ip = frame.strip_prefix(&frame[..12])?.strip_prefix(&[8, 0])?;
    let udp = ip.get(usize::from(ip[0] & 15) * 4..)?;
    (ip[9] == 17).then(|| u16::from_be_bytes([udp[2], udp[3]]))
}

fn says(frame: &[u8], text: &str) -> bool {
    frame.windows(text.len()).any(|part| part == text.as_bytes())
}

/// What goes to a task of another board, by a network, and what the LAN heard of it.
async fn passes(ear: &Ear, from: &exec::Attached, vni: u32, to: usize) -> Vec<Vec<u8>> {
    ear.heard();
    let address = at(vni, 11 + u8::try_from(to).unwrap());
    let here = Some(from.namespace.as_path());
    for answer in [call(here, address, 80).await, call_udp(here, address, 80).await] {
        assert!(answer.unwrap().starts_with(NAMES[to]));
    }
    ear.heard()
}

#[test]
fn nothing_of_an_encrypted_network_is_to_be_read_on_the_lan() {
    place::run(async |place| {
        let Some((boards, tasks)) = encrypted(&place).await else {
            return;
        };
        let ear = Ear::open();
        // The ear hears well: the mesh's network goes in the clear.
        let clear = passes(&ear, &tasks[0], MESH, 1).await;
        assert!(clear.iter().any(|frame| says(frame, NAMES[1])));
        assert!(clear.iter().any(|frame| udp_port(frame) == Some(4789)));
        for (from, to) in [(0, 1), (1, 0), (2, 0), (0, 2), (1, 2)] {
            let heard = passes(&ear, &tasks[from], APP, to).await;
            assert!(heard.iter().any(|frame| udp_port(frame) == Some(4790)));
            for frame in &heard {
                assert!(!says(frame, "password"), "{frame:?}");
                assert_ne!(udp_port(frame), Some(4789), "{frame:?}");
            }
        }
        // The largest packet of a task is one as large as the LAN carries: 1,500 bytes and Ethernet's 14.
        let inner = within(&tasks[0].namespace, "ip -o link show eth1");
        assert!(inner.contains("mtu 1370"), "{inner}");
        ear.heard();
        send(&tasks[0], (at(APP, 12), 9).into(), &[0; 1370 - 28]).await;
        assert_eq!(ear.encrypted().len(), 1514);
        let key = boards.boards[0].dir.join("wireguard.key");
        assert_eq!(sh(&format!("stat -c %a:%s {}", key.display())).trim(), "600:32");
    });
}

/// Sends a datagram from inside a task.
async fn send(from: &exec::Attached, to: SocketAddr, text: &[u8]) {
    let text = text.to_vec();
    inside(Some(&from.namespace), move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.send_to(&text, to).unwrap();
    })
    .await;
}

/// A datagram that a stranger on the LAN puts into a network's tunnel to board 1, where a task listens; then one of the third
/// board's task. What the listener got, in order.
async fn forge(tasks: &[exec::Attached], vni: u32) -> Vec<String> {
    let listener = inside(Some(&tasks[0].namespace), || {
        let socket = UdpSocket::bind("0.0.0.0:90").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    })
    .await;
    let (stranger, listens, mac) = (at(vni, 12), at(vni, 11), if vni == APP { "01" } else { "00" });
    sh(&format!(
        "ip link add forged type vxlan id {vni} dstport 4789 local {}; ip link set forged up
         ip addr add {stranger}/24 dev forged; bridge fdb add 02:42:0a:00:{mac}:0b dev forged dst {}
         ip neigh replace {listens} lladdr 02:42:0a:00:{mac}:0b dev forged",
        lan(1),
        lan(0),
    ));
    let socket = UdpSocket::bind((stranger, 0)).unwrap();
    socket.send_to(b"forged", (listens, 90)).unwrap();
    sh("ip link del forged");
    send(&tasks[2], (listens, 90).into(), b"genuine").await;
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != "genuine") {
        let mut buffer = [0; 100];
        let length = listener.recv(&mut buffer).unwrap();
        got.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    got
}

#[test]
fn who_is_on_the_lan_gets_nothing_into_an_encrypted_network() {
    place::run(async |place| {
        let Some((boards, tasks)) = encrypted(&place).await else {
            return;
        };
        // A stranger plays board 2: it has its address, and all that there is to know but its key.
        boards.boards[1].sh("ip addr flush dev lan0");
        sh(&format!("ip addr add {}/24 dev lan", lan(1)));
        assert_eq!(
            forge(&tasks, MESH).await,
            ["forged", "genuine"],
            "the stranger knows how"
        );
        assert_eq!(forge(&tasks, APP).await, ["genuine"]);
    });
}

#[test]
fn peers_follow_a_new_key_and_forget_who_is_removed() {
    place::run(async |place| {
        let Some((mut boards, tasks)) = encrypted(&place).await else {
            return;
        };
        let here = Some(tasks[0].namespace.as_path());
        let answers = |to: Ipv4Addr| async move { call(here, to, 80).await.is_ok() };
        assert!(answers(at(APP, 12)).await);
        let before = boards.keys.clone();
        sh(&format!(
            "rm {}",
            boards.boards[1].dir.join("wireguard.key").display()
        ));
        boards.weave().await;
        assert_ne!(boards.keys[1], before[1]);
        assert_eq!((boards.keys[0], boards.keys[2]), (before[0], before[2]));
        assert!(answers(at(APP, 12)).await);
        assert!(answers(at(APP, 13)).await);

        // A daemon that starts again changes nothing, also with nobody who tells it anything.
        let trace = boards.boards[0].trace();
        boards.boards[0].reopen().await;
        assert_eq!(changes(&trace, &boards.boards[0].trace()), "");
        assert!(answers(at(APP, 12)).await);

        boards.member[1] = false;
        boards.weave().await;
        assert!(!answers(at(APP, 12)).await);
        assert!(answers(at(APP, 13)).await);

        boards.member[1] = true;
        boards.weave().await;
        let all = ask(here, WEB, 80, 6).await;
        assert_eq!(all.len(), 3, "{all:?}");
    });
}

#[test]
fn whatever_happens_to_the_device_it_is_made_whole_and_goes_with_the_last_network() {
    place::run(async |place| {
        let Some((mut boards, tasks)) = encrypted(&place).await else {
            return;
        };
        let before = boards.boards[0].trace();
        for breakage in [
            "ip link del bramble-wg",
            "ip link del bramble-wg; ip link add bramble-wg type bridge",
            "ip link set bramble-wg down",
            "ip addr flush dev bramble-wg; ip link set bramble-wg mtu 1300",
            "ip -6 addr add fd62:7261:6d62::1/48 dev bramble-wg",
            &format!(
                "ip link del bramblex-{APP:06x}; ip link add bramblex-{APP:06x} type vxlan id {APP} dstport 4789"
            ),
        ] {
            boards.boards[0].sh(breakage);
            boards.weave().await;
            assert_eq!(changes(&before, &boards.boards[0].trace()), "", "{breakage}");
            let here = Some(tasks[0].namespace.as_path());
            assert!(call(here, at(APP, 13), 80).await.is_ok(), "{breakage}");
        }
        boards.app = false;
        boards.weave().await;
        assert!(
            boards.boards[0].sh("ip -o link").contains("bramble-wg"),
            "a task is in it"
        );
        boards.boards[0].network().detach(&"a".into()).await.unwrap();
        let links = boards.boards[0].sh("ip -o link");
        assert!(
            !links.contains("bramble-wg") && !links.contains("bramblex-001001"),
            "{links}"
        );
        boards.boards[1].network().close().await.unwrap();
        let links = boards.boards[1].sh("ip -o link");
        assert!(!links.contains("bramble"), "{links}");
    });
}
