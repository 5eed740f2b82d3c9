//! What the planner does beyond replicas, by the ordinary docker command: jobs, crash loops, updates that come to nothing,
//! services that wait for others, schedules, and tasks that move back.

use anyhow::{Context, Result};
use bramble_e2e::{PATIENCE, contains, docker, refused, running, settled, until, words};
use lab::{Board, Lab};
use std::collections::BTreeMap;

#[test]
fn services_are_planned_as_their_users_want() -> Result<()> {
    let lab = Lab::up("plan", 3)?;
    let board = lab.board(1);
    docker(
        board,
        "service create -d --name web --replicas 6 --label bramble.rebalance=true nginx:1.10",
    )?;
    settled(&lab, board, "web", 6)?;
    lab.board(3).power_off()?;
    until(&lab, board, "node ls", |said| said.contains("Down"))?;
    settled(&lab, board, "web", 6)?;

    jobs_run_to_their_end(board)?;
    what_makes_no_sense_is_refused(board)?;
    docker(
        board,
        "service create -d --name crash --restart-delay 1s busybox:latest false",
    )?;
    an_update_that_comes_to_nothing_says_why(&lab, board)?;
    services_wait_for_others(&lab, board)?;

    lab.board(3).start()?;

    a_job_runs_at_its_times(&lab, board)?;
    until(&lab, board, "service ps --no-trunc crash", |said| {
        said.contains("non-zero exit (1)") && said.contains("failures in a row: not before")
    })?;

    lab.wait_for("the tasks of web, two on each board", PATIENCE * 2, || {
        let mut boards: BTreeMap<String, usize> = BTreeMap::new();
        let Ok(tasks) = running(board, "web") else {
            return Ok(None);
        };
        for task in tasks {
            *boards.entry(task["NodeID"].to_string()).or_default() += 1;
        }
        Ok(Some(()).filter(|()| boards.len() == 3 && boards.values().all(|count| *count == 2)))
    })?;
    Ok(())
}

/// With the docker command's own display of progress, which ends when the job does.
fn jobs_run_to_their_end(board: &Board) -> Result<()> {
    let create = "service create --name once --mode replicated-job --replicas 3 --max-concurrent 2 busybox:latest true";
    contains(&docker(board, create)?, "job complete")?;
    let listed = docker(
        board,
        "service ls --filter name=once --format {{.Mode}}={{.Replicas}}",
    )?;
    assert_eq!(listed.trim(), "replicated job=0/2 (3/3 completed)");
    let shown = docker(board, "service ps once")?;
    assert_eq!(
        shown.matches("Complete ").count(),
        6,
        "wanted and observed: {shown}"
    );
    contains(&docker(board, "service update --force once")?, "job complete")?;
    let iteration = docker(
        board,
        "service inspect --format {{.JobStatus.JobIteration.Index}} once",
    )?;
    assert_eq!(iteration.trim(), "1");
    assert_eq!(docker(board, "service ps -q once")?.lines().count(), 3);

    let create = "service create --name sweep --mode global-job busybox:latest true";
    contains(&docker(board, create)?, "job complete")?;
    let listed = docker(board, "service ls --filter name=sweep --format {{.Replicas}}")?;
    assert_eq!(listed.trim(), "0/0 (2/2 completed)");
    Ok(())
}

fn what_makes_no_sense_is_refused(board: &Board) -> Result<()> {
    for (options, part) in [
        (
            "--label bramble.schedule=@hourly",
            "only a job can be run at given times",
        ),
        (
            "--mode replicated-job --label bramble.schedule=noon",
            "'noon' is no schedule",
        ),
        (
            "--label bramble.strategy=pack",
            "none of spread, binpack and random",
        ),
        (
            "--mode global --label bramble.rebalance=true",
            "only replicas can move",
        ),
        ("--name me --label bramble.depends_on=me", "can't wait for itself"),
        ("--label bramble.dependson=db", "bramble.depends_on"),
        (
            "--constraint node.labels.ssd=~true",
            "constraint expected one operator",
        ),
    ] {
        let said = refused(board, &format!("service create -d {options} busybox:latest top"))?;
        contains(&said, part)?;
    }
    Ok(())
}

fn an_update_that_comes_to_nothing_says_why(lab: &Lab, board: &Board) -> Result<()> {
    let options = "--label bramble.start_limit=3s --update-failure-action rollback --update-monitor 1s";
    docker(board, &format!("service create --name api {options} nginx:1.10"))?;
    // The docker command takes a service that was rolled back well for a success.
    let said = docker(board, "service update --constraint-add node.labels.ssd==true api")?;
    contains(
        &said,
        "no suitable node (scheduling constraints not satisfied on ",
    )?;
    let status = "service inspect --format {{.UpdateStatus.State}}:{{.UpdateStatus.Message}} api";
    let said = until(lab, board, status, |said| said.starts_with("rollback_completed"))?;
    contains(
        &said,
        "it did not run within 3 s and is pending: no suitable node",
    )?;

    let said = refused(
        board,
        "service update --update-failure-action pause --image nosuch:1 api",
    )?;
    contains(&said, "nosuch:1")?;
    contains(
        &docker(board, status)?,
        "paused:update paused due to failure or early termination",
    )?;
    // A soft constraint excludes nobody.
    let soft = words("service create -d --name soft --constraint").into_iter();
    let soft: Vec<&str> = soft.chain(["node.labels.ssd ==~ true", "nginx:1.10"]).collect();
    board.docker(&soft).ok()?;
    Ok(())
}

fn services_wait_for_others(lab: &Lab, board: &Board) -> Result<()> {
    docker(
        board,
        "service create -d --name front --label bramble.depends_on=back nginx:1.10",
    )?;
    until(lab, board, "service ps --no-trunc front", |said| {
        said.contains("Pending ") && said.contains("waits for service back, which does not exist")
    })?;
    let said = refused(
        board,
        "service create -d --name back --label bramble.depends_on=front nginx:1.10",
    )?;
    contains(&said, "back waits for front waits for back")?;
    docker(board, "service create -d --name back nginx:1.10")?;
    settled(lab, board, "front", 1)?;
    settled(lab, board, "soft", 1)?;
    let ran_from = |service: &str| -> Result<String> {
        let task = running(board, service)?.pop().context("a running task")?;
        Ok(task["Status"]["Timestamp"].to_string())
    };
    assert!(ran_from("back")? <= ran_from("front")?);
    Ok(())
}

fn a_job_runs_at_its_times(lab: &Lab, board: &Board) -> Result<()> {
    let create = words("service create -d --name tick --mode replicated-job --label").into_iter();
    let create: Vec<&str> = create
        .chain(["bramble.schedule=*/4 * * * * *", "busybox:latest", "true"])
        .collect();
    board.docker(&create).ok()?;
    let iteration = "service inspect --format {{.JobStatus.JobIteration.Index}} tick";
    until(lab, board, iteration, |said| {
        said.trim().parse::<u64>().is_ok_and(|index| index >= 2)
    })?;
    docker(board, "service rm tick")?;
    Ok(())
}
