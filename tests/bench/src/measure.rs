//! What is measured, by the same Engine API calls whichever system answers.

use anyhow::{Context, Result};
use lab::{Board, Lab, Since};
use serde_json::{Value, json};
use std::{fs, time::Duration};

use crate::{Arguments, PATIENCE, system};

/// How long a daemon rests before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Measures all, telling each figure as soon as it is there.
pub fn all(lab: &Lab, arguments: &Arguments, mut tell: impl FnMut(&str, String)) -> Result<()> {
    tell("manager, fresh", format!("{:.1} MB", largest(lab)?));
    warm(lab)?;
    for (name, networks) in [
        ("own network", Value::Null),
        ("host network", json!([{ "Target": "host" }])),
    ] {
        let what = format!("create to {} running, {name}", arguments.replicas);
        for _ in 0..arguments.rounds {
            let (seconds, cpu) = create(lab, arguments.replicas, &networks)?;
            tell(&what, format!("{seconds:.2} s, {cpu:.2} CPU-s"));
        }
    }
    for _ in 0..arguments.rounds {
        tell("update of 12, one at a time", format!("{:.2} s", update(lab)?));
    }
    tell("manager, after work", format!("{:.1} MB", largest(lab)?));
    let written = idle(lab, arguments.idle)?;
    let what = format!("written by the leader in {} idle s", arguments.idle);
    tell(&what, format!("{:.1} KB", written / 1e3));
    for _ in 0..arguments.rounds {
        let seconds = failover(lab)?;
        tell(
            "kill -9 of the leader to the next write",
            format!("{seconds:.2} s"),
        );
    }
    workers(lab, tell)
}

/// Memory of a worker beside that of the leader, with nothing to do and with ten tasks each.
fn workers(lab: &Lab, mut tell: impl FnMut(&str, String)) -> Result<()> {
    let worker = lab.board(demote(lab)?);
    tell("worker, fresh", format!("{:.1} MB", rested(lab, worker)?));
    post(
        lab,
        "/services/create",
        &spec("ten", 30, "nginx:1.10", &Value::Null),
    )?;
    settled(lab, "ten", 30, "nginx:1.10")?;
    tell("worker, 10 tasks", format!("{:.1} MB", rested(lab, worker)?));
    let first = lab.board(leader(lab)?);
    tell("leader, 10 tasks of its own", format!("{:.1} MB", memory(first)?));
    remove(lab, "ten")
}

fn spec(name: &str, replicas: usize, image: &str, networks: &Value) -> Value {
    json!({
        "Name": name,
        "Mode": { "Replicated": { "Replicas": replicas } },
        "TaskTemplate": {
            "ContainerSpec": { "Image": image, "Command": ["sleep", "100000"], "StopGracePeriod": 0 },
            "Networks": networks,
        },
        "UpdateConfig": { "Parallelism": 1, "Monitor": 0 },
    })
}

/// Waits until a service has so many running tasks of an image.
fn settled(lab: &Lab, name: &str, count: usize, image: &str) -> Result<()> {
    let filters = format!("%7B%22service%22%3A%5B%22{name}%22%5D%7D");
    lab.wait_for(&format!("{count} tasks of {name}"), PATIENCE, || {
        let tasks = lab
            .board(1)
            .api("GET", &format!("/tasks?filters={filters}"), None)?
            .ok()?
            .json()?;
        let runs = |task: &&Value| {
            task["Status"]["State"] == "running"
                && task["DesiredState"] == "running"
                && task["Spec"]["ContainerSpec"]["Image"] == image
        };
        let running = tasks.as_array().context("a list")?.iter().filter(runs).count();
        Ok(Some(()).filter(|()| running == count))
    })
}

/// Asks the first board.
pub fn post(lab: &Lab, path: &str, body: &Value) -> Result<()> {
    lab.board(1)
        .api("POST", path, Some(&body.to_string()))?
        .ok()
        .map(|_| ())
}

fn remove(lab: &Lab, name: &str) -> Result<()> {
    lab.board(1)
        .api("DELETE", &format!("/services/{name}"), None)?
        .ok()?;
    lab.wait_for("tasks to be gone", PATIENCE, || {
        let tasks = lab.board(1).api("GET", "/tasks", None)?.ok()?.json()?;
        Ok(Some(()).filter(|()| tasks.as_array().is_some_and(Vec::is_empty)))
    })
}

/// The images are on all boards before anything is measured.
fn warm(lab: &Lab) -> Result<()> {
    for image in ["nginx:1.10", "nginx:1.11"] {
        post(lab, "/services/create", &spec("warm", 3, image, &Value::Null))?;
        settled(lab, "warm", 3, image)?;
        remove(lab, "warm")?;
    }
    Ok(())
}

/// Processor seconds that the boards have spent at anything.
pub fn cpu(lab: &Lab) -> Result<f64> {
    lab.boards().iter().map(Board::cpu_seconds).sum()
}

