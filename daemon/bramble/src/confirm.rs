//! `bramble confirm`: after a try of a slot, waits until the board is healthy and makes the slot the usual one; else restarts,
//! which brings the old slot back. What is healthy is judged by `slots::judge`.

use crate::config::{Config, Sources};
use anyhow::Context as _;
use clap::Args;
use cli::Door;
use http::Method;
use model::{BoardReport, BoardState};
use slots::judge::{Heard, Judge, Standing, Verdict};
use slots::tries::{self, Ended};
use slots::{Paths, Slot, State, restart, states};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

pub const EXAMPLES: &str = "\
Examples:
  bramble confirm                 as the image runs it at each start; does nothing unless a slot is on trial
  bramble confirm --within 1200   gives a board that takes long to start more time

Healthy: the daemon answers and stays up, a board that was in a cluster is in it again, and its tasks run.";

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);

/// `bramble confirm`
#[derive(Args)]
pub struct Arguments {
    /// The board must be healthy within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    within: u64,
    /// All must be well for so many seconds without a break.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    steady: u64,
    /// The Engine API's socket; without it that of the daemon's settings.
    #[arg(long, value_name = "SOCKET")]
    api: Option<PathBuf>,
    /// Where the board's own files begin; tests give a tree of their own.
    #[arg(long, value_name = "DIR", default_value = "/")]
    board_root: PathBuf,
}

/// Does it.
///
/// # Errors
/// What keeps the slot from being confirmed, or the board from restarting.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let paths = Paths::below(&arguments.board_root);
    let running = slots::running(&paths);
    let (Some(slot), true) = (running.slot, running.trial) else {
        println!("no slot is on trial: nothing to confirm");
        return Ok(());
    };
    let facts = slots::facts(&paths);
    let version = facts.as_ref().map(|facts| facts.version.clone());
    let was_member = facts.and_then(|facts| facts.was_member).unwrap_or_default();
    let seconds = Duration::from_secs;
    let judge = Judge::new(was_member, seconds(arguments.steady), seconds(arguments.within));
    // The card may have moved the daemon's socket.
    let set = || Config::read(&Sources::default()).map_or_else(|_| cli::socket(), |config| config.api);
    let door = Door::new(arguments.api.clone().unwrap_or_else(set));
    println!(
        "slot {slot} is on trial: it has {} s to be healthy",
        arguments.within
    );

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let judged = runtime.block_on(watch(judge, &door));
    let confirmed =
        judged.and_then(|()| states::confirm(&paths, &running).map_err(|error| error.to_string()));
    match confirmed {
        Ok(_) => {
            println!("slot {slot} is the usual one now");
            tries::end(&paths, slot, version, Ended::Confirmed)
                .context("the slot is confirmed, but that is not noted")
        }
        Err(why) => fall_back(&paths, slot, version, why),
    }
}

/// Until the board is healthy; or why it is given up.
async fn watch(mut judge: Judge, door: &Door) -> Result<(), String> {
    let begun = Instant::now();
    let mut said = String::new();
    loop {
        let heard = listen(door).await.map_err(|error| format!("{error:#}"));
        match judge.hear(begun.elapsed(), heard) {
            Verdict::Healthy => return Ok(()),
            Verdict::Ill(why) => return Err(why),
            Verdict::Wait(what) if what != said => {
                println!("waiting: {what}");
                said = what;
            }
            Verdict::Wait(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(door: &Door) -> anyhow::Result<Heard> {
    let process = door.process().await?;
    let report: BoardReport = door.json(Method::GET, "/bramble/board", None).await?;
    let standing = match report.state {
        BoardState::Idle => Standing::Out,
        BoardState::Searching => Standing::Searching,
        BoardState::Worker | BoardState::Manager | BoardState::Leader => Standing::In(None),
        BoardState::Locked => Standing::Locked,
        BoardState::Trouble => {
            let why = report.problems.into_iter().next();
            Standing::In(Some(
                why.unwrap_or_else(|| "trouble of an unknown kind".to_owned()),
            ))
        }
    };
    Ok(Heard {
        process,
        standing,
        tasks: report.tasks.map(|tasks| (tasks.wanted, tasks.running)),
    })
}

/// Leaves word of what was wrong, and restarts.
fn fall_back(paths: &Paths, slot: Slot, version: Option<String>, why: String) -> anyhow::Result<()> {
    println!("slot {slot} is given up: {why}");
    // The restart matters more than the word.
    let noted = states::set(paths, slot, State::Bad)
        .and_then(|()| tries::end(paths, slot, version, Ended::Failed(why)));
    if let Err(error) = noted {
        eprintln!("bramble: not noted: {error}");
    }
    restart::as_usual(paths).context("going back to the old slot: restart the board by hand")
}
