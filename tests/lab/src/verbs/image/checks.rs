//! What several parts ask of machines.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use lab::machine::{Machine, Site};

use super::{Task, story::Story};

/// An emulated machine on a busy host needs several times the 80 seconds of a quiet one.
pub const BOOT: Duration = Duration::from_secs(600);
/// For anything that a board that is up does.
pub const DEED: Duration = Duration::from_secs(240);

/// Name of the image that [`load_image`] puts on a board.
const BUSYBOX: &str = "lab/busybox:1";

/// The card of a cluster.
pub fn card_of(cluster: &str, boards: usize) -> String {
    format!("cluster = \"{cluster}\"\njoin-key = \"{JOIN_KEY}\"\nboards = {boards}\n")
}

/// A secret of the cards, which must be gone from them once it was used.
pub const JOIN_KEY: &str = "in-qemu-everybody-may-know";

/// Waits until a board that was just switched on lets us in, is up, and its daemon is a ready member.
pub fn comes_up(machine: &Machine, story: &mut Story) -> Result<()> {
    let name = machine.name().to_owned();
    story.step(&format!("{name} lets us in"), &machine.log(), || {
        reachable(machine)
    })?;
    story.step(&format!("{name}: multi-user"), &machine.log(), || {
        multi_user(machine)
    })?;
    story.step(
        &format!("{name}: the daemon is a ready member"),
        &machine.log(),
        || member(machine),
    )
}

/// Waits for ssh.
pub fn reachable(machine: &Machine) -> Result<()> {
    machine
        .wait_for("ssh", BOOT, || machine.sh("true").ok().map(Some))
        .map(drop)
}

/// Waits until systemd has started all that it was to start.
pub fn multi_user(machine: &Machine) -> Result<()> {
    machine.wait_for("multi-user.target", DEED, || {
        let state = machine.sh("systemctl is-active multi-user.target");
        ensure!(state.success(), "{}", state.stdout.trim());
        Ok(Some(()))
    })
}

/// Waits until the board says of itself that it is a ready node.
pub fn member(machine: &Machine) -> Result<()> {
    machine.wait_for("a ready node", DEED, || {
        let nodes = machine
            .docker(&["node", "ls", "--format", "{{.Self}} {{.Status}}"])
            .ok()?;
        ensure!(nodes.lines().any(|line| line == "true Ready"), "nodes: {nodes:?}");
        Ok(Some(()))
    })
}

/// Makes a container image of the board's own static busybox, with no registry: `docker load` of an archive.
pub fn load_image(machine: &Machine) -> Result<()> {
    let said = script(machine, include_str!("load_image.sh"))?;
    ensure!(said.contains(BUSYBOX), "docker load said {said:?}");
    Ok(())
}

/// Creates a service of the image that [`load_image`] put there, which no registry has; `flags` are those of the docker command.
pub fn create(machine: &Machine, name: &str, flags: &[&str], command: &str) -> Result<()> {
    let create = [
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        name,
    ];
    let args = [&create[..], flags, &[BUSYBOX, "sh", "-c", command]].concat();
    machine.docker(&args).ok().map(drop)
}

/// What a task does that says where it is, at port 80.
pub const PAGE: &str = "hostname >/www/index.html; exec httpd -f -p 80 -h /www";

/// Runs checks on the board and gives what each saw. The script says `ok NAME: …` or `FAILED NAME: …`, a line each, and `end`.
pub fn checked(machine: &Machine, text: &str) -> Result<Vec<String>> {
    let said = script(machine, text)?;
    let (failed, good): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| !line.starts_with("ok "));
    match failed[..] {
        ["end"] => Ok(good.into_iter().map(|line| line[3..].to_owned()).collect()),
        _ => bail!("{}:\n  {}", machine.name(), failed.join("\n  ")),
    }
}

fn script(machine: &Machine, text: &str) -> Result<String> {
    machine.sh(text).ok()
}

/// Waits until so many tasks of a service run, and gives the names of the nodes that they are on.
pub fn running(machine: &Machine, service: &str, tasks: usize) -> Result<Vec<String>> {
    machine.wait_for(&format!("{tasks} running tasks of {service}"), DEED, || {
        let args = [
            "service",
            "ps",
            "--no-trunc",
            "--format",
            "{{.Node}} {{.CurrentState}} {{.Error}}",
            service,
        ];
        let all = machine.docker(&args).ok()?;
        let on = |line: &str| {
            let (node, state) = line.split_once(' ')?;
            state.starts_with("Running ").then(|| node.to_owned())
        };
        let nodes: Vec<String> = all.lines().filter_map(on).collect();
        ensure!(nodes.len() == tasks, "{all}");
        Ok(Some(nodes))
    })
}

/// What a board's own web client gets at a port of its own.
pub fn fetched(machine: &Machine, port: u16) -> Result<String> {
    machine.wait_for(&format!("an answer at port {port}"), DEED, || {
        machine
            .sh(&format!("busybox wget -q -T 5 -O - http://127.0.0.1:{port}/"))
            .ok()
            .map(Some)
    })
}

/// With `--keep`: says how to get in, and waits for Enter.
pub fn keep(task: &Task, site: &Site) -> Result<()> {
    if !task.keep {
        return Ok(());
    }
    for machine in site.machines() {
        let way = machine.ssh_line().unwrap_or_else(|error| format!("({error:#})"));
        println!(
            "{}: {way}\n   serial port: {}",
            machine.name(),
            machine.log().display()
        );
    }
    println!("the machines stay on until you press Enter");
    std::io::stdin()
        .read_line(&mut String::new())
        .map(drop)
        .context("no terminal")
}

/// The file whose last line shows that something moves, of several machines.
pub fn log_of(site: &Site) -> std::path::PathBuf {
    site.machines()
        .first()
        .map_or_else(|| Path::new("").to_owned(), Machine::log)
}