fn create(lab: &Lab, replicas: usize, networks: &Value) -> Result<(f64, f64)> {
    let before = cpu(lab)?;
    let since = Since::now();
    post(
        lab,
        "/services/create",
        &spec("load", replicas, "nginx:1.10", networks),
    )?;
    settled(lab, "load", replicas, "nginx:1.10")?;
    let measured = (since.seconds(), cpu(lab)? - before);
    remove(lab, "load")?;
    Ok(measured)
}

fn update(lab: &Lab) -> Result<f64> {
    post(
        lab,
        "/services/create",
        &spec("rolled", 12, "nginx:1.10", &Value::Null),
    )?;
    settled(lab, "rolled", 12, "nginx:1.10")?;
    let service = lab.board(1).api("GET", "/services/rolled", None)?.ok()?.json()?;
    let since = Since::now();
    let path = format!("/services/rolled/update?version={}", service["Version"]["Index"]);
    post(lab, &path, &spec("rolled", 12, "nginx:1.11", &Value::Null))?;
    settled(lab, "rolled", 12, "nginx:1.11")?;
    let seconds = since.seconds();
    remove(lab, "rolled")?;
    Ok(seconds)
}

/// Resident memory of a board's daemon in MB; containerd is a process of its own with both systems, and not counted.
pub fn memory(board: &Board) -> Result<f64> {
    let pid = board.daemon_pid().context("a daemon")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}

/// That of the largest daemon.
fn largest(lab: &Lab) -> Result<f64> {
    lab.boards()
        .iter()
        .map(memory)
        .try_fold(0.0, |most: f64, one| Ok(most.max(one?)))
}

/// The leader's number.
fn leader(lab: &Lab) -> Result<usize> {
    let nodes = lab.board(1).api("GET", "/nodes", None)?.ok()?.json()?;
    let leads = nodes
        .as_array()
        .context("a list")?
        .iter()
        .find(|node| node["ManagerStatus"]["Leader"] == true);
    let name = leads
        .and_then(|node| node["Description"]["Hostname"].as_str())
        .context("a leader")?;
    name.rsplit('-')
        .next()
        .and_then(|number| number.parse().ok())
        .context("its number")
}

/// Bytes that a process has caused to be written.
pub fn written(pid: i32) -> Result<f64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))
        .context("write_bytes")?;
    Ok(line.trim().parse()?)
}

/// Bytes that the leader's daemon caused to be written in so many seconds.
fn idle(lab: &Lab, seconds: u64) -> Result<f64> {
    let pid = lab.board(leader(lab)?).daemon_pid().context("a daemon")?;
    let before = written(pid)?;
    let since = Since::now();
    lab.wait_for("idle time to pass", Duration::from_secs(seconds + 60), || {
        Ok(Some(()).filter(|()| since.seconds() >= seconds as f64))
    })?;
    Ok(written(pid)? - before)
}

/// Kills the leader's daemon, waits for the next write, and starts the daemon again.
fn failover(lab: &Lab) -> Result<f64> {
    let first = leader(lab)?;
    let other = lab.board(first % 3 + 1);
    lab.board(first).kill()?;
    let since = Since::now();
    let body = spec("next", 0, "nginx:1.10", &Value::Null).to_string();
    lab.wait_for("the next write", PATIENCE, || {
        let answer = other.api("POST", "/services/create", Some(&body))?;
        Ok(Some(()).filter(|()| answer.status == 201))
    })?;
    let seconds = since.seconds();
    lab.board(first).start()?;
    system::whole(lab, 3)?;
    remove(lab, "next")?;
    Ok(seconds)
}

/// Makes a worker of a board that doesn't lead, with a daemon that was just started. Gives its number. It isn't the first, as
/// that one is asked for everything here.
fn demote(lab: &Lab) -> Result<usize> {
    let first = leader(lab)?;
    let chosen = if first == 2 { 3 } else { 2 };
    let board = lab.board(chosen);
    lab.board(first).docker(&["node", "demote", &board.name()]).ok()?;
    system::whole(lab, 2)?;
    board.stop()?;
    board.start()?;
    lab.wait_for("the worker", PATIENCE, || {
        let info = board.api("GET", "/info", None)?.ok()?.json()?;
        Ok(Some(()).filter(|()| info["Swarm"]["LocalNodeState"] == "active"))
    })?;
    system::whole(lab, 2)?;
    Ok(chosen)
}

/// A daemon that was just demoted may still be in the midst of things; what counts is what it comes to rest at.
pub fn rested(lab: &Lab, board: &Board) -> Result<f64> {
    let since = Since::now();
    lab.wait_for("a rest", PATIENCE, || {
        Ok(Some(()).filter(|()| since.elapsed() >= REST))
    })?;
    memory(board)
}
