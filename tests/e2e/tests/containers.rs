//! What a service says of its containers takes effect.

use anyhow::Result;
use bramble_e2e::{contains, docker, settled, tasks, until};
use lab::Lab;

/// A service with a health check runs once it is well, fails when it is not any more, and says why.
#[test]
fn health_init_and_logs() -> Result<()> {
    let lab = Lab::up("containers", 1)?;
    let board = lab.board(1);
    let sh = |options: &str, script: &str| -> Result<String> {
        let mut args = bramble_e2e::words("service create -d");
        args.extend(options.split_whitespace());
        args.extend(["busybox:latest", "sh", "-c", script]);
        board.docker(&args).ok()
    };

    // Well only after a while: until then it is starting.
    sh(
        "--name well --health-cmd cat</tmp/well --health-interval 300ms --health-retries 1000",
        "sleep 3; touch /tmp/well; sleep 1000",
    )?;
    until(&lab, board, "service ps well", |said| said.contains("Starting"))?;
    let seen = tasks(board, "well")?;
    assert_eq!(seen[0]["Status"]["State"], "starting", "{seen:?}");
    settled(&lab, board, "well", 1)?;

    // Unhealthy means failed, with what the check said.
    sh(
        "--name ill --restart-condition none --health-cmd cat</tmp/well --health-interval 300ms --health-retries 2 \
         --stop-grace-period 1s",
        "touch /tmp/well; sleep 2; rm /tmp/well; sleep 1000",
    )?;
    let said = until(&lab, board, "service ps --no-trunc ill", |said| {
        said.contains("Failed")
    })?;
    contains(&said, "unhealthy container: ")?;
    contains(&said, "no such file")?;

    // A check that hangs is ended.
    sh(
        "--name slow --restart-condition none --health-cmd sleep${IFS}100 --health-interval 300ms --health-timeout 300ms \
         --health-retries 1 --stop-grace-period 1s",
        "sleep 1000",
    )?;
    until(&lab, board, "service ps --no-trunc slow", |said| {
        said.contains("unhealthy container")
    })?;

    // An init process is the first one, and takes orphans in.
    sh("--name init --init", "cat /proc/1/cmdline; echo; sleep 1000")?;
    until(&lab, board, "service logs init", |said| {
        said.contains("docker-init")
    })?;

    // Only so much of a log is kept.
    sh(
        "--name chatty --log-driver json-file --log-opt max-size=4k --log-opt max-file=1",
        "seq 1 2000; echo the end; sleep 1000",
    )?;
    let said = until(&lab, board, "service logs --raw chatty", |said| {
        said.contains("the end")
    })?;
    assert!(said.lines().count() < 1000, "{} lines", said.lines().count());
    docker(
        board,
        "service create -d --name odd --restart-condition none --log-driver gelf busybox:latest true",
    )?;
    until(&lab, board, "service ps --no-trunc odd", |said| {
        said.contains("log driver gelf can't be used here")
    })?;
    Ok(())
}
