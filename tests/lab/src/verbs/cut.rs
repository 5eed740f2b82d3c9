//! `cargo lab cut`

use anyhow::Result;
use clap::Args;
use lab::Board;

use super::Boards;

/// Pull boards' network cables
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab cut board-2")]
pub struct Cut {
    #[command(flatten)]
    boards: Boards,
}

impl Cut {
    pub fn run(self) -> Result<()> {
        self.boards.each("is cut off", Board::cut)
    }
}
