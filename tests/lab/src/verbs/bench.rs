//! `cargo lab bench`

use anyhow::Result;
use clap::Args;
use lab::cargo::{cargo, given, release_daemon};

use super::show;

/// Measure speed and size, and print tables
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab bench\n  cargo lab bench -- --help     what the bench can do")]
pub struct Bench {
    /// For the bench itself
    #[arg(last = true)]
    args: Vec<String>,
}

impl Bench {
    pub fn run(self) -> Result<()> {
        if given().is_none() {
            show(&mut cargo(&["build", "--release", "--package", "bramble"]))?;
        }
        show(
            cargo(&["run", "--quiet", "--release", "--package", "bramble-bench", "--"])
                .args(self.args)
                .env("BRAMBLE_BIN", release_daemon()),
        )
    }
}
