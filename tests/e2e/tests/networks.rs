//! Networks of the cluster, with the docker command.

use anyhow::{Context, Result};
use bramble_e2e::{contains, docker, refused, settled, tasks, until};
use lab::{Board, Lab, Style};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;

fn inspected(board: &Board, what: &str) -> Result<Value> {
    let said = docker(board, what)?;
    let all: Value = serde_json::from_str(&said)?;
    all.get(0).cloned().context("one object")
}

/// The stack of the test: its default network and one of its own.
const STACK: &str = "version: '3.7'
services:
  web:
    image: nginx:1.10
    networks: [default, back]
  db:
    image: nginx:1.10
    networks:
      back:
        aliases: [store]
networks:
  back:
    labels: {use: test}
";

#[test]
fn networks_are_made_shown_and_removed_as_with_docker() -> Result<()> {
    let lab = Lab::up("networks", 1)?;
    let board = lab.board(1);

    let ingress = inspected(board, "network inspect ingress")?;
    assert_eq!(ingress["IPAM"]["Config"][0]["Subnet"], "10.0.0.0/24");
    assert_eq!(ingress["Ingress"], true);
    docker(
        board,
        "network create -d overlay --attachable --label use=test onet",
    )?;
    let onet = inspected(board, "network inspect onet")?;
    assert_eq!(onet["IPAM"]["Config"][0]["Gateway"], "10.0.1.1");
    assert_eq!(
        onet["Options"]["com.docker.network.driver.overlay.vxlanid_list"],
        "4097"
    );
    assert_eq!(onet["Scope"], "swarm");
    let listed = docker(
        board,
        "network ls --filter driver=overlay --format {{.Name}}:{{.Scope}}",
    )?;
    assert_eq!(
        listed.split_whitespace().collect::<Vec<_>>(),
        ["ingress:swarm", "onet:swarm"]
    );
    docker(
        board,
        "network create -d overlay --subnet 192.168.7.0/24 --ip-range 192.168.7.128/25 --opt com.docker.network.driver.mtu=1400 two",
    )?;
    for (line, says) in [
        (
            "network create -d overlay onet",
            "network with name onet already exists",
        ),
        ("network create plain", "docker network create -d overlay plain"),
        (
            "network create -d overlay --opt encrypted=perhaps secret",
            "invalid encrypted perhaps: true or false",
        ),
        (
            "network create -d overlay --subnet 192.168.0.0/16 wide",
            "Pool overlaps with other one",
        ),
        ("network create -d overlay --ingress mine", "is already present"),
        (
            "network rm bridge",
            "bridge is a pre-defined network and cannot be removed",
        ),
        ("network inspect nosuch", "nosuch"),
        ("network connect onet nobody", "--network-add"),
        (
            "service create -d --publish 2377:80 nginx:1.10",
            "port '2377' is already in use by the swarm itself",
        ),
        (
            "service create -d --network nosuch nginx:1.10",
            "network nosuch not found",
        ),
        (
            "service create -d --network ingress nginx:1.10",
            "explicitly attached to the ingress network",
        ),
    ] {
        contains(&refused(board, line)?, says)?;
    }

    docker(
        board,
        "service create -d --name web --replicas 2 --network onet --publish 8080:80 nginx:1.10",
    )?;
    let vips = until(&lab, board, "service inspect web", |said| {
        said.contains("10.0.1.2/24")
    })?;
    let web: Value = serde_json::from_str(&vips)?;
    let given = web[0]["Endpoint"]["VirtualIPs"].as_array().context("addresses")?;
    assert_eq!(given[0]["NetworkID"], ingress["Id"]);
    assert_eq!(given[1]["NetworkID"], onet["Id"]);
    assert_eq!(
        web[0]["Spec"]["TaskTemplate"]["Networks"][0]["Target"],
        onet["Id"]
    );
    for task in tasks(board, "web")? {
        let attached = task["NetworksAttachments"].as_array().context("attachments")?;
        assert_eq!(attached[1]["Network"]["Spec"]["Name"], "onet");
        let address = attached[1]["Addresses"][0].as_str().context("an address")?;
        assert!(
            address.starts_with("10.0.1.") && address.ends_with("/24"),
            "{address}"
        );
    }
    contains(
        &refused(
            board,
            "service create -d --name other --publish 8080:80 nginx:1.10",
        )?,
        "port '8080' is already in use by service 'web'",
    )?;
    contains(&refused(board, "network rm onet")?, "is in use by service")?;
    docker(
        board,
        "service update -d --network-add name=two,alias=www --network-rm onet web",
    )?;
    until(&lab, board, "service inspect web", |said| {
        said.contains("192.168.7.128/24") && !said.contains("10.0.1.2/24")
    })?;
    docker(
        board,
        "service update -d --publish-rm 8080:80 --endpoint-mode dnsrr web",
    )?;
    until(&lab, board, "service inspect web", |said| {
        !said.contains("VirtualIPs")
    })?;
    contains(&docker(board, "network inspect --verbose two")?, "\"web\"")?;
    docker(board, "service rm web")?;
    let custom = |board: &Board| {
        Ok::<_, anyhow::Error>(
            docker(board, "network ls -q --filter type=custom")?
                .lines()
                .count(),
        )
    };
    docker(board, "network prune -f")?;
    assert_eq!(custom(board)?, 1, "only the routing mesh's is left");

    let file = board.state_dir().join("stack.yml");
    std::fs::write(&file, STACK)?;
    docker(board, &format!("stack deploy -c {} st", file.display()))?;
    let mine = docker(
        board,
        "network ls --filter label=com.docker.stack.namespace=st --format {{.Name}}",
    )?;
    assert_eq!(
        mine.split_whitespace().collect::<Vec<_>>(),
        ["st_back", "st_default"]
    );
    let db = inspected(board, "service inspect st_db")?;
    let aliases = &db["Spec"]["TaskTemplate"]["Networks"][0]["Aliases"];
    assert!(aliases.to_string().contains("store"), "{aliases}");
    until(&lab, board, "stack ps st", |said| {
        said.contains("st_web.1") && said.contains("st_db.1")
    })?;
    docker(board, "stack rm st")?;
    until(&lab, board, "network ls -q --filter type=custom", |said| {
        said.lines().count() == 1
    })?;
    lab.wait_for("no address left but the mesh's", bramble_e2e::PATIENCE, || {
        let nodes = board.api("GET", "/nodes", None)?.ok()?.json()?;
        let places = nodes[0]["BrambleNetworks"]
            .as_object()
            .map_or(0, |places| places.len());
        Ok(Some(()).filter(|()| places == 1))
    })?;
    Ok(())
}

