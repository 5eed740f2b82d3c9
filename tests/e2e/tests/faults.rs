//! What goes wrong while services run, and what must come of it.

use anyhow::{Context, Result};
use bramble_e2e::{PATIENCE, docker, leader, running, settled, until};
use lab::Lab;
use std::collections::BTreeSet;

fn containers(lab: &Lab, ask: usize, service: &str) -> Result<BTreeSet<String>> {
    let tasks = running(lab.board(ask), service)?;
    Ok(tasks
        .iter()
        .map(|task| task["Status"]["ContainerStatus"]["ContainerID"].to_string())
        .collect())
}

/// kill -9 of the leader: another leads, the docker command works on the others, no task notices.
#[test]
fn the_leader_is_killed() -> Result<()> {
    let lab = Lab::up("killed", 3)?;
    let first = leader(&lab, lab.board(1))?;
    docker(
        lab.board(1),
        "service create -d --name web --replicas 3 nginx:1.10",
    )?;
    settled(&lab, lab.board(1), "web", 3)?;
    let before = containers(&lab, first, "web")?;

    lab.board(first).kill()?;
    let other = first % 3 + 1;
    let second = leader(&lab, lab.board(other))?;
    assert_ne!(first, second);
    docker(lab.board(other), "service update -d --label-add seen=yes web")?;

    lab.board(first).start()?;
    until(&lab, lab.board(first), "node ls", |said| {
        said.matches("Reachable").count() == 2
    })?;
    settled(&lab, lab.board(first), "web", 3)?;
    assert_eq!(containers(&lab, first, "web")?, before, "no task was touched");
    Ok(())
}

/// A board is cut off: its tasks are replaced elsewhere; when it is back, the surplus is stopped.
#[test]
fn a_board_is_cut_off() -> Result<()> {
    let lab = Lab::up("cutoff", 3)?;
    let first = leader(&lab, lab.board(1))?;
    let (ask, gone) = (first, first % 3 + 1);
    docker(
        lab.board(ask),
        "service create -d --name web --replicas 3 nginx:1.10",
    )?;
    settled(&lab, lab.board(ask), "web", 3)?;

    lab.board(gone).cut()?;
    let name = lab.board(gone).name();
    until(&lab, lab.board(ask), "node ls", |said| {
        said.lines()
            .any(|line| line.contains(&name) && line.contains("Down"))
    })?;
    let id = docker(
        lab.board(ask),
        &format!("node inspect --format {{{{.ID}}}} {name}"),
    )?;
    let elsewhere = lab.wait_for("three tasks on the other boards", PATIENCE, || {
        let tasks = running(lab.board(ask), "web")?;
        let others: Vec<_> = tasks
            .into_iter()
            .filter(|task| task["NodeID"] != id.trim())
            .collect();
        Ok(Some(others).filter(|others| others.len() == 3))
    })?;

    lab.board(gone).heal()?;
    until(&lab, lab.board(ask), "node ls", |said| {
        said.matches(" Ready ").count() == 3
    })?;
    lab.wait_for("the surplus is stopped", PATIENCE, || {
        let listed = lab
            .board(ask)
            .docker(&["node", "ps", &name, "--format", "{{.Name}} {{.CurrentState}}"])
            .ok()?;
        Ok(Some(()).filter(|()| !listed.lines().any(|line| line.contains("Running"))))
    })?;
    assert_eq!(settled(&lab, lab.board(ask), "web", 3)?.len(), elsewhere.len());
    Ok(())
}

/// All boards lose power at once: the same cluster and the same services come back with no hands.
#[test]
fn all_boards_lose_power() -> Result<()> {
    let lab = Lab::up("dark", 3)?;
    docker(
        lab.board(1),
        "service create -d --name web --replicas 3 nginx:1.10",
    )?;
    settled(&lab, lab.board(1), "web", 3)?;
    let ids = |lab: &Lab| -> Result<BTreeSet<String>> {
        Ok(docker(lab.board(1), "node ls -q")?
            .lines()
            .map(str::to_owned)
            .collect())
    };
    let before = ids(&lab)?;
    let cluster = docker(lab.board(1), "info --format {{.Swarm.Cluster.ID}}")?;

    lab.power_off_all()?;
    lab.start_all()?;
    lab.ready()?;
    assert_eq!(ids(&lab)?, before);
    assert_eq!(
        docker(lab.board(1), "info --format {{.Swarm.Cluster.ID}}")?,
        cluster
    );
    settled(&lab, lab.board(1), "web", 3)?;
    Ok(())
}

