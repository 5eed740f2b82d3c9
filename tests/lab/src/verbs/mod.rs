//! The verbs of `cargo lab`, each in its own file.

mod arrows;
mod bench;
mod build;
mod cut;
mod demo;
mod down;
mod fix;
mod heal;
mod image;
mod images;
mod janitor;
mod kill;
mod power_off;
mod session;
mod setup;
mod sh;
mod start;
mod stop;
mod test;
mod up;
mod verify;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use lab::{Board, Lab, Name};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Setup(setup::Setup),
    Build(build::Build),
    Images(images::Images),
    Up(up::Up),
    Sh(sh::Sh),
    Kill(kill::Kill),
    Stop(stop::Stop),
    Start(start::Start),
    Cut(cut::Cut),
    Heal(heal::Heal),
    PowerOff(power_off::PowerOff),
    Down(down::Down),
    Demo(demo::Demo),
    Test(test::Test),
    Verify(verify::Verify),
    Fix(fix::Fix),
    Arrows(arrows::Arrows),
    Bench(bench::Bench),
    Image(image::Image),
    Janitor(janitor::Janitor),
}

impl Verb {
    /// Does it.
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Verb::Setup(verb) => verb.run()?,
            Verb::Build(verb) => verb.run()?,
            Verb::Images(verb) => verb.run()?,
            Verb::Up(verb) => verb.run()?,
            Verb::Sh(verb) => return verb.run(),
            Verb::Kill(verb) => verb.run()?,
            Verb::Stop(verb) => verb.run()?,
            Verb::Start(verb) => verb.run()?,
            Verb::Cut(verb) => verb.run()?,
            Verb::Heal(verb) => verb.run()?,
            Verb::PowerOff(verb) => verb.run()?,
            Verb::Down(verb) => verb.run()?,
            Verb::Demo(verb) => verb.run()?,
            Verb::Test(verb) => verb.run()?,
            Verb::Verify(verb) => verb.run()?,
            Verb::Fix(verb) => verb.run()?,
            Verb::Arrows(verb) => verb.run()?,
            Verb::Bench(verb) => verb.run()?,
            Verb::Image(verb) => verb.run()?,
            Verb::Janitor(verb) => verb.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Which lab.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// The lab's name; labs of different names live side by side
    #[arg(long, default_value = "lab", global = true)]
    name: Name,
}

/// Which boards of which lab.
#[derive(Debug, Args)]
pub struct Boards {
    /// The boards: board-1, or just 1
    #[arg(required = true, value_name = "BOARD")]
    boards: Vec<String>,
    #[command(flatten)]
    which: Which,
}

impl Boards {
    /// Does something with each of them, and says so.
    fn each(&self, done: &str, act: impl Fn(&Board) -> Result<()>) -> Result<()> {
        let lab = self.lab()?;
        for number in self.numbers(&lab)? {
            let board = lab.board(number);
            act(board)?;
            println!("{} {done}", board.name());
        }
        Ok(())
    }

    fn lab(&self) -> Result<Lab> {
        Lab::open(self.which.name.clone())
    }

    fn numbers(&self, lab: &Lab) -> Result<Vec<usize>> {
        self.boards.iter().map(|name| number(lab, name)).collect()
    }
}

/// The number of a board that a person named.
fn number(lab: &Lab, name: &str) -> Result<usize> {
    let number = name.strip_prefix("board-").unwrap_or(name).parse::<usize>();
    match number {
        Ok(number) if (1..=lab.boards().len()).contains(&number) => Ok(number),
        _ => bail!(
            "no board {name:?}: the lab {} has board-1 to board-{}",
            lab.name(),
            lab.boards().len()
        ),
    }
}

/// Runs a command whose output the person sees.
fn show(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        bail!("`{program} {}` failed: {status}", words.join(" "));
    }
    Ok(())
}
