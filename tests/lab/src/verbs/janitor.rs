//! `cargo lab janitor`, which only the library calls.

use anyhow::Result;
use clap::Args;

use super::Which;

/// Wait for the owner's end of standard input to close, then take the lab away
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct Janitor {
    #[command(flatten)]
    which: Which,
}

impl Janitor {
    pub fn run(self) -> Result<()> {
        lab::watch_owner(&self.which.name)
    }
}
