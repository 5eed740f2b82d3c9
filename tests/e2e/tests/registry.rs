//! Images: names are pinned, registries want passwords, go away, and have nothing.

use anyhow::{Context, Result};
use bramble_e2e::{contains, docker, manager_and_worker, refused, running, settled, tasks, until};
use lab::Lab;

/// `sesame`, as the registry keeps it (bcrypt).
const PASSWORDS: &str = "ali:$2y$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O\n";

#[test]
fn a_registry_may_want_a_password_or_be_away() -> Result<()> {
    let lab = Lab::up("registry", 2)?;
    let (manager, _) = manager_and_worker(&lab);
    let board = lab.board(manager);
    let on = format!("--constraint node.hostname==board-{manager}");
    let server = format!("10.9.0.{}:5001", 10 + manager);

    // The docker command pins what a name means now.
    docker(board, &format!("service create -d --name pinned {on} nginx:1.10"))?;
    settled(&lab, board, "pinned", 1)?;
    contains(
        &docker(
            board,
            "service inspect --format {{.Spec.TaskTemplate.ContainerSpec.Image}} pinned",
        )?,
        "nginx:1.10@sha256:",
    )?;
    docker(
        board,
        "service create -d --name none --restart-condition none --no-resolve-image nosuch:1",
    )?;
    until(&lab, board, "service ps --no-trunc none", |said| {
        said.contains("No such image: nosuch:1")
    })?;

    // A registry of the same images that wants a name and a password.
    let folder = board.state_dir().join("private");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("passwords"), PASSWORDS)?;
    let storage = board
        .state_dir()
        .join("../../registry")
        .canonicalize()
        .context("the lab's registry")?;
    let settings = serde_json::json!({
        "version": 0.1,
        "log": { "level": "warn", "accesslog": { "disabled": true } },
        "storage": { "filesystem": { "rootdirectory": storage } },
        "auth": { "htpasswd": { "realm": "lab", "path": folder.join("passwords") } },
        "http": { "addr": server, "secret": "lab" },
    });
    let path = folder.join("settings.yml");
    std::fs::write(&path, settings.to_string())?;
    let start = format!(
        "docker-registry serve {} >/dev/null 2>&1 & echo $!",
        path.display()
    );
    board.sh(&["sh", "-c", &start]).ok()?;
    let image = format!("{server}/library/nginx:1.11");
    let create =
        format!("service create -d --restart-condition none --no-resolve-image --name denied {image}");
    docker(board, &create)?;
    until(&lab, board, "service ps --no-trunc denied", |said| {
        said.contains("pull access denied for 10.9.0.")
    })?;
    contains(
        &refused(board, &format!("login -u ali -p wrong {server}"))?,
        "unauthorized",
    )?;
    docker(board, &format!("login -u ali -p sesame {server}"))?;
    docker(
        board,
        &format!("service create -d --with-registry-auth --replicas 2 --name private {image}"),
    )?;
    settled(&lab, board, "private", 2)?;
    contains(&docker(board, "service inspect private")?, "@sha256:")?;
    for text in [
        docker(board, "service inspect private")?,
        format!("{:?}", tasks(board, "private")?),
    ] {
        assert!(
            !text.to_lowercase().contains("auth\": \"") && !text.contains("sesame"),
            "{text}"
        );
    }
    docker(board, &format!("logout {server}"))?;
    // An update without credentials keeps those that are known, also for a board that has not got the image yet.
    docker(
        board,
        &format!("service update -d --no-resolve-image --image {server}/library/nginx:1.10 private"),
    )?;
    until(
        &lab,
        board,
        "service ps --format {{.Image}}={{.CurrentState}} private",
        |said| said.matches("nginx:1.10=Running").count() == 2,
    )?;

    // What is there is used when its registry is not.
    docker(
        board,
        &format!("service create -d --name tagged --no-resolve-image {on} nginx:1.11"),
    )?;
    let first = settled(&lab, board, "tagged", 1)?[0]["ID"].clone();
    board
        .sh(&["ip", "route", "add", "blackhole", "10.9.0.1/32"])
        .ok()?;
    docker(board, "service update -d --force tagged")?;
    lab.wait_for("another task of tagged", bramble_e2e::PATIENCE, || {
        let now = running(board, "tagged")?;
        Ok(Some(()).filter(|()| now.len() == 1 && now[0]["ID"] != first))
    })?;
    let known = format!("service create -d --name again --no-resolve-image {on} nginx:1.10@");
    let pinned = docker(
        board,
        "service inspect --format {{.Spec.TaskTemplate.ContainerSpec.Image}} pinned",
    )?;
    let digest = pinned.trim().split('@').nth(1).context("a digest")?.to_owned();
    docker(board, &format!("{known}{digest}"))?;
    settled(&lab, board, "again", 1)?;
    Ok(())
}
