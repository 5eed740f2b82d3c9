//! `cargo lab sh`

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use lab::Lab;

use super::{Which, number};

/// A shell on a board, or one command
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cargo lab sh board-1\n  cargo lab sh board-2 -- ip addr\n  \
    cargo lab sh board-1 -- docker node ls     DOCKER_HOST is that board's"
)]
pub struct Sh {
    /// The board: board-1, or just 1
    board: String,
    /// What to run instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
    #[command(flatten)]
    which: Which,
}

impl Sh {
    pub fn run(self) -> Result<ExitCode> {
        let lab = Lab::open(self.which.name)?;
        let board = lab.board(number(&lab, &self.board)?);
        let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
        let words: Vec<&str> = match self.command.as_slice() {
            [] => vec![&shell],
            words => words.iter().map(String::as_str).collect(),
        };
        let status = board.command(&words)?.status().context("cannot run it")?;
        // After a signal, what a shell would say.
        let code = status
            .code()
            .or_else(|| Some(128 + std::os::unix::process::ExitStatusExt::signal(&status)?));
        Ok(ExitCode::from(
            code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX),
        ))
    }
}
