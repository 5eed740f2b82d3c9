//! Names, as containers ask for them.

use anyhow::{Context, Result};
use bramble_e2e::{PATIENCE, contains, docker, running, settled, until, words};
use lab::{Board, Lab};
use std::collections::BTreeSet;

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
    let still = settled(&lab, board, "box", 1)?;
    assert_eq!(still[0]["ID"], found[0]["ID"]);

    // What is no address is refused in words.
    let spec = r#"{"Name": "odd", "Mode": {"Global": {}}, "TaskTemplate": {"ContainerSpec": {"Image": "busybox:latest",
        "DNSConfig": {"Nameservers": ["dns.home"]}}}}"#;
    let answer = board.api("POST", "/services/create", Some(spec))?;
    assert_eq!(answer.status, 400);
    contains(&answer.json()?.to_string(), "dns.home is not an ip address")?;
    Ok(())
}

/// The addresses of a service's running tasks, as the managers gave them.
fn addresses(board: &Board, service: &str) -> Result<BTreeSet<String>> {
    let found = running(board, service)?;
    let all = found.iter().filter_map(|task| {
        let address = task["NetworksAttachments"][0]["Addresses"][0].as_str()?;
        Some(address.split('/').next()?.to_owned())
    });
    Ok(all.collect())
}

/// The addresses that an answer of `nslookup` holds.
fn answered(said: &str) -> BTreeSet<String> {
    let (_, answers) = said.split_once("\n\n").unwrap_or_default();
    let lines = answers.lines().filter_map(|line| line.strip_prefix("Address: "));
    lines.map(str::to_owned).collect()
}

/// Waits until every board's probe is told exactly the running tasks for `tasks.web`.
fn agreed(lab: &Lab, boards: &[usize], ask: &Board, count: usize) -> Result<()> {
    settled(lab, ask, "web", count)?;
    let probes = running(ask, "probe")?;
    for number in boards {
        let board = lab.board(*number);
        let node = docker(
            ask,
            &format!("node inspect --format {{{{.ID}}}} {}", board.name()),
        )?;
        let probe = probes.iter().find(|task| task["NodeID"] == node.trim());
        let probe = probe.and_then(|task| task["ID"].as_str()).context("a probe")?;
        let what = format!("{count} tasks by name on board {number}");
        lab.wait_for(&what, PATIENCE, || {
            let told = answered(&nslookup(board, probe, "tasks.web."));
            Ok((told.len() == count && told == addresses(ask, "web")?).then_some(()))
        })?;
        let format = "--format={{range .Endpoint.VirtualIPs}}{{.Addr}}{{end}}";
        let virtual_address = ask.docker(&["service", "inspect", format, "web"]).ok()?;
        let expected = virtual_address.trim().split('/').next().map(str::to_owned);
        for name in ["web.", "WWW.", "web.shop."] {
            let told = answered(&nslookup(board, probe, name));
            assert_eq!(told, expected.iter().cloned().collect(), "{name}");
        }
    }
    Ok(())
}

/// Services are found by name on every board: after scaling, and after a board went and came back, nobody is told of tasks that
/// are gone.
#[test]
fn services_find_each_other() -> Result<()> {
    let lab = Lab::up("names", 3)?;
    let board = lab.board(1);
    docker(board, "network create -d overlay shop")?;
    let create = "service create -d --stop-grace-period 1s --network";
    docker(
        board,
        &format!("{create} shop --name probe --mode global busybox sleep 10000"),
    )?;
    docker(
        board,
        &format!("{create} name=shop,alias=www --name web --replicas 2 busybox sleep 10000"),
    )?;
    settled(&lab, board, "probe", 3)?;
    agreed(&lab, &[1, 2, 3], board, 2)?;
    for count in [4, 1, 6] {
        docker(board, &format!("service scale -d web={count}"))?;
        agreed(&lab, &[1, 2, 3], board, count)?;
    }

    lab.board(3).power_off()?;
    settled(&lab, board, "probe", 2)?;
    agreed(&lab, &[1, 2], board, 6)?;
    lab.board(3).start()?;
    settled(&lab, board, "probe", 3)?;
    agreed(&lab, &[1, 2, 3], board, 6)
}
