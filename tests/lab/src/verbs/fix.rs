//! `cargo lab fix`

use anyhow::Result;
use clap::Args;
use lab::cargo::cargo;

use super::show;

/// Format the code and let clippy correct what it can
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo lab fix && cargo lab verify")]
pub struct Fix {}

impl Fix {
    pub fn run(self) -> Result<()> {
        let clippy = [
            "clippy",
            "--fix",
            "--allow-dirty",
            "--allow-staged",
            "--workspace",
            "--all-targets",
        ];
        show(&mut cargo(&clippy))?;
        show(&mut cargo(&["fmt", "--all"]))
    }
}
