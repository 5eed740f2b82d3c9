//! `cargo lab setup`

use anyhow::Result;
use clap::Args;

/// Install what the lab needs and this machine lacks
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cargo lab setup        Debian packages by apt-get; does nothing when all are there"
)]
pub struct Setup {}

impl Setup {
    pub fn run(self) -> Result<()> {
        if !lab::setup::setup(|what| println!("{what}"))? {
            println!("nothing to install");
        }
        Ok(())
    }
}
