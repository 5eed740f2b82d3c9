//! Stack files of the field (tests/stacks), deployed as their users do.

use anyhow::{Result, ensure};
use bramble_e2e::{PATIENCE, contains, docker, until, words};
use lab::{Board, Lab, Ran, docker_command, repository};
use std::path::Path;

/// A board's own /dev with a Zigbee stick in it, of the same kind as /dev/zero.
const STICK: &str = "set -e; d=/run/dev; mkdir -p $d; mount -t tmpfs dev $d; mkdir -p $d/pts $d/shm $d/net $d/serial/by-id; \
    for n in null zero full random urandom tty ptmx kmsg fuse net/tun; do cp -a /dev/$n $d/$n; done; \
    ln -s /proc/self/fd $d/fd; mount --rbind /dev/pts $d/pts; mount --rbind /dev/shm $d/shm; \
    mknod -m 660 $d/serial/by-id/usb-Zigbee_Stick c 1 5; mount --rbind $d /dev";

/// The docker command in a stack file's folder, as its user types it.
fn stack(board: &Board, folder: &str, args: &str) -> Ran {
    let mut command = std::process::Command::new(docker_command());
    command
        .args(words(args))
        .current_dir(repository().join("tests/stacks").join(folder))
        .env_remove("DOCKER_CONTEXT")
        .env("DOCKER_HOST", board.docker_host());
    lab::run(&mut command)
}

/// Waits until all services of a stack have all their replicas; the list.
fn complete(lab: &Lab, board: &Board, name: &str, services: usize) -> Result<String> {
    let line = format!("stack services --format {{{{.Name}}}}={{{{.Replicas}}}} {name}");
    let waited = until(lab, board, &line, |said| {
        let whole = |line: &str| {
            let counts = line.split('=').nth(1).and_then(|counts| counts.split(' ').next());
            counts
                .and_then(|counts| counts.split_once('/'))
                .is_some_and(|(now, wanted)| now == wanted && now != "0")
        };
        said.lines().count() == services && said.lines().all(whole)
    });
    waited.or_else(|error| {
        let tasks = docker(board, &format!("stack ps --no-trunc {name}"))?;
        Err(error.context(tasks))
    })
}

/// Removes a stack and waits until nothing of it is left.
fn removed(lab: &Lab, board: &Board, name: &str) -> Result<()> {
    let said = stack(board, ".", &format!("stack rm {name}")).ok()?;
    contains(&said, "Removing service")?;
    let label = format!("--filter label=com.docker.stack.namespace={name}");
    for kind in ["service", "network", "secret", "config"] {
        until(lab, board, &format!("{kind} ls -q {label}"), str::is_empty)?;
    }
    lab.wait_for("no tasks", PATIENCE, || {
        let tasks = board.api("GET", "/tasks", None)?.json()?;
        let of_stack = |task: &&serde_json::Value| {
            task["Spec"]["ContainerSpec"]["Labels"]["com.docker.stack.namespace"] == name
        };
        Ok(tasks
            .as_array()
            .is_some_and(|tasks| !tasks.iter().any(|task| of_stack(&task)))
            .then_some(()))
    })
}

#[test]
fn stack_files_of_the_field_deploy_unchanged() -> Result<()> {
    let lab = Lab::up("stacks", 3)?;
    let board = lab.board(1);
    for folder in ["voting", "proxy", "monitoring", "home"] {
        stack(board, folder, "stack config -c docker-stack.yml").ok()?;
    }
    for folder in ["voting", "proxy", "monitoring"] {
        stack(
            board,
            folder,
            &format!("stack deploy --detach=true -c docker-stack.yml {folder}"),
        )
        .ok()?;
    }
    let voting = complete(&lab, board, "voting", 6)?;
    contains(&voting, "voting_vote=2/2")?;
    contains(&complete(&lab, board, "proxy", 3)?, "proxy_traefik=3/3")?;
    contains(
        &complete(&lab, board, "monitoring", 3)?,
        "monitoring_node-exporter=3/3",
    )?;
    let listed = docker(board, "stack ls --format {{.Name}}={{.Services}}")?;
    ensure!(listed == "monitoring=3\nproxy=3\nvoting=6", "{listed}");

    given_to_read(&lab, board)?;
    update(&lab, board)?;
    for name in ["voting", "proxy", "monitoring"] {
        removed(&lab, board, name)?;
    }
    at_home(&lab, board)
}

/// Configs and secrets are there, and one board's exporter sees that board.
fn given_to_read(lab: &Lab, board: &Board) -> Result<()> {
    until(lab, board, "service logs monitoring_prometheus", |said| {
        said.contains("prometheus.yml: ")
    })?;
    until(lab, board, "service logs monitoring_grafana", |said| {
        said.contains("/run/secrets/grafana_password: 13 bytes")
            && said.contains("datasources/prometheus.yml: ")
    })?;
    until(lab, board, "service logs monitoring_node-exporter", |said| {
        ["board-1", "board-2", "board-3"]
            .iter()
            .all(|name| said.contains(&format!("exporter on {name}")))
    })?;
    until(lab, board, "service logs proxy_traefik", |said| {
        said.contains("/run/secrets/users: ")
    })
    .map(drop)
}

/// The same file with a change is an update of what changed, and of nothing else.
fn update(lab: &Lab, board: &Board) -> Result<()> {
    let before = docker(board, "service ps -q --filter desired-state=running voting_db")?;
    let change = board.state_dir().join("change.yml");
    let text = "version: \"3.8\"\nservices:\n  vote:\n    environment: {OPTION_A: Cats}\n    deploy: {replicas: 3}\n";
    std::fs::write(&change, text)?;
    let line = format!(
        "stack deploy --detach=false -c docker-stack.yml -c {} voting",
        shown(&change)
    );
    contains(
        &stack(board, "voting", &line).ok()?,
        "Updating service voting_vote",
    )?;
    contains(&complete(lab, board, "voting", 6)?, "voting_vote=3/3")?;
    let inspected = docker(board, "service inspect voting_vote")?;
    contains(&inspected, "OPTION_A=Cats")?;
    contains(&inspected, "\"State\": \"completed\"")?;
    let after = docker(board, "service ps -q --filter desired-state=running voting_db")?;
    ensure!(before == after, "the database was replaced: {before} by {after}");
    contains(
        &docker(
            board,
            "stack ps --filter desired-state=shutdown --format {{.Name}} voting",
        )?,
        "voting_vote",
    )
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A device that one board has, and the network of a board itself.
fn at_home(lab: &Lab, board: &Board) -> Result<()> {
    lab.board(2).sh(&["sh", "-c", STICK]).ok()?;
    docker(board, "node update --label-add home=yes board-3")?;
    stack(
        board,
        "home",
        "stack deploy --detach=true -c docker-stack.yml home",
    )
    .ok()?;
    complete(lab, board, "home", 3)?;
    let placed = docker(
        board,
        "stack ps --filter desired-state=running --format {{.Name}}={{.Node}} home",
    )?;
    contains(&placed, "home_zigbee2mqtt.1=board-2")?;
    contains(&placed, "home_homeassistant.1=board-3")?;
    let page = lab.board(3).get(([127, 0, 0, 1], 8123).into(), "/")?.ok()?;
    contains(&page.body, "homeassistant/home-assistant on board-3")?;
    until(lab, board, "service logs home_mosquitto", |said| {
        said.contains("mosquitto.conf: ")
    })?;
    removed(lab, board, "home")
}
