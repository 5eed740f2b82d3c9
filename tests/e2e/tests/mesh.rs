//! The routing mesh: exact turns, the client's own address, and nothing dropped while things change.

use anyhow::{Context, Result, ensure};
use bramble_e2e::{PATIENCE, docker, leader, settled, tasks, until};
use lab::{Lab, Since, Style, Tally};
use std::collections::BTreeSet;
use std::net::SocketAddr;

const PORT: u16 = 8080;
/// A process runs a moment before it listens: only with a check is a task not called too early.
const ASK: &str =
    "--health-cmd wget${IFS}-qO-${IFS}127.0.0.1 --health-start-period 30s --health-start-interval 200ms";

fn at(lab: &Lab, boards: &[usize]) -> Vec<SocketAddr> {
    let address = |number: &usize| (lab.board(*number).address(), PORT).into();
    boards.iter().map(address).collect()
}

/// The first line of an answer: who gave it.
fn who(lab: &Lab, target: SocketAddr) -> Result<(String, String)> {
    let answer = lab.get(target, "/")?.ok()?;
    let mut lines = answer.body.lines().map(str::to_owned);
    Ok((
        lines.next().context("a name")?,
        lines.next().context("an address")?,
    ))
}

/// Waits until each board sends to exactly so many tasks.
fn in_turn(lab: &Lab, boards: &[usize], tasks: usize) -> Result<()> {
    for target in at(lab, boards) {
        lab.wait_for(&format!("{tasks} tasks behind {target}"), PATIENCE, || {
            let mut names = BTreeSet::new();
            for _ in 0..2 * tasks {
                names.insert(who(lab, target)?.0);
            }
            Ok(Some(()).filter(|()| names.len() == tasks))
        })?;
    }
    Ok(())
}

/// Three tasks behind the port of every board.
fn serving(lab: &Lab, options: &str) -> Result<()> {
    let board = lab.board(1);
    docker(
        board,
        &format!("service create -d --name web --replicas 3 {ASK} {options} -p 8080:80 whoami:latest"),
    )?;
    settled(lab, board, "web", 3)?;
    in_turn(lab, &[1, 2, 3], 3)
}

#[test]
fn boards_take_exact_turns_and_tasks_see_the_client_itself() -> Result<()> {
    let lab = Lab::up("mesh-turns", 3)?;
    let board = lab.board(1);
    serving(&lab, "")?;
    for target in at(&lab, &[1, 2, 3]) {
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..99 {
            let (name, seen) = who(&lab, target)?;
            ensure!(seen == "10.9.0.1", "{target} hid the client behind {seen}");
            *counts.entry(name).or_insert(0) += 1;
        }
        ensure!(counts.values().all(|count| *count == 33), "{target}: {counts:?}");
    }
    // From a board itself, by its own address, by another's and by the loopback's; also where no task runs.
    docker(
        board,
        "service update -d --constraint-add node.hostname==board-3 --replicas 1 web",
    )?;
    settled(&lab, board, "web", 1)?;
    in_turn(&lab, &[1, 2, 3], 1)?;
    for from in lab.boards() {
        for to in [[127, 0, 0, 1].into(), from.address(), lab.board(2).address()] {
            let answer = from.get((to, PORT).into(), "/")?;
            ensure!(answer.status == 200, "{} to {to}: {answer:?}", from.name());
        }
    }
    Ok(())
}

