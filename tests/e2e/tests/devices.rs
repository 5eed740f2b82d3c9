//! What a service asks for by labels that Swarm has no words for: devices and privileges.

use anyhow::Result;
use bramble_e2e::{contains, docker, refused, settled, until};
use lab::Lab;

/// A service goes where its device is, reads it, and waits when it is pulled out.
#[test]
fn a_service_follows_its_device() -> Result<()> {
    let lab = Lab::up("devices", 3)?;
    let board = lab.board(1);
    let second = lab.board(2);
    // A stick, of the same kind as /dev/zero, that only this board sees.
    let plug = "mount -t tmpfs stick /dev/net && mknod -m 660 /dev/net/stick c 1 5";
    second.sh(&["sh", "-c", plug]).ok()?;

    contains(
        &refused(
            board,
            "service create -d --label bramble.device=/dev/net/stick busybox",
        )?,
        "label bramble.device: not known",
    )?;
    let script = "head -c 4 /dev/stick | od -An -tx1; sleep 1000";
    let label = "--label=bramble.devices=/dev/net/stick:/dev/stick:r";
    let create = [
        "service",
        "create",
        "-d",
        "--name=reader",
        "--stop-grace-period=1s",
        label,
    ];
    let whole = [&create[..], &["busybox:latest", "sh", "-c", script]].concat();
    board.docker(&whole).ok()?;
    let found = settled(&lab, board, "reader", 1)?;
    let id = docker(board, "node inspect --format {{.ID}} board-2")?;
    assert_eq!(found[0]["NodeID"], id.trim());
    until(&lab, board, "service logs reader", |said| {
        said.contains("00 00 00 00")
    })?;

    // Pulled out: the task ends, the next one waits and says what for.
    second.sh(&["umount", "/dev/net"]).ok()?;
    until(&lab, board, "service ps --no-trunc reader", |said| {
        said.contains("device not found on 3 nodes") && said.contains("Shutdown")
    })?;
    second.sh(&["sh", "-c", plug]).ok()?;
    settled(&lab, board, "reader", 1)?;

    let script =
        "mkdir /m; mount -t tmpfs x /m && echo mounted; df -k /dev/shm; ls /dev/net/stick; sleep 1000";
    let privileged = [
        "service",
        "create",
        "-d",
        "--name=free",
        "--label=bramble.privileged=true",
        "--label=bramble.shm_size=1m",
        "--constraint=node.hostname==board-2",
        "busybox:latest",
        "sh",
        "-c",
        script,
    ];
    board.docker(&privileged).ok()?;
    let said = until(&lab, board, "service logs free", |said| {
        said.contains("/dev/net/stick")
    })?;
    contains(&said, "mounted")?;
    contains(&said, " 1024 ")?;
    Ok(())
}
