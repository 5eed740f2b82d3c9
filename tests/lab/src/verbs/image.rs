//! `cargo lab image`

mod boot;
mod checks;
mod cluster;
mod cuts;
mod raspi3b;
mod story;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use lab::{Since, machine::raw_image, repository, setup};

use super::show;
use story::Story;

/// Test the image of the card in QEMU machines: boots, clusters, power cuts, updates
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo lab image                                        all of it, of the newest image in target/image\n  \
    cargo lab image --only boot --image my.img             one machine\n  \
    cargo lab image --only cluster --keep                  three machines that stay, with their ssh commands\n  \
    cross/build && image/build --base debian --bundle      makes the image (done here if there is none)")]
pub struct Image {
    /// Only this part; may be given more than once
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// The image (.img, .img.zst or .img.xz) instead of the newest in target/image
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Leaves the machines of each part on until you press Enter
    #[arg(long)]
    keep: bool,
}

/// The parts, in the order that they run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One machine: what the kernel can, what the image is, a container in its limits
    Boot,
    /// Three machines with the same card on one LAN become a cluster and run a service of three
    Cluster,
    /// Power cuts in first and later starts: the next start works
    Cuts,
    /// QEMU's Raspberry Pi 3 finds and mounts the card (slow)
    Raspi3b,
}

/// What all parts are given.
#[derive(Debug)]
struct Task {
    /// A raw image.
    image: PathBuf,
    keep: bool,
}

impl Image {
    pub fn run(self) -> Result<()> {
        let chosen: Vec<Part> = Part::value_variants()
            .iter()
            .copied()
            .filter(|part| self.only.is_empty() || self.only.contains(part))
            .collect();
        setup::machines(|what| println!("{what}"))?;
        let image = match &self.image {
            Some(image) => image.clone(),
            None => newest_or_built()?,
        };
        let task = Task {
            image: raw_image(&image, &repository().join("target/image/raw"))?,
            keep: self.keep,
        };
        println!("image {}", image.display());
        let mut results = Vec::new();
        for part in chosen {
            println!("=== {}", name(part));
            let since = Since::now();
            let mut story = Story::default();
            let result = part.run(&task, &mut story);
            println!(
                "=== {}: {} in {:.0} s",
                name(part),
                result
                    .as_ref()
                    .map_or_else(|error| format!("FAILED: {error:#}"), |()| "good".to_owned()),
                since.seconds()
            );
            results.push((part, since.seconds(), story, result.is_ok()));
        }
        tell(&results)
    }
}

impl Part {
    fn run(self, task: &Task, story: &mut Story) -> Result<()> {
        match self {
            Part::Boot => boot::boot(task, story),
            Part::Cluster => cluster::cluster(task, story),
            Part::Cuts => cuts::cuts(task, story),
            Part::Raspi3b => raspi3b::raspi3b(task, story),
        }
    }
}

/// The table at the end.
fn tell(results: &[(Part, f64, Story, bool)]) -> Result<()> {
    println!();
    for (part, seconds, story, good) in results {
        println!(
            "{:10} {seconds:6.0} s  {}",
            name(*part),
            if *good { "good" } else { "FAILED" }
        );
        for line in story.lines() {
            println!("    {line}");
        }
    }
    let failed = results.iter().filter(|(.., good)| !good).count();
    if failed > 0 {
        bail!("{failed} of {} parts failed", results.len());
    }
    Ok(())
}

fn name(part: Part) -> String {
    let value = part.to_possible_value();
    value.map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// The newest image in `target/image`; if there is none, it is built.
fn newest_or_built() -> Result<PathBuf> {
    let dir = repository().join("target/image");
    if let Some(image) = newest(&dir) {
        return Ok(image);
    }
    println!("there is no image in target/image: building one");
    show(&mut Command::new(repository().join("cross/build")))?;
    show(Command::new(repository().join("image/build")).arg("--install-tools"))?;
    show(Command::new(repository().join("image/build")).args([
        "--base",
        "debian",
        "--bundle",
        "--compress",
        "none",
    ]))?;
    newest(&dir).context("image/build left no image in target/image")
}

fn newest(dir: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let images = files.filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("bramble-")
            && [".img", ".img.zst", ".img.xz"]
                .iter()
                .any(|ending| name.ends_with(ending))
    });
    images.max_by_key(|file| fs::metadata(file).and_then(|one| one.modified()).ok())
}
