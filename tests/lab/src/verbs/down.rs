//! `cargo lab down`

use anyhow::Result;
use clap::Args;
use lab::kept_logs;

use super::Which;

/// Take a lab away: processes, networks, mounts, control groups and files, but not its logs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cargo lab down\n  cargo lab down --name five")]
pub struct Down {
    #[command(flatten)]
    which: Which,
}

impl Down {
    pub fn run(self) -> Result<()> {
        let name = self.which.name;
        if lab::down(&name)? {
            println!(
                "the lab {name} is gone; its logs are in {}",
                kept_logs(&name).display()
            );
        } else {
            println!("there is no lab {name}");
        }
        Ok(())
    }
}
