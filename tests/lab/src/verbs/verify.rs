//! `cargo lab verify`

use anyhow::{Result, bail};
use clap::Args;
use lab::cargo::cargo;

use super::{arrows::Arrows, show};

/// Check format, lints and who may depend on whom; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo lab verify       `cargo lab fix` is its mutating twin")]
pub struct Verify {}

impl Verify {
    pub fn run(self) -> Result<()> {
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ];
        let all = [
            Arrows {}.run(),
            show(&mut cargo(&["fmt", "--all", "--check"])),
            show(&mut cargo(&clippy)),
        ];
        let failed: Vec<String> = all
            .into_iter()
            .filter_map(|one| Some(format!("{:#}", one.err()?)))
            .collect();
        if !failed.is_empty() {
            bail!(failed.join("\n"));
        }
        Ok(())
    }
}
