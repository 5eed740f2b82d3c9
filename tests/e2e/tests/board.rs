//! What a board's own docker shows and does: its tasks' containers.

use anyhow::{Context, Result};
use bramble_e2e::{contains, docker, refused, settled, until, words};
use lab::{Board, Lab};

fn first(board: &Board, filter: &str) -> Result<String> {
    let said = docker(board, &format!("ps -q --no-trunc --filter {filter}"))?;
    Ok(said.lines().next().context("a container")?.to_owned())
}

fn sh(board: &Board, container: &str, script: &str) -> Result<String> {
    board.docker(&["exec", container, "sh", "-c", script]).ok()
}

/// Lines of a shell with the docker command of a board.
fn script(board: &Board, lines: &str) -> Result<String> {
    let lines = format!("export DOCKER_HOST={}; {lines}", board.docker_host());
    board.sh(&["sh", "-c", &lines]).ok()
}

/// Containers of tasks are looked at, entered and ended on their board; what ends is replaced.
#[test]
fn containers() -> Result<()> {
    let lab = Lab::up("board", 1)?;
    let board = lab.board(1);
    docker(
        board,
        "service create -d --name web -p mode=host,target=80 --env A=1 --container-label c=d --health-cmd true \
         --health-interval 300ms nginx:1.10",
    )?;
    docker(
        board,
        "service create -d --name tty -t --stop-grace-period 1s busybox:latest sh -c echo${IFS}hi;sleep${IFS}1000",
    )?;
    settled(&lab, board, "web", 1)?;
    settled(&lab, board, "tty", 1)?;
    let web = first(board, "label=com.docker.swarm.service.name=web")?;
    let tty = first(board, "name=tty.1")?;

    seen(&lab, board, &web)?;
    entered(board, &web, &tty)?;
    refusals(board, &web)?;

    copied(board, &web)?;

    // Frozen, then ended: the policy starts another.
    docker(board, &format!("pause {tty}"))?;
    contains(&docker(board, "ps --filter status=paused")?, "(Paused)")?;
    contains(&refused(board, &format!("exec {tty} ls"))?, "is paused")?;
    docker(board, &format!("unpause {tty}"))?;
    docker(board, &format!("kill {tty}"))?;
    assert_eq!(docker(board, &format!("wait {tty}"))?.trim(), "137");
    until(&lab, board, "ps -q --no-trunc --filter name=tty.1", |said| {
        said.lines().count() == 1 && !said.contains(&tty)
    })?;
    contains(&docker(board, "ps -a")?, "Exited (137)")?;

    let told = docker(
        board,
        &format!("events --since 10m --until 0s --filter container={tty}"),
    )?;
    for action in [" container start ", " container pause ", " container die "] {
        contains(&told, action)?;
    }
    contains(
        &docker(board, "events --since 10m --until 0s --filter type=service")?,
        " service create ",
    )?;
    Ok(())
}

fn seen(lab: &Lab, board: &Board, web: &str) -> Result<()> {
    until(lab, board, "ps --filter health=healthy", |said| {
        said.contains("web.1.")
    })?;
    let said = docker(
        board,
        &format!(
            "inspect --format {{{{.State.Health.Status}}}}/{{{{.Config.Labels.c}}}}/{{{{.State.Running}}}} {web}"
        ),
    )?;
    assert_eq!(said.trim(), "healthy/d/true");
    contains(&docker(board, &format!("port {web}"))?, "80/tcp -> 0.0.0.0:")?;
    contains(&docker(board, &format!("logs {web}"))?, "serving on port 80")?;
    contains(
        &docker(board, &format!("logs -t --tail 1 {}", &web[..12]))?,
        "Z nginx",
    )?;
    contains(&docker(board, &format!("top {web}"))?, "httpd -f -p 80")?;
    let stats = docker(
        board,
        &format!("stats --no-stream --format {{{{.CPUPerc}}}}|{{{{.MemUsage}}}}|{{{{.PIDs}}}} {web}"),
    )?;
    let columns: Vec<&str> = stats.trim().split('|').collect();
    assert!(
        columns[0].ends_with('%') && columns[1].contains("B / ") && columns[2] != "0",
        "{stats}"
    );
    Ok(())
}

