//! What the end-to-end suites share: clusters in the lab, asked with the real docker command.
//!
//! Each test makes a lab of its own and leaves no trace of it, also when it fails.

pub mod appliance;

use anyhow::{Context, Result, bail};
use lab::{Board, Lab};
use serde_json::Value;
use std::time::Duration;

/// For what a cluster does by itself. Generous: a machine may be busy, and no test asserts times.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A command's words.
pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The docker command on a board: its output.
///
/// # Errors
/// If it ends with another code than 0.
pub fn docker(board: &Board, line: &str) -> Result<String> {
    board.docker(&words(line)).ok()
}

/// The docker command on a board, which must fail: what it says.
///
/// # Errors
/// If it succeeds.
pub fn refused(board: &Board, line: &str) -> Result<String> {
    board.docker(&words(line)).fails()
}

/// A service's tasks, from the API.
///
/// # Errors
/// If they can't be listed.
pub fn tasks(board: &Board, service: &str) -> Result<Vec<Value>> {
    let filters = format!("%7B%22service%22%3A%5B%22{service}%22%5D%7D");
    let answer = board
        .api("GET", &format!("/v1.41/tasks?filters={filters}"), None)?
        .ok()?
        .json()?;
    Ok(answer.as_array().context("tasks are a list")?.clone())
}

/// Those of a service's tasks that run and should.
///
/// # Errors
/// If they can't be listed.
pub fn running(board: &Board, service: &str) -> Result<Vec<Value>> {
    let all = tasks(board, service)?;
    Ok(all
        .into_iter()
        .filter(|task| task["Status"]["State"] == "running" && task["DesiredState"] == "running")
        .collect())
}

/// Waits until exactly so many tasks of a service run; their list.
///
/// # Errors
/// If that does not come to be.
pub fn settled(lab: &Lab, board: &Board, service: &str, count: usize) -> Result<Vec<Value>> {
    lab.wait_for(&format!("{count} running tasks of {service}"), PATIENCE, || {
        // A board that has just lost its leader answers with an error for a moment.
        let Ok(found) = running(board, service) else {
            return Ok(None);
        };
        Ok(Some(found).filter(|found| found.len() == count))
    })
}

/// Waits until a command's output on a board satisfies `fits`; the output.
///
/// # Errors
/// If that does not come to be.
pub fn until(lab: &Lab, board: &Board, line: &str, fits: impl Fn(&str) -> bool) -> Result<String> {
    lab.wait_for(line, PATIENCE, || {
        let ran = board.docker(&words(line));
        Ok(ran.ok().ok().filter(|said| fits(said)))
    })
}

/// The board (1-based) whose node leads.
///
/// # Errors
/// If none does in time.
pub fn leader(lab: &Lab, ask: &Board) -> Result<usize> {
    let said = until(
        lab,
        ask,
        "node ls --format {{.Hostname}}={{.ManagerStatus}}",
        |said| said.contains("=Leader"),
    )?;
    let line = said
        .lines()
        .find(|line| line.ends_with("=Leader"))
        .context("a leader")?;
    let name = line.trim_end_matches("=Leader");
    name.rsplit('-')
        .next()
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("board of {name}"))
}

/// Of two boards (1-based) the one that manages, and the other one: of two boards a cluster has one manager.
pub fn manager_and_worker(lab: &Lab) -> (usize, usize) {
    match docker(lab.board(1), "node ls") {
        Ok(_) => (1, 2),
        Err(_) => (2, 1),
    }
}

/// Fails with `what` and the text if it is not in there.
///
/// # Errors
/// If it is not in there.
pub fn contains(text: &str, part: &str) -> Result<()> {
    if !text.contains(part) {
        bail!("\"{part}\" is missing in:\n{text}");
    }
    Ok(())
}
