//! Who may come in, who is out, and by which keys.

use anyhow::{Context, Result};
use bramble_e2e::{PATIENCE, contains, docker, leader, refused, settled, until, words};
use lab::{Board, Lab};
use std::collections::BTreeSet;

/// Boards that wait for `docker swarm init`, with their APIs up.
fn by_hand(name: &str, boards: usize) -> Result<Lab> {
    let lab = Lab::prepare_by_hand(name, boards)?;
    lab.start_all()?;
    lab.wait_for("all APIs", PATIENCE, || {
        let up = lab.boards().iter().all(|board| board.docker(&["info"]).success());
        Ok(Some(()).filter(|()| up))
    })?;
    Ok(lab)
}

/// The settings of `docker swarm init` and `update` take effect or are refused in words; a token that was rotated lets nobody
/// in; a node that was removed while it was off learns of it and is out.
#[test]
fn settings_tokens_and_a_removed_node() -> Result<()> {
    let lab = by_hand("settings", 2)?;
    let (first, second) = (lab.board(1), lab.board(2));
    for (flag, says) in [
        ("--cert-expiry 59m", "minimum certificate expiry time is 1h0m0s"),
        ("--max-snapshots 1", "--max-snapshots can only be 0"),
        (
            "--external-ca protocol=cfssl,url=https://ca.example",
            "--external-ca",
        ),
        ("--dispatcher-heartbeat 1ms", "between 100ms and 10m0s"),
    ] {
        contains(&refused(first, &format!("swarm init {flag}"))?, says)?;
    }
    docker(
        first,
        "swarm init --cert-expiry 1h --dispatcher-heartbeat 1s --snapshot-interval 5 --task-history-limit 2",
    )?;
    let settings = "info --format {{.Swarm.Cluster.Spec.Dispatcher.HeartbeatPeriod}}|\
                    {{.Swarm.Cluster.Spec.CAConfig.NodeCertExpiry}}|{{.Swarm.Cluster.Spec.Raft.SnapshotInterval}}|\
                    {{.Swarm.Cluster.Spec.Orchestration.TaskHistoryRetentionLimit}}";
    let before = docker(first, settings)?;
    assert_eq!(before.trim(), "1s|1h0m0s|5|2");
    docker(first, "swarm update --snapshot-interval 100 --cert-expiry 2h")?;
    contains(
        &refused(first, "swarm update --max-snapshots 3")?,
        "--max-snapshots can only be 0",
    )?;
    assert_eq!(docker(first, settings)?.trim(), "1s|2h0m0s|100|2");

    let old = docker(first, "swarm join-token -q worker")?.trim().to_owned();
    let new = docker(first, "swarm join-token --rotate -q worker")?
        .trim()
        .to_owned();
    assert_ne!(old, new);
    let address = format!("{}:2377", first.address());
    contains(
        &refused(second, &format!("swarm join --token {old} {address}"))?,
        "a valid join token is necessary",
    )?;
    docker(second, &format!("swarm join --token {new} {address}"))?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 2
    })?;

    second.stop()?;
    until(&lab, first, "node ls", |said| said.contains("Down"))?;
    docker(first, "node rm board-2")?;
    second.start()?;
    until(&lab, second, "info --format {{.Swarm.LocalNodeState}}", |said| {
        said.trim() == "inactive"
    })?;
    docker(second, &format!("swarm join --token {new} {address}"))?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 2
    })?;
    Ok(())
}

/// `docker swarm ca --rotate`: every board gets a certificate of the new root, nothing that runs is touched, and the tokens are
/// others. A board that is off holds the change up and follows when it is back.
#[test]
fn the_certificate_authority_changes() -> Result<()> {
    let lab = Lab::up("rotation", 3)?;
    let first = lab.board(leader(&lab, lab.board(1))?);
    docker(first, "service create -d --name web --replicas 3 nginx:1.10")?;
    let containers = |tasks: Vec<serde_json::Value>| -> BTreeSet<String> {
        let id = |task: &serde_json::Value| task["Status"]["ContainerStatus"]["ContainerID"].to_string();
        tasks.iter().map(id).collect()
    };
    let before = containers(settled(&lab, first, "web", 3)?);
    let (root, token) = (
        docker(first, "swarm ca")?,
        docker(first, "swarm join-token -q worker")?,
    );
    contains(&root, "BEGIN CERTIFICATE")?;

    contains(&docker(first, "swarm ca --rotate")?, "BEGIN CERTIFICATE")?;
    let second = docker(first, "swarm ca")?;
    assert_ne!(second, root);
    assert_ne!(docker(first, "swarm join-token -q worker")?, token);
    for board in lab.boards() {
        let trusted = std::fs::read_to_string(board.state_dir().join("tls/ca.crt"))?;
        assert_eq!(trusted.trim(), second.trim());
    }

    let off = lab.board(
        lab.boards()
            .iter()
            .position(|board| board.name() != first.name())
            .unwrap_or(0)
            + 1,
    );
    off.stop()?;
    docker(first, "swarm ca --rotate -d")?;
    let rotating = "info --format {{.Swarm.Cluster.RootRotationInProgress}}";
    assert_eq!(docker(first, rotating)?.trim(), "true");
    docker(first, "service update -d --label-add seen=yes web")?;
    off.start()?;
    until(&lab, first, rotating, |said| said.trim() == "false")?;
    until(&lab, first, "node ls", |said| {
        said.matches(" Ready ").count() == 3 && said.matches("Reachable").count() == 2
    })?;
    assert_ne!(docker(first, "swarm ca")?, second);
    assert_eq!(
        containers(settled(&lab, first, "web", 3)?),
        before,
        "no task was touched"
    );
    // All keys and all connections anew: the same cluster.
    lab.power_off_all()?;
    lab.start_all()?;
    lab.ready()?;
    settled(&lab, lab.board(1), "web", 3)?;
    Ok(())
}

