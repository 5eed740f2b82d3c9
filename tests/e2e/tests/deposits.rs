//! Secrets and configs, with the docker command.

use anyhow::Result;
use bramble_e2e::{contains, docker, refused, settled, until};
use lab::Lab;

/// Lines of `/proc/mounts` inside that say where a secret lies, then what is in the files.
const SHOW: &str = "grep /run/secrets /proc/mounts; stat -c %u:%g:%a /run/secrets/key; cat /run/secrets/key /etc/app.conf; \
                    sleep 1000";

#[test]
fn services_read_secrets_and_configs() -> Result<()> {
    let lab = Lab::up("deposits", 3)?;
    let board = lab.board(1);
    let file = |name: &str, text: &str| -> Result<String> {
        let path = board.state_dir().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (first, second) = (file("first", "open-sesame\n")?, file("second", "swordfish\n")?);
    let conf = file(
        "conf",
        "name={{.Service.Name}} key={{secret \"key\"}} level={{env \"LEVEL\"}}\n",
    )?;
    docker(board, &format!("secret create --label use=test key1 {first}"))?;
    docker(
        board,
        &format!("config create --template-driver golang app {conf}"),
    )?;
    contains(
        &refused(board, &format!("secret create key1 {first}"))?,
        "secret key1 already exists",
    )?;
    contains(&docker(board, "secret ls --filter label=use=test")?, "key1")?;
    let inspected = docker(board, "secret inspect key1")?;
    assert!(!inspected.contains("Data"), "{inspected}");
    contains(
        &docker(board, "config inspect --pretty app")?,
        "name={{.Service.Name}}",
    )?;

    let create = [
        "service",
        "create",
        "-d",
        "--name",
        "reader",
        "--replicas=3",
        "--env=LEVEL=3",
        "--secret=source=key1,target=key,uid=7,gid=8,mode=0440",
        "--config=source=app,target=/etc/app.conf",
        "busybox:latest",
        "sh",
        "-c",
        SHOW,
    ];
    board.docker(&create).ok()?;
    settled(&lab, board, "reader", 3)?;
    let said = until(&lab, board, "service logs reader", |said| {
        said.matches("level=3").count() == 3
    })?;
    for part in ["tmpfs", "7:8:440", "name=reader key=open-sesame"] {
        assert!(said.matches(part).count() >= 3, "{part} is missing in:\n{said}");
    }

    contains(
        &refused(board, "secret rm key1")?,
        "secret 'key1' is in use by the following service: reader",
    )?;
    // Rotation: another secret in the place of the first.
    docker(board, &format!("secret create key2 {second}"))?;
    docker(
        board,
        "service update -d --secret-rm key1 --secret-add source=key2,target=key reader",
    )?;
    until(&lab, board, "service logs reader", |said| {
        said.matches("key=swordfish").count() == 3
    })?;
    docker(board, "secret rm key1")?;
    contains(&refused(board, "secret inspect key1")?, "key1")?;

    // It is in memory only: after a power cut a board gets it from its manager again.
    lab.board(2).power_off()?;
    lab.board(2).start()?;
    settled(&lab, board, "reader", 3)?;

    docker(board, "service rm reader")?;
    for number in [1, 2, 3] {
        let dir = lab.board(number).state_dir();
        lab.wait_for("no secret on any disk", bramble_e2e::PATIENCE, || {
            Ok(Some(()).filter(|()| found_below(&dir, "swordfish").is_none()))
        })?;
    }
    docker(board, "secret rm key2")?;
    docker(board, "config rm app")?;
    Ok(())
}

/// A file below `dir` (what users' files above left out) that holds `text`.
fn found_below(dir: &std::path::Path, text: &str) -> Option<std::path::PathBuf> {
    let needle = text.as_bytes();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if let Some(found) = found_below(&path, text) {
                return Some(found);
            }
        } else if kind.is_file()
            && !path.ends_with("second")
            && !path.to_string_lossy().contains("/containers/")
        {
            let data = std::fs::read(&path).unwrap_or_default();
            if data.windows(needle.len()).any(|window| window == needle) {
                return Some(path);
            }
        }
    }
    None
}
