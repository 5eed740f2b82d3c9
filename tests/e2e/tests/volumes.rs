//! Volumes, with the docker command: made, filled, kept when a task is replaced, removed.

use anyhow::Result;
use bramble_e2e::{contains, docker, manager_and_worker, refused, running, settled, tasks, until};
use lab::Lab;

#[test]
fn volumes_outlive_tasks() -> Result<()> {
    let lab = Lab::up("volumes", 2)?;
    let (first, second) = manager_and_worker(&lab);
    let (board, worker) = (lab.board(first), lab.board(second));

    // On any board, also one that is no manager, for itself.
    assert_eq!(
        docker(worker, "volume create --label use=test --label x=1 mine")?.trim(),
        "mine"
    );
    assert_eq!(docker(worker, "volume create mine")?.trim(), "mine");
    contains(&docker(worker, "volume inspect mine")?, "\"use\": \"test\"")?;
    contains(
        &docker(worker, "volume ls --filter label=use=test")?,
        "local     mine",
    )?;
    assert!(!docker(board, "volume ls")?.contains("mine"));
    // Managers are told its name.
    lab.wait_for("managers to know of it", bramble_e2e::PATIENCE, || {
        let nodes = board.api("GET", "/nodes", None)?.ok()?.json()?;
        let mut known = nodes.as_array().into_iter().flatten();
        Ok(Some(()).filter(|()| known.any(|node| node["Description"]["BrambleVolumes"][0] == "mine")))
    })?;
    contains(
        &refused(board, "volume create _x")?,
        "includes invalid characters for a local volume name",
    )?;
    contains(
        &refused(board, "volume create --driver nosuch xx")?,
        "plugin \"nosuch\" not found",
    )?;
    contains(
        &refused(board, "volume create --opt type=tmpfs xx")?,
        "missing required option",
    )?;
    contains(&refused(board, "volume inspect none")?, "no such volume")?;
    contains(&refused(board, "volume rm none")?, "no such volume")?;

    // Filled from the image once, with what it has there; kept when the task is replaced.
    let sh = |options: &str, script: &str| -> Result<String> {
        let mut args = bramble_e2e::words("service create -d --stop-grace-period 1s");
        let options = options.replace("ITSELF", &format!("node.hostname==board-{first}"));
        let options = options.replace("OTHER", &format!("node.hostname==board-{second}"));
        args.extend(options.split_whitespace());
        args.extend(["nginx:1.10", "sh", "-c", script]);
        board.docker(&args).ok()
    };
    sh(
        "--name web --mount type=volume,source=pages-{{.Task.Slot}},target=/usr/share/nginx/html,volume-label=of={{.Service.Name}} \
         --mount type=volume,target=/scratch --constraint ITSELF",
        "cat /usr/share/nginx/html/50x.html; echo $(ls /usr/share/nginx/html | wc -l) files; touch /usr/share/nginx/html/more; \
         trap exit TERM; sleep 1000 & wait",
    )?;
    settled(&lab, board, "web", 1)?;
    let before = running(board, "web")?[0]["ID"].clone();
    until(&lab, board, "service logs web", |said| {
        said.contains("<h1>error</h1>") && said.contains("1 files")
    })?;
    contains(&docker(board, "volume inspect pages-1")?, "\"of\": \"web\"")?;
    let in_use = refused(board, "volume rm pages-1")?;
    contains(&in_use, "remove pages-1: volume is in use - [")?;
    assert_eq!(docker(board, "volume ls -q")?.lines().count(), 2);
    docker(board, "service update -d --force web")?;
    until(&lab, board, "service logs web", |said| said.contains("2 files"))?;
    lab.wait_for("another task", bramble_e2e::PATIENCE, || {
        let now = running(board, "web")?;
        Ok(Some(()).filter(|()| now.len() == 1 && now[0]["ID"] != before))
    })?;

    // A file system of its own, shared by those that use it, gone with the last of them.
    docker(
        board,
        "volume create --opt type=tmpfs --opt device=tmpfs --opt o=size=1m,mode=0750 ram",
    )?;
    sh(
        "--name fast --restart-condition none --mount type=volume,source=ram,target=/ram,volume-nocopy \
         --mount type=tmpfs,target=/t,tmpfs-size=64k,tmpfs-mode=1770 --constraint ITSELF",
        "grep -E ' /(ram|t) ' /proc/mounts; stat -c %a /t",
    )?;
    let said = until(&lab, board, "service logs --raw fast", |said| {
        said.contains("1770")
    })?;
    for part in ["size=1024k,mode=750", "size=64k,mode=1770", "noexec"] {
        contains(&said, part)?;
    }
    let data = board.state_dir().join("volumes/ram/_data");
    lab.wait_for("the file system is gone", bramble_e2e::PATIENCE, || {
        let table = board.sh(&["cat", "/proc/self/mountinfo"]).ok()?;
        Ok(Some(()).filter(|()| !table.contains(&data.display().to_string())))
    })?;

    // Binds: what is not there is said; read-only holds below as well.
    sh(
        "--name lost --restart-condition none --mount type=bind,source=/nowhere,target=/x",
        "true",
    )?;
    until(&lab, board, "service ps --no-trunc lost", |said| {
        said.contains("bind source path does not exist: /nowhere")
    })?;
    let folder = worker.state_dir().join("bound");
    std::fs::create_dir_all(&folder)?;
    sh(
        &format!(
            "--name bound --restart-condition none --mount type=bind,source={},target=/b,readonly,bind-propagation=rprivate \
             --constraint OTHER",
            folder.display()
        ),
        "touch /b/x 2>&1",
    )?;
    until(&lab, board, "service logs bound", |said| {
        said.contains("Read-only file system")
    })?;

    // Gone with their containers, or with prune.
    docker(board, "service rm web fast lost bound")?;
    lab.wait_for("the tasks to be gone", bramble_e2e::PATIENCE, || {
        Ok(Some(()).filter(|()| tasks(board, "web").is_ok_and(|tasks| tasks.is_empty())))
    })?;
    until(&lab, board, "volume ls -q --filter dangling=true", |said| {
        said.lines().count() == 2
    })?;
    until(&lab, board, "volume rm pages-1", |said| said.contains("pages-1"))?;
    // By itself only what nobody named goes.
    docker(board, "volume prune --force")?;
    assert_eq!(docker(board, "volume ls -q")?.trim(), "ram");
    contains(&docker(board, "volume prune --force --all")?, "ram")?;
    assert_eq!(docker(board, "volume ls -q")?, "");
    Ok(())
}
