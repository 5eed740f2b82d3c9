//! Types a recorded session's commands on a board.

use crate::printed::normal;
use crate::session::{Command, Said, ask, gather};
use crate::shape::Shape;
use crate::tap::Tap;
use anyhow::{Context, Result};
use lab::{Board, docker_command};
use serde_json::Value;
use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// The version that the recorded engine spoke: the docker command asks as it asked then.
const SPOKEN: &str = "1.41";
/// Seconds for a command that was ended when it was recorded, and for any other.
const LIMITS: (&str, &str) = ("3", "60");
/// For the cluster to come to rest before it is looked at.
const REST: Duration = Duration::from_secs(12);

/// Types commands on a board and hears what they ask.
pub struct Replay<'a> {
    board: &'a Board,
    tap: Tap,
    dir: TempDir,
    node: String,
}

impl<'a> Replay<'a> {
    /// On `board`, with these files in the folder that commands are typed in.
    ///
    /// # Errors
    /// If there is no place for them.
    pub fn new(board: &'a Board, files: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        for (name, text) in files {
            fs::write(dir.path().join(name), text)?;
        }
        fs::create_dir(dir.path().join("config"))?;
        let tap = Tap::start(&dir.path().join("docker.sock"), &board.socket())?;
        Ok(Self {
            board,
            tap,
            dir,
            node: String::new(),
        })
    }

    /// Types one command; what it asked and said.
    ///
    /// # Errors
    /// If it can't be run.
    pub fn type_in(&mut self, command: &Command) -> Result<Command> {
        if command.args.iter().any(|arg| arg == "{node}") {
            let info = self.board.api("GET", "/info", None)?.json()?;
            info["Swarm"]["NodeID"]
                .as_str()
                .context("a node id")?
                .clone_into(&mut self.node);
        }
        if command.looks() {
            // It was looked at after a while when this was recorded. What never rests is compared as it is.
            let _ = lab::wait_for("rest", REST, || Ok(at_rest(self.board)?.then_some(())));
        }
        let said = self.run(command)?;
        let heard = self.tap.heard()?;
        let asked = heard.into_iter().filter_map(|(request, answer)| {
            let answer = answer?;
            let shape = if answer.json { shape(&answer.body) } else { None };
            Some((ask(&request.method, &request.path), answer.status, shape))
        });
        Ok(Command {
            said: Some(said),
            asked: gather(asked),
            ..command.clone()
        })
    }

    fn run(&self, command: &Command) -> Result<Said> {
        let ends = command.said.as_ref().is_some_and(|said| said.code == 124);
        let input = self.dir.path().join("stdin");
        fs::write(&input, command.stdin.as_deref().unwrap_or_default())?;
        let args = command
            .args
            .iter()
            .map(|arg| if arg == "{node}" { &self.node } else { arg });
        let output = std::process::Command::new("timeout")
            .args(["--kill-after=2", if ends { LIMITS.0 } else { LIMITS.1 }])
            .arg(docker_command())
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_HOST", self.tap.host())
            .env("DOCKER_CONFIG", self.dir.path().join("config"))
            .env("DOCKER_API_VERSION", SPOKEN)
            .stdin(Stdio::from(File::open(input)?))
            .output()
            .with_context(|| format!("cannot run {}", command.typed()))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            lines: normal(&text),
        })
    }
}

/// JSON, or lines of it.
fn shape(body: &[u8]) -> Option<Shape> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return Some(Shape::of(&value));
    }
    let lines: Vec<Value> = serde_json::Deserializer::from_slice(body)
        .into_iter()
        .map_while(Result::ok)
        .collect();
    (!lines.is_empty()).then(|| Shape::of(&Value::Array(lines)))
}

/// True if no task and no update is on its way, or none can get on.
fn at_rest(board: &Board) -> Result<bool> {
    let tasks = board.api("GET", "/tasks", None)?;
    let services = board.api("GET", "/services", None)?;
    if tasks.status != 200 || services.status != 200 {
        return Ok(true);
    }
    let (tasks, services) = (tasks.json()?, services.json()?);
    let state = |task: &Value| task["Status"]["State"].as_str().unwrap_or_default().to_owned();
    let stuck = |task: &Value| state(task) == "pending" && task["Status"]["Err"].is_string();
    let rests = |task: &Value| match task["DesiredState"].as_str() {
        Some("running") => state(task) == "running" || stuck(task),
        Some("ready" | "accepted") => false,
        _ => matches!(
            state(task).as_str(),
            "complete" | "shutdown" | "failed" | "rejected" | "orphaned" | "remove"
        ),
    };
    let tasks = tasks.as_array().context("tasks")?;
    let moving = services.as_array().context("services")?.iter().any(|service| {
        matches!(
            service["UpdateStatus"]["State"].as_str(),
            Some("updating" | "rollback_started")
        )
    });
    Ok(tasks.iter().all(rests) && (!moving || tasks.iter().any(stuck)))
}
