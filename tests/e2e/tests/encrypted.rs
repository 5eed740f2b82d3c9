//! Networks whose packets go encrypted from board to board, or not at all. On a kernel without WireGuard the request is refused;
//! `tests/vm/run e2e` runs this on one that has it.

use anyhow::{Context, Result, bail};
use bramble_e2e::{PATIENCE, contains, docker, refused, settled, until};
use lab::{Board, Lab, Since};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde_json::Value;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// What the client asks for: to be looked for on the switch.
const SECRET: &str = "pa55word-in-the-clear";

/// Every packet that passes the switch.
struct Ear(OwnedFd);

/// An IPv4 datagram of UDP.
struct Datagram {
    from: Ipv4Addr,
    to: Ipv4Addr,
    port: u16,
    all: Vec<u8>,
}

impl Ear {
    fn at_switch(lab: &Lab) -> Result<Self> {
        let file = File::open(lab.switch())?;
        // A socket stays in the namespace of the thread that made it.
        let made = std::thread::spawn(move || -> Result<OwnedFd> {
            setns(file, CloneFlags::CLONE_NEWNET)?;
            let all = SockProtocol::EthAll;
            let ear = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all)?;
            setsockopt(&ear, ReceiveTimeout, &TimeVal::seconds(1))?;
            Ok(ear)
        });
        Ok(Ear(made.join().ok().context("a thread")??))
    }

    /// What is heard within a time.
    fn listen(&self, time: Duration) -> Vec<Datagram> {
        let (begun, mut heard, mut buffer) = (Since::now(), Vec::new(), vec![0; 70_000]);
        while begun.seconds() < time.as_secs_f64() {
            if let Ok(length) = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                heard.extend(datagram(&buffer[..length]));
            }
        }
        heard
    }
}

fn datagram(frame: &[u8]) -> Option<Datagram> {
    let ip = frame.get(12..)?.strip_prefix(&[8, 0])?;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?));
    let udp = ip.get(usize::from(ip.first()? & 15) * 4..)?;
    (*ip.get(9)? == 17).then_some(())?;
    Some(Datagram {
        from: address(12)?,
        to: address(16)?,
        port: u16::from_be_bytes([*udp.get(2)?, *udp.get(3)?]),
        all: frame.to_vec(),
    })
}

/// Each board's key, as the cluster knows it, by host name.
fn keys(board: &Board) -> Result<Vec<(String, Option<String>)>> {
    let nodes = board.api("GET", "/nodes", None)?.ok()?.json()?;
    let key = |node: &Value| {
        let described = &node["Description"];
        let key = described["BrambleWireguard"].as_str().map(str::to_owned);
        (described["Hostname"].as_str().unwrap_or_default().to_owned(), key)
    };
    Ok(nodes.as_array().context("nodes")?.iter().map(key).collect())
}

/// How many answers the client has had.
fn answers(board: &Board) -> usize {
    let said = board.docker(&["service", "logs", "--raw", "client"]).ok();
    said.unwrap_or_default()
        .lines()
        .filter(|line| *line == "answered")
        .count()
}

fn more_answers(lab: &Lab, why: &str) -> Result<()> {
    let board = lab.board(1);
    let before = answers(board);
    lab.wait_for(why, PATIENCE, || {
        Ok(Some(()).filter(|()| answers(board) > before + 1))
    })
}

#[test]
fn what_tasks_say_goes_encrypted_from_board_to_board_or_not_at_all() -> Result<()> {
    let lab = Lab::up("encrypted", 3)?;
    let board = lab.board(1);
    if keys(board)?.iter().all(|(_, key)| key.is_none()) {
        let said = refused(board, "network create -d overlay --opt encrypted secret")?;
        contains(&said, "network secret can't be encrypted")?;
        contains(&said, "(board-1, board-2, board-3) are without WireGuard")?;
        assert!(!docker(board, "network ls")?.contains("secret"));
        docker(board, "network create -d overlay --opt encrypted=false open")?;
        return Ok(());
    }
    docker(board, "network create -d overlay --opt encrypted secret")?;
    contains(&docker(board, "network inspect secret")?, "\"encrypted\": \"\"")?;
    docker(
        board,
        "service create -d --name web --network secret --constraint node.hostname==board-2 whoami",
    )?;
    let script =
        format!("while :; do wget -q -O - http://web/{SECRET} >/dev/null && echo answered; sleep 1; done");
    let ask = [
        "service",
        "create",
        "-d",
        "--name",
        "client",
        "--network",
        "secret",
    ];
    let rest = [
        "--constraint",
        "node.hostname==board-3",
        "busybox:latest",
        "sh",
        "-c",
    ];
    board.docker(&[&ask[..], &rest, &[&script]].concat()).ok()?;
    settled(&lab, board, "web", 1)?;
    settled(&lab, board, "client", 1)?;
    let ear = Ear::at_switch(&lab)?;
    more_answers(&lab, "answers from another board")?;
    let heard = ear.listen(Duration::from_secs(3));
    let (web, client) = (lab.board(2).address(), lab.board(3).address());
    let between = |one: &Datagram| (one.from, one.to) == (client, web) && one.port == 4790;
    assert!(heard.iter().any(between), "the client's calls go by WireGuard");
    for one in &heard {
        let clear = one
            .all
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes());
        assert!(
            !clear && one.port != 4789,
            "{} to {}:{}",
            one.from,
            one.to,
            one.port
        );
    }

    // A new key: the others follow it by themselves.
    let before = keys(board)?;
    std::fs::remove_file(lab.board(2).state_dir().join("wireguard.key"))?;
    lab.wait_for("the new key", PATIENCE, || {
        let now = keys(board)?;
        let changed = |name: &str| {
            now.iter().find(|(host, _)| host == name) != before.iter().find(|(host, _)| host == name)
        };
        if changed("board-1") || changed("board-3") {
            bail!("others have another key too: {before:?}, {now:?}");
        }
        Ok(Some(()).filter(|()| changed("board-2")))
    })?;
    more_answers(&lab, "answers after the change of keys")?;

    // A board that is removed while it can't be told: the others have nothing to say to it any more.
    docker(board, "node demote board-3")?;
    until(
        &lab,
        board,
        "node ls --format {{.Hostname}}:{{.ManagerStatus}}",
        |said| said.lines().any(|line| line == "board-3:"),
    )?;
    lab.board(3).kill()?;
    until(&lab, board, "node ls", |said| said.contains("Down"))?;
    until(&lab, board, "node rm --force board-3", |_| true)?;
    lab.wait_for("no answer to the removed board", PATIENCE, || {
        let heard = ear.listen(Duration::from_secs(4));
        if !heard.iter().any(between) {
            bail!("the client does not call any more");
        }
        let back = |one: &Datagram| (one.from, one.to) == (web, client) && one.port == 4790;
        Ok(Some(()).filter(|()| !heard.iter().any(back)))
    })?;
    Ok(())
}
