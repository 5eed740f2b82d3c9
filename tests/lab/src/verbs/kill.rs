//! `cargo lab kill`

use anyhow::Result;
use clap::Args;
use lab::Board;

use super::Boards;

/// Kill boards' daemons with SIGKILL, and nothing else: containers live on
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab kill board-2\n  cargo lab kill 1 2 --name mine")]
pub struct Kill {
    #[command(flatten)]
    boards: Boards,
}

impl Kill {
    pub fn run(self) -> Result<()> {
        self.boards.each("has no daemon any more", Board::kill)
    }
}