/// Two of three managers are lost for good: the third goes on alone when it is told to, with all services; boards that come
/// back after all are workers at first, and the quorum grows again.
#[test]
fn the_last_manager_goes_on_alone() -> Result<()> {
    let lab = Lab::up("alone", 3)?;
    let last = leader(&lab, lab.board(1))? % 3 + 1;
    let lost: Vec<usize> = (1..=3).filter(|number| *number != last).collect();
    let board = lab.board(last);
    docker(board, "service create -d --name web --replicas 3 nginx:1.10")?;
    settled(&lab, board, "web", 3)?;
    let cluster = docker(board, "info --format {{.Swarm.Cluster.ID}}")?;
    for number in &lost {
        lab.board(*number).power_off()?;
    }

    let said = docker(board, "swarm init --force-new-cluster")?;
    assert!(said.contains("is now a manager"), "{said}");
    assert_eq!(docker(board, "info --format {{.Swarm.Cluster.ID}}")?, cluster);
    let counts = docker(board, "info --format {{.Swarm.Managers}}/{{.Swarm.Nodes}}")?;
    assert_eq!(counts.trim(), "1/3");
    settled(&lab, board, "web", 3)?;
    docker(board, "service update -d --label-add after=yes web")?;

    for number in &lost {
        lab.board(*number).start()?;
    }
    until(&lab, board, "node ls", |said| {
        said.matches(" Ready ").count() == 3 && said.matches("Reachable").count() == 2
    })?;
    docker(lab.board(lost[0]), "service inspect web")?;
    // It is a quorum as any other.
    board.kill()?;
    docker(lab.board(lost[0]), "service update -d --label-add again=yes web").or_else(|_| {
        let second = leader(&lab, lab.board(lost[0]))?;
        docker(lab.board(second), "service update -d --label-add again=yes web")
    })?;
    Ok(())
}

/// A worker has nothing to go on with, and says so.
#[test]
fn a_worker_cannot_go_on_alone() -> Result<()> {
    let lab = Lab::up("aloneless", 2)?;
    let manages = |number: usize| -> Result<bool> {
        Ok(docker(lab.board(number), "info --format {{.Swarm.ControlAvailable}}")?.trim() == "true")
    };
    let worker = if manages(1)? { 2 } else { 1 };
    let said = lab
        .board(worker)
        .docker(&["swarm", "init", "--force-new-cluster"])
        .fails()?;
    assert!(said.contains("not a swarm manager"), "{said}");
    Ok(())
}

/// Two of three managers stop: reads and writes say that quorum is lost, tasks go on, and one manager more heals it.
#[test]
fn quorum_is_lost_and_found() -> Result<()> {
    let lab = Lab::up("quorum", 3)?;
    docker(
        lab.board(1),
        "service create -d --name web --replicas 3 nginx:1.10",
    )?;
    settled(&lab, lab.board(1), "web", 3)?;
    lab.board(2).stop()?;
    lab.board(3).stop()?;
    for (method, path, body) in [
        ("GET", "/v1.41/services", None),
        ("POST", "/v1.41/services/create", Some(SPEC)),
    ] {
        let answer = lab.wait_for("a clear 503", PATIENCE, || {
            let answer = lab.board(1).api(method, path, body)?;
            assert_eq!(
                answer.json()?["message"].as_str().map(str::is_empty),
                Some(false),
                "{}",
                answer.body
            );
            let says = "more than half of the managers are online";
            Ok(Some(answer).filter(|answer| answer.status == 503 && answer.body.contains(says)))
        })?;
        assert_eq!(answer.status, 503);
    }
    // Its container's processes are the lab's to see.
    let server = "httpd";
    let alive = lab.board(2).processes().into_iter().any(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(server))
    });
    assert!(alive, "tasks go on");
    lab.board(2).start()?;
    until(&lab, lab.board(1), "service ls", |said| said.contains("web"))?;
    docker(lab.board(1), "service update -d --label-add healed=yes web").context("a write after healing")?;
    Ok(())
}

const SPEC: &str = r#"{"Name":"late","Mode":{"Replicated":{"Replicas":1}},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:1.10"}}}"#;

/// A card loses what it wrote: the manager gets the store anew from the others, under another number, and holds it again.
#[test]
fn a_store_is_damaged() -> Result<()> {
    let lab = Lab::up("damaged", 3)?;
    let first = leader(&lab, lab.board(1))?;
    let broken = lab.board(first % 3 + 1);
    docker(lab.board(first), "service create -d --name web nginx:1.10")?;
    settled(&lab, lab.board(first), "web", 1)?;

    broken.kill()?;
    std::fs::write(broken.state_dir().join("raft/raft.redb"), "no store")?;
    broken.start()?;
    until(&lab, broken, "service ls", |said| said.contains("web"))?;
    until(&lab, broken, "node ls", |said| {
        said.matches("Reachable").count() == 2 && said.contains("Leader")
    })?;
    // Three that vote: the cluster bears the loss of one.
    lab.board(first).kill()?;
    leader(&lab, broken)?;
    docker(broken, "service update -d --label-add seen=yes web")?;
    Ok(())
}
