//! The network: what a virtual address and the routing mesh cost beside the plain path, in the same sitting.
//!
//! Throughput is one connection's, and both ends and everything between share this machine's processors: compare ratios.
//! Processor time is that of the whole machine, clients included.

use anyhow::{Context, Result};
use lab::{Board, Lab, fetch, in_turn};
use serde_json::{Value, json};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::{Arguments, PATIENCE};

const BYTES: u64 = 1 << 30;
const REQUESTS: u32 = 5000;

/// Measures all, telling each figure as soon as it is there.
pub fn all(lab: &Lab, arguments: &Arguments, mut tell: impl FnMut(&str, String)) -> Result<()> {
    let board = lab.board(1);
    board
        .docker(&["network", "create", "-d", "overlay", "net"])
        .ok()?;
    // The server and one client on the first board, another client on the second.
    make(
        board,
        "server",
        &["--constraint=node.hostname==board-1", "-p", "8080:80"],
    )?;
    make(board, "near", &["--constraint=node.hostname==board-1"])?;
    make(board, "far", &["--constraint=node.hostname==board-2"])?;
    let host = [
        "-p",
        "mode=host,published=8081,target=80",
        "--constraint=node.hostname==board-1",
    ];
    make(board, "plain", &host)?;
    let server = task(lab, "server")?;
    let near = namespace(&task(lab, "near")?)?;
    let far = namespace(&task(lab, "far")?)?;
    let direct: SocketAddr = (address(&server)?, 80).into();
    let service = board.api("GET", "/services/server", None)?.ok()?.json()?;
    let virtual_address: SocketAddr = (virtual_address(&service, &server)?, 80).into();
    let outside = lab.switch();
    let published = |number: usize, port: u16| (lab.board(number).address(), port).into();
    let paths: [(&str, &Path, SocketAddr); 7] = [
        ("task to task, one board, address", &near, direct),
        ("task to task, one board, virtual address", &near, virtual_address),
        ("task to task, two boards, address", &far, direct),
        ("task to task, two boards, virtual address", &far, virtual_address),
        (
            "from outside, port of the board (mode=host)",
            &outside,
            published(1, 8081),
        ),
        (
            "from outside, mesh, task on that board",
            &outside,
            published(1, 8080),
        ),
        (
            "from outside, mesh, task on another board",
            &outside,
            published(2, 8080),
        ),
    ];
    for (what, from, to) in paths {
        lab.wait_for(what, PATIENCE, || in_turn(from, to, 1).map(Some))?;
        for _ in 0..arguments.rounds {
            tell(what, figures(from, to)?);
        }
    }
    for name in ["server", "near", "far", "plain"] {
        board.docker(&["service", "rm", name]).ok()?;
    }
    Ok(())
}

/// Throughput, processor time for it, and the time of one request on an open connection.
fn figures(from: &Path, to: SocketAddr) -> Result<String> {
    let before = busy()?;
    let seconds = fetch(from, to, BYTES)?.as_secs_f64();
    let gigabits = BYTES as f64 * 8.0 / 1e9;
    let cpu = (busy()? - before) / gigabits;
    let latency = in_turn(from, to, REQUESTS)?.as_secs_f64() / f64::from(REQUESTS) * 1e6;
    Ok(format!(
        "{:.2} Gbit/s, {cpu:.2} CPU-s/Gbit, {latency:.0} us",
        gigabits / seconds
    ))
}

/// Processor seconds that this machine has spent at anything.
fn busy() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = first
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // Idle and waiting for disks are the fourth and fifth; what guests use is in the first two already.
    let spent: f64 = ticks
        .iter()
        .take(8)
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4))
        .map(|(_, one)| one)
        .sum();
    Ok(spent / 100.0)
}

fn make(board: &Board, name: &str, options: &[&str]) -> Result<()> {
    let start = [
        "service",
        "create",
        "-d",
        "--name",
        name,
        "--network",
        "net",
        "--stop-grace-period",
        "1s",
    ];
    board
        .docker(&[&start[..], options, &["whoami:latest"]].concat())
        .ok()
        .map(drop)
}

/// The running task of a service that has one.
fn task(lab: &Lab, service: &str) -> Result<Value> {
    lab.wait_for(service, PATIENCE, || {
        let tasks = lab.board(1).api("GET", "/tasks", None)?.ok()?.json()?;
        let services = lab
            .board(1)
            .api("GET", &format!("/services/{service}"), None)?
            .ok()?
            .json()?;
        let runs =
            |task: &&Value| task["ServiceID"] == services["ID"] && task["Status"]["State"] == "running";
        Ok(tasks.as_array().and_then(|all| all.iter().find(runs)).cloned())
    })
}

fn namespace(task: &Value) -> Result<PathBuf> {
    let pid = task["Status"]["ContainerStatus"]["PID"]
        .as_i64()
        .context("a task's process")?;
    Ok(format!("/proc/{pid}/ns/net").into())
}

/// Its address in the network that is not the mesh's.
fn address(task: &Value) -> Result<IpAddr> {
    let attachments = task["NetworksAttachments"].as_array().context("attachments")?;
    let own = attachments
        .iter()
        .find(|one| one["Network"]["Spec"]["Name"] == "net");
    let text = own
        .and_then(|one| one["Addresses"][0].as_str())
        .context("an address")?;
    Ok(text.split('/').next().unwrap_or_default().parse()?)
}

fn virtual_address(service: &Value, task: &Value) -> Result<IpAddr> {
    let attachments = task["NetworksAttachments"].as_array().context("attachments")?;
    let own = attachments
        .iter()
        .find(|one| one["Network"]["Spec"]["Name"] == "net");
    let network = own.map_or(json!(null), |one| one["Network"]["ID"].clone());
    let addresses = service["Endpoint"]["VirtualIPs"]
        .as_array()
        .context("virtual addresses")?;
    let found = addresses.iter().find(|one| one["NetworkID"] == network);
    let text = found
        .and_then(|one| one["Addr"].as_str())
        .context("a virtual address")?;
    Ok(text.split('/').next().unwrap_or_default().parse()?)
}
