//! Three boards that nobody configured become a cluster, and the ordinary docker command runs services on it.

use anyhow::Result;
use bramble_e2e::{contains, docker, running, settled, tasks, until};
use lab::Lab;
use std::collections::BTreeSet;

/// The session of the README, word for word.
#[test]
fn the_main_session() -> Result<()> {
    let lab = Lab::up("light", 3)?;
    let board = lab.board(2);

    let nodes = docker(board, "node ls")?;
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    assert_eq!(nodes.matches("Leader").count(), 1, "{nodes}");
    assert_eq!(nodes.matches("Reachable").count(), 2, "{nodes}");

    let script = "while true; do echo hello world; sleep 1; done";
    board
        .docker(&["service", "create", "ubuntu:14.04", "/bin/sh", "-c", script])
        .ok()?;
    let listed = docker(board, "service ls --format {{.Name}}={{.Replicas}}")?;
    let (name, replicas) = listed.trim().split_once('=').unwrap_or_default();
    assert_eq!(replicas, "1/1");
    assert!(name.contains('_'), "a made-up name: {name}");
    let follower = board.docker_spawn(&["service", "logs", "-f", name])?;
    lab.wait_for("two lines of the log", bramble_e2e::PATIENCE, || {
        Ok(Some(()).filter(|()| follower.said().matches("hello world").count() >= 2))
    })?;
    let said = follower.stop();
    contains(&said, &format!("{name}.1."))?;
    contains(&said, "@board-")?;

    docker(board, "service create --name myweb --replicas 3 nginx:1.10")?;
    let listed = docker(board, "service ps myweb")?;
    assert_eq!(
        listed.matches("Running ").count(),
        6,
        "wanted and observed: {listed}"
    );
    docker(board, "service scale myweb=6")?;
    let boards: BTreeSet<String> = running(board, "myweb")?
        .iter()
        .map(|task| task["NodeID"].to_string())
        .collect();
    assert_eq!(boards.len(), 3, "spread over all boards");

    docker(board, "service update --image nginx:1.11 myweb")?;
    let listed = docker(board, "service ps myweb")?;
    contains(&listed, "\\_ myweb.1")?;
    assert!(
        running(board, "myweb")?
            .iter()
            .all(|task| task["Spec"].to_string().contains("nginx:1.11"))
    );

    docker(board, "service rollback myweb")?;
    assert!(
        running(board, "myweb")?
            .iter()
            .all(|task| task["Spec"].to_string().contains("nginx:1.10"))
    );

    docker(
        board,
        "service create -d --replicas 4 --name myweb3 --update-delay 10s --update-parallelism 2 nginx:1.10",
    )?;
    let shown = docker(board, "service inspect --pretty myweb3")?;
    contains(&shown, "Delay:\t\t10s")?;
    contains(&shown, "Parallelism:\t2")?;
    settled(&lab, board, "myweb3", 4)?;

    docker(
        board,
        "service create -d --name everywhere --mode global nginx:1.10",
    )?;
    settled(&lab, board, "everywhere", 3)?;
    docker(board, "node update --availability drain board-2")?;
    let moved = settled(&lab, board, "everywhere", 2)?;
    settled(&lab, board, "myweb", 6)?;
    let drained = docker(board, "node inspect --format {{.ID}} board-2")?;
    assert!(moved.iter().all(|task| task["NodeID"] != drained.trim()));
    docker(board, "node update --availability active board-2")?;
    settled(&lab, board, "everywhere", 3)?;

    docker(board, "service rm myweb myweb3 everywhere")?;
    lab.wait_for(
        "tasks of removed services are forgotten",
        bramble_e2e::PATIENCE,
        || Ok(Some(()).filter(|()| tasks(board, "myweb").is_ok_and(|tasks| tasks.is_empty()))),
    )?;
    Ok(())
}

/// A service is never down while it is updated one at a time, and its page is served under each task's own address.
#[test]
fn ports_of_the_board_lead_to_the_task() -> Result<()> {
    let lab = Lab::up("ports", 1)?;
    let board = lab.board(1);
    docker(
        board,
        "service create -d --name web --publish mode=host,published=8080,target=80 nginx:1.10",
    )?;
    settled(&lab, board, "web", 1)?;
    let address = (board.address(), 8080).into();
    let page = lab.wait_for("the page", bramble_e2e::PATIENCE, || {
        Ok(lab.get(address, "/").ok())
    })?;
    contains(&page.body, "1.10")?;
    until(&lab, board, "service ps web", |said| {
        said.contains("*:8080->80/tcp")
    })?;

    docker(board, "service create -d --name bare --network host nginx:1.11")?;
    settled(&lab, board, "bare", 1)?;
    let page = lab.wait_for("the page", bramble_e2e::PATIENCE, || {
        Ok(lab.get((board.address(), 80).into(), "/").ok())
    })?;
    contains(&page.body, "1.11")?;
    Ok(())
}
