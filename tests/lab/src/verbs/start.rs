//! `cargo lab start`

use anyhow::Result;
use clap::Args;
use lab::Board;

use super::Boards;

/// Start boards' daemons, and switch boards on that are off
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab start board-2\n  cargo lab start 1 2 3")]
pub struct Start {
    #[command(flatten)]
    boards: Boards,
}

impl Start {
    pub fn run(self) -> Result<()> {
        self.boards.each("is starting", Board::start)
    }
}