/// The first line of an answer of `whoami`, who answered, and the second, whom it saw.
fn who(answer: &str) -> (String, String) {
    let mut lines = answer.lines().map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

#[test]
fn services_reach_each_other_and_every_board_answers_also_while_tasks_are_replaced() -> Result<()> {
    let lab = Lab::up("traffic", 3)?;
    let board = lab.board(1);
    docker(board, "network create -d overlay onet")?;
    docker(
        board,
        "service create -d --name web --replicas 3 --network name=onet,alias=site --publish 8080:80 --update-order start-first \
         --update-monitor 1s whoami",
    )?;
    settled(&lab, board, "web", 3)?;
    let ask = [
        "service",
        "create",
        "-d",
        "--name",
        "client",
        "--network",
        "onet",
        "busybox:latest",
        "sh",
        "-c",
    ];
    let script = "while :; do wget -q -O - http://web/; wget -q -O - http://site/; sleep 1; done";
    board.docker(&[&ask[..], &[script]].concat()).ok()?;
    lab.wait_for(
        "answers of all three tasks by the virtual address",
        bramble_e2e::PATIENCE,
        || {
            let said = board
                .docker(&["service", "logs", "--raw", "client"])
                .ok()
                .unwrap_or_default();
            let names: BTreeSet<&str> = said
                .lines()
                .filter(|line| line.starts_with(|c: char| c.is_ascii_hexdigit()) && !line.contains('.'))
                .collect();
            Ok(Some(()).filter(|()| names.len() == 3))
        },
    )?;

    let ports: Vec<SocketAddr> = lab
        .boards()
        .iter()
        .map(|board| (board.address(), 8080).into())
        .collect();
    for port in &ports {
        let answers = (0..6).map(|_| Ok(who(&lab.get(*port, "/")?.ok()?.body)));
        let answers: Vec<_> = answers.collect::<Result<_>>()?;
        let names: BTreeSet<_> = answers.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 3, "each board sends to all tasks: {answers:?}");
        let seen: BTreeSet<_> = answers.iter().map(|(_, seen)| seen).collect();
        assert_eq!(seen.len(), 1, "tasks see the client itself: {answers:?}");
    }

    // Every task is replaced while clients ask: no request is lost.
    let load = lab.load(&ports, Style::connecting())?;
    docker(board, "service update --force web")?;
    let tally = load.stop()?.clean()?;
    assert!(tally.by.len() >= 6, "old and new tasks answered: {:?}", tally.by);
    Ok(())
}
