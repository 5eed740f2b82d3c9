//! How boards come together and part: by themselves, in any order, and by hand.

use anyhow::{Context, Result};
use bramble_e2e::{contains, docker, refused, until};
use lab::Lab;

/// Boards that are switched on one after another make one cluster.
#[test]
fn boards_in_any_order() -> Result<()> {
    let lab = Lab::prepare("order", 3)?;
    for number in [3, 1, 2] {
        lab.board(number).start()?;
        if number == 3 {
            // One of three founds nothing.
            let answer = lab.wait_for("its API", bramble_e2e::PATIENCE, || {
                Ok(lab.board(3).api("GET", "/v1.41/info", None).ok())
            })?;
            contains(&answer.body, "\"LocalNodeState\":\"pending\"")?;
        }
    }
    lab.ready()?;
    let seen = |number: usize| docker(lab.board(number), "node ls -q").map(|said| said.lines().count());
    assert_eq!([seen(1)?, seen(2)?, seen(3)?], [3, 3, 3]);
    Ok(())
}

/// `docker swarm init`, `join`, `promote`, `demote`, `leave` and `node rm`, as always.
#[test]
fn by_hand() -> Result<()> {
    let lab = Lab::prepare_by_hand("hand", 2)?;
    lab.start_all()?;
    let (first, second) = (lab.board(1), lab.board(2));
    lab.wait_for("both APIs", bramble_e2e::PATIENCE, || {
        Ok(Some(()).filter(|()| first.docker(&["info"]).success() && second.docker(&["info"]).success()))
    })?;
    contains(
        &refused(first, "node ls")?,
        "This node is not a swarm manager. Use \"docker swarm init\"",
    )?;

    contains(&docker(first, "swarm init")?, "Swarm initialized")?;
    contains(&refused(first, "swarm init")?, "already part of a swarm")?;
    let token = docker(first, "swarm join-token -q worker")?.trim().to_owned();
    assert!(token.starts_with("SWMTKN-1-"), "{token}");
    let address = format!("{}:2377", first.address());
    contains(
        &refused(second, &format!("swarm join --token SWMTKN-1-bad {address}"))?,
        "invalid join token",
    )?;
    contains(
        &docker(second, &format!("swarm join --token {token} {address}"))?,
        "joined a swarm as a worker",
    )?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 2
    })?;
    contains(
        &refused(second, "node ls")?,
        "Worker nodes can't be used to view or modify cluster state",
    )?;

    docker(first, "node promote board-2")?;
    until(&lab, first, "node ls", |said| said.contains("Reachable"))?;
    until(&lab, second, "node ls", |said| said.contains("Leader"))?;
    contains(&refused(second, "swarm leave")?, "participating as a manager")?;
    docker(first, "node demote board-2")?;
    until(&lab, first, "node ls", |said| !said.contains("Reachable"))?;
    until(
        &lab,
        second,
        "info --format {{.Swarm.ControlAvailable}}",
        |said| said.trim() == "false",
    )?;
    contains(&refused(first, "node demote board-1")?, "last manager")?;

    contains(&docker(second, "swarm leave")?, "left the swarm")?;
    until(&lab, first, "node ls", |said| said.contains("Down"))?;
    docker(first, "node rm board-2")?;
    assert_eq!(docker(first, "node ls -q")?.lines().count(), 1);
    Ok(())
}

/// A node that is removed is locked out at once, and stays out over a restart.
#[test]
fn a_removed_node_is_locked_out() -> Result<()> {
    let lab = Lab::up("locked", 2)?;
    let managers = docker(
        lab.board(1),
        "node ls --filter role=manager --format {{.Hostname}}",
    )
    .or_else(|_| {
        docker(
            lab.board(2),
            "node ls --filter role=manager --format {{.Hostname}}",
        )
    })?;
    let manager = if managers.trim() == "board-1" { 1 } else { 2 };
    let worker = 3 - manager;
    docker(lab.board(manager), &format!("node rm --force board-{worker}")).context("removing")?;
    until(
        &lab,
        lab.board(worker),
        "info --format {{.Swarm.LocalNodeState}}",
        |said| said.trim() == "inactive",
    )?;
    lab.board(worker).stop()?;
    lab.board(worker).start()?;
    until(
        &lab,
        lab.board(worker),
        "info --format {{.Swarm.LocalNodeState}}",
        |said| said.trim() == "inactive",
    )?;
    assert_eq!(docker(lab.board(manager), "node ls -q")?.lines().count(), 1);
    Ok(())
}
