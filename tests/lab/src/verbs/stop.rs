//! `cargo lab stop`

use anyhow::Result;
use clap::Args;
use lab::Board;

use super::Boards;

/// Ask boards' daemons to end (SIGTERM) and wait for it: containers live on
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab stop board-2")]
pub struct Stop {
    #[command(flatten)]
    boards: Boards,
}

impl Stop {
    pub fn run(self) -> Result<()> {
        self.boards.each("has stopped its daemon", Board::stop)
    }
}
