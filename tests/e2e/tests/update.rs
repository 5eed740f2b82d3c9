//! `bramble update`: an image rolls through a cluster. RAUC, the firmware and the restart are played (`src/appliance.rs`); the real
//! ones are in the image's own tests (`cargo lab image`).

use anyhow::{Context, Result, ensure};
use bramble_e2e::appliance::{Appliance, BROKEN, appliances, bundle};
use bramble_e2e::{PATIENCE, contains, docker, leader, running, settled};
use lab::{Board, Lab};
use serde_json::Value;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// For a whole update of a cluster.
const LONG: Duration = Duration::from_secs(300);

/// `bramble update`, which runs beside the boards, as on a person's computer. Ends with this value.
struct Update(Child);

impl Drop for Update {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Update {
    fn begin(host: &str, bundle: &std::path::Path) -> Result<Self> {
        let child = Command::new(lab::cargo::daemon_binary())
            .args(["update", "--host", host, "--timeout", "2", "--bundle"])
            .arg(bundle)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Plays the boards' firmware until it ends: whether well, what it said, and who restarted, in turn.
    fn ended(mut self, lab: &Lab, boards: &mut [Appliance<'_>]) -> Result<(bool, String, Vec<String>)> {
        let mut order = Vec::new();
        let status = lab.wait_for("the update to end", LONG, || {
            order.extend(restarted(boards)?);
            Ok(self.0.try_wait()?)
        })?;
        let mut said = String::new();
        self.0
            .stdout
            .take()
            .context("its output")?
            .read_to_string(&mut said)?;
        self.0
            .stderr
            .take()
            .context("its errors")?
            .read_to_string(&mut said)?;
        Ok((status.success(), said, order))
    }
}

/// Plays the firmware of all boards once: who restarted. No two boards are ever away.
fn restarted(boards: &mut [Appliance<'_>]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for board in boards.iter_mut() {
        if board.firmware()? {
            names.push(board.board().name());
        }
    }
    ensure!(names.len() <= 1, "{names:?} restarted at once");
    Ok(names)
}

/// All nodes, by name: role, availability, labels of theirs and of their engines.
fn nodes(lab: &Lab, ask: usize) -> Result<Vec<Value>> {
    let all = lab.board(ask).api("GET", "/nodes", None)?.ok()?.json()?;
    Ok(all.as_array().context("nodes are a list")?.clone())
}

fn node(lab: &Lab, ask: usize, name: &str) -> Result<Value> {
    let all = nodes(lab, ask)?;
    let found = all
        .into_iter()
        .find(|node| node["Description"]["Hostname"] == name);
    found.with_context(|| format!("no {name}"))
}

fn label(node: &Value, name: &str) -> String {
    node["Description"]["Engine"]["Labels"][name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Of four boards one is a worker, which can't be asked who leads; any of them may be.
fn a_manager(lab: &Lab) -> Result<&Board> {
    let answers = |board: &&Board| docker(board, "node ls").is_ok();
    lab.boards().iter().find(answers).context("no board manages")
}

/// Workers first, the leader last, one at a time; who was drained stays so; a second run has nothing to do.
#[test]
fn an_image_rolls_through_a_cluster() -> Result<()> {
    let lab = Lab::prepare("update", 4)?;
    let mut boards = appliances(&lab, "1")?;
    let first = leader(&lab, a_manager(&lab)?)?;
    let ask = lab.board(first);
    lab.wait_for("three managers", PATIENCE, || {
        let managers = nodes(&lab, first)?
            .iter()
            .filter(|node| node["ManagerStatus"].is_object())
            .count();
        Ok((managers == 3).then_some(()))
    })?;
    let workers = nodes(&lab, first)?
        .into_iter()
        .filter(|node| !node["ManagerStatus"].is_object());
    let worker = workers.map(|node| {
        node["Description"]["Hostname"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let worker = worker.collect::<Vec<_>>().pop().context("no worker")?;
    docker(
        ask,
        "service create -d --name web --replicas 4 nginx:1.10 sleep 1000",
    )?;
    settled(&lab, ask, "web", 4)?;
    docker(ask, &format!("node update --availability drain {worker}"))?;
    settled(&lab, ask, "web", 4)?;

    let file = bundle(&ask.state_dir(), "2")?;
    // From another board, with a client certificate.
    let context = ask.state_dir().join("admin.dockercontext");
    let (context, path) = (context.display(), file.display());
    let create = format!("context create --output {context}");
    let program = lab::cargo::daemon_binary();
    let on = |board: usize, line: &str| {
        let whole = format!("{} {line}", program.display());
        lab.board(board).sh(&bramble_e2e::words(&whole))
    };
    on(first, &create).ok()?;
    let dry = format!("update --bundle {path} --dry-run --context {context}");
    let said = lab.wait_for("the API over TCP", PATIENCE, || {
        Ok(on(first % 4 + 1, &dry).ok().ok())
    })?;
    contains(&said, &format!("1. {worker} from 1"))?;
    contains(&said, &format!("4. {} from 1", ask.name()))?;

    let (well, said, order) = Update::begin(&ask.docker_host(), &file)?.ended(&lab, &mut boards)?;
    ensure!(well, "{said}");
    contains(&said, "all boards run 2")?;
    ensure!(
        order.len() == 4 && order[0] == worker && order[3] == ask.name(),
        "{order:?}: {said}"
    );
    for node in nodes(&lab, first)? {
        let name = node["Description"]["Hostname"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        ensure!(
            label(&node, "bramble.system") == "2" && label(&node, "bramble.slot") == "B",
            "{node}"
        );
        ensure!(node["Spec"]["Labels"].get("bramble.updating").is_none(), "{node}");
        let wanted = if name == worker { "drain" } else { "active" };
        ensure!(node["Spec"]["Availability"] == wanted, "{node}");
    }
    ensure!(running(ask, "web")?.len() == 4, "services are whole");
    let (well, said, order) = Update::begin(&ask.docker_host(), &file)?.ended(&lab, &mut boards)?;
    ensure!(well && order.is_empty(), "{order:?}: {said}");
    Ok(())
}

/// A board that does not come back as it should ends the update and goes on as it was; a run that is killed is finished by another.
#[test]
fn a_failure_ends_it_and_a_killed_run_is_finished() -> Result<()> {
    let lab = Lab::prepare("update-fails", 3)?;
    let mut boards = appliances(&lab, "1")?;
    let first = leader(&lab, a_manager(&lab)?)?;
    let ask = lab.board(first);
    let host = ask.docker_host();

    for (version, restarts, says) in [
        (BROKEN, 1, "was tried"),
        ("unwritable", 0, "rauc install: the slot can not be written"),
    ] {
        let file = bundle(&ask.state_dir(), version)?;
        let (well, said, order) = Update::begin(&host, &file)?.ended(&lab, &mut boards)?;
        ensure!(!well && order.len() == restarts, "{order:?}: {said}");
        contains(&said, says)?;
        contains(&said, "stopped; boards that were not reached are as they were")?;
        for node in nodes(&lab, first)? {
            ensure!(
                label(&node, "bramble.system") == "1" && node["Spec"]["Availability"] == "active",
                "{node}"
            );
            ensure!(node["Spec"]["Labels"].get("bramble.updating").is_none(), "{node}");
        }
    }
    let refused = bundle(&ask.state_dir(), "2")?;
    let other = std::fs::read_to_string(&refused)
        .unwrap_or_default()
        .replace("bramble-arm64", "another-board");
    std::fs::write(&refused, other)?;
    let (well, said, order) = Update::begin(&host, &refused)?.ended(&lab, &mut boards)?;
    ensure!(!well && order.is_empty(), "{said}");
    let file = bundle(&ask.state_dir(), "2")?;

    // Killed while a board is away.
    let killed = Update::begin(&host, &file)?;
    let name = lab.wait_for("a board to restart", PATIENCE, || {
        Ok(restarted(&mut boards)?.pop())
    })?;
    drop(killed);
    let marked = node(&lab, first, &name)?;
    ensure!(
        marked["Spec"]["Labels"]["bramble.updating"] == "active",
        "{marked}"
    );
    ensure!(marked["Spec"]["Availability"] == "drain", "{marked}");

    let (well, said, order) = Update::begin(&host, &file)?.ended(&lab, &mut boards)?;
    ensure!(
        well && order.len() == 2 && !order.contains(&name),
        "{order:?}: {said}"
    );
    for node in nodes(&lab, first)? {
        ensure!(
            label(&node, "bramble.system") == "2" && node["Spec"]["Availability"] == "active",
            "{node}"
        );
    }
    Ok(())
}
