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

/// What is seen of a container from inside: its process, its limits, its files.
const LOOK: &str = "grep -E '^(Uid|Gid|Groups|CapEff|NoNewPrivs|Seccomp):' /proc/self/status; ulimit -n; ulimit -Hc; hostname; \
    cat /proc/sys/net/core/somaxconn /proc/self/oom_score_adj; grep printer /etc/hosts; cat /etc/resolv.conf; pwd; env; \
    touch /x 2>&1; stat -c %a /scratch; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; \
    cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; echo looked; sleep 1000";

/// Fields of `docker service create` as the kernel has them.
#[test]
fn what_is_asked_for_is_so() -> Result<()> {
    let lab = Lab::up("asked", 1)?;
    let board = lab.board(1);
    let options = "service create -d --name seen --user 7:8 --group 20 --group 30 --cap-drop ALL --cap-add NET_ADMIN \
                   --ulimit nofile=100:200 --ulimit core=0 --sysctl net.core.somaxconn=77 --hostname {{.Service.Name}}-{{.Task.Slot}} \
                   --host printer:10.0.0.9 --dns 10.9.0.1 --dns-search lan --dns-option ndots:3 --workdir /tmp --env WHO={{.Node.Hostname}} \
                   --env PATH --read-only --mount type=tmpfs,target=/scratch,tmpfs-mode=0710 --limit-memory 64m --limit-pids 50 \
                   --stop-signal SIGUSR1 --stop-grace-period 3s --init busybox:latest sh -c";
    let args = [bramble_e2e::words(options), vec![LOOK]].concat();
    board.docker(&args).ok()?;
    let said = until(&lab, board, "service logs --raw seen", |said| {
        said.contains("looked")
    })?;
    for part in [
        "Uid:\t7\t7\t7\t7",
        "Gid:\t8\t8\t8\t8",
        "Groups:\t20 30",
        "Seccomp:\t2",
        "100\n0\nseen-1\n77\n",
        "10.0.0.9\tprinter",
        "search lan",
        "ndots:3",
        "\n/tmp\n",
        "WHO=board-1",
        "Read-only file system",
        "\n710\n67108864\n",
        "\n50\n",
    ] {
        contains(&said, part)?;
    }

    // By the API, what this docker command has no words for yet.
    let spec = serde_json::json!({
        "Name": "more", "TaskTemplate": { "ContainerSpec": {
            "Image": "busybox:latest", "OpenStdin": true, "OomScoreAdj": 300, "Env": ["A={{index .Service.Labels \"tier\"}}"],
            "Args": ["sh", "-c", "cat /proc/self/oom_score_adj; grep NoNew /proc/self/status; mkdir /d 2>&1; env | grep ^A=; \
                                  echo opened; cat; echo closed"],
            "Privileges": { "NoNewPrivileges": true, "Seccomp": { "Mode": "custom", "Profile": PROFILE } },
        } }, "Labels": { "tier": "front" }, "Mode": { "Replicated": { "Replicas": 1 } },
    });
    board
        .api("POST", "/v1.51/services/create", Some(&spec.to_string()))?
        .ok()?;
    let said = until(&lab, board, "service logs --raw more", |said| {
        said.contains("opened")
    })?;
    for part in ["300\n", "NoNewPrivs:\t1", "Operation not permitted", "A=front"] {
        contains(&said, part)?;
    }
    settled(&lab, board, "more", 1)?;

    // Refused at once where managers can know, by the task where only a board can.
    for (options, words) in [
        ("--cap-add FLY", "unknown capability"),
        ("--sysctl kernel.panic=1", "'kernel.panic' is not allowed"),
        ("--env A={{.Nope}}", "can't evaluate field Nope"),
        ("--stop-signal SIGNOPE", "SIGNOPE"),
        ("--mount type=volume,source=x,target=/x", "too short"),
        ("--isolation hyperv", "Windows"),
    ] {
        let line = format!("service create -d {options} busybox:latest");
        contains(&bramble_e2e::refused(board, &line)?, words)?;
    }
    docker(
        board,
        "service create -d --name who --restart-condition none --user nobody-such busybox:latest true",
    )?;
    until(&lab, board, "service ps --no-trunc who", |said| {
        said.contains("unable to find user nobody-such")
    })?;
    Ok(())
}

/// `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}`
const PROFILE: &str = "eyJkZWZhdWx0QWN0aW9uIjoiU0NNUF9BQ1RfQUxMT1ciLCJzeXNjYWxscyI6W3sibmFtZXMiOlsibWtkaXIiLCJta2RpcmF0Il0sImFjdGlv\
                       biI6IlNDTVBfQUNUX0VSUk5PIn1dfQ==";
