//! The demo's session: what a person would type, each command with its output as it comes.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use lab::{Board, Lab, Since, docker_command};

/// One thing that a person would type.
enum Step {
    /// A docker command that ends by itself.
    Docker(&'static [&'static str]),
    /// The log of the first service, whose name nobody chose, until so many lines have come.
    Follow(usize),
    /// Waits until so many tasks of a service run, as a person would by looking again.
    Settled(&'static str, usize),
}

use Step::{Docker, Follow, Settled};

const SETTLING: Duration = Duration::from_secs(60);

const STEPS: &[Step] = &[
    Docker(&["node", "ls"]),
    Docker(&[
        "service",
        "create",
        "ubuntu:14.04",
        "/bin/sh",
        "-c",
        "while true; do echo hello world; sleep 1; done",
    ]),
    Docker(&["service", "ls"]),
    Follow(4),
    Docker(&[
        "service",
        "create",
        "--name",
        "myweb",
        "--replicas",
        "3",
        "nginx:1.10",
    ]),
    Docker(&["service", "ps", "myweb"]),
    Docker(&["service", "scale", "myweb=6"]),
    Docker(&["service", "update", "--image", "nginx:1.11", "myweb"]),
    Docker(&["service", "ps", "myweb"]),
    Docker(&["service", "rollback", "myweb"]),
    Docker(&[
        "service",
        "create",
        "--replicas",
        "4",
        "--name",
        "myweb3",
        "--update-delay",
        "10s",
        "--update-parallelism",
        "2",
        "nginx:1.10",
    ]),
    Docker(&["service", "inspect", "--pretty", "myweb3"]),
    Docker(&[
        "service",
        "create",
        "--name",
        "everywhere",
        "--mode",
        "global",
        "nginx:1.10",
    ]),
    Docker(&["node", "update", "--availability", "drain", "board-2"]),
    Settled("myweb", 6),
    Docker(&["service", "ps", "--filter", "desired-state=running", "myweb"]),
    Docker(&["node", "update", "--availability", "active", "board-2"]),
    Settled("everywhere", 3),
    Docker(&["service", "ls"]),
];

/// Runs the session on a fresh cluster.
pub fn show(lab: &Lab, since: Since) -> Result<()> {
    let board = lab.board(1);
    let total = STEPS.iter().filter(|step| !matches!(step, Settled(..))).count();
    let mut number = 0;
    for step in STEPS {
        let announce = |words: &str, number: usize| {
            println!(
                "\n[{:6.1} s] {number:2}/{total}  $ docker {words}",
                since.seconds()
            );
        };
        match step {
            Docker(args) => {
                number += 1;
                announce(&typed(args), number);
                stream(board, args, None)?;
            }
            Follow(lines) => {
                number += 1;
                let name = unnamed(board)?;
                announce(&format!("service logs -f {name}"), number);
                stream(board, &["service", "logs", "-f", &name], Some(*lines))?;
            }
            Settled(service, tasks) => settle(board, service, *tasks)?,
        }
    }
    Ok(())
}

/// Shows a command's output; up to so many lines, or all.
fn stream(board: &Board, args: &[&str], lines: Option<usize>) -> Result<()> {
    // In one stream, as on a person's terminal, and with an end to every wait.
    let mut child = Command::new("timeout")
        .args(["120", "sh", "-c", "exec \"$@\" 2>&1", "sh"])
        .arg(docker_command())
        .args(args)
        .env("DOCKER_HOST", board.docker_host())
        .env_remove("DOCKER_CONTEXT")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start docker")?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let mut shown = 0;
    for line in output.lines() {
        println!("    {}", line?);
        shown += 1;
        if lines == Some(shown) {
            // `timeout` hands it on to the docker command.
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(child.id().cast_signed()),
                nix::sys::signal::SIGTERM,
            )?;
            child.wait()?;
            println!("    ^C");
            return Ok(());
        }
    }
    let status = child.wait()?;
    if !status.success() || lines.is_some() {
        bail!("`docker {}` ended with {status}", typed(args));
    }
    Ok(())
}

/// The name of the only service.
fn unnamed(board: &Board) -> Result<String> {
    board.docker(&["service", "ls", "--format", "{{.Name}}"]).ok()
}

fn settle(board: &Board, service: &str, tasks: usize) -> Result<()> {
    let ps = [
        "service",
        "ps",
        "--filter",
        "desired-state=running",
        "--format",
        "{{.CurrentState}}",
        service,
    ];
    lab::wait_for(&format!("{tasks} running tasks of {service}"), SETTLING, || {
        let states = board.docker(&ps).ok()?;
        Ok((states
            .lines()
            .filter(|state| state.starts_with("Running"))
            .count()
            == tasks)
            .then_some(()))
    })
}

fn typed(args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        if arg.contains(' ') {
            format!("\"{arg}\"")
        } else {
            (*arg).to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