/// What the docker command says to an unlock key typed at it, and whether it took it.
fn unlock(board: &Board, key: &str) -> Result<(bool, String)> {
    let line = format!(
        "echo '{key}' | docker -H {} swarm unlock 2>&1",
        board.docker_host()
    );
    let out = std::process::Command::new("sh").args(["-c", &line]).output()?;
    Ok((
        out.status.success(),
        String::from_utf8_lossy(&out.stdout).into_owned(),
    ))
}

fn unlock_key(said: &str) -> Result<String> {
    let word = said.split_whitespace().find(|word| word.starts_with("SWMKEY-1-"));
    Ok(word.context("an unlock key")?.to_owned())
}

fn sealed(board: &Board) -> bool {
    ["tls/node.key", "seal.key"].iter().all(|name| {
        std::fs::read(board.state_dir().join(name))
            .is_ok_and(|content| content.starts_with(b"bramble locked"))
    })
}

/// Managers whose keys are sealed wait for the unlock key after a restart, with their tasks running.
#[test]
fn locked_managers() -> Result<()> {
    let lab = Lab::up("autolock", 3)?;
    let first = leader(&lab, lab.board(1))?;
    let (ask, other) = (lab.board(first), lab.board(first % 3 + 1));
    docker(ask, "service create -d --name web --replicas 3 nginx:1.10")?;
    settled(&lab, ask, "web", 3)?;
    contains(&unlock(ask, "SWMKEY-1-x")?.1, "swarm is not locked")?;

    let old = unlock_key(&docker(ask, "swarm update --autolock=true")?)?;
    lab.wait_for("keys sealed on all boards", PATIENCE, || {
        Ok(Some(()).filter(|()| lab.boards().iter().all(sealed)))
    })?;
    let before = std::fs::read(other.state_dir().join("lock"))?;
    let key = unlock_key(&docker(ask, "swarm unlock-key --rotate")?)?;
    assert_ne!(key, old);
    lab.wait_for("the new key on the other board", PATIENCE, || {
        let now = std::fs::read(other.state_dir().join("lock"))?;
        Ok(Some(()).filter(|()| now != before))
    })?;

    let state = "info --format {{.Swarm.LocalNodeState}}";
    other.kill()?;
    other.start()?;
    until(&lab, other, state, |said| said.trim() == "locked")?;
    contains(
        &refused(other, "node ls")?,
        "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to unlock it.",
    )?;
    contains(&refused(other, "swarm leave")?, "Swarm is encrypted and locked")?;
    let (took, said) = unlock(other, &old)?;
    assert!(!took);
    contains(&said, "swarm could not be unlocked: invalid key provided")?;
    assert!(unlock(other, &key)?.0);
    until(&lab, other, "node ls", |said| {
        said.matches("Reachable").count() == 2
    })?;

    lab.power_off_all()?;
    lab.start_all()?;
    for board in lab.boards() {
        until(&lab, board, state, |said| said.trim() == "locked")?;
        lab.wait_for("its task runs while it is locked", PATIENCE, || {
            Ok(Some(()).filter(|()| serves(board)))
        })?;
    }
    for board in lab.boards() {
        assert!(unlock(board, &key)?.0);
    }
    lab.ready()?;
    settled(&lab, lab.board(1), "web", 3)?;

    docker(lab.board(1), "swarm update --autolock=false")?;
    lab.wait_for("keys open on all boards", PATIENCE, || {
        Ok(Some(()).filter(|()| {
            !lab.boards()
                .iter()
                .any(|board| sealed(board) || board.state_dir().join("lock").exists())
        }))
    })?;
    lab.board(2).kill()?;
    lab.board(2).start()?;
    until(&lab, lab.board(2), state, |said| said.trim() == "active")?;
    Ok(())
}

