//! `cargo lab images`

use anyhow::Result;
use clap::Args;

/// Make the stand-in images that a lab's registry serves
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cargo lab images       ubuntu:14.04, nginx:1.10 and others, made of Debian's busybox"
)]
pub struct Images {}

impl Images {
    pub fn run(self) -> Result<()> {
        for image in lab::images::make()? {
            println!("{}:{}", image.repository, image.tag);
        }
        Ok(())
    }
}
