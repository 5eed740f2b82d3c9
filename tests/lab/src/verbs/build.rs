//! `cargo lab build`

use anyhow::Result;
use clap::Args;
use lab::cargo::{DAEMON, cargo, daemon_binary, given};

use super::show;

/// Build the daemon that the boards run
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab build\n  \
    BRAMBLE_BIN=/tmp/bramble cargo lab up    boards run that one, and nothing is built")]
pub struct Build {}

impl Build {
    pub fn run(self) -> Result<()> {
        if given().is_none() {
            show(&mut cargo(&["build", "--package", DAEMON]))?;
        }
        println!("{}", daemon_binary().display());
        Ok(())
    }
}
