//! Names, as containers ask for them.

use anyhow::{Context, Result};
use bramble_e2e::{PATIENCE, contains, docker, settled, tasks, until, words};
use lab::{Board, Lab};

/// What a task's own `nslookup` says, asked from its network on its board. A failure's words too.
fn nslookup(board: &Board, task: &str, name: &str) -> String {
    let netns = format!("--net=/run/bramble/netns/{task}");
    let command = ["nsenter", &netns, "busybox", "nslookup", name, "127.0.0.11"];
    let ran = board.sh(&command);
    ran.ok().unwrap_or_else(|error| format!("{error:#}"))
}

/// A container asks the server in its own network, which asks others; a new daemon answers it again.
#[test]
fn a_container_asks_in_its_own_network() -> Result<()> {
    let lab = Lab::up("names-own", 1)?;
    let board = lab.board(1);
    let create = "service create -d --name box --stop-grace-period 1s --hostname box-{{.Task.Slot}} --dns 127.0.0.99 --dns-search shop.example \
                  --dns-option timeout:1 busybox:latest sh -c";
    // With a dot: busybox puts the search domain behind all other names.
    let script = "cat /etc/resolv.conf; nslookup box-1.; sleep 1000";
    board.docker(&[&words(create)[..], &[script]].concat()).ok()?;
    let said = until(&lab, board, "service logs --raw box", |said| {
        said.contains("Name:")
    })?;
    for line in [
        "nameserver 127.0.0.11\n",
        "search shop.example\n",
        "options timeout:1 ndots:0\n",
    ] {
        contains(&said, line)?;
    }
    contains(&said, "Name:\tbox-1\nAddress: 172.30.0.")?;

    // On the board's network all is as on the board.
    let create = "service create -d --name bare --network host busybox:latest cat /etc/resolv.conf";
    docker(board, create)?;
    let said = until(&lab, board, "service logs --raw bare", |said| {
        said.contains("nameserver")
    })?;
    assert!(!said.contains("127.0.0.11"), "{said}");

    // Names of the world are asked of the service's own server, in the task's network: here there is none, and it says so.
    let found = settled(&lab, board, "box", 1)?;
    let task = found[0]["ID"].as_str().context("an id")?;
    contains(&nslookup(board, task, "example.com"), "SERVFAIL")?;

    board.kill()?;
    board.start()?;
    lab.wait_for("names after a restart", PATIENCE, || {
        let said = nslookup(board, task, "box-1");
        Ok(said.contains("Address: 172.30.0.").then_some(()))
    })?;
    let still = tasks(board, "box")?;
    assert_eq!((still.len(), &still[0]["ID"]), (1, &found[0]["ID"]), "{still:?}");

    // What is no address is refused in words.
    let spec = r#"{"Name": "odd", "TaskTemplate": {"ContainerSpec": {"Image": "busybox:latest", "DNSConfig": {"Nameservers": ["dns"]}}}}"#;
    board.api("POST", "/services/create", Some(spec))?;
    until(&lab, board, "service ps --no-trunc odd", |said| {
        said.contains("\"dns\" is not an IP address")
    })?;
    Ok(())
}