fn entered(board: &Board, web: &str, tty: &str) -> Result<()> {
    assert_eq!(sh(board, web, "echo $A; id -u")?.trim(), "1\n0");
    let ran = board.docker(&["exec", web, "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert!(ran.ok().is_err());
    let said = board
        .docker(&[
            "exec",
            "-e",
            "X=1",
            "-w",
            "/tmp",
            "-u",
            "33:34",
            web,
            "sh",
            "-c",
            "echo $X $(pwd) $(id -u):$(id -g)",
        ])
        .ok()?;
    assert_eq!(said.trim(), "1 /tmp 33:34");
    let said = script(board, &format!("docker exec {web} nosuch; echo code $?"))?;
    contains(&said, "executable file not found in $PATH")?;
    contains(&said, "code 127")?;
    let said = script(board, &format!("docker exec -w relative {web} ls; echo code $?"))?;
    contains(&said, "absolute path")?;
    docker(board, &format!("exec -d {web} touch /tmp/detached"))?;
    // A command that ends before its input does, and one whose input ends first; larger than any pipe.
    let lines = format!(
        "head -c 3000000 /dev/zero | docker exec -i {web} wc -c; docker exec {web} head -c 3000000 /dev/zero | wc -c; \
        docker exec {web} sh -c 'exit 7'; echo code $?"
    );
    assert_eq!(script(board, &lines)?.trim(), "3000000\n3000000\ncode 7");
    // In a terminal.
    let lines = format!("script -qec \"docker exec -it {tty} sh -c 'tty; exit 5'\" /dev/null; echo code $?");
    let said = script(board, &lines)?;
    contains(&said, "/dev/pts/")?;
    contains(&said, "code 5")
}

/// Files go in and come out, also of a folder, and never by a link out of the container.
fn copied(board: &Board, web: &str) -> Result<()> {
    let lines = format!(
        "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; mkdir in; echo hello >in/file; ln -s file in/link; \
         docker cp in {web}:/tmp/folder; docker cp in/file {web}:/tmp/one; docker exec {web} ln -s /etc/passwd /tmp/pw; \
         docker cp {web}:/tmp/folder out; cat out/file; readlink out/link; docker cp {web}:/tmp/one - | tar t; \
         docker cp -L {web}:/tmp/pw pw; docker exec {web} cat /etc/passwd | cmp - pw && echo same; \
         docker diff {web} | grep one; docker export {web} | tar t | grep -c usr/sbin/nginx"
    );
    assert_eq!(
        script(board, &lines)?.trim(),
        "hello\nfile\none\nsame\nA /tmp/one\n1"
    );
    contains(
        &refused(board, &format!("cp {web}:/none -"))?,
        "Could not find the file /none",
    )
}

/// Images come, get names, go out and in again, and are kept while a container is of them.
#[test]
fn images() -> Result<()> {
    let lab = Lab::up("board-images", 1)?;
    let board = lab.board(1);
    contains(
        &docker(board, "pull busybox:latest")?,
        "Downloaded newer image for busybox:latest",
    )?;
    contains(&docker(board, "pull busybox:latest")?, "Image is up to date")?;
    docker(board, "tag busybox:latest mine:1")?;
    contains(&docker(board, "history mine:1")?, "cargo lab images")?;
    let lines = "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; cd $d; docker save -o x.tar mine:1; docker rmi mine:1 busybox:latest; \
        docker load -i x.tar; gzip x.tar; docker load -i x.tar.gz; mkdir bin; cp /bin/busybox bin/sleep; \
        tar c bin | docker import -c 'CMD [\"/bin/sleep\",\"1000\"]' - made:1";
    let said = script(board, lines)?;
    contains(&said, "Untagged: mine:1")?;
    assert_eq!(said.matches("Loaded image: mine:1").count(), 2, "{said}");

    // A service runs what was brought by hand.
    docker(
        board,
        "service create -d --no-resolve-image --stop-grace-period 1s --name made made:1",
    )?;
    docker(
        board,
        "service create -d --no-resolve-image --stop-grace-period 1s --name mine mine:1 sleep 1000",
    )?;
    settled(&lab, board, "made", 1)?;
    settled(&lab, board, "mine", 1)?;
    contains(&refused(board, "rmi mine:1")?, "must force")?;
    let id = docker(board, "images -q made")?;
    contains(
        &refused(board, &format!("rmi -f {}", id.trim()))?,
        "cannot be forced",
    )?;
    contains(&docker(board, "image prune -af")?, "Total reclaimed space")?;
    contains(&docker(board, "images")?, "made")?;
    let counted = docker(board, "info --format {{.ContainersRunning}}/{{.Images}}")?;
    assert_eq!(counted.trim(), "2/2");
    contains(&docker(board, "system df")?, "Images")?;
    for (line, says) in [
        ("rmi nosuch", "No such image: nosuch:latest"),
        ("image inspect nosuch", "No such image: nosuch:latest"),
        ("tag made:1 UPPER:1", "must be lowercase"),
        ("push made:1", "don't push"),
        ("pull nosuchimage:1", "nosuchimage:1"),
    ] {
        contains(&refused(board, line)?, says)?;
    }
    Ok(())
}

fn refusals(board: &Board, web: &str) -> Result<()> {
    for (line, says) in [
        ("exec x ls".to_owned(), "No such container: x"),
        ("logs x".to_owned(), "No such container: x"),
        ("top x".to_owned(), "No such container: x"),
        (format!("rm -f {web}"), "service web"),
        (format!("rename {web} x"), "failed to rename"),
        (format!("kill -s NONSENSE {web}"), "invalid signal"),
        (format!("top {web} -o comm"), "couldn't find PID"),
        ("ps --filter colour=red".to_owned(), "invalid filter"),
        ("run --rm busybox true".to_owned(), "docker service create"),
    ] {
        let said = board.docker(&words(&line)).fails()?;
        contains(&said, says)?;
    }
    Ok(())
}
