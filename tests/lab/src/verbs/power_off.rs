//! `cargo lab power-off`

use anyhow::Result;
use clap::Args;

use super::Boards;

/// Cut boards' power, all in one moment: daemon, containers and all of /run are gone
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab power-off board-2\n  \
    cargo lab power-off 1 2 3 && cargo lab start 1 2 3     a power cut in the whole house")]
pub struct PowerOff {
    #[command(flatten)]
    boards: Boards,
}

impl PowerOff {
    pub fn run(self) -> Result<()> {
        let lab = self.boards.lab()?;
        let numbers = self.boards.numbers(&lab)?;
        lab::power_off(lab.name(), &numbers)?;
        numbers
            .iter()
            .for_each(|number| println!("board-{number} is off"));
        Ok(())
    }
}