/// Whether a container's server runs on the board.
fn serves(board: &Board) -> bool {
    board.processes().into_iter().any(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("httpd"))
    })
}

/// The bramble command on a board.
fn bramble(board: &Board, line: &str) -> Result<String> {
    let program = lab::cargo::daemon_binary();
    let program = program.to_str().context("a path")?;
    board.sh(&[&[program], words(line).as_slice()].concat()).ok()
}

/// `bramble context` makes bundles that `docker context import` takes; over TCP each role may what it may, at the leader and at
/// a board that passes on; what is revoked, or of another authority, is not let in.
#[test]
fn contexts_and_roles() -> Result<()> {
    let lab = Lab::up("contexts", 3)?;
    let first = leader(&lab, lab.board(1))?;
    let (asked, client) = (lab.board(first % 3 + 1), lab.board((first + 1) % 3 + 1));
    let folder = lab.board(1).state_dir().join("client");
    std::fs::create_dir_all(&folder)?;
    let at = folder.to_str().context("a path")?;
    let remote = |role: &str, line: &str| {
        let line = format!("docker --config {at}/docker --context {role} {line}");
        client.sh(&words(&line))
    };
    for role in ["admin", "deploy", "view"] {
        let file = format!("{at}/{role}.dockercontext");
        bramble(
            asked,
            &format!("context create --role {role} --name {role} --days 2 --output {file}"),
        )?;
        let import = format!("docker --config {at}/docker context import {role} {file}");
        client.sh(&words(&import)).ok()?;
    }
    let again = bramble(asked, &format!("context create --output {at}/view.dockercontext"));
    contains(&again.unwrap_err().to_string(), "File exists")?;

    lab.wait_for("the API over TCP", PATIENCE, || {
        Ok(remote("admin", "node ls").ok().ok())
    })?;
    for (role, line, says) in [
        ("view", "node ls", "Leader"),
        ("view", "info", "Is Manager: true"),
        ("view", "swarm ca", "BEGIN CERTIFICATE"),
        ("deploy", "service create -d --name web nginx:1.10", ""),
        ("deploy", "secret ls", "NAME"),
        ("view", "service ls", "web"),
        ("admin", "swarm update --task-history-limit 3", "Swarm updated."),
        ("admin", "swarm join-token -q worker", "SWMTKN-1-"),
    ] {
        contains(&remote(role, line).ok().with_context(|| line.to_owned())?, says)?;
    }
    let token = remote("view", "swarm join-token -q worker").ok()?;
    assert!(!token.contains("SWMTKN"), "{token}");
    settled(&lab, asked, "web", 1)?;
    for (role, line, says) in [
        (
            "view",
            "service create -d --name other nginx:1.10",
            "needs the role deploy",
        ),
        ("view", "service rm web", "needs the role deploy"),
        ("view", "swarm unlock-key", "needs the role admin"),
        (
            "deploy",
            "node update --availability drain board-1",
            "needs the role admin",
        ),
        ("deploy", "swarm leave --force", "needs the role admin"),
        (
            "deploy",
            "swarm join-token --rotate worker",
            "needs the role admin",
        ),
    ] {
        contains(
            &remote(role, line).fails().with_context(|| line.to_owned())?,
            says,
        )?;
    }
    // A bundle of a follower, used at the leader: what it shows is of the same authority.
    let host = format!("tcp://{}:2376", lab.board(first).address());
    client
        .sh(&["tar", "-xf", &format!("{at}/deploy.dockercontext"), "-C", at])
        .ok()?;
    let by_hand = |cert: &str, key: &str| {
        let line = format!(
            "docker --config {at}/none -H {host} --tlsverify --tlscacert {at}/tls/docker/ca.pem --tlscert {cert} --tlskey {key} \
             service ls"
        );
        client.sh(&words(&line))
    };
    let (cert, key) = (
        format!("{at}/tls/docker/cert.pem"),
        format!("{at}/tls/docker/key.pem"),
    );
    contains(&by_hand(&cert, &key).ok()?, "web")?;
    // A manager's own key opens nothing here.
    let tls = lab.board(1).state_dir().join("tls");
    let node = |name: &str| tls.join(name).display().to_string();
    contains(&by_hand(&node("node.crt"), &node("node.key")).fails()?, "tls: ")?;

    let listed = bramble(asked, "context ls")?;
    let deploy = listed
        .lines()
        .find(|line| line.contains(" deploy "))
        .context("deploy")?;
    let id = deploy.split_whitespace().next().context("an id")?;
    bramble(asked, &format!("context revoke {id}"))?;
    lab.wait_for("revoked at the board asked", PATIENCE, || {
        let ran = remote("deploy", "service ls");
        Ok(Some(()).filter(|()| !ran.success() && ran.stderr.contains("was revoked")))
    })?;
    contains(&bramble(asked, "context ls")?, "revoked")?;
    remote("view", "service ls").ok()?;
    Ok(())
}
