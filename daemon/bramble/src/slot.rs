//! `bramble slot`: the two systems on this board's card, for people, and for RAUC, whose boot loader this is.

use anyhow::anyhow;
use clap::{Args, Subcommand};
use slots::tries::Outcome;
use slots::{Paths, Slot, State, card, states};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  bramble slot status             which slot runs, which one starts, and how the last update went
  bramble slot set-primary A      the next start is slot A's

RAUC calls the others: in its system.conf, bootloader=custom, activate-installed=false, and under [handlers] a
bootloader-custom-backend that runs bramble slot with the arguments it gets.";

/// `bramble slot`
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the board's own files begin; tests give a tree of their own.
    #[arg(long, value_name = "DIR", default_value = "/", global = true)]
    board_root: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum Command {
    /// Tells which slot runs, which one starts, and how the last update went.
    Status,
    /// The slot that starts the next time.
    GetPrimary,
    /// Makes a slot the one that starts.
    SetPrimary {
        /// A or B.
        slot: Slot,
    },
    /// Whether a slot is good or bad.
    GetState {
        /// A or B.
        slot: Slot,
    },
    /// Notes that a slot is good or bad.
    SetState {
        /// A or B.
        slot: Slot,
        /// good or bad.
        state: State,
    },
    /// The slot that runs.
    GetCurrent,
}

/// Does it.
///
/// # Errors
/// What to tell the person who asked, or RAUC.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let paths = Paths::below(&arguments.board_root);
    match arguments.command {
        Command::Status => status(&paths)?,
        Command::GetPrimary => println!("{}", card::read(&paths).usual),
        Command::SetPrimary { slot } => card::set_usual(&paths, slot)?,
        Command::GetState { slot } => println!("{}", states::get(&paths, slot).as_str()),
        Command::SetState { slot, state } => states::set(&paths, slot, state)?,
        Command::GetCurrent => match slots::running(&paths).slot {
            Some(slot) => println!("{slot}"),
            None => return Err(anyhow!("nothing tells which slot runs")),
        },
    }
    Ok(())
}

fn status(paths: &Paths) -> anyhow::Result<()> {
    let facts = slots::facts(paths).ok_or_else(|| {
        anyhow!(
            "this board does not run Bramble's image: {} is missing",
            paths.release().display()
        )
    })?;
    println!("image     {} ({})", facts.version, facts.compatible);
    let states = [(Slot::A, facts.states.0), (Slot::B, facts.states.1)];
    for (slot, state) in states {
        let mut marks = vec![state.as_str()];
        if facts.running.slot == Some(slot) {
            marks.push(if facts.running.trial {
                "runs on trial"
            } else {
                "runs"
            });
        }
        if facts.usual == slot {
            marks.push("starts");
        }
        println!("slot {slot}    {}", marks.join(", "));
    }
    match facts.outcome {
        Outcome::OnTrial => {
            println!("on trial: bramble confirm makes it the usual slot, any restart goes back to the other")
        }
        Outcome::Restarting => println!("an update is installed: the board is about to restart into it"),
        Outcome::Nothing | Outcome::Failed(_) => {}
    }
    if let Some(why) = facts.impossible {
        println!("no update can be tried: {why}");
    }
    for problem in facts.problems {
        println!("problem   {problem}");
    }
    Ok(())
}
