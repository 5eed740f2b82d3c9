//! The wires: one bridge in a namespace of its own, and a cable from it to each board.

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::{
    paths::{self, Name},
    ran::{call, feed},
};

/// The switch's own address, where the registry listens. All labs use the same, as none sees another.
pub(crate) const SWITCH: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// The registry's address.
pub(crate) const REGISTRY: &str = "10.9.0.1:5000";
/// The addresses of all boards.
pub(crate) const SUBNET: &str = "10.9.0.0/24";
/// As many boards as the subnet has room for.
pub const MOST_BOARDS: usize = 200;

/// A board's address; boards are counted from 1.
pub(crate) fn address(number: usize) -> Ipv4Addr {
    // Lossless: Lab refuses more than MOST_BOARDS boards.
    Ipv4Addr::new(10, 9, 0, u8::try_from(10 + number).unwrap_or(u8::MAX))
}

/// Makes the switch.
pub(crate) fn make_switch(lab: &Name) -> Result<()> {
    let switch = lab.switch();
    call("ip", &["netns", "add", &switch])?;
    // Without a querier on the wire, snooping would forget who listens to mDNS.
    ip(
        &switch,
        &format!(
            "link set lo up\n\
         link add br0 type bridge mcast_snooping 0 forward_delay 0\n\
         addr add {SWITCH}/24 dev br0\n\
         link set br0 up\n"
        ),
    )
}

/// Makes a board's network and plugs it in.
pub(crate) fn make_board(lab: &Name, number: usize) -> Result<()> {
    let (switch, board) = (lab.switch(), lab.board(number));
    call("ip", &["netns", "add", &board])?;
    ip(
        &switch,
        &format!(
            "link add port{number} type veth peer name eth0 netns {board}\n\
         link set port{number} master br0 up\n"
        ),
    )?;
    ip(
        &board,
        &format!(
            "link set lo up\n\
         addr add {}/24 dev eth0\n\
         link set eth0 up\n\
         route add default via {SWITCH}\n",
            address(number)
        ),
    )
}

/// Pulls a board's cable or plugs it in again.
pub(crate) fn plug(lab: &Name, number: usize, on: bool) -> Result<()> {
    ip(
        &lab.switch(),
        &format!("link set port{number} {}\n", if on { "up" } else { "down" }),
    )
}

/// The names of the lab's namespaces that exist.
pub(crate) fn namespaces(lab: &Name) -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let board = format!("{lab}-board-");
    let is_board = |name: &str| {
        name.strip_prefix(&board)
            .is_some_and(|rest| rest.parse::<usize>().is_ok())
    };
    names
        .filter(|name| *name == lab.switch() || is_board(name))
        .collect()
}

/// Removes a namespace with all its links; one that is not there is removed already.
pub(crate) fn remove(namespace: &str) -> Result<()> {
    if paths::netns(namespace).exists() {
        call("ip", &["netns", "delete", namespace])?;
    }
    Ok(())
}

/// The processes whose network is that namespace.
pub(crate) fn inhabitants(namespace: &str) -> Vec<i32> {
    let inode = |path: &Path| std::fs::metadata(path).map(|meta| meta.ino()).ok();
    let Some(wanted) = inode(&paths::netns(namespace)) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| inode(Path::new(&format!("/proc/{pid}/ns/net"))) == Some(wanted))
        .collect()
}

/// Connects from inside of a namespace.
pub(crate) fn connect(namespace: &str, to: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let file =
        File::open(paths::netns(namespace)).with_context(|| format!("no network namespace {namespace}"))?;
    // A socket stays in the namespace that it was made in, so only this thread goes there, and ends there.
    let there = std::thread::spawn(move || -> io::Result<TcpStream> {
        setns(file, CloneFlags::CLONE_NEWNET)?;
        let stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(stream)
    });
    let stream = there
        .join()
        .map_err(|_| anyhow!("the thread that connects panicked"))?;
    stream.with_context(|| format!("cannot connect to {to} from {namespace}"))
}

fn ip(namespace: &str, commands: &str) -> Result<()> {
    feed("ip", &["-n", namespace, "-batch", "-"], commands)?;
    Ok(())
}
