//! Speed and size of a cluster of three boards in the lab, as a table.
//!
//! Nothing here is asserted: numbers are for people, and only those of one sitting compare. Containers' processor time counts
//! with their board's, daemon, containerd and shims included.

use anyhow::{Context, Result};
use clap::Parser;
use lab::{Lab, Since};
use serde_json::{Value, json};
use std::time::Duration;

/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures a cluster of three boards and prints a table.
#[derive(Parser)]
#[command(after_help = "\
Examples:
  cargo lab bench                                   the daemon in target/debug
  BRAMBLE_BIN=target/release/bramble cargo lab bench
  cargo lab bench -- --replicas 10 --idle 600       fewer replicas, ten idle minutes")]
struct Arguments {
    /// Replicas to start
    #[arg(long, default_value_t = 30)]
    replicas: usize,
    /// Seconds to watch an idle manager's writes
    #[arg(long, default_value_t = 60)]
    idle: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let lab = Lab::up("bench", 3)?;
    let mut table = Table::default();
    table.row(
        "daemon, idle, largest of three",
        format!("{:.1} MB", memory(&lab)?),
    );

    warm(&lab)?;
    for (name, networks) in [
        ("own network", Value::Null),
        ("host network", json!([{ "Target": "host" }])),
    ] {
        let (seconds, cpu) = create(&lab, arguments.replicas, &networks)?;
        table.row(
            &format!("create to {} running, {name}", arguments.replicas),
            format!("{seconds:.2} s, {cpu:.2} CPU-s"),
        );
    }
    table.row("update of 12, one at a time", format!("{:.2} s", update(&lab)?));
    table.row(
        "daemon, after work, largest of three",
        format!("{:.1} MB", memory(&lab)?),
    );
    let written = idle(&lab, arguments.idle)?;
    table.row(
        &format!("written by the leader in {} idle s", arguments.idle),
        format!("{:.1} KB", written / 1e3),
    );
    table.row(
        "kill -9 of the leader to the next write",
        format!("{:.2} s", failover(&lab)?),
    );
    table.print();
    lab.down()
}

#[derive(Default)]
struct Table(Vec<(String, String)>);

impl Table {
    fn row(&mut self, what: &str, value: String) {
        println!("{what}: {value}");
        self.0.push((what.to_owned(), value));
    }

    fn print(&self) {
        let width = self.0.iter().map(|(what, _)| what.len()).max().unwrap_or(0);
        println!();
        for (what, value) in &self.0 {
            println!("| {what:width$} | {value:>24} |");
        }
    }
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

fn post(lab: &Lab, path: &str, body: &Value) -> Result<()> {
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

fn cpu(lab: &Lab) -> Result<f64> {
    lab.boards().iter().map(lab::Board::cpu_seconds).sum()
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

/// Resident memory of the largest daemon, in MB.
fn memory(lab: &Lab) -> Result<f64> {
    let of = |board: &lab::Board| -> Result<f64> {
        let pid = board.daemon_pid().context("a daemon")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
    };
    lab.boards()
        .iter()
        .map(of)
        .try_fold(0.0, |most: f64, one| Ok(most.max(one?)))
}

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

/// Bytes that the leader's daemon caused to be written in so many seconds.
fn idle(lab: &Lab, seconds: u64) -> Result<f64> {
    let pid = lab.board(leader(lab)?).daemon_pid().context("a daemon")?;
    let written = || -> Result<f64> {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
        let line = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "))
            .context("write_bytes")?;
        Ok(line.trim().parse()?)
    };
    let before = written()?;
    let since = Since::now();
    lab.wait_for("idle time to pass", Duration::from_secs(seconds + 60), || {
        Ok(Some(()).filter(|()| since.seconds() >= seconds as f64))
    })?;
    Ok(written()? - before)
}

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
    Ok(since.seconds())
}
