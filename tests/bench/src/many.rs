//! Many networks with many services: how long until all run, and what that costs the daemons, the cards and the LAN.
//!
//! Each service has one task in its network, the same command as everywhere in this bench. All are asked for at once, by one
//! caller, as a script would; then one service is replaced, over and over, while the others stay as they are.

use anyhow::{Context, Result, anyhow};
use lab::{Board, Lab, Since};
use serde_json::{Value, json};
use std::{fs, str::FromStr, time::Duration};

use crate::measure::{cpu, memory, post, rested, written};

/// A thousand containers take their time to start on a small machine.
const PATIENCE: Duration = Duration::from_secs(1800);
/// So often one service is replaced.
const REPLACED: usize = 10;

/// `NETWORKSxSERVICES`, services in each network.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    networks: usize,
    services: usize,
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (networks, services) = text
            .split_once('x')
            .ok_or_else(|| anyhow!("{text:?} is not like 50x20: networks and services in each"))?;
        Ok(Size {
            networks: networks.parse().context("the number of networks")?,
            services: services.parse().context("the number of services")?,
        })
    }
}

/// Measures all, telling each figure as soon as it is there.
pub fn all(lab: &Lab, size: Size, mut tell: impl FnMut(&str, String)) -> Result<()> {
    let total = size.networks * size.services;
    for board in lab.boards() {
        tell("daemon, fresh", format!("{:.1} MB", memory(board)?));
    }
    let before = Spent::so_far(lab)?;
    let since = Since::now();
    for network in 0..size.networks {
        let name = format!("net{network}");
        // A million addresses in a network are not needed here.
        let body = json!({ "Name": name, "Driver": "overlay" });
        post(lab, "/networks/create", &body)?;
        for service in 0..size.services {
            post(lab, "/services/create", &spec(&name, service, 0))?;
        }
    }
    tell("asked for all", format!("{:.1} s", since.seconds()));
    running(lab, total)?;
    tell("all run", format!("{:.1} s", since.seconds()));
    Spent::so_far(lab)?.since(&before, |what, value| {
        tell(&format!("until all run: {what}"), value);
    });
    for board in lab.boards() {
        tell("daemon, all run", format!("{:.1} MB", rested(lab, board)?));
    }
    let before = Spent::so_far(lab)?;
    let since = Since::now();
    for round in 1..=REPLACED {
        replace(lab, round)?;
    }
    let each = since.seconds() / REPLACED as f64;
    tell("one service replaced", format!("{each:.2} s"));
    Spent::so_far(lab)?.since(&before, |what, value| {
        tell(&format!("{REPLACED} times replaced: {what}"), value);
    });
    Ok(())
}

fn spec(network: &str, service: usize, round: usize) -> Value {
    json!({
        "Name": format!("{network}-{service}"),
        "Mode": { "Replicated": { "Replicas": 1 } },
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:1.10", "Command": ["sleep", "100000"], "StopGracePeriod": 0,
                "Env": [format!("ROUND={round}")],
            },
            "Networks": [{ "Target": network }],
        },
        "UpdateConfig": { "Parallelism": 1, "Monitor": 0 },
    })
}

fn tasks(lab: &Lab, filters: &str) -> Result<Vec<Value>> {
    let path = format!("/tasks?filters={filters}");
    let all = lab.board(1).api("GET", &path, None)?.ok()?.json()?;
    Ok(all.as_array().context("a list")?.clone())
}

fn running(lab: &Lab, count: usize) -> Result<()> {
    lab.wait_for(&format!("{count} tasks"), PATIENCE, || {
        let all = tasks(lab, "%7B%22desired-state%22%3A%5B%22running%22%5D%7D")?;
        let running = all.iter().filter(|task| task["Status"]["State"] == "running");
        Ok(Some(()).filter(|()| running.count() == count))
    })
}

/// Replaces the task of the first service.
fn replace(lab: &Lab, round: usize) -> Result<()> {
    let service = lab.board(1).api("GET", "/services/net0-0", None)?.ok()?.json()?;
    let path = format!("/services/net0-0/update?version={}", service["Version"]["Index"]);
    post(lab, &path, &spec("net0", 0, round))?;
    let env = json!([format!("ROUND={round}")]);
    lab.wait_for("the new task", PATIENCE, || {
        let all = tasks(lab, "%7B%22service%22%3A%5B%22net0-0%22%5D%7D")?;
        let runs = |task: &Value| {
            task["Status"]["State"] == "running" && task["Spec"]["ContainerSpec"]["Env"] == env
        };
        Ok(all.iter().any(runs).then_some(()))
    })
}

/// What was spent of what wears out or is scarce, so far, by each board.
struct Spent {
    /// Processor seconds of the whole boards.
    cpu: f64,
    /// Of each board: processor seconds of its daemon, bytes written by it, bytes sent to the LAN.
    boards: Vec<(f64, f64, f64)>,
}

impl Spent {
    fn so_far(lab: &Lab) -> Result<Self> {
        let boards = lab.boards().iter().map(|board| {
            let pid = board.daemon_pid().context("a daemon")?;
            Ok((daemon_cpu(pid)?, written(pid)?, sent(board)?))
        });
        Ok(Spent {
            cpu: cpu(lab)?,
            boards: boards.collect::<Result<_>>()?,
        })
    }

    fn since(&self, before: &Self, mut tell: impl FnMut(&str, String)) {
        tell("processors", format!("{:.1} CPU-s", self.cpu - before.cpu));
        for (now, before) in self.boards.iter().zip(&before.boards) {
            tell("a daemon's processor", format!("{:.1} CPU-s", now.0 - before.0));
            tell(
                "written by a daemon",
                format!("{:.1} MB", (now.1 - before.1) / 1e6),
            );
            tell("sent by a board", format!("{:.1} MB", (now.2 - before.2) / 1e6));
        }
    }
}

/// Its own, and that of the programs which it started and which have ended (`nft` is one a change).
fn daemon_cpu(pid: i32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may have spaces; user, system and children's times are the 14th to 17th fields.
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = fields
        .iter()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}

fn sent(board: &Board) -> Result<f64> {
    let said = board
        .sh(&["cat", "/sys/class/net/eth0/statistics/tx_bytes"])
        .ok()?;
    Ok(said.trim().parse()?)
}
