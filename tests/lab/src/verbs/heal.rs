//! `cargo lab heal`

use anyhow::Result;
use clap::Args;
use lab::Board;

use super::Boards;

/// Plug boards' network cables in again
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab heal board-2")]
pub struct Heal {
    #[command(flatten)]
    boards: Boards,
}

impl Heal {
    pub fn run(self) -> Result<()> {
        self.boards.each("has its network again", Board::heal)
    }
}