#[test]
fn nothing_is_dropped_while_things_change() -> Result<()> {
    let lab = Lab::up("mesh-load", 3)?;
    let board = lab.board(1);
    serving(&lab, "--update-delay 0s --update-monitor 1s")?;

    under_load(&lab, "a rolling update", || {
        docker(board, "service update --env-add ROUND=2 web")?;
        Ok(())
    })?;
    under_load(&lab, "scaling", || {
        docker(board, "service scale web=10")?;
        docker(board, "service scale web=2")?;
        settled(&lab, board, "web", 2).map(drop)
    })?;
    docker(board, "service scale web=3")?;
    under_load(&lab, "a drain", || {
        docker(board, "node update --availability drain board-2")?;
        lab.wait_for("board 2 to be empty", PATIENCE, || {
            let tasks = docker(board, "node ps board-2 --filter desired-state=running -q")?;
            Ok(Some(()).filter(|()| tasks.trim().is_empty()))
        })?;
        settled(&lab, board, "web", 3)?;
        docker(board, "node update --availability active board-2").map(drop)
    })?;
    under_load(&lab, "kill -9 of a daemon and of the leader's", || {
        let first = leader(&lab, board)?;
        let other = first % 3 + 1;
        lab.board(other).kill()?;
        lab.board(other).start()?;
        lab.ready()?;
        lab.board(first).kill()?;
        leader(&lab, lab.board(other))?;
        lab.board(first).start()?;
        lab.ready()
    })?;
    // The end of a task that the old leader had not told yet waits under the new one too.
    under_load(&lab, "a rolling update whose leader is killed", || {
        let first = leader(&lab, board)?;
        let other = lab.board(first % 3 + 1);
        docker(other, "service update -d --env-add ROUND=3 web")?;
        lab.wait_for("the first of the new tasks", PATIENCE, || {
            let new = |task: &serde_json::Value| {
                let env = &task["Spec"]["ContainerSpec"]["Env"];
                task["Status"]["State"] == "running" && env.to_string().contains("ROUND=3")
            };
            Ok(tasks(other, "web").ok().filter(|found| found.iter().any(new)))
        })?;
        lab.board(first).kill()?;
        leader(&lab, other)?;
        lab.board(first).start()?;
        until(
            &lab,
            other,
            "service inspect --format {{.UpdateStatus.State}} web",
            |said| said.contains("completed"),
        )?;
        lab.ready()
    })?;
    Ok(())
}

#[test]
fn a_board_that_is_cut_off_takes_only_its_own_connections_along() -> Result<()> {
    let lab = Lab::up("mesh-cut", 3)?;
    serving(&lab, "")?;
    let first = leader(&lab, lab.board(1))?;
    cut_off(&lab, first, "the leader's board")?;
    lab.board(first).heal()?;
    lab.ready()?;
    in_turn(&lab, &[1, 2, 3], 3)?;
    let follower = leader(&lab, lab.board(1))? % 3 + 1;
    cut_off(&lab, follower, "a board that follows")
}

fn cut_off(lab: &Lab, cut: usize, which: &str) -> Result<()> {
    let others: Vec<usize> = (1..=3).filter(|number| *number != cut).collect();
    let load = lab.load(&at(lab, &others), Style::connecting())?;
    lab.board(cut).cut()?;
    in_turn(lab, &others, 2)?;
    let tally = load.stop()?;
    println!(
        "{which} was cut off: {} of {} requests failed, the last {:.1} s after, the slowest took {:?}\n{:?}",
        tally.failed,
        tally.failed + tally.answered,
        tally.last_failure.unwrap_or_default(),
        tally.slowest,
        tally.failures,
    );
    let load = lab.load(&at(lab, &others), Style::connecting())?;
    in_turn(lab, &others, 2)?;
    load.stop()?.clean()?;
    Ok(())
}

/// Does something while clients of both styles ask all boards; none may be failed.
fn under_load(lab: &Lab, what: &str, act: impl FnOnce() -> Result<()>) -> Result<()> {
    let (targets, since) = (at(lab, &[1, 2, 3]), Since::now());
    let loads = [Style::keeping(), Style::connecting()].map(|style| lab.load(&targets, style));
    let acted = act();
    let seconds = since.seconds();
    for load in loads {
        let tally: Tally = load?.stop()?.clean().with_context(|| what.to_owned())?;
        println!(
            "{what}: {} requests in {seconds:.1} s, the slowest took {:?}",
            tally.answered, tally.slowest
        );
    }
    acted.with_context(|| what.to_owned())
}
